/** The part of MLflow's REST API that a reader of its registry needs. MLflow 2 and 3 answer alike. */
import { pathFault, type ModelReference } from '../manifest/names.js'
import { withAttempts, type AttemptOptions } from './_attempts.js'
import { readSmall, type GetRequest, type HttpClient } from './_http-client.js'
import { sourceCorrupt, sourceFailed, sourceNotFound, sourceTooLarge } from './_source-errors.js'

/** A version in the registry. */
export interface MlflowVersion {
  readonly name: string
  readonly version: number
  /** Milliseconds since 1970: a version that was deleted and made again has another time. */
  readonly created: number
  /** Where it was registered from. */
  readonly source: string
  readonly runId: string
  readonly tags: Readonly<Record<string, string>>
}

/** A file of a version. */
export interface Artifact {
  readonly path: string
  /** `undefined` where the server does not say it, as of empty files. */
  readonly bytes: number | undefined
}

type Fields = Readonly<Record<string, unknown>>
const isFields = (value: unknown): value is Fields => typeof value === 'object' && value !== null && !Array.isArray(value)
const textOf = (value: unknown): string => (typeof value === 'string' ? value : '')

const maxAnswerBytes = 16 * 1024 * 1024
const maxFiles = 10_000
const maxDepth = 16
const api = 'api/2.0/mlflow/'
const proxy = 'api/2.0/mlflow-artifacts/artifacts'
const encoded = (path: string): string => path.split('/').map(encodeURIComponent).join('/')

export class MlflowClient {
  readonly #client: HttpClient
  readonly #attempts: AttemptOptions

  constructor(client: HttpClient, attempts: AttemptOptions) {
    this.#client = client
    this.#attempts = attempts
  }

  /** The version that a reference means now. */
  async version(target: Exclude<ModelReference, { readonly kind: 'digest' }>, signal: AbortSignal | undefined): Promise<MlflowVersion> {
    const { name } = target
    const reference = `${name}@${targetOf(target)}`
    if (target.kind === 'latest') return await this.#highest(name, reference, 1, Infinity, signal)
    if (target.kind === 'range') return await this.#highest(name, reference, target.from, target.to, signal)
    const { model_version: found } = target.kind === 'alias'
      ? await this.#ask(`find ${reference}`, 'registered-models/alias', { name, alias: target.alias }, signal)
      : await this.#ask(`find ${reference}`, 'model-versions/get', { name, version: String(target.version) }, signal)
    return versionOf(found, reference, name)
  }

