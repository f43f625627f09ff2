/**
 * One run of a store among publishers, alias movers, pollers, holders, taggers, removers, collections and a partial copy, with
 * kills and power cuts, all drawn from one seed. It throws at the first load that is not exactly what somebody published, and when something that a store
 * promised is not there.
 */
import { isOutriggerError } from '../../../../src/core/errors.js'
import { canonicalJson } from '../../../../src/models/manifest/canonical-json.js'
import { manifestDigest } from '../../../../src/models/manifest/manifest.js'
import type { ModelAlias, ModelStore, ModelVersion, OpenedModel } from '../../../../src/models/store/model-store.js'
import { writeAll } from '../../../../src/store/atomic-file.js'
import { Broken, SeededWorld, type WorldOptions } from './_seeded-world.js'

/** What happened in a run. */
export interface WorldReport {
  readonly steps: number
  readonly kills: number
  readonly cuts: number
  /** Versions that were opened and compared byte by byte. */
  readonly loads: number
  /** Resolves and opens that were refused, by code. */
  readonly refusals: Readonly<Record<string, number>>
  readonly publishes: number
}

const name = 'm'
const alias = 'champion'

/** What the store has promised so far, and what it may give. */
class Truth {
  /** Files by the id of the publish, which is one of them. */
  readonly #attempts = new Map<string, ReadonlyMap<string, string>>()
  /** Versions whose publish has returned: they must stay. */
  readonly published = new Map<number, string>()
  /** What a version was seen to be since the power was last cut. */
  #seen = new Map<number, string>()
  #moves = new Map<number, string>()
  lastMove: ModelAlias | undefined
  /** Versions that somebody has begun to remove: they may be gone. */
  readonly #removals = new Set<number>()
  /** Tags of versions, as far as setting them has returned. */
  readonly tags = new Map<number, Record<string, string>>()
  loads = 0
  publishes = 0
  readonly refusals: Record<string, number> = {}

  attempt(files: Readonly<Record<string, string>>): void {
    this.#attempts.set(files['id.txt'] ?? '', new Map(Object.entries(files)))
  }

  acknowledge({ version, digest }: ModelVersion): void {
    this.publishes += 1
    const other = this.published.get(version)
    if (other !== undefined) throw new Broken(`version ${version} was published twice: ${other} and ${digest}`)
    this.published.set(version, digest)
    this.see(version, digest)
  }

  removing(...versions: readonly number[]): void {
    for (const version of versions) this.#removals.add(version)
  }

  /** Whether a version must be found. */
  mustBeThere(version: number): boolean {
    return this.published.has(version) && !this.#removals.has(version)
  }

  /** The highest version that must be found, 0 if there is none. */
  get latest(): number {
    return Math.max(0, ...[...this.published.keys()].filter((version) => this.mustBeThere(version)))
  }

  see(version: number, digest: string): void {
    const before = this.#seen.get(version) ?? this.published.get(version)
    if (before !== undefined && before !== digest) throw new Broken(`version ${version} was ${before} and is ${digest}`)
    this.#seen.set(version, digest)
  }

  moved(move: ModelAlias): void {
    const text = canonicalJson(move)
    const other = this.#moves.get(move.revision)
    if (other !== undefined && other !== text) throw new Broken(`revision ${move.revision} of the alias was written twice: ${other} and ${text}`)
    this.#moves.set(move.revision, text)
    if (move.revision > (this.lastMove?.revision ?? 0)) this.lastMove = move
  }

  powerCut(): void {
    this.#seen = new Map()
  }

  /** Refuses what is not, byte by byte, what somebody wanted to publish. */
  check(opened: OpenedModel): void {
    this.loads += 1
    const files = this.#attempts.get(opened.files.has('id.txt') ? opened.files.text('id.txt') : '')
    if (files === undefined) throw new Broken(`nobody published what ${opened.name}@${opened.version} holds`)
    const wrong = opened.files.paths.length !== files.size || [...files].some(([path, text]) => !opened.files.has(path) || opened.files.text(path) !== text)
    if (wrong) throw new Broken(`${opened.name}@${opened.version} holds other files than were published`)
    const { manifest } = opened
    if (manifest.name !== name || manifest.version !== opened.version || manifest.metadata?.['id'] !== files.get('id.txt')) throw new Broken(`${opened.name}@${opened.version} has the manifest of another`)
    if (manifestDigest(manifest) !== opened.digest) throw new Broken(`${opened.name}@${opened.version} has another digest than its manifest`)
  }

