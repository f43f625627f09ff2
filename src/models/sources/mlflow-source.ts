/** Versions of models from a registry of MLflow. */
import type { Observer } from '../../core/events.js'
import { InvalidOptionError } from '../../core/errors.js'
import { optionsObject } from '../../core/options.js'
import { sha256Hex } from '../manifest/digest.js'
import { parseManifest, serializeManifest, type ManifestFile, type ModelManifest } from '../manifest/manifest.js'
import { parseReference, type ModelReference } from '../manifest/names.js'
import type { ManifestSignature } from '../manifest/signature.js'
import { limitsOf, type ModelLimits } from '../store/limits.js'
import type { ModelSource, ModelVersion, OpenedModel, SourceCallOptions, SourceOpenOptions } from '../store/model-source.js'
import { HttpClient } from './_http-client.js'
import { MlflowClient, parseVersion, targetOf, type MlflowVersion } from './_mlflow-client.js'
import { enginesOf, MlflowManifests } from './_mlflow-manifests.js'
import { openRemote } from './_open-remote.js'
import { Reachability } from './_reachability.js'
import { RemoteBlobs } from './_remote-blobs.js'
import type { SourceCache } from './_source-cache.js'
import { isTransient, sourceCorrupt, sourceNotFound } from './_source-errors.js'
import { Turns } from './_turns.js'
import { checkHttpOptions, httpOptionNames, type CheckedHttpOptions, type HttpOptions } from './http-options.js'
import { cacheOf, type SourceCacheOptions } from './source-cache.js'

/** Options of {@link mlflowSource}. */
export interface MlflowSourceOptions extends HttpOptions {
  /** Where files are kept, and what each version was when it was seen first. Keep it over restarts. */
  readonly cache: SourceCacheOptions
  /** Which engine loads which flavor of MLflow. The first flavor of this list that a model has is taken. @default `{ onnx: 'onnx', tfjs: 'tfjs' }` */
  readonly engines?: Readonly<Record<string, string>>
  /** How large manifests, files and versions may be. */
  readonly limits?: ModelLimits
}

/** Versions of models from a registry of MLflow. */
export interface MlflowSource extends ModelSource {
  /** Takes MLflow's spelling too: `models:/name@alias`, `models:/name/3`, `models:/name/latest`. */
  resolve(reference: string, options?: SourceCallOptions): Promise<ModelVersion>
  open(version: ModelVersion | string, options?: SourceOpenOptions): Promise<OpenedModel>
  /** As `observe` of `httpSource`; the layer is `mlflow-source`. */
  observe(observer: Observer): () => void
}

const owner = 'mlflowSource'
const maxPins = 1_000
const digestTag = 'outrigger.digest'
const signaturesTag = 'outrigger.signatures'

/** What a version was when it was seen first. */
interface Pin { readonly created: number; readonly source: string; readonly manifest: ModelManifest; readonly digest: string }

class MlflowModelSource implements MlflowSource {
  readonly #options: CheckedHttpOptions
  readonly #limits: Required<ModelLimits>
  readonly #registry: MlflowClient
  readonly #cache: SourceCache
  readonly #blobs: RemoteBlobs
  readonly #manifests: MlflowManifests
  readonly #reachability: Reachability
  readonly #turns = new Turns()
  /** By `name@version`, the one asked for last at the end; all of them are in the cache too. */
  readonly #pins = new Map<string, Pin>()
  /** By reference: what the registry said last, to be used while it is away. */
  readonly #seen = new Map<string, MlflowVersion>()

