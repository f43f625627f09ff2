/** The versions of models: what happened to each, and what each is now. Each has a log of its own. */
import { hasCode } from '../../core/errors.js'
import { sha256Hex } from '../manifest/digest.js'
import { parseManifest, type ModelManifest } from '../manifest/manifest.js'
import { ChangeLog } from './_change-log.js'
import { corrupt, notFound } from './_faults.js'
import { blobKey, countOf, versionFolder, versionsFolder } from './_layout.js'
import { readSmall } from './_read.js'
import type { VersionChange, VersionState } from './change.js'
import type { ModelDepot } from './depot.js'
import type { ModelVersion } from './model-source.js'

/** The last line of a version that is not there any more. */
export type RemovedLine = Extract<VersionChange, { readonly kind: 'removed' }>

/** A line of a version that is there: the change, and what the version is after it. */
export type LiveLine = Exclude<VersionChange, RemovedLine> & VersionState

/** A line of a version's log. */
export type VersionLine = LiveLine | RemovedLine

/** Why a version that was removed is not found. */
export const removedFault = (line: RemovedLine): Error =>
  notFound(`${line.name}@${line.version}`, 'it must not have been removed', `removed at ${line.at}${line.by === null ? '' : ` by ${line.by}`}${line.reason === null ? '' : ` (${line.reason})`}`)

export class Versions {
  readonly #depot: ModelDepot
  readonly #maxManifestBytes: number

  constructor(depot: ModelDepot, maxManifestBytes: number) {
    this.#depot = depot
    this.#maxManifestBytes = maxManifestBytes
  }

  log(name: string, version: number): ChangeLog<VersionLine> {
    return new ChangeLog<VersionLine>(this.#depot, versionFolder(name, version), { name, version } as Partial<VersionLine>)
  }

  /** Every number that was ever begun, ascending: also of versions that are removed, or whose publish did not end. */
  async numbers(name: string): Promise<number[]> {
    return (await this.#depot.names(versionsFolder(name))).map(countOf).filter((version) => version !== undefined).sort((a, b) => a - b)
  }

  /** The manifest with this digest, whose bytes are checked. `undefined` if there is no such blob. */
  async manifest(digest: string, what: string): Promise<ModelManifest | undefined> {
    const bytes = await readSmall(this.#depot, blobKey(digest), this.#maxManifestBytes)
    if (bytes === undefined) return undefined
    const actual = sha256Hex(bytes)
    if (actual !== digest) throw corrupt(what, `its SHA-256 must be ${digest}`, actual)
    return parseManifest(bytes, what)
  }

  /** A version as its last line says. */
  async of(line: VersionLine): Promise<ModelVersion> {
    if (line.kind === 'removed') throw removedFault(line)
    const { name, version, digest, tags, signatures } = line
    const what = `the manifest of ${name}@${version}`
    const manifest = await this.manifest(digest, what)
    if (manifest === undefined) {
      // It may have been removed since that line was read.
      const last = await this.log(name, version).last()
      throw last?.kind === 'removed' ? removedFault(last) : corrupt(what, 'it must be in the store', 'missing')
    }
    if (manifest.name !== name || manifest.version !== version) throw corrupt(what, 'it must be its own', `that of ${manifest.name}@${manifest.version}`)
    return { name, version, digest, manifest, tags, signatures }
  }

  async read(name: string, version: number): Promise<ModelVersion> {
    const line = await this.log(name, version).last()
    if (line === undefined) throw notFound(`${name}@${version}`, 'it must be published')
    return await this.of(line)
  }

  async byDigest(digest: string, name: string | undefined): Promise<ModelVersion> {
    const none = (constraint = 'a version with this digest must be published'): Error => notFound(digest, constraint)
    let manifest: ModelManifest | undefined
    try {
      manifest = await this.manifest(digest, `the manifest ${digest}`)
    } catch (error) {
      // A file of a version, which has the right bytes but is no manifest, or is too large to be one.
      const isOther = hasCode(error, 'ERR_OUTRIGGER_MODEL_TOO_LARGE') || (hasCode(error, 'ERR_OUTRIGGER_MODEL_CORRUPT') && 'where' in (error as object))
      throw isOther ? none('it must be the digest of a version, not of a file') : error
    }
    if (manifest === undefined) throw none()
    const found = await this.read(manifest.name, manifest.version)
    if (found.digest !== digest || (name !== undefined && name !== found.name)) throw none()
    return found
  }

  /** Whether a version is published and not removed. One whose last line is damaged counts: it is not to be passed over. */
  async #isPublished(name: string, version: number): Promise<boolean> {
    try {
      const line = await this.log(name, version).last()
      return line !== undefined && line.kind !== 'removed'
    } catch (error) {
      if (hasCode(error, 'ERR_OUTRIGGER_MODEL_CORRUPT')) return true
      throw error
    }
  }

  /** The published versions in a range, ascending, or only the `most` highest of them. */
  async published(name: string, { from = 1, to = Infinity, most = Infinity }: { readonly from?: number; readonly to?: number; readonly most?: number } = {}): Promise<number[]> {
    const found: number[] = []
    for (const version of (await this.numbers(name)).reverse()) {
      if (found.length === most) break
      if (version >= from && version <= to && await this.#isPublished(name, version)) found.push(version)
    }
    return found.reverse()
  }

  /** Appends what `decide` makes of the last line; nothing, if that is the last line itself. */
  async change(name: string, version: number, decide: (last: LiveLine) => LiveLine): Promise<LiveLine> {
    const log = this.log(name, version)
    for (;;) {
      const last = await log.last()
      if (last === undefined) throw notFound(`${name}@${version}`, 'it must be published')
      if (last.kind === 'removed') throw removedFault(last)
      const next = decide(last)
      if (next === last) await log.settle(last.revision)
      if (next === last || await log.append(next)) return next
      // Somebody else was first: look again.
    }
  }
}
