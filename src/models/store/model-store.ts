/** Versions of models: published once, verified on every load, found by number, alias or digest. */
import { systemClock, type Clock } from '../../core/clock.js'
import { InvalidOptionError } from '../../core/errors.js'
import type { ModelIdentity } from '../../core/identity.js'
import { membersOption, optionsObject, stringOption } from '../../core/options.js'
import { nodeFileSystem, type FileSystem } from '../../store/file-system.js'
import type { JsonObject } from '../manifest/canonical-json.js'
import type { ModelManifest, ModelSignature } from '../manifest/manifest.js'
import type { ManifestSignature } from '../manifest/signature.js'
import type { VersionPolicy } from '../manifest/version-policy.js'
import type { ModelAlias } from './_aliases.js'
import { defaultAuthor } from './_attribution.js'
import type { GcOptions, GcReport } from './_collect.js'
import { DepotStore } from './_depot-store.js'
import { DirectoryDepot } from './_directory-depot.js'
import { limitsOf, type ModelLimits } from './limits.js'
import type { StoreFault, StoreFaultCode, VerifyReport } from './_verify.js'
import type { Attribution, AuditLine, Tags } from './change.js'
import type { ModelDepot } from './depot.js'
import type { ModelSource, ModelVersion, OpenedModel, SourceCallOptions, SourceOpenOptions } from './model-source.js'

/** A version in a listing; one that is damaged is listed with what is wrong with it. */
export type ListedVersion =
  | ({ readonly ok: true } & ModelVersion)
  | { readonly ok: false; readonly name: string; readonly version: number; readonly error: unknown }

/** A file to publish: bytes, a text in UTF-8, or a file on disk (read in pieces, so that it may be large). */
export type FileContent = Uint8Array | string | { readonly from: string }

/** A golden prediction to publish. */
export interface GoldenInput {
  /** A row as callers pass it: plain JSON; typed arrays are kept as arrays of numbers. */
  readonly input: unknown
  readonly output: unknown
  /** Numbers `a` and `b` agree if `|a - b| <= tolerance * max(1, |b|)`. @default 1e-4 */
  readonly tolerance?: number
}

/** What {@link ModelStore.publish} takes. */
export interface PublishOptions extends Attribution {
  readonly name: string
  /** A positive integer that was never used. @default one more than the highest that ever was */
  readonly version?: number
  /** The name of the engine that can load it: `tfjs`, `function`… */
  readonly engine: string
  /** The files by relative path. */
  readonly files: Readonly<Record<string, FileContent>>
  readonly signature?: ModelSignature
  readonly golden?: readonly GoldenInput[]
  /** Where it comes from: the training run, the data, the commit. JSON. */
  readonly lineage?: Readonly<Record<string, unknown>>
  /** Free. JSON. */
  readonly metadata?: Readonly<Record<string, unknown>>
  /** Tags to begin with. */
  readonly tags?: Tags
  /**
   * Signs the manifest, as `(manifest) => signManifest(manifest, key)` does: the version is signed before it is visible.
   * It may be called again if the number was taken by another publisher.
   */
  readonly sign?: (manifest: ModelManifest) => ManifestSignature | Promise<ManifestSignature>
}

/** Options of {@link ModelStore.setAlias}. */
export interface SetAliasOptions extends Attribution {
  /** Move only if the alias points to this version now; `null`: only if there is no such alias. @default move whatever it points to */
  readonly expect?: number | null
}

/** Options of {@link ModelStore.rollback} and {@link ModelStore.removeAlias}. */
export interface ChangeAliasOptions extends Attribution {
  /** Only if the alias points to this version now. @default whatever it points to */
  readonly expect?: number
}

/** Options of {@link ModelStore.hold}. */
export interface HoldOptions {
  /** How long it counts after the process has died, in milliseconds, at most an hour. @default 600_000 */
  readonly ttlMs?: number
  /** Who uses the version. @default what the store was opened with */
  readonly by?: string
}

/** A version in use: {@link ModelStore.hold}. */
export interface ModelHold {
  readonly version: ModelVersion
  /** Why the last renewal failed, if it did. It is tried again at a third of `ttlMs`. */
  readonly error: unknown
  /** Ends the use. */
  release(): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}

