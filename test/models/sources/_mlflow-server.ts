/** The part of MLflow's REST API that we ask, with answers of the shapes that MLflow 3.17.2 gives (`npm run judges -- mlflow` asks real ones). */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { ModelSignature } from 'outrigger/models'

export interface FakeVersion {
  created: number
  source: string
  runId: string
  status: string
  uri: string
  readonly tags: Record<string, string>
  readonly files: Map<string, Uint8Array>
}

export interface FakeMlflow {
  readonly url: string
  readonly models: Map<string, { readonly versions: Map<number, FakeVersion>; readonly aliases: Record<string, number> }>
  readonly seen: { readonly path: string; readonly headers: IncomingMessage['headers'] }[]
  /** Answers in the place of the registry if it returns true. */
  spoil: (request: IncomingMessage, response: ServerResponse) => boolean
  register(name: string, files: Readonly<Record<string, Uint8Array | string>>): number
  stop(): Promise<void>
  start(): Promise<void>
}

/** An MLmodel file as MLflow writes it. */
export const mlModelText = (flavors: readonly string[], signature?: ModelSignature): string => {
  const tensors = (list: ModelSignature['inputs']): string =>
    JSON.stringify(list.map(({ name, dtype, shape }) => ({ name, type: 'tensor', 'tensor-spec': { dtype, shape: shape.map((size) => size ?? -1) } })))
  const quoted = (text: string): string => `'${text.replaceAll("'", "''")}'`
  return [
    'artifact_path: model',
    'flavors:',
    ...flavors.flatMap((flavor) => [`  ${flavor}:`, '    code: null', '    data: model.onnx', '    providers:', '    - CUDAExecutionProvider', '    - CPUExecutionProvider']),
    'mlflow_version: 3.17.2',
    ...(signature === undefined ? [] : ['signature:', `  inputs: ${quoted(tensors(signature.inputs))}`, `  outputs: ${quoted(tensors(signature.outputs))}`, '  params: null']),
    'utc_time_created: \'2001-02-03 04:05:06.789\'',
    '',
  ].join('\n')
}

const bytesOf = (content: Uint8Array | string): Uint8Array => (typeof content === 'string' ? new TextEncoder().encode(content) : content)

