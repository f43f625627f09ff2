/** Model servers on loopback that take nothing but what their protocol says. Both hold the model y = [x0 + x1, x0 - x1]. */
import { createServer, type IncomingMessage, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'

/** What arrived. */
export interface Seen { readonly method: string; readonly path: string; readonly headers: IncomingMessage['headers']; readonly body: Buffer }

/** An answer that a test wants in the place of the right one. */
export interface Instead { readonly status?: number; readonly headers?: Record<string, string>; readonly body?: string | Buffer; readonly hang?: boolean; readonly destroy?: boolean; readonly chunks?: number }

export interface ModelServer {
  readonly url: string
  readonly seen: Seen[]
  /** Connections that were ever opened. */
  readonly connections: number
  /** Answers so, if it gives something; else rightly. */
  instead: (seen: Seen) => Instead | undefined
  close(): Promise<void>
}

/** Refuses a request, with the reason. */
export class Refused extends Error {
  readonly status: number
  constructor(status: number, message: string) {
    super(message)
    this.status = status
  }
}
export const must = (holds: boolean, message: string, status = 400): void => {
  if (!holds) throw new Refused(status, message)
}

const bodyOf = async (request: IncomingMessage): Promise<Buffer> => {
  const parts: Buffer[] = []
  for await (const part of request) parts.push(part as Buffer)
  return Buffer.concat(parts)
}

/** A server whose answers are those of `handle`: JSON, or bytes with headers. */
export const modelServer = async (handle: (seen: Seen) => object | { readonly headers: Record<string, string>; readonly bytes: Buffer }): Promise<ModelServer> => {
  let connections = 0
  const seen: Seen[] = []
  const server: Server = createServer((request, response) => {
    void (async () => {
      const one: Seen = { method: request.method ?? '', path: request.url ?? '', headers: request.headers, body: await bodyOf(request) }
      seen.push(one)
      const instead = self.instead(one)
      if (instead?.hang === true) return
      if (instead?.destroy === true) return void response.destroy()
      if (instead !== undefined) {
        response.writeHead(instead.status ?? 200, instead.headers)
        for (let chunk = 0; chunk < (instead.chunks ?? 0); chunk += 1) response.write(Buffer.alloc(65_536, ' '))
        return void response.end(instead.body)
      }
      try {
        const answer = handle(one)
        if ('bytes' in answer) return void response.writeHead(200, answer.headers).end(answer.bytes)
        response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(answer))
      } catch (error) {
        response.writeHead(error instanceof Refused ? error.status : 500, { 'content-type': 'application/json' }).end(JSON.stringify({ error: (error as Error).message }))
      }
    })()
  })
  server.on('connection', () => (connections += 1))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const self: ModelServer = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    seen,
    get connections() {
      return connections
    },
    instead: () => undefined,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
  return self
}

const widths: Readonly<Record<string, number>> = { BOOL: 1, UINT8: 1, UINT16: 2, UINT32: 4, UINT64: 8, INT8: 1, INT16: 2, INT32: 4, INT64: 8, FP16: 2, FP32: 4, FP64: 8 }
const hasOnly = (value: object, keys: readonly string[], where: string): void => {
  for (const key of Object.keys(value)) must(keys.includes(key), `${where} has no field ${key}`)
}
const isSizes = (shape: unknown): shape is number[] => Array.isArray(shape) && shape.every((size) => Number.isInteger(size) && (size as number) >= 0)

interface InferInput { name: string; shape: number[]; datatype: string; parameters?: { binary_data_size: number }; data?: unknown[] }

/** The inputs of an inference request, checked by the specification: JSON, or the extension of binary tensors. */
const inputsOf = ({ headers, body }: Seen): { readonly inputs: (InferInput & { readonly bytes?: Buffer })[]; readonly wantsBinary: boolean } => {
  const length = headers['inference-header-content-length']
  const isBinary = length !== undefined
  must(headers['content-type'] === (isBinary ? 'application/octet-stream' : 'application/json'), `content type ${String(headers['content-type'])}`)
  must(headers['content-length'] === String(body.length), 'content length')
  const json = JSON.parse(body.subarray(0, isBinary ? Number(length) : body.length).toString()) as { id?: string; parameters?: { binary_data_output?: boolean }; inputs: InferInput[] }
  hasOnly(json, ['id', 'parameters', 'inputs', 'outputs'], 'the request')
  must(Array.isArray(json.inputs) && json.inputs.length > 0, 'inputs')
  let at = Number(length ?? body.length)
  const inputs = json.inputs.map((input) => {
    hasOnly(input, ['name', 'shape', 'datatype', 'parameters', 'data'], 'an input')
    must(isSizes(input.shape), 'shape')
    const count = input.shape.reduce((product, size) => product * size, 1)
    must(input.datatype === 'BYTES' || input.datatype in widths, `datatype ${input.datatype}`)
    must((input.data === undefined) === isBinary, 'data either here or behind')
    if (!isBinary) {
      const kind = input.datatype === 'BYTES' ? 'string' : input.datatype === 'BOOL' ? 'boolean' : 'number'
      must((input.data as unknown[]).length === count && (input.data as unknown[]).every((value) => typeof value === kind), `data of ${input.name}`)
      return input
    }
    const size = (input.parameters as { binary_data_size: number }).binary_data_size
    const bytes = body.subarray(at, at + size)
    at += size
    must(bytes.length === size && (input.datatype === 'BYTES' || size === count * (widths[input.datatype] as number)), `bytes of ${input.name}`)
    return { ...input, bytes }
  })
  must(at === body.length, 'bytes behind the last input')
  return { inputs, wantsBinary: json.parameters?.binary_data_output === true }
}

