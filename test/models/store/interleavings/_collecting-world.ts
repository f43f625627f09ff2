/**
 * One run of a store among publishers that share files, collectors without any grace, removals, moves, rollbacks, tags,
 * holds and pollers, with kills and power cuts, all drawn from one seed. It throws as soon as anything is lost that
 * somebody needs, and when anything is left that nobody does.
 */
import { isOutriggerError } from '../../../../src/core/errors.js'
import type { ModelStore, ModelVersion, OpenedModel } from '../../../../src/models/store/model-store.js'
import { Broken, SeededWorld, type WorldOptions } from './_seeded-world.js'

/** What happened in a run. */
export interface CollectingReport {
  readonly steps: number
  readonly kills: number
  readonly cuts: number
  readonly loads: number
  readonly publishes: number
  /** Files and versions that collections removed. */
  readonly collected: number
  readonly buried: number
  readonly refusals: Readonly<Record<string, number>>
}

const name = 'm'
const alias = 'champion'
const absent = 'ERR_OUTRIGGER_MODEL_NOT_FOUND'
const inUse = 'ERR_OUTRIGGER_MODEL_IN_USE'
const conflict = 'ERR_OUTRIGGER_ALIAS_CONFLICT'
const exists = 'ERR_OUTRIGGER_MODEL_EXISTS'
// So few that most publishes find files that were there already, and often unneeded.
const contents = ['weights A', 'weights B', 'weights C', 'weights D']

class World extends SeededWorld {
  /** What each number was seen to be: it is never anything else, unless a power cut takes what no publish has returned. */
  readonly #digests = new Map<number, string>()
  /** Versions whose publish has returned. */
  readonly #published = new Set<number>()
  /** Versions that somebody has tried to remove, or let a collection remove. */
  readonly #mayBeGone = new Set<number>()
  /** Versions whose removal has returned. */
  readonly #gone = new Set<number>()
  readonly #tags = new Map<string, number>()
  /** Whether the alias was set, and nobody has tried to take it away. */
  #isAliasSet = false
  #lines = 0
  readonly report = { loads: 0, publishes: 0, collected: 0, buried: 0, cuts: 0 }
  readonly refusals: Record<string, number> = {}

