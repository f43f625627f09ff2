/** Versions of models: published once, verified on every load, found by number, alias or digest. */
import { systemClock, type Clock } from '../../core/clock.js'
import type { ModelIdentity } from '../../core/identity.js'
import type { JsonObject } from '../manifest/canonical-json.js'
import type { ModelAlias } from './_aliases.js'
import type { ModelManifest, ModelSignature } from '../manifest/manifest.js'
import type { ManifestSignature } from '../manifest/signature.js'
import type { ModelFiles } from './model-files.js'
import { InvalidOptionError } from '../../core/errors.js'
import { membersOption, optionsObject, stringOption } from '../../core/options.js'
import { nodeFileSystem, type FileSystem } from '../../store/file-system.js'
import { DepotStore } from './_depot-store.js'
import { DirectoryDepot } from './_directory-depot.js'
import type { ModelDepot } from './depot.js'

/** A published version. */
export interface ModelVersion {
  readonly name: string
  readonly version: number
  /** SHA-256 of the manifest: 64 hexadecimal digits. It stands for every byte of the version. */
  readonly digest: string
  readonly manifest: ModelManifest
  /** The signatures that came with it, not checked yet. @default none */
  readonly signatures?: readonly ManifestSignature[]
}

/** A version with its files in memory, every hash checked. */
export interface OpenedModel extends ModelVersion {
  readonly files: ModelFiles
}

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
export interface PublishOptions {
  readonly name: string
  /** A positive integer. @default one more than the highest published version */
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
}

/** Options of {@link ModelStore.setAlias}. */
export interface SetAliasOptions {
  /** Move only if the alias points to this version now; `null`: only if there is no such alias. @default move whatever it points to */
  readonly expect?: number | null
}

/** Where a loader gets versions from. */
export interface ModelSource {
  /**
   * Finds a version: `name@3`, `name@alias`, `name@latest` (the highest number), `name@<digest>`, or a digest alone.
   *
   * @throws `ERR_OUTRIGGER_MODEL_NOT_FOUND`, `ERR_OUTRIGGER_MODEL_CORRUPT` (never falls back to an older version),
   * `ERR_OUTRIGGER_INVALID_OPTION` for a reference that is none of these
   */
  resolve(reference: string): Promise<ModelVersion>
  /**
   * Reads all files of a version, and checks the size and the SHA-256 of each.
   *
   * @throws `ERR_OUTRIGGER_MODEL_CORRUPT` if one is missing or differs by a bit
   */
  open(version: ModelVersion | string): Promise<OpenedModel>
}

/** A store of model versions. */
export interface ModelStore extends ModelSource {
  /** The place that it lies in. */
  readonly depot: ModelDepot
  /**
   * Publishes a version. It becomes visible whole, by one exclusive link, after all its bytes are flushed; a crash
   * before that leaves no version. A published version never changes.
   *
   * @throws `ERR_OUTRIGGER_MODEL_EXISTS` if the number is taken (of two publishers racing for it, one gets this);
   * `ERR_OUTRIGGER_INVALID_OPTION` for names, paths and values that cannot be stored
   */
  publish(options: PublishOptions): Promise<ModelVersion>
  /** The versions of one model, or of all, by name and number. */
  list(name?: string): Promise<ListedVersion[]>
  /**
   * Points an alias to a version, by compare-and-swap if `expect` is given.
   *
   * @throws `ERR_OUTRIGGER_ALIAS_CONFLICT` if it does not point to `expect` (any more);
   * `ERR_OUTRIGGER_MODEL_NOT_FOUND` if there is no such version
   */
  setAlias(name: string, alias: string, version: number, options?: SetAliasOptions): Promise<ModelAlias>
  /** The aliases of a model, by name. */
  aliases(name: string): Promise<ModelAlias[]>
}

/** Options of {@link modelStore}: either `path` or `depot`. */
export interface ModelStoreOptions {
  /** The directory. It is made at the first publish; it may be shared by processes on one machine. */
  readonly path?: string
  /** Another place than a directory, such as `memoryDepot()`. */
  readonly depot?: ModelDepot
  /** Where the times in manifests come from. @default the machine's clock */
  readonly clock?: Clock
  /** The file system that `path` is in. @default Node's */
  readonly fileSystem?: FileSystem
}

const depotMethods = ['names', 'list', 'read', 'create', 'writeBlob', 'remove'] as const

const depotOf = ({ path, depot, fileSystem }: ModelStoreOptions): ModelDepot => {
  if (depot === undefined) return new DirectoryDepot(stringOption('modelStore', 'path', path), fileSystem ?? nodeFileSystem)
  if (path !== undefined || fileSystem !== undefined) throw new InvalidOptionError(`Cannot create modelStore as a store lies in one place, \`path\` or \`depot\`: current value is both`)
  return membersOption('modelStore', 'depot', depot, depotMethods)
}

/**
 * A store of model versions, in a directory or another place.
 *
 * Files are kept once by content. A poller sees a version whole or not at all. Every load checks every hash, so one
 * flipped bit, a truncated or a swapped file is refused. Symbolic links inside the store are refused as well. The
 * hashes protect against damage; who can write to the directory can publish.
 *
 * @throws `ERR_OUTRIGGER_INVALID_OPTION` for a missing path
 * @example
 * ```ts
 * import { mkdtemp } from 'node:fs/promises'
 * import { tmpdir } from 'node:os'
 * import { modelStore } from 'outrigger/models'
 * const store = modelStore({ path: await mkdtemp(`${tmpdir()}/models-`) })
 * await store.publish({
 *   name: 'delay',
 *   engine: 'function',
 *   files: { 'coefficients.json': '[0.5, 2]' },
 *   golden: [{ input: [1, 1], output: 2.5 }],
 * })
 * await store.setAlias('delay', 'champion', 1, { expect: null })
 *
 * const champion = await store.open('delay@champion')
 * assert.equal(champion.version, 1)
 * assert.deepEqual(champion.files.json('coefficients.json'), [0.5, 2])
 * await assert.rejects(store.resolve('delay@2'), { code: 'ERR_OUTRIGGER_MODEL_NOT_FOUND' })
 * ```
 */
export const modelStore = (options: ModelStoreOptions): ModelStore => {
  optionsObject('modelStore', options, ['path', 'depot', 'clock', 'fileSystem'])
  return new DepotStore(depotOf(options), options.clock ?? systemClock)
}

/** What records and cache keys say of a version. */
export const identityOf = (version: ModelVersion): ModelIdentity =>
  ({ name: version.name, version: String(version.version), digest: version.digest })

export type { JsonObject, ModelAlias }