/** Speaks the Open Inference Protocol: `sum` of two FP32, at version 3, and `echo`, which gives back every input as `<name>_out`. */
export const openInferenceServer = (options: { readonly binary?: boolean; readonly metadata?: object } = {}): Promise<ModelServer> =>
  modelServer((seen) => {
    const { method, path, headers, body } = seen
    if (path === '/v2') return { name: 'strict', version: '1', extensions: options.binary === true ? ['binary_tensor_data'] : [] }
    const [, model, version, rest] = /^\/v2\/models\/([^/]+)(?:\/versions\/([^/]+))?(\/ready|\/infer)?$/.exec(path) ?? []
    must(model === 'sum' || model === 'echo', `model ${String(model)} is not there`, 404)
    must(version === undefined || version === '3', `version ${String(version)} is not there`, 404)
    must(method === (rest === '/infer' ? 'POST' : 'GET'), 'method', 405)
    if (rest === '/ready') return { name: model, ready: true }
    if (rest === undefined) {
      const tensor = (name: string, size: number): object => ({ name, datatype: 'FP32', shape: [-1, size] })
      return options.metadata ?? (model === 'echo' ? { name: model, versions: null, platform: '', inputs: [], outputs: [] } : { name: model, versions: ['3'], platform: 'test', inputs: [tensor('x', 2)], outputs: [tensor('y', 2)] })
    }
    must(options.binary === true || headers['inference-header-content-length'] === undefined, 'binary tensors are not known')
    const { inputs, wantsBinary } = inputsOf({ ...seen, body })
    const outputs = model === 'echo' ? inputs.map((input) => ({ ...input, name: `${input.name}_out` })) : inputs.map((input) => {
      const x = input.bytes === undefined ? (input.data as number[]) : new Float32Array(input.bytes.buffer.slice(input.bytes.byteOffset, input.bytes.byteOffset + input.bytes.length))
      const y = Float32Array.from(x, (value, at) => (at % 2 === 0 ? value + (x[at + 1] as number) : (x[at - 1] as number) - value))
      return { name: 'y', datatype: 'FP32', shape: input.shape, bytes: Buffer.from(y.buffer), data: Array.from(y) }
    })
    const head = { model_name: model, model_version: '3' }
    if (!wantsBinary) return { ...head, outputs: outputs.map(({ name, datatype, shape, data }) => ({ name, datatype, shape, data, parameters: null })) }
    const json = Buffer.from(JSON.stringify({ ...head, outputs: outputs.map(({ name, datatype, shape, bytes }) => ({ name, datatype, shape, parameters: { binary_data_size: (bytes as Buffer).length } })) }))
    return { headers: { 'content-type': 'application/octet-stream', 'inference-header-content-length': String(json.length) }, bytes: Buffer.concat([json, ...outputs.map(({ bytes }) => bytes as Buffer)]) }
  })

const nestedShape = (value: unknown): number[] => (Array.isArray(value) ? [value.length, ...nestedShape((value as unknown[])[0])] : [])

/** JSON as TensorFlow Serving reads and writes it: with NaN and infinities as words. */
const loose = {
  parse: (text: string): unknown => JSON.parse(text.replace(/"(?:[^"\\]|\\.)*"|-?\b(?:NaN|Infinity)\b/g, (found) => (found.startsWith('"') ? found : `"#${found}"`)), (_, value: unknown) => (typeof value === 'string' && value.startsWith('#') ? Number(value.slice(1)) : value)),
  text: (value: unknown): string => JSON.stringify(value, (_, one: unknown) => (typeof one === 'number' && !Number.isFinite(one) ? `#${one}#` : one)).replace(/"#(-?\w+)#"/g, '$1'),
}

