/** What nobody needs any more is removed: versions by policy, files of no version, leftovers. */
import { hasCode, InvalidOptionError, OutriggerError } from '../../core/errors.js'
import { numberOption } from '../../core/options.js'
import { checkVersionPolicy, selectVersions, type VersionPolicy } from '../manifest/version-policy.js'
import type { Author } from './_attribution.js'
import type { Collecting } from './_claims.js'
import type { StoreParts } from './_parts.js'
import { notFound } from './_faults.js'
import { placeOf, versionFolder } from './_layout.js'
import { findVersions, References, type VersionAt } from './_references.js'
import { removedFault, type RemovedLine } from './_versions.js'
import type { Attribution } from './change.js'
import type { DepotEntry } from './depot.js'

/** Options of `ModelStore.gc`. */
export interface GcOptions extends Attribution {
  /** Which versions of a model stay; or a function that says so for each model. @default 'all' */
  readonly keep?: VersionPolicy | ((name: string) => VersionPolicy)
  /**
   * How long a version, a file of no version and the files of a removed version stay untouched, in milliseconds.
   *
   * @default 86_400_000, a day
   */
  readonly graceMs?: number
  /** Say what would be removed, and remove nothing. @default false */
  readonly dryRun?: boolean
}

/** What `ModelStore.gc` did, or would do. */
export interface GcReport {
  readonly dryRun: boolean
  /** The versions that were removed by policy. */
  readonly versions: readonly { readonly name: string; readonly version: number }[]
  /** The files that no version needed any more, by key. */
  readonly files: readonly DepotEntry[]
  /** Temporary files, and claims of processes that died. */
  readonly leftovers: readonly string[]
  /** How many bytes were in all of them. */
  readonly bytes: number
}

const day = 86_400_000
/** A temporary file that nobody has written to for so long belongs to nobody, whatever the grace. */
const temporaryMs = 600_000
const batchSize = 1000

/** The time is over in which others know what is about to be removed. */
const tooSlow = (action: string): OutriggerError =>
  new OutriggerError('ERR_OUTRIGGER_STORE_FAILED', `Cannot ${action} as the store must be looked through in two minutes: current value is more`)

/** Handles items in batches; what a batch had no time for is taken again. */
const inBatches = async <T>(items: readonly T[], handle: (batch: readonly T[]) => Promise<readonly T[]>): Promise<void> => {
  for (let rest = items; rest.length > 0;) {
    const batch = rest.slice(0, batchSize)
    const left = await handle(batch)
    if (left.length === batch.length) throw tooSlow('collect garbage')
    rest = [...left, ...rest.slice(batchSize)]
  }
}

const inUse = (name: string, version: number, constraint: string, value: string): OutriggerError =>
  new OutriggerError('ERR_OUTRIGGER_MODEL_IN_USE', `Cannot remove ${name}@${version} as ${constraint}: current value is ${value}`, { model: name, version })

interface Candidate extends VersionAt { readonly folder: string }

export class Collector {
  readonly #parts: StoreParts

  constructor(parts: StoreParts) {
    this.#parts = parts
  }

  /** Removes a version; see `ModelStore.removeVersion`. */
  async remove(name: string, version: number, author: Author): Promise<void> {
    const { aliases, claims, versions } = this.#parts
    const what = `${name}@${version}`
    if (await versions.log(name, version).lastRevision() === 0) throw notFound(what, 'it must be published')
    await claims.collecting([versionFolder(name, version)], async ({ free, heldBy, isOpen }) => {
      if (free.size === 0) throw inUse(name, version, 'nobody may use it', `in use by ${heldBy.join(', ')}`)
      const pointing = (await aliases.list(name)).filter((alias) => alias.version === version).map(({ alias }) => alias)
      if (pointing.length > 0) throw inUse(name, version, 'no alias may point to it', pointing.join(', '))
      if (!isOpen()) throw tooSlow(`remove ${what}`)
      const { line, isMine } = await this.#bury(name, version, author)
      if (!isMine) throw removedFault(line)
    })
  }