export const startMlflow = async (): Promise<FakeMlflow> => {
  const models: FakeMlflow['models'] = new Map()
  const seen: FakeMlflow['seen'][number][] = []

  const json = (response: ServerResponse, value: unknown, status = 200): void => void response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(value))
  const missing = (response: ServerResponse, message: string): void => json(response, { error_code: 'RESOURCE_DOES_NOT_EXIST', message }, 404)
  const shown = (name: string, number: number): unknown => {
    const version = models.get(name)?.versions.get(number) as FakeVersion
    const aliases = Object.entries(models.get(name)?.aliases ?? {}).filter(([, target]) => target === number).map(([alias]) => alias)
    return {
      name, version: String(number), creation_timestamp: version.created, last_updated_timestamp: version.created, current_stage: 'None', description: '', source: version.source, run_id: version.runId, status: version.status, run_link: '',
      ...(aliases.length === 0 ? {} : { aliases }),
      ...(Object.keys(version.tags).length === 0 ? {} : { tags: Object.entries(version.tags).map(([key, value]) => ({ key, value })) }),
    }
  }
  const artifactsAt = (path: string): { version: FakeVersion; rest: string } | undefined => {
    const [id = '', ...rest] = path.split('/')
    const [name = '', number] = id.split('~')
    const version = models.get(name)?.versions.get(Number(number))
    return version === undefined ? undefined : { version, rest: rest.slice(1).join('/') } // behind `artifacts/`
  }

  const answer = (request: IncomingMessage, response: ServerResponse): void => {
    const url = new URL(request.url ?? '/', 'http://localhost')
    const [name = '', number, alias = ''] = ['name', 'version', 'alias'].map((key) => url.searchParams.get(key) ?? '')
    const model = models.get(name)
    const endpoint = url.pathname.replace('/api/2.0/', '')
    if (endpoint === 'mlflow/registered-models/alias') {
      const target = model?.aliases[alias]
      if (model === undefined) missing(response, `Registered Model with name=${name} not found`)
      else if (target === undefined || !Object.hasOwn(model.aliases, alias)) json(response, { error_code: 'INVALID_PARAMETER_VALUE', message: `Registered model alias ${alias} not found.` }, 400)
      else json(response, { model_version: shown(name, target) })
    } else if (endpoint === 'mlflow/model-versions/search') {
      const wanted = /^name='([^']*)'$/.exec(url.searchParams.get('filter') ?? '')?.[1] ?? ''
      const before = Number(url.searchParams.get('page_token') ?? Infinity)
      const numbers = [...models.get(wanted)?.versions.keys() ?? []].filter((number) => number < before).sort((a, b) => b - a)
      const page = numbers.slice(0, Math.min(2, Number(url.searchParams.get('max_results'))))
      // MLflow gives a token wherever a page is full.
      json(response, page.length === 0 ? {} : { model_versions: page.map((number) => shown(wanted, number)), next_page_token: String(page.at(-1)) })
    } else if (endpoint === 'mlflow/model-versions/get' || endpoint === 'mlflow/model-versions/get-download-uri') {
      const version = model?.versions.get(Number(number))
      if (version === undefined) missing(response, `Model Version (name=${name}, version=${number}) not found`)
      else json(response, endpoint.endsWith('uri') ? { artifact_uri: version.uri } : { model_version: shown(name, Number(number)) })
    } else if (endpoint === 'mlflow-artifacts/artifacts') {
      const found = artifactsAt(url.searchParams.get('path') ?? '')
      const prefix = found?.rest === '' ? '' : `${found?.rest}/`
      const files = new Map<string, unknown>()
      for (const [path, bytes] of found?.version.files ?? []) {
        if (!path.startsWith(prefix)) continue
        const [first = '', ...deeper] = path.slice(prefix.length).split('/')
        // MLflow leaves the size of an empty file out.
        files.set(first, deeper.length > 0 ? { path: first, is_dir: true } : { path: first, is_dir: false, ...(bytes.length === 0 ? {} : { file_size: bytes.length }) })
      }
      json(response, files.size === 0 ? {} : { files: [...files.values()] })
    } else if (endpoint.startsWith('mlflow-artifacts/artifacts/')) {
      const found = artifactsAt(decodeURIComponent(endpoint.slice('mlflow-artifacts/artifacts/'.length)))
      const bytes = found?.version.files.get(found.rest)
      if (bytes === undefined) missing(response, 'No such artifact')
      else response.writeHead(200, { 'content-type': 'application/octet-stream', 'content-length': bytes.length }).end(bytes)
    } else response.writeHead(404).end()
  }

  let port = 0
  let stop = async (): Promise<void> => {}
  const start = async (): Promise<void> => {
    const server = createServer((request, response) => {
      seen.push({ path: request.url ?? '', headers: request.headers })
      if (!fake.spoil(request, response)) answer(request, response)
    })
    await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve))
    port = (server.address() as AddressInfo).port
    stop = async () => {
      const closed = new Promise((resolve) => server.close(resolve))
      server.closeAllConnections()
      await closed
    }
  }
  const fake: { spoil: FakeMlflow['spoil'] } = { spoil: () => false }
  await start()
  const register: FakeMlflow['register'] = (name, files) => {
    const model = models.get(name) ?? { versions: new Map<number, FakeVersion>(), aliases: {} }
    models.set(name, model)
    const number = model.versions.size + 1
    model.versions.set(number, {
      created: 1_795_734_507_631 + number, source: `models:/m-${name}${number}`, runId: `run${number}`, status: 'READY', tags: {},
      uri: `mlflow-artifacts:/${name}~${number}/artifacts`,
      files: new Map(Object.entries(files).map(([path, content]) => [path, bytesOf(content)])),
    })
    return number
  }
  return Object.assign(fake, { url: `http://127.0.0.1:${port}/`, models, seen, register, start, stop: () => stop() })
}