/** A store of model versions. */
export interface ModelStore extends ModelSource {
  /** The place that it lies in. */
  readonly depot: ModelDepot
  /**
   * Publishes a version. It becomes visible whole, by one exclusive file that is made after all its bytes are flushed; a
   * crash before that leaves no version. A published version never changes.
   *
   * @throws `ERR_OUTRIGGER_MODEL_EXISTS` if the number was ever used (of two publishers racing for it, one gets this);
   * `ERR_OUTRIGGER_MODEL_TOO_LARGE` beyond a limit; `ERR_OUTRIGGER_INVALID_OPTION` for names, paths and values that cannot
   * be stored, and for a name that differs from another model's by case alone
   */
  publish(options: PublishOptions): Promise<ModelVersion>
  /** The versions of one model, or of all, by name and number. */
  list(name?: string): Promise<ListedVersion[]>
  /**
   * The numbers of a model's versions, ascending, as far as the policy selects them. It reads no manifest, so a damaged
   * version is among them.
   *
   * @default 'all'
   */
  versions(name: string, policy?: VersionPolicy): Promise<number[]>
  /**
   * Sets tags of a version, or removes those that are `null`; the others stay. Of concurrent changes none is lost.
   *
   * @throws `ERR_OUTRIGGER_MODEL_NOT_FOUND`; `ERR_OUTRIGGER_MODEL_TOO_LARGE` if all its tags and signatures are more than 256 KiB
   */
  tag(name: string, version: number, tags: Tags<string | null>, options?: Attribution): Promise<ModelVersion>
  /**
   * Keeps a signature with a version, in place of an earlier one by the same key. It is not checked here: whoever loads
   * the version judges it by a trust policy.
   *
   * @throws `ERR_OUTRIGGER_MODEL_NOT_FOUND`
   */
  addSignature(name: string, version: number, signature: ManifestSignature, options?: Attribution): Promise<ModelVersion>
  /**
   * Removes a version. Its number is not used again, `resolve` says that it was removed, and the next `gc` after the grace
   * frees its files.
   *
   * @throws `ERR_OUTRIGGER_MODEL_IN_USE` while an alias points to it or somebody holds it; `ERR_OUTRIGGER_MODEL_NOT_FOUND`
   */
  removeVersion(name: string, version: number, options?: Attribution): Promise<void>
  /**
   * Says that a version is in use, so that neither `gc` nor `removeVersion` takes it away, until the hold is released. The
   * hold renews itself while the process lives, and ends by its time when the process dies.
   *
   * An alias holds its version as well; so this is for who uses a version by number, or may need its files again after the
   * alias has moved on.
   */
  hold(reference: string, options?: HoldOptions): Promise<ModelHold>
  /**
   * Points an alias to a version, by compare-and-swap if `expect` is given.
   *
   * @throws `ERR_OUTRIGGER_ALIAS_CONFLICT` if it does not point to `expect` (any more);
   * `ERR_OUTRIGGER_MODEL_NOT_FOUND` if there is no such version
   */
  setAlias(name: string, alias: string, version: number, options?: SetAliasOptions): Promise<ModelAlias>
  /**
   * Points an alias back to where it pointed before, like undo: a second rollback goes to what was before that, and
   * undoes a removal of the alias as well. To go forward again, set the alias; from there on, a rollback leads back to
   * where that began. What it would go to is `rollbackTo` of the alias.
   *
   * @throws `ERR_OUTRIGGER_MODEL_NOT_FOUND` if there is nothing to go back to, or that version is removed;
   * `ERR_OUTRIGGER_ALIAS_CONFLICT` if the alias does not point to `expect` (any more)
   */
  rollback(name: string, alias: string, options?: ChangeAliasOptions): Promise<ModelAlias>
  /** Takes an alias away. @throws `ERR_OUTRIGGER_ALIAS_CONFLICT`, `ERR_OUTRIGGER_MODEL_NOT_FOUND` if it was never set */
  removeAlias(name: string, alias: string, options?: ChangeAliasOptions): Promise<void>
  /** The aliases of a model, by name. */
  aliases(name: string): Promise<ModelAlias[]>
  /**
   * Who changed what and when, of one model or of all, by time; the lines of one version or alias always in their order.
   * A line that is damaged or missing is reported in its place.
   */
  audit(name?: string): AsyncIterable<AuditLine>
  /**
   * Frees what nobody needs: files of removed versions and of publishes that did not end, temporary files and, where
   * `keep` is given, the versions that it does not select.
   *
   * It never touches what a version needs, what an alias points to or would roll back to, what somebody holds, what a
   * publish is about to use, and what is younger than `graceMs` by the clock of the medium.
   *
   * @throws `ERR_OUTRIGGER_MODEL_CORRUPT`, having removed no file, if what a version needs cannot be read
   */
  gc(options?: GcOptions): Promise<GcReport>
  /** Reads everything, of one model or all there is, checks every hash, and says what is wrong. It changes nothing. */
  verify(name?: string): Promise<VerifyReport>
  /**
   * Writes a version, with its signatures and tags, into one file: a tar archive with `manifest.json` first. The same
   * version with the same signatures and tags gives the same bytes. The file appears when it is whole.
   */
  export(reference: string, to: string): Promise<ModelVersion>
  /**
   * Takes in a version that `export` has written. Everything is checked before it becomes visible. Nothing happens if the
   * version is there already.
   *
   * @throws `ERR_OUTRIGGER_MODEL_EXISTS` if the number was used for something else, or its version was removed;
   * `ERR_OUTRIGGER_MODEL_CORRUPT` for an archive that is damaged, cut, or holds anything else; `ERR_OUTRIGGER_MODEL_TOO_LARGE`
   */
  import(from: string | AsyncIterable<Uint8Array>, options?: Attribution): Promise<ModelVersion>
}