  /** Writes the line that a version is removed, or finds the one that somebody else has written. The last line may be damaged: then this is what heals the store. */
  async #bury(name: string, version: number, author: Author): Promise<{ readonly line: RemovedLine; readonly isMine: boolean }> {
    const log = this.#parts.versions.log(name, version)
    for (;;) {
      const revision = await log.lastRevision()
      const last = await log.load(revision).catch((error: unknown): undefined => {
        if (!hasCode(error, 'ERR_OUTRIGGER_MODEL_CORRUPT')) throw error
      })
      if (last?.kind === 'removed') return { line: last, isMine: false }
      const line: RemovedLine = { kind: 'removed', name, version, revision: revision + 1, from: last?.digest ?? null, to: null, ...author() }
      if (await log.append(line)) return { line, isMine: true }
    }
  }

  async collect(options: GcOptions, author: Author): Promise<GcReport> {
    const { keep = 'all', graceMs = day, dryRun = false } = options
    if (typeof keep !== 'function') checkVersionPolicy('collect garbage', keep)
    numberOption('the options to collect garbage', 'graceMs', graceMs, { min: 0 })
    if (typeof dryRun !== 'boolean') throw new InvalidOptionError(`Cannot collect garbage as \`dryRun\` must be true or false: current value is ${String(dryRun)}`)
    const { clock, depot } = this.#parts
    const now = clock.wall()
    const isOld = (modifiedMs: number): boolean => now - modifiedMs >= graceMs

    const removed = keep === 'all' ? [] : await this.#removeVersions(keep, isOld, dryRun, author)
    const temporary = await depot.sweep?.(now - Math.max(graceMs, temporaryMs), dryRun) ?? []
    const files = await this.#removeBlobs(isOld, dryRun, new Set(dryRun && graceMs === 0 ? removed.map(({ folder }) => folder) : []))
    const claims = await this.#parts.claims.expired()
    if (!dryRun) for (const key of claims) await depot.remove(key)
    return {
      dryRun,
      versions: removed.map(({ name, version }) => ({ name, version })),
      files,
      leftovers: [...temporary.map(({ key }) => key), ...claims],
      bytes: [...files, ...temporary].reduce((sum, { bytes }) => sum + bytes, 0),
    }
  }

  /** Removes the versions that the policy does not select, and gives them. */
  async #removeVersions(keep: Exclude<GcOptions['keep'], undefined>, isOld: (modifiedMs: number) => boolean, dryRun: boolean, author: Author): Promise<Candidate[]> {
    const removed: Candidate[] = []
    await inBatches(await this.#candidates(keep, isOld), async (batch) => await this.#collecting(batch.map(({ folder }) => folder), dryRun, async ({ free, isOpen }) => {
      // Again: by now nobody can move an alias to one that is free.
      const kept = await this.#pointedTo(new Set(batch.map(({ name }) => name)))
      for (const [index, candidate] of batch.entries()) {
        if (!isOpen()) return batch.slice(index)
        if (!free.has(candidate.folder) || kept.has(candidate.folder)) continue
        if (dryRun || (await this.#bury(candidate.name, candidate.version, author)).isMine) removed.push(candidate)
      }
      return []
    }))
    return removed
  }

  /** A rehearsal looks at the holds, and tells nobody. */
  async #collecting<T>(things: readonly string[], dryRun: boolean, use: (collecting: Pick<Collecting, 'free' | 'isOpen'>) => Promise<T>): Promise<T> {
    const { claims } = this.#parts
    return dryRun ? await use({ ...await claims.held(things), isOpen: () => true }) : await claims.collecting(things, use)
  }

  /** The published versions that the policy does not select, that are no longer in grace, and that no alias needs. */
  async #candidates(keep: Exclude<GcOptions['keep'], undefined>, isOld: (modifiedMs: number) => boolean): Promise<Candidate[]> {
    const { versions } = this.#parts
    const byModel = new Map<string, Candidate[]>()
    for (const [folder, at] of await findVersions(this.#parts)) {
      const found = byModel.get(at.name) ?? []
      byModel.set(at.name, found)
      found.push({ ...at, folder })
    }
    const candidates: Candidate[] = []
    for (const [name, found] of byModel) {
      const published = new Set(await versions.published(name))
      const selected = new Set(selectVersions(typeof keep === 'function' ? keep(name) : keep, [...published]))
      const kept = await this.#pointedTo([name])
      candidates.push(...found.filter(({ version, folder, firstMs }) => published.has(version) && !selected.has(version) && isOld(firstMs) && !kept.has(folder)))
    }
    return candidates
  }

  /** The folders of the versions that aliases point to or would roll back to. */
  async #pointedTo(names: Iterable<string>): Promise<Set<string>> {
    const folders = new Set<string>()
    for (const name of names) {
      for (const { version, rollbackTo } of await this.#parts.aliases.list(name)) {
        folders.add(versionFolder(name, version))
        if (rollbackTo !== null) folders.add(versionFolder(name, rollbackTo))
      }
    }
    return folders
  }

  /** Removes the blobs that no version needs, and gives them. */
  async #removeBlobs(isOld: (modifiedMs: number) => boolean, dryRun: boolean, without: ReadonlySet<string>): Promise<DepotEntry[]> {
    const { depot } = this.#parts
    const references = new References(this.#parts, isOld)
    await references.update(without)
    const candidates: DepotEntry[] = []
    for await (const entry of depot.list('blobs/')) {
      if (placeOf(entry.key)?.kind === 'blob' && isOld(entry.modifiedMs) && !references.has(entry.key)) candidates.push(entry)
    }
    const removed: DepotEntry[] = []
    await inBatches(candidates, async (batch) => await this.#collecting(batch.map(({ key }) => key), dryRun, async ({ free, isOpen }) => {
      await references.update(without) // again: a publish that held one of them may have ended since
      for (const [index, entry] of batch.entries()) {
        if (!isOpen()) return batch.slice(index)
        if (!free.has(entry.key) || references.has(entry.key)) continue
        if (!dryRun) await depot.remove(entry.key)
        removed.push(entry)
      }
      return []
    }))
    return removed
  }
}