/** Speaks TensorFlow Serving: `sum` (x → y), `pair` (a, b → a_out, b_out) and `image` (image_bytes → text, echo_bytes), at version 3 with the label `stable`. */
export const tensorflowServer = (): Promise<ModelServer> =>
  modelServer(({ method, path, headers, body }) => {
    const [, model, version, label, rest] = /^\/v1\/models\/([^/:]+)(?:\/versions\/([^/:]+))?(?:\/labels\/([^/:]+))?(\/metadata|:predict)?$/.exec(path) ?? []
    const dims = (...sizes: number[]): object => ({ dim: sizes.map((size) => ({ size: String(size), name: '' })), unknown_rank: false })
    const tensor = (dtype: string, ...sizes: number[]): object => ({ dtype, tensor_shape: dims(...sizes), name: 'internal:0' })
    const models: Record<string, { inputs: Record<string, object>; outputs: Record<string, object> }> = {
      sum: { inputs: { x: tensor('DT_FLOAT', -1, 2) }, outputs: { y: tensor('DT_FLOAT', -1, 2) } },
      pair: { inputs: { a: tensor('DT_INT64', -1), b: tensor('DT_STRING', -1, 2, 1) }, outputs: { a_out: tensor('DT_INT64', -1), b_out: { dtype: 'DT_STRING', tensor_shape: { dim: [], unknown_rank: true } } } },
      image: { inputs: { image_bytes: tensor('DT_STRING', -1) }, outputs: { text: tensor('DT_STRING', -1), echo_bytes: tensor('DT_STRING', -1) } },
      half: { inputs: { x: tensor('DT_BFLOAT16', -1) }, outputs: { y: tensor('DT_FLOAT', -1) } },
    }
    const signature = models[model ?? '']
    must(signature !== undefined && (version === undefined || version === '3') && (label === undefined || label === 'stable'), `Servable not found for request: ${path}`, 404)
    must(method === (rest === ':predict' ? 'POST' : 'GET'), 'method', 405)
    if (rest === undefined) return { model_version_status: [{ version: '3', state: 'AVAILABLE', status: { error_code: 'OK', error_message: '' } }] }
    if (rest === '/metadata') return { model_spec: { name: model, signature_name: '', version: '3' }, metadata: { signature_def: { signature_def: { serving_default: { ...signature, method_name: 'tensorflow/serving/predict' } } } } }
    must(headers['content-type'] === 'application/json', 'content type')
    const request = loose.parse(body.toString()) as { signature_name?: string; instances?: unknown[]; inputs?: Record<string, unknown[]> }
    hasOnly(request, ['signature_name', 'instances', 'inputs'], 'the request')
    must((request.signature_name ?? 'serving_default') === 'serving_default', `signature ${String(request.signature_name)} is not there`)
    must((request.instances === undefined) !== (request.inputs === undefined), 'either instances or inputs')
    const names = Object.keys(signature!.inputs)
    const columns = request.inputs ?? Object.fromEntries(names.map((name) => [name, (request.instances as unknown[]).map((row) => (names.length === 1 ? row : (row as Record<string, unknown>)[name]))]))
    must(Object.keys(columns).length === names.length && names.every((name) => Array.isArray(columns[name])), 'one column per input')
    let outputs: Record<string, unknown[]>
    if (model === 'sum') {
      must(nestedShape(columns['x']).join() === `${columns['x']!.length},2`, `shape ${nestedShape(columns['x']).join()}`)
      outputs = { y: (columns['x'] as number[][]).map(([a = 0, b = 0]) => [a + b, a - b]) }
    } else if (model === 'pair') {
      must((columns['a'] as unknown[]).every((value) => typeof value === 'number'), 'a')
      must(nestedShape(columns['b']).slice(1).join() === '2,1', `shape of b ${nestedShape(columns['b']).join()}`)
      outputs = { a_out: columns['a']!, b_out: columns['b']! }
    } else {
      const images = columns['image_bytes'] as { b64: string }[]
      must(images.every(({ b64 }) => Buffer.from(b64, 'base64').toString('base64') === b64), 'base64')
      outputs = { text: images.map(({ b64 }) => `${Buffer.from(b64, 'base64').length} bytes`), echo_bytes: images }
    }
    const given = Object.keys(outputs)
    const answer = request.inputs !== undefined
      ? { outputs: given.length === 1 ? outputs[given[0]!] : outputs }
      : { predictions: given.length === 1 ? outputs[given[0]!] : outputs[given[0]!]!.map((_, row) => Object.fromEntries(given.map((name) => [name, outputs[name]![row]]))) }
    return { headers: { 'content-type': 'application/json' }, bytes: Buffer.from(loose.text(answer)) }
  })