  /** Refuses any error that says less than that nothing is there or that it is damaged. */
  refused(error: unknown, ...codes: readonly string[]): void {
    if (error instanceof Broken || !isOutriggerError(error) || !codes.includes(error.code)) throw error
    this.refusals[error.code] = (this.refusals[error.code] ?? 0) + 1
  }
}

const absent = 'ERR_OUTRIGGER_MODEL_NOT_FOUND'
const damaged = 'ERR_OUTRIGGER_MODEL_CORRUPT'

class World extends SeededWorld {
  readonly truth = new Truth()
  #ids = 0
  cuts = 0

  /** A version of its own, with files that others may have too. */
  #files(): Record<string, string> {
    this.#ids += 1
    const files: Record<string, string> = { 'id.txt': `version ${this.#ids}` }
    if (this.chance(0.5)) files['shared.bin'] = 'weights that many have'
    this.truth.attempt(files)
    return files
  }

  async #publish(store: ModelStore, version?: number): Promise<ModelVersion | undefined> {
    const files = this.#files()
    return await store.publish({ name, engine: 'function', files, metadata: { id: files['id.txt'] ?? '' }, ...(version === undefined ? {} : { version }) }).catch((error: unknown) => {
      this.truth.refused(error, version === undefined ? '' : 'ERR_OUTRIGGER_MODEL_EXISTS')
      return undefined
    })
  }

  #publisher(who: string): void {
    const times = this.chance(0.3) ? 2 : 1
    const versions = Array.from({ length: times }, () => (this.chance(0.3) ? 1 + this.random.integer(3) : undefined))
    this.spawn(who, async (fileSystem) => {
      const store = this.store(fileSystem)
      for (const version of versions) {
        const published = await this.#publish(store, version)
        if (published !== undefined) this.truth.acknowledge(published)
      }
    }, 20)
  }

  #mover(who: string): void {
    this.spawn(who, async (fileSystem, pause) => {
      const store = this.store(fileSystem)
      for (let move = 0; move < 2; move += 1) {
        await pause()
        const [current] = await store.aliases(name)
        const expect = this.chance(0.7) ? { expect: current?.version ?? null } : {}
        const latest = Math.max(0, ...(await store.list(name)).map(({ version }) => version))
        const target = this.chance(0.7) && latest > 0 ? latest : 1 + this.random.integer(3)
        const moved = this.chance(0.2) ? store.rollback(name, alias) : store.setAlias(name, alias, target, expect)
        await moved.then((to) => this.truth.moved(to), (error: unknown) => this.truth.refused(error, 'ERR_OUTRIGGER_ALIAS_CONFLICT', absent))
      }
    }, 80)
  }

  /** Opens a version of the store itself, where nothing is ever damaged and what was promised is there. */
  async #poll(store: ModelStore): Promise<void> {
    const version = 1 + this.random.integer(4)
    const reference = [`${name}@latest`, `${name}@${alias}`, `${name}@${version}`][this.random.integer(3)] ?? ''
    const { lastMove, latest } = this.truth
    const isThere = (): boolean => (reference.endsWith('latest') ? latest > 0 && this.truth.latest > 0 : reference.endsWith(alias) ? lastMove !== undefined : this.truth.mustBeThere(version))
    const wasThere = isThere()
    try {
      const opened = await store.open(reference)
      this.truth.check(opened)
      this.truth.see(opened.version, opened.digest)
      if (reference.endsWith('latest') && opened.version < latest && this.truth.mustBeThere(latest)) throw new Broken(`the latest version is ${opened.version} after ${latest} was published`)
      if (reference === `${name}@${version}` && opened.version !== version) throw new Broken(`${reference} gave version ${opened.version}`)
    } catch (error) {
      this.truth.refused(error, wasThere && isThere() ? '' : absent)
    }
  }

  /** Uses a version for a while, during which it must not go away. */
  async #hold(store: ModelStore, pause: () => Promise<void>): Promise<void> {
    try {
      const hold = await store.hold(`${name}@${this.chance(0.5) ? 'latest' : 1 + this.random.integer(3)}`)
      await pause()
      const opened = await store.open(hold.version).catch((error: unknown) => { throw new Broken(`a version in use is ${String(error)}`) })
      this.truth.check(opened)
      await hold.release()
    } catch (error) {
      this.truth.refused(error, absent)
    }
  }

  /** Removes a version, or whatever a policy does not keep, or only what nobody needs. */
  #remover(who: string): void {
    this.spawn(who, async (fileSystem) => {
      const store = this.store(fileSystem)
      if (this.chance(0.5)) {
        const version = 1 + this.random.integer(3)
        this.truth.removing(version)
        await store.removeVersion(name, version).catch((error: unknown) => this.truth.refused(error, absent, 'ERR_OUTRIGGER_MODEL_IN_USE'))
      }
      const isKeeping = this.chance(0.3)
      if (isKeeping) this.truth.removing(1, 2, 3, 4, 5, 6, 7, 8, 9)
      await store.gc({ graceMs: 0, ...(isKeeping ? { keep: { latest: 1 } } : {}) })
    }, 80)
  }

  /** Sets a tag of its own, which no other change may lose. */
  #tagger(who: string): void {
    this.spawn(who, async (fileSystem) => {
      const version = 1 + this.random.integer(2)
      await this.store(fileSystem).tag(name, version, { [who]: 'set' }).then(() => {
        this.truth.tags.set(version, { ...this.truth.tags.get(version), [who]: 'set' })
      }, (error: unknown) => this.truth.refused(error, absent))
    }, 80)
  }

  #poller(who: string): void {
    this.spawn(who, async (fileSystem, pause) => {
      for (let poll = 0; poll < 2; poll += 1) {
        await pause()
        if (this.chance(0.2)) await this.#hold(this.store(fileSystem), pause)
        else await this.#poll(this.store(fileSystem))
      }
    }, 60)
  }

  /** Opens what is in a copy: exactly what was published, or refused as absent or damaged. */
  async #pollCopy(store: ModelStore, pause?: () => Promise<void>): Promise<void> {
    for (const reference of [`${name}@latest`, `${name}@${alias}`, `${name}@1`, `${name}@2`]) {
      await pause?.()
      await store.open(reference).then((opened) => this.truth.check(opened), (error: unknown) => this.truth.refused(error, absent, damaged))
    }
  }

  /** Somebody copies the directory of the store, file by file, as it is. */
  #copier(to: string): void {
    this.spawn('copy', async (fileSystem) => {
      const copyFolder = async (path: string): Promise<void> => {
        await fileSystem.mkdir(to + path)
        const entries = await fileSystem.readdir(`/store${path}`)
        if (this.chance(0.5)) entries.reverse()
        for (const entry of entries) {
          const child = `${path}/${entry}`
          await copyNode(child).catch((error: unknown) => {
            if ((error as { code?: unknown }).code !== 'ENOENT') throw error
          })
        }
      }
      const copyNode = async (path: string): Promise<void> => {
        if ((await fileSystem.lstat(`/store${path}`)).isDirectory()) return await copyFolder(path)
        const from = await fileSystem.open(`/store${path}`, 'r')
        const into = await fileSystem.open(to + path, 'wx')
        const { size } = await from.stat()
        const half = size >> 1
        const pieces: [number, Uint8Array][] = []
        for (const [start, end] of [[0, half], [half, size]] as const) {
          const piece = new Uint8Array(end - start)
          let done = 0
          for (let count = 1; count > 0 && done < piece.length; done += count) count = (await from.read(piece, done, piece.length - done, start + done)).bytesRead
          pieces.push([start, piece])
        }
        if (this.chance(0.5)) pieces.reverse() // the size is there before the front, as where several connections load one file
        for (const [position, piece] of pieces) await writeAll(into, piece, position)
      }
      await copyFolder('').catch((error: unknown) => {
        if ((error as { code?: unknown }).code !== 'ENOENT') throw error
      })
    }, 80)
    this.spawn('poller of the copy', async (fileSystem, pause) => { await this.#pollCopy(this.store(fileSystem, to), pause) }, 60)
  }

  /** Processes that live until the power is cut or their work is done. */
  async #era(index: number, isLast: boolean): Promise<void> {
    const publishers = this.chance(0.6) ? 2 : 1
    for (let count = 0; count < publishers; count += 1) this.#publisher(`publisher ${count + 1}`)
    if (this.chance(0.5)) this.#mover('mover 1')
    if (this.chance(0.2)) this.#mover('mover 2')
    this.#poller('poller')
    if (this.chance(0.25)) this.#remover('remover')
    if (this.chance(0.1)) this.#remover('another remover')
    for (const who of ['tagger 1', 'tagger 2']) if (this.chance(0.2)) this.#tagger(`${who} of era ${index}`)
    const copy = `/copy-${index}`
    const isCopied = this.chance(0.3)
    if (isCopied) this.#copier(copy)
    let ended = await this.scheduler.run({ kill: this.chance(0.5) ? 0.005 : 0, cut: isLast ? 0 : 0.01 })
    if (ended === 'done' && this.chance(0.3)) {
      // What has returned must stay, also if the power goes when nobody is at work any more.
      this.scheduler.cutPower()
      ended = 'cut'
    }
    if (ended === 'cut') {
      this.cuts += 1
      this.truth.powerCut()
    }
    if (isCopied && this.chance(0.5)) await this.#succeed(copy)
  }

  /** Somebody goes on working with a copy, however far it got, and publishes what it holds in part. */
  async #succeed(copy: string): Promise<void> {
    await this.alone('successor', async (fileSystem) => {
      const store = this.store(fileSystem, copy)
      await this.#pollCopy(store)
      const published = await this.#publish(store, 1000)
      if (published === undefined) throw new Broken('the copy takes no version')
      this.truth.check(await store.open(`${name}@1000`))
    })
  }

  /** In the end everything that was promised is there, everything that is listed opens, and the store goes on working. */
  async #end(): Promise<void> {
    await this.alone('the end', async (fileSystem) => {
      const store = this.store(fileSystem)
      for (const listed of await store.list()) {
        if (!listed.ok) throw listed.error
        const opened = await store.open(listed)
        this.truth.check(opened)
        this.truth.see(opened.version, opened.digest)
      }
      for (const [version, digest] of this.truth.published) {
        if (!this.truth.mustBeThere(version)) continue
        const found = await store.resolve(digest)
        if (found.version !== version) throw new Broken(`the digest of version ${version} leads to ${found.version}`)
        for (const [key, value] of Object.entries(this.truth.tags.get(version) ?? {})) if (found.tags?.[key] !== value) throw new Broken(`version ${version} has lost the tag ${key}`)
      }
      const faults = (await store.verify()).faults.filter(({ isHarmful }) => isHarmful)
      if (faults.length > 0) throw new Broken(`verify finds ${JSON.stringify(faults)}`)
      const [found] = await store.aliases(name)
      const { lastMove } = this.truth
      if (lastMove !== undefined) this.truth.check(await store.open(`${name}@${alias}`))
      if (lastMove !== undefined && (found === undefined || found.revision < lastMove.revision)) throw new Broken(`the alias has forgotten revision ${lastMove.revision}`)
      const published = await this.#publish(store)
      if (published === undefined) throw new Broken('the store takes no version')
      this.truth.acknowledge(published)
      this.truth.moved(await store.setAlias(name, alias, published.version))
      const opened = await this.store(fileSystem).open(`${name}@${alias}`)
      this.truth.check(opened)
      if (opened.digest !== published.digest) throw new Broken('the alias does not lead to what was just published')
    })
  }

  protected async live(): Promise<void> {
    const eras = this.chance(0.5) ? 1 : this.chance(0.8) ? 2 : 3
    for (let era = 0; era < eras; era += 1) await this.#era(era, era === eras - 1)
    await this.#end()
  }
}

/** Runs one world. */
export const runWorld = async (seed: string, options: WorldOptions = {}): Promise<WorldReport> => {
  const world = new World(seed, options)
  await world.run()
  const { truth, scheduler } = world
  return { steps: scheduler.steps, kills: scheduler.kills, cuts: world.cuts, loads: truth.loads, refusals: truth.refusals, publishes: truth.publishes }
}