  #pick<T>(items: readonly T[]): T {
    return items[this.random.integer(items.length)] as T
  }

  #spawn(who: string, program: (store: ModelStore, pause: () => Promise<void>) => Promise<void>, longestPause: number): void {
    this.spawn(who, (fileSystem, pause) => program(this.store(fileSystem), pause), longestPause)
  }

  /** Refuses any error but these. */
  #refused(error: unknown, ...codes: readonly string[]): undefined {
    if (error instanceof Broken || !isOutriggerError(error) || !codes.includes(error.code)) throw error
    this.refusals[error.code] = (this.refusals[error.code] ?? 0) + 1
  }

  /** A version is what it always was, and holds what its manifest says; the store itself has compared every hash. */
  #check(opened: OpenedModel): void {
    this.report.loads += 1
    this.#see(opened)
    if (opened.files.paths.join() !== 'a.bin,b.bin') throw new Broken(`${opened.version} holds ${opened.files.paths.join()}`)
    for (const path of opened.files.paths) if (!contents.includes(opened.files.text(path))) throw new Broken(`${path} holds ${opened.files.text(path)}`)
  }

  #see({ version, digest }: ModelVersion): void {
    const before = this.#digests.get(version)
    if (before !== undefined && before !== digest) throw new Broken(`version ${version} was ${before} and is ${digest}: a number was used twice`)
    this.#digests.set(version, digest)
  }

  async #publish(store: ModelStore, version?: number): Promise<ModelVersion | undefined> {
    const published = await store.publish({ name, engine: 'function', files: { 'a.bin': this.#pick(contents), 'b.bin': this.#pick(contents) }, ...(version === undefined ? {} : { version }) })
      .catch((error: unknown) => this.#refused(error, version === undefined ? '' : exists))
    if (published === undefined) return undefined
    this.#lines += 1
    this.report.publishes += 1
    this.#see(published)
    this.#published.add(published.version)
    return published
  }

  #publisher(who: string): void {
    const versions = Array.from({ length: this.chance(0.5) ? 2 : 1 }, () => (this.chance(0.2) ? 1 + this.random.integer(4) : undefined))
    this.#spawn(who, async (store) => {
      for (const version of versions) {
        const published = await this.#publish(store, version)
        // Nobody has asked for its removal, so it opens, unless a policy takes it.
        if (published !== undefined) await store.open(published).then((opened) => this.#check(opened), (error: unknown) => this.#refused(error, this.#mayBeGone.has(published.version) ? absent : ''))
      }
    }, 40)
  }

  #collector(who: string): void {
    const keeps = Array.from({ length: this.chance(0.5) ? 2 : 1 }, () => this.#pick(['all', 'all', { latest: 1 }, { latest: 2 }] as const))
    this.#spawn(who, async (store, pause) => {
      for (const keep of keeps) {
        await pause()
        // It may remove whatever is published by then, and what is published while it looks.
        if (keep !== 'all') for (let version = 1; version < 40; version += 1) this.#mayBeGone.add(version)
        const { files, versions } = await store.gc({ keep, graceMs: 0 })
        this.report.collected += files.length
        this.report.buried += versions.length
        this.#lines += versions.length
        for (const { version } of versions) this.#gone.add(version)
      }
    }, 120)
  }

  #remover(who: string): void {
    this.#spawn(who, async (store, pause) => {
      await pause()
      const version = 1 + this.random.integer(3)
      this.#mayBeGone.add(version)
      await store.removeVersion(name, version).then(() => {
        this.#lines += 1
        this.#gone.add(version)
      }, (error: unknown) => this.#refused(error, absent, inUse))
    }, 80)
  }

  #mover(who: string): void {
    this.#spawn(who, async (store, pause) => {
      for (let move = 0; move < 2; move += 1) {
        await pause()
        const [current] = await store.aliases(name)
        const version = 1 + this.random.integer(4)
        const wasThere = this.#published.has(version)
        const isRollback = this.chance(0.3)
        const moved = await (isRollback ? store.rollback(name, alias) : store.setAlias(name, alias, version, this.chance(0.5) ? { expect: current?.version ?? null } : {}))
          .catch((error: unknown) => this.#refused(error, conflict, wasThere && !this.#mayBeGone.has(version) && !isRollback ? '' : absent))
        if (moved !== undefined) this.#isAliasSet = true
      }
    }, 80)
  }

  #tagger(who: string): void {
    this.#spawn(who, async (store, pause) => {
      await pause()
      const version = 1 + this.random.integer(3)
      const tagged = await store.tag(name, version, { [who]: 'x' }).catch((error: unknown) => this.#refused(error, absent))
      if (tagged !== undefined) this.#tags.set(who, version)
    }, 80)
  }

  /** What is held opens, whatever the others do. */
  #holder(who: string): void {
    this.#spawn(who, async (store, pause) => {
      await pause()
      const hold = await store.hold(`${name}@${1 + this.random.integer(3)}`).catch((error: unknown) => this.#refused(error, absent))
      if (hold === undefined) return
      for (let times = 0; times < 2; times += 1) {
        await pause()
        this.#check(await store.open(hold.version))
        this.#check(await store.open(hold.version.digest))
      }
      await hold.release()
    }, 60)
  }

  #poller(who: string): void {
    this.#spawn(who, async (store, pause) => {
      for (let poll = 0; poll < 2; poll += 1) {
        await pause()
        const version = 1 + this.random.integer(4)
        const [wasThere, isGone] = [this.#published.has(version), this.#gone.has(version)]
        await store.open(`${name}@${version}`).then((opened) => {
          if (isGone) throw new Broken(`version ${version} was removed and is there again`)
          this.#check(opened)
        }, (error: unknown) => this.#refused(error, wasThere && !this.#mayBeGone.has(version) ? '' : absent))
        await this.#openAlias(store)
      }
    }, 80)
  }

  /** Where an alias points there is a version; it may have moved on, and that one be removed, between the look at it and the next. */
  async #openAlias(store: ModelStore): Promise<void> {
    const mustBeThere = this.#isAliasSet
    for (let attempts = 0; ; attempts += 1) {
      const [before] = await store.aliases(name)
      const opened = await store.open(`${name}@${alias}`).catch((error: unknown) => this.#refused(error, absent))
      if (opened !== undefined) return this.#check(opened)
      const [after] = await store.aliases(name)
      if (before !== undefined && before.revision === after?.revision) throw new Broken(`the alias points to version ${before.version}, which is not there`)
      if (!mustBeThere && after === undefined) return
      if (attempts > 10) throw new Broken('the alias leads nowhere')
    }
  }

  async #era(isLast: boolean): Promise<void> {
    for (let count = this.random.integer(3); count >= 0; count -= 1) this.#publisher(`publisher ${count}`)
    for (let count = this.random.integer(2); count >= 0; count -= 1) this.#collector(`collector ${count}`)
    if (this.chance(0.5)) this.#remover('remover')
    if (this.chance(0.5)) this.#mover('mover 1')
    if (this.chance(0.2)) this.#mover('mover 2')
    if (this.chance(0.3)) this.#tagger(`tagger ${this.scheduler.steps}`)
    if (this.chance(0.3)) this.#holder('holder')
    if (this.chance(0.5)) this.#poller('poller')
    const ended = await this.scheduler.run({ kill: this.chance(0.5) ? 0.005 : 0, cut: isLast ? 0 : 0.006 })
    if (ended === 'cut') {
      this.report.cuts += 1
      // What nobody was told yet may be gone, and its number be given to another.
      for (const version of [...this.#digests.keys()]) if (!this.#published.has(version)) this.#digests.delete(version)
    }
    await this.#alone(async (store) => { await this.#look(store) })
  }

  async #alone(program: (store: ModelStore) => Promise<void>): Promise<void> {
    await this.alone('look', (fileSystem) => program(this.store(fileSystem)))
  }

  /** Everything that was promised is there, and nothing is damaged. */
  async #look(store: ModelStore): Promise<void> {
    const { faults } = await store.verify()
    const [harmful] = faults.filter(({ isHarmful }) => isHarmful)
    if (harmful !== undefined) throw new Broken(`${harmful.code} ${harmful.key} of ${harmful.of}: ${harmful.message}`)
    const there = new Set<number>()
    for (const listed of await store.list()) {
      if (!listed.ok) throw listed.error
      there.add(listed.version)
      this.#check(await store.open(listed))
    }
    for (const version of this.#published) {
      if (!there.has(version) && !this.#mayBeGone.has(version)) throw new Broken(`version ${version} is lost`)
      if (there.has(version) && this.#gone.has(version)) throw new Broken(`version ${version} is back`)
    }
    for (const [tag, version] of this.#tags) {
      if (there.has(version) && (await store.resolve(`${name}@${version}`)).tags?.[tag] !== 'x') throw new Broken(`tag ${tag} of version ${version} is lost`)
    }
    if (this.#isAliasSet) await this.#openAlias(store)
    let lines = 0
    for await (const line of store.audit()) {
      if (!line.ok) throw line.error
      if (line.change.kind === 'published' || line.change.kind === 'removed') lines += 1
    }
    if (lines < this.#lines) throw new Broken(`${this.#lines} publishes and removals have returned, and ${lines} have a line`)
  }

  /** In the end a publish works, and a collection leaves nothing that nobody needs. */
  async #end(): Promise<void> {
    // Of those who were killed: their claims and temporary files are over by then.
    await this.clock.advance(20 * 60_000)
    await this.#alone(async (store) => {
      const published = await this.#publish(store)
      if (published === undefined) throw new Broken('the store takes no version')
      await store.setAlias(name, alias, published.version)
      await store.gc({ keep: { latest: 1 }, graceMs: 0 })
      for (const version of this.#published) this.#mayBeGone.add(version)
      const { faults } = await store.verify()
      if (faults.length > 0) throw new Broken(`left: ${faults.map(({ code, key }) => `${code} ${key}`).join(', ')}`)
      this.#check(await store.open(`${name}@${alias}`))
    })
  }

  protected async live(): Promise<void> {
    const eras = 1 + this.random.integer(3)
    for (let era = 0; era < eras; era += 1) await this.#era(era === eras - 1)
    await this.#end()
  }
}

/** Runs one world. */
export const runCollectingWorld = async (seed: string, options: WorldOptions = {}): Promise<CollectingReport> => {
  const world = new World(seed, options)
  await world.run()
  return { steps: world.scheduler.steps, kills: world.scheduler.kills, ...world.report, refusals: world.refusals }
}