/** Options of {@link modelStore}: either `path` or `depot`. */
export interface ModelStoreOptions {
  /** The directory. It is made at the first publish; it may be shared by processes on one machine. */
  readonly path?: string
  /** Another place than a directory, such as `memoryDepot()`. */
  readonly depot?: ModelDepot
  /** Who makes the changes, where they do not say otherwise. @default nobody */
  readonly by?: string
  /** How large manifests, files and versions may be. */
  readonly limits?: ModelLimits
  /** Where the times of changes come from. @default the machine's clock */
  readonly clock?: Clock
  /** The file system that `path` is in. @default Node's */
  readonly fileSystem?: FileSystem
}

const depotMethods = ['names', 'list', 'read', 'create', 'writeBlob', 'remove'] as const

const depotOf = ({ path, depot, fileSystem }: ModelStoreOptions): ModelDepot => {
  if (depot === undefined) return new DirectoryDepot(stringOption('modelStore', 'path', path), fileSystem ?? nodeFileSystem)
  if (path !== undefined || fileSystem !== undefined) throw new InvalidOptionError('Cannot create modelStore as a store lies in one place, `path` or `depot`: current value is both')
  return membersOption('modelStore', 'depot', depot, depotMethods)
}

/**
 * A store of model versions, in a directory or another place.
 *
 * Files are kept once by content. A poller sees a version whole or not at all. Every load checks every hash, so one
 * flipped bit, a truncated or a swapped file is refused. Symbolic links inside the store are refused as well. The
 * hashes protect against damage; who can write to the place can publish, unless loaders require signatures.
 *
 * @throws `ERR_OUTRIGGER_INVALID_OPTION` for a missing path
 * @example
 * ```ts
 * import { mkdtemp } from 'node:fs/promises'
 * import { tmpdir } from 'node:os'
 * import { modelStore } from 'outrigger/models'
 * const store = modelStore({ path: await mkdtemp(`${tmpdir()}/models-`), by: 'ci' })
 * for (const slope of [0.5, 0.25]) {
 *   await store.publish({
 *     name: 'delay',
 *     engine: 'function',
 *     files: { 'coefficients.json': `[${slope}, 2]` },
 *     golden: [{ input: [1, 1], output: slope + 2 }],
 *   })
 * }
 * await store.setAlias('delay', 'champion', 1, { expect: null })
 * await store.setAlias('delay', 'champion', 2, { expect: 1, by: 'ann', reason: 'AUC 0.81 -> 0.84' })
 *
 * const champion = await store.open('delay@champion')
 * assert.equal(champion.version, 2)
 * assert.deepEqual(champion.files.json('coefficients.json'), [0.25, 2])
 * await assert.rejects(store.resolve('delay@3'), { code: 'ERR_OUTRIGGER_MODEL_NOT_FOUND' })
 *
 * assert.equal((await store.rollback('delay', 'champion', { expect: 2, reason: 'late by an hour' })).version, 1)
 * const who = []
 * for await (const line of store.audit('delay')) if (line.ok) who.push(`${line.change.by}: ${line.change.kind}`)
 * assert.deepEqual(who, ['ci: published', 'ci: published', 'ci: alias-set', 'ann: alias-set', 'ci: alias-rolled-back'])
 * ```
 */
export const modelStore = (options: ModelStoreOptions): ModelStore => {
  optionsObject('modelStore', options, ['path', 'depot', 'by', 'limits', 'clock', 'fileSystem'])
  return new DepotStore(depotOf(options), options.clock ?? systemClock, defaultAuthor(options.by), limitsOf('modelStore', options.limits))
}

/** What records and cache keys say of a version. */
export const identityOf = (version: ModelVersion): ModelIdentity =>
  ({ name: version.name, version: String(version.version), digest: version.digest })

export type { Attribution, AuditLine, GcOptions, GcReport, JsonObject, ModelAlias, ModelLimits, ModelSource, ModelVersion, OpenedModel, SourceCallOptions, SourceOpenOptions, StoreFault, StoreFaultCode, Tags, VerifyReport }