  constructor(options: MlflowSourceOptions) {
    optionsObject(owner, options, [...httpOptionNames, 'cache', 'engines', 'limits'])
    this.#options = checkHttpOptions(owner, options)
    if (options.cache === undefined) throw new InvalidOptionError(`Cannot create ${owner} as it needs a \`cache\`, which remembers what each version was: current value is undefined`)
    this.#limits = limitsOf(owner, options.limits)
    const engines = enginesOf(owner, options.engines ?? { onnx: 'onnx', tfjs: 'tfjs' })
    const http = new HttpClient(this.#options)
    this.#registry = new MlflowClient(http, this.#options)
    this.#reachability = new Reachability('mlflow-source', this.#options.base.origin, this.#options.clock)
    this.#cache = cacheOf(owner, options.cache, this.#options.base.href, (error) => this.#reachability.cacheFailed(error))
    this.#blobs = new RemoteBlobs(http, this.#cache, this.#options)
    this.#manifests = new MlflowManifests(http, this.#registry, this.#cache, { ...this.#options, engines, limits: this.#limits })
  }

  observe(observer: Observer): () => void {
    return this.#reachability.observe(observer)
  }

  async resolve(reference: string, { signal }: SourceCallOptions = {}): Promise<ModelVersion> {
    const parsed = parseReference(ourReference(reference))
    const found = await this.#find(parsed.kind === 'digest' ? await this.#pinned(parsed, reference) : parsed, signal)
    const what = `${found.name}@${found.version}`
    const { manifest, digest } = await this.#turns.take(what, `read ${what}`, signal, () => this.#pin(found, what, signal))
    const expected = found.tags[digestTag]
    if (expected !== undefined && expected !== digest) throw sourceCorrupt(`load ${what}`, `its digest must be that of its tag \`${digestTag}\`, ${expected.slice(0, 80)}`, digest)
    if (parsed.kind === 'digest' && parsed.digest !== digest) throw sourceNotFound(`find ${reference}`, 'a version with this digest must have been seen', 'nothing', reference)
    const signatures = signaturesOf(found.tags[signaturesTag])
    return { name: found.name, version: found.version, digest, manifest, ...(signatures === undefined ? {} : { signatures }), ...(Object.keys(found.tags).length === 0 ? {} : { tags: found.tags }) }
  }

  async open(version: ModelVersion | string, options: SourceOpenOptions = {}): Promise<OpenedModel> {
    const found = typeof version === 'string' ? await this.resolve(version, options) : version
    let root: Promise<string> | undefined
    const locate = async ({ path }: ManifestFile): Promise<string> => {
      root ??= this.#registry.artifactRoot(found.name, found.version, options.signal)
      return this.#registry.artifactPath(await root, path)
    }
    return await openRemote(found, { blobs: this.#blobs, cache: this.#cache, limits: this.#limits, locate }, options)
  }

  /** What the registry says; while it cannot be reached, what it said last. */
  async #find(target: Exclude<ModelReference, { readonly kind: 'digest' }>, signal: AbortSignal | undefined): Promise<MlflowVersion> {
    const reference = targetOf(target)
    const key = `${target.name}@${reference}`
    const kind = `at-${sha256Hex(reference).slice(0, 16)}`
    try {
      const found = await this.#registry.version(target, signal)
      this.#reachability.reached()
      if (JSON.stringify(this.#seen.get(key)) !== JSON.stringify(found)) {
        remember(this.#seen, key, found)
        await this.#cache.writeNote(target.name, kind, JSON.stringify(found))
      }
      return found
    } catch (error) {
      if (!isTransient(error)) throw error
      const seen = this.#seen.get(key) ?? parseVersion(await this.#cache.readNote(target.name, kind), target.name)
      this.#reachability.failed(error, seen !== undefined)
      if (seen === undefined) throw error
      return seen
    }
  }

  // ---- what a version is

  /** What the version was when it was seen first; now, if it never was. */
  async #pin(found: MlflowVersion, what: string, signal: AbortSignal | undefined): Promise<Pin> {
    const known = this.#pins.get(what) ?? await this.#savedPin(found)
    if (known === undefined) {
      const manifest = await this.#manifests.make(found, what, signal)
      const pin = { created: found.created, source: found.source, manifest, digest: sha256Hex(serializeManifest(manifest)) }
      await this.#cache.writeNote(found.name, `pin-${found.version}`, JSON.stringify(pin))
      await this.#cache.writeNote(pin.digest, 'digest', JSON.stringify({ name: found.name, version: found.version }))
      await this.#cache.opened(found.name, { digest: pin.digest, blobs: manifest.files.map(({ sha256 }) => sha256) })
      remember(this.#pins, what, pin)
      return pin
    }
    remember(this.#pins, what, known)
    if (known.created === found.created && known.source === found.source) return known
    throw sourceCorrupt(`load ${what}`, `a version never changes, and this one came from ${known.source} of ${new Date(known.created).toISOString()}`, `${found.source} of ${new Date(found.created).toISOString()}`)
  }

  async #savedPin({ name, version }: MlflowVersion): Promise<Pin | undefined> {
    const note = await this.#cache.readNote(name, `pin-${version}`)
    if (note === undefined) return undefined
    try {
      const pin = JSON.parse(note) as Pin
      const bytes = serializeManifest(pin.manifest)
      const manifest = parseManifest(bytes)
      return sha256Hex(bytes) === pin.digest && manifest.name === name && manifest.version === version ? { ...pin, manifest } : undefined
    } catch {
      return undefined // damaged: as if it had never been seen
    }
  }

  /** The version that had this digest. */
  async #pinned({ digest, name }: Extract<ModelReference, { readonly kind: 'digest' }>, reference: string): Promise<Extract<ModelReference, { readonly kind: 'version' }>> {
    const note = await this.#cache.readNote(digest, 'digest')
    try {
      const found = JSON.parse(note ?? '') as { readonly name: string; readonly version: number }
      if (name === undefined || name === found.name) {
        const parsed = parseReference(`${found.name}@${found.version}`)
        if (parsed.kind === 'version') return parsed
      }
    } catch { /* not there, or damaged */ }
    throw sourceNotFound(`find ${reference}`, 'a version with this digest must have been seen: MLflow knows no digests', 'nothing', reference)
  }
}

const remember = <T>(map: Map<string, T>, key: string, value: T): void => {
  map.delete(key)
  map.set(key, value)
  for (const oldest of map.keys()) if (map.size > maxPins) map.delete(oldest)
}

/** MLflow's spelling of a reference in ours. */
const ourReference = (reference: string): string => {
  const match = /^models:\/+([^/@]+)(?:@(.+)|\/(\d+|latest))$/.exec(reference)
  if (match !== null) return `${match[1]}@${match[2] ?? match[3]}`
  if (reference.startsWith('models:')) throw new InvalidOptionError(`Cannot resolve a model as the reference must be 'models:/name@alias', 'models:/name/3' or 'models:/name/latest' (stages are none: MLflow has given them up for aliases): current value is ${JSON.stringify(reference)}`)
  return reference
}

/** The signatures in a tag. What is none convinces nobody, so that it is left out. */
const signaturesOf = (tag: string | undefined): readonly ManifestSignature[] | undefined => {
  if (tag === undefined) return undefined
  try {
    const found = JSON.parse(tag) as readonly (Partial<ManifestSignature> | null)[]
    const signatures = found.filter((entry): entry is ManifestSignature => typeof entry?.keyId === 'string' && typeof entry.signature === 'string' && typeof entry.algorithm === 'string')
    return signatures.length === 0 ? undefined : signatures
  } catch {
    return undefined
  }
}

/**
 * Versions of models from a registry of MLflow (2.9 and later), by its REST API: aliases, numbers and `latest`, in our
 * spelling (`delay@champion`) or in MLflow's (`models:/delay@champion`). Files come through the server's artifact proxy
 * (`mlflow server --serve-artifacts`, its default).
 *
 * **What is trusted.** MLflow keeps no hashes of files. The first time that a version is resolved, all its files are
 * downloaded, and a manifest with their hashes is made and pinned in the cache: trust on first use. From then on the
 * version is those bytes and no others. Files that are fetched again and differ, and a version that was deleted and made
 * again under its number, are `ERR_OUTRIGGER_MODEL_CORRUPT`. As the manifest holds nothing but what belongs to the
 * version, every machine gets the same digest from the same files; so set it as the tag `outrigger.digest` of the version
 * where it was tested, and a machine that sees the version for the first time refuses other bytes as well. Signatures of
 * the manifest (a JSON array of what `signManifest` returns) go into the tag `outrigger.signatures`. Who can write both
 * artifacts and tags can replace both: only a trust policy with keys protects against that.
 *
 * The engine is that of the model's flavor: `onnx` for ONNX; `tfjs` for files with a `model.json` and no MLmodel, or for
 * a flavor of your own with that name; `engines` names others. A model with none of them (scikit-learn, pyfunc, all
 * pickles) is `ERR_OUTRIGGER_ENGINE_UNKNOWN` before anything but its MLmodel file is fetched. The signature is taken over
 * where all its tensors have names.
 *
 * Failures, downloads, the cache, and what happens while the server is away are as in `httpSource`.
 *
 * @throws `ERR_OUTRIGGER_INVALID_OPTION`
 * @example
 * ```ts no-run: needs an MLflow server; npm run judges -- mlflow runs it against two
 * import { mlflowSource } from 'outrigger/models'
 * const source = mlflowSource({
 *   url: 'http://127.0.0.1:5000/',
 *   headers: () => ({ authorization: `Bearer ${process.env['MLFLOW_TRACKING_TOKEN']}` }),
 *   cache: { path: '/var/cache/models' },
 * })
 * const champion = await source.open('models:/delay@champion')
 * assert.equal(champion.manifest.engine, 'onnx')
 * assert.ok(champion.files.has('model.onnx'))
 * ```
 */
export const mlflowSource = (options: MlflowSourceOptions): MlflowSource => new MlflowModelSource(options)