  /** The highest version from `from` to `to`. */
  async #highest(name: string, reference: string, from: number, to: number, signal: AbortSignal | undefined): Promise<MlflowVersion> {
    const query = { filter: `name='${name}'`, order_by: 'version_number DESC', max_results: to === Infinity ? '1' : '200' }
    let token: string | undefined
    do {
      const { model_versions: page, next_page_token: next } = await this.#ask(`find ${reference}`, 'model-versions/search', { ...query, ...(token === undefined ? {} : { page_token: token }) }, signal)
      for (const each of Array.isArray(page) ? page as unknown[] : []) {
        const version = isFields(each) ? Number(each['version']) : 0
        if (version < from) return versionOf(undefined, reference, name)
        if (version <= to) return versionOf(each, reference, name)
      }
      token = Array.isArray(page) && page.length > 0 && typeof next === 'string' && next !== '' ? next : undefined
    } while (token !== undefined)
    return versionOf(undefined, reference, name)
  }

  /** Where the files of a version lie below the server's artifacts. */
  async artifactRoot(name: string, version: number, signal: AbortSignal | undefined): Promise<string> {
    const action = `find the files of ${name}@${version}`
    const uri = textOf((await this.#ask(action, 'model-versions/get-download-uri', { name, version: String(version) }, signal))['artifact_uri'])
    const match = /^mlflow-artifacts:(?:\/\/([^/]+))?\/+([^?#]*[^?#/])\/*$/.exec(uri)
    const [, authority, root] = match ?? []
    if (root === undefined || (authority !== undefined && authority !== this.#client.host)) {
      throw sourceFailed(action, `${this.#client.host} must serve them itself (mlflow server --serve-artifacts)`, uri.slice(0, 200), { retryable: false })
    }
    return root
  }

  /** The files below a root, by path. */
  async artifacts(root: string, what: string, signal: AbortSignal | undefined): Promise<Artifact[]> {
    const action = `list the files of ${what}`
    const found: Artifact[] = []
    const list = async (folder: string, depth: number): Promise<void> => {
      if (depth > maxDepth) throw sourceTooLarge(action, maxDepth, 'more folders in each other')
      const { files } = await this.#ask(action, `${proxy}?`, { path: folder === '' ? root : `${root}/${folder}` }, signal)
      for (const file of Array.isArray(files) ? files : []) {
        const name = isFields(file) ? file['path'] : undefined
        // Names come from whoever logged the model.
        const fault = typeof name === 'string' && !name.includes('/') ? pathFault(name) : 'must be a name'
        if (fault !== undefined) throw sourceCorrupt(action, `each name ${fault}`, JSON.stringify(name))
        const path = folder === '' ? name as string : `${folder}/${name as string}`
        if ((file as Fields)['is_dir'] === true) await list(path, depth + 1)
        else found.push({ path, bytes: sizeOf((file as Fields)['file_size']) })
        if (found.length > maxFiles) throw sourceTooLarge(action, maxFiles, 'more files')
      }
    }
    await list('', 0)
    return found.sort((a, b) => (a.path < b.path ? -1 : 1))
  }

  /** The path of a file's bytes. */
  artifactPath(root: string, path: string): string {
    return `${proxy}/${encoded(`${root}/${path}`)}`
  }

  async #ask(action: string, endpoint: string, query: Readonly<Record<string, string>>, signal: AbortSignal | undefined): Promise<Fields> {
    const path = endpoint.endsWith('?') ? endpoint.slice(0, -1) : api + endpoint
    return await withAttempts({ ...this.#attempts, signal }, () => this.#askOnce({ action, path, query, signal, isSmall: true, accepts: [400] }))
  }

  async #askOnce(request: GetRequest): Promise<Fields> {
    const { action } = request
    const answer = await this.#client.get(request)
    try {
      const text = new TextDecoder().decode(await readSmall(answer, action, maxAnswerBytes))
      const value = jsonOf(text)
      if (answer.status === 200 && isFields(value)) return value
      if (answer.status === 200) throw sourceFailed(action, `${this.#client.host} must answer with JSON`, text.slice(0, 60), { retryable: true })
      // MLflow says so of an alias that is not there.
      if (isFields(value) && /not found/i.test(textOf(value['message']))) throw sourceNotFound(action, `${this.#client.host} must have it`, textOf(value['message']).slice(0, 200))
      throw sourceFailed(action, `${this.#client.host} must answer with success`, `status ${answer.status}: ${text.slice(0, 200)}`, { retryable: false, status: answer.status })
    } finally {
      answer.end()
    }
  }
}

/** What stands behind the `@`. */
export const targetOf = (target: Exclude<ModelReference, { readonly kind: 'digest' }>): string => {
  switch (target.kind) {
    case 'version': return String(target.version)
    case 'alias': return target.alias
    case 'latest': return 'latest'
    case 'range': return `${target.from}..${target.to === Infinity ? '' : target.to}`
  }
}

const jsonOf = (text: string): unknown => {
  try {
    return JSON.parse(text) as unknown
  } catch {
    return undefined
  }
}

const sizeOf = (value: unknown): number | undefined => {
  const bytes = typeof value === 'string' ? Number(value) : value
  return Number.isSafeInteger(bytes) && (bytes as number) >= 0 ? bytes as number : undefined
}

/** From the JSON of a version. */
const versionOf = (value: unknown, reference: string, name: string): MlflowVersion => {
  const action = `find ${reference}`
  if (!isFields(value)) throw sourceNotFound(action, 'it must be registered', 'nothing', reference)
  const version = Number(value['version'])
  const created = Number(value['creation_timestamp'])
  if (value['name'] !== name || !Number.isSafeInteger(version) || version < 1 || !Number.isSafeInteger(created)) {
    throw sourceFailed(action, 'the registry must answer with a version of it', JSON.stringify(value).slice(0, 200), { retryable: false })
  }
  const status = textOf(value['status'])
  if (status !== 'READY' && status !== '') throw sourceFailed(action, `${name}@${version} must be READY`, status, { retryable: status === 'PENDING_REGISTRATION' })
  const tags: Record<string, string> = {}
  for (const tag of Array.isArray(value['tags']) ? value['tags'] as unknown[] : []) {
    if (isFields(tag) && typeof tag['key'] === 'string') tags[tag['key']] = textOf(tag['value'])
  }
  return { name, version, created, source: textOf(value['source']), runId: textOf(value['run_id']), tags }
}

/** What was written of a version, read back; `undefined` if it is not that. */
export const parseVersion = (text: string | undefined, name: string): MlflowVersion | undefined => {
  const value = jsonOf(text ?? '')
  return isFields(value) && value['name'] === name && isFields(value['tags']) && Number.isSafeInteger(value['version']) && Number.isSafeInteger(value['created']) && typeof value['source'] === 'string' && typeof value['runId'] === 'string'
    ? value as unknown as MlflowVersion
    : undefined
}

