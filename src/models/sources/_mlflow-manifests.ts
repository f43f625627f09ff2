/** The manifest of a version of MLflow, which has none: made from what is downloaded. */
import { InvalidOptionError, OutriggerError } from '../../core/errors.js'
import { sha256Hex, startSha256 } from '../manifest/digest.js'
import { parseManifest, serializeManifest, type ManifestFile, type ModelManifest } from '../manifest/manifest.js'
import type { ModelLimits } from '../store/limits.js'
import { withAttempts, type AttemptOptions } from './_attempts.js'
import { downloadBlob } from './_blob-download.js'
import { readSmall, type HttpClient } from './_http-client.js'
import type { Artifact, MlflowClient, MlflowVersion } from './_mlflow-client.js'
import { readMlModel } from './_mlmodel.js'
import type { SourceCache } from './_source-cache.js'
import { sourceTooLarge } from './_source-errors.js'

/** How manifests are made. */
export interface MlflowManifestOptions extends AttemptOptions {
  /** Flavor to engine. */
  readonly engines: ReadonlyMap<string, string>
  readonly limits: Required<ModelLimits>
}

const maxMlModelBytes = 1 << 20
/** What stands for a flavor where files were registered without one. */
const fileOfFlavor: Readonly<Record<string, string>> = { onnx: 'model.onnx', tfjs: 'model.json' }

interface Downloaded { readonly bytes: Uint8Array; readonly sha256: string }

export class MlflowManifests {
  readonly #http: HttpClient
  readonly #registry: MlflowClient
  readonly #cache: SourceCache
  readonly #options: MlflowManifestOptions

  constructor(http: HttpClient, registry: MlflowClient, cache: SourceCache, options: MlflowManifestOptions) {
    this.#http = http
    this.#registry = registry
    this.#cache = cache
    this.#options = options
  }

  /** Downloads every file into the cache, and says what they are. */
  async make(found: MlflowVersion, what: string, signal: AbortSignal | undefined): Promise<ModelManifest> {
    const { maxFileBytes, maxVersionBytes } = this.#options.limits
    const root = await this.#registry.artifactRoot(found.name, found.version, signal)
    const artifacts = await this.#registry.artifacts(root, what, signal)
    const total = artifacts.reduce((sum, { bytes = 0 }) => sum + bytes, 0)
    if (total > maxVersionBytes) throw sourceTooLarge(`load ${what}`, maxVersionBytes, total)
    const description = artifacts.find(({ path }) => path === 'MLmodel')
    const described = description === undefined ? undefined : await this.#download(root, description, what, maxMlModelBytes, signal)
    const mlModel = described === undefined ? undefined : readMlModel(new TextDecoder().decode(described.bytes), what)
    // Before anything large is fetched.
    const engine = engineOf(this.#options.engines, mlModel?.flavors, artifacts, what)
    const files: ManifestFile[] = []
    let left = maxVersionBytes
    for (const artifact of artifacts) {
      const file = artifact === description && described !== undefined ? described : await this.#download(root, artifact, what, Math.min(left, maxFileBytes), signal)
      left -= file.bytes.length
      await this.#keep(file)
      files.push({ path: artifact.path, bytes: file.bytes.length, sha256: file.sha256 })
    }
    // Nothing but what is of the version itself, so that who reads it elsewhere gets the same digest.
    const manifest: ModelManifest = {
      format: 'outrigger-model',
      formatVersion: 1,
      name: found.name,
      version: found.version,
      engine,
      files,
      created: new Date(found.created).toISOString(),
      ...(mlModel?.signature === undefined ? {} : { signature: mlModel.signature }),
      lineage: { registry: 'mlflow', source: found.source, runId: found.runId },
    }
    // Names that would not lie beside each other on every system are refused as they are in a store.
    return parseManifest(serializeManifest(manifest), `what MLflow has of ${what}`)
  }

  async #download(root: string, { path, bytes }: Artifact, what: string, maxBytes: number, signal: AbortSignal | undefined): Promise<Downloaded> {
    const action = `read \`${path}\` of ${what}`
    const at = this.#registry.artifactPath(root, path)
    const attempts: AttemptOptions = { ...this.#options, signal }
    if (bytes === undefined) {
      const whole = await withAttempts(attempts, async () => {
        const answer = await this.#http.get({ action, path: at, signal })
        try {
          return await readSmall(answer, action, maxBytes)
        } finally {
          answer.end()
        }
      })
      return { bytes: whole, sha256: sha256Hex(whole) }
    }
    if (bytes > maxBytes) throw sourceTooLarge(action, maxBytes, bytes)
    const into = new Uint8Array(bytes)
    const hash = startSha256()
    let offset = 0
    const onChunk = (chunk: Uint8Array): void => {
      into.set(chunk, offset)
      hash.update(chunk)
      offset += chunk.length
    }
    await downloadBlob(this.#http, { action, path: at, bytes, from: 0, onChunk }, attempts)
    return { bytes: into, sha256: hash.digest('hex') }
  }

  async #keep({ bytes, sha256 }: Downloaded): Promise<void> {
    const blob = { sha256, bytes: bytes.length }
    if (await this.#cache.read(blob) !== undefined) return
    const partial = await this.#cache.begin(blob, new Uint8Array(), true)
    await partial.append(bytes)
    await partial.commit()
  }
}

const engineOf = (engines: ReadonlyMap<string, string>, flavors: readonly string[] | undefined, artifacts: readonly Artifact[], what: string): string => {
  for (const [flavor, engine] of engines) {
    const isThere = flavors === undefined ? artifacts.some(({ path }) => path === fileOfFlavor[flavor]) : flavors.includes(flavor)
    if (isThere) return engine
  }
  const seen = flavors?.join(', ') ?? `files without an MLmodel: ${artifacts.slice(0, 5).map(({ path }) => path).join(', ') || 'none'}`
  throw new OutriggerError('ERR_OUTRIGGER_ENGINE_UNKNOWN', `Cannot load ${what} as one of its flavors must be ${[...engines.keys()].join(' or ')} (see \`engines\`): current value is ${seen}`, { flavors: flavors ?? [] })
}

/** The option `engines`, checked. */
export const enginesOf = (owner: string, engines: unknown): ReadonlyMap<string, string> => {
  const entries = typeof engines === 'object' && engines !== null ? Object.entries(engines) : []
  if (entries.length === 0 || entries.some(([, engine]) => typeof engine !== 'string' || engine === '')) {
    throw new InvalidOptionError(`Cannot create ${owner} as \`engines\` must name an engine for each flavor, and one at least: current value is ${JSON.stringify(engines)}`)
  }
  return new Map(entries as [string, string][])
}
