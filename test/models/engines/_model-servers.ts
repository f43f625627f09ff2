/** Model servers on loopback that take nothing but what their protocol says. */
import { createServer, type IncomingMessage, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { DType, Tensor, Tensors } from 'outrigger/schema'
import { fromFloat16, toFloat16 } from '../../../src/schema/float16.js'
import { echo, servedModels, type ServedModel, type ServedTensor } from './_served-models.js'

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

const hasOnly = (value: object, keys: readonly string[], where: string): void => {
  for (const key of Object.keys(value)) must(keys.includes(key), `${where} has no field ${key}`)
}
const isSizes = (shape: unknown): shape is number[] => Array.isArray(shape) && shape.every((size) => Number.isInteger(size) && (size as number) >= 0)
const countOf = (shape: readonly number[]): number => shape.reduce((product, size) => product * size, 1)

/** JSON as TensorFlow Serving and Triton read and write it: with NaN and infinities as words, and with -0. */
const loose = {
  parse: (text: string): unknown => JSON.parse(text.replace(/"(?:[^"\\]|\\.)*"|-?\b(?:NaN|Infinity)\b/g, (found) => (found.startsWith('"') ? found : `"#${found}"`)), (_, value: unknown) => (typeof value === 'string' && value.startsWith('#') ? Number(value.slice(1)) : value)),
  text: (value: unknown): string => JSON.stringify(value, (_, one: unknown) => (typeof one === 'bigint' ? `#${one}#` : typeof one === 'number' && (!Number.isFinite(one) || Object.is(one, -0)) ? `#${Object.is(one, -0) ? '-0' : one}#` : one)).replace(/"#(-?\w+)#"/g, '$1'),
}

/** The elements of a tensor in JSON must be what its type is. */
const fromJson = (dtype: DType, values: readonly unknown[], where: string): Tensor['data'] => {
  const kind = dtype === 'string' ? 'string' : dtype === 'bool' ? 'boolean' : 'number'
  must(values.every((value) => typeof value === kind && (kind !== 'number' || dtype.startsWith('float') || Number.isInteger(value))), `${where} must hold ${dtype}`)
  if (dtype === 'string') return values as string[]
  if (dtype === 'int64' || dtype === 'uint64') return dtype === 'int64' ? BigInt64Array.from(values as number[], BigInt) : BigUint64Array.from(values as number[], BigInt)
  if (dtype === 'float16') return Uint16Array.from(values as number[], toFloat16) // as MLServer does; Triton and KServe refuse it
  return new arrays[dtype](values.map(Number) as never) as Tensor['data']
}
const toJson = ({ dtype, data }: Tensor): unknown[] => (dtype === 'bool' ? Array.from(data, (value) => value === 1) : dtype === 'float16' ? Array.from(data, fromFloat16) : Array.from(data as Iterable<unknown>))

const arrays = {
  float16: Uint16Array, float32: Float32Array, float64: Float64Array, int8: Int8Array, uint8: Uint8Array, int16: Int16Array, uint16: Uint16Array, int32: Int32Array, uint32: Uint32Array, int64: BigInt64Array, uint64: BigUint64Array, bool: Uint8Array,
}

const fromBytes = (dtype: DType, bytes: Buffer): Tensor['data'] => {
  if (dtype !== 'string') return new arrays[dtype](bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length) as ArrayBuffer)
  const texts: string[] = []
  for (let at = 0; at < bytes.length; at += 4 + bytes.readUInt32LE(at)) texts.push(bytes.toString('utf8', at + 4, at + 4 + bytes.readUInt32LE(at)))
  return texts
}
const toBytes = (tensor: Tensor): Buffer => {
  if (tensor.dtype !== 'string') return Buffer.from(tensor.data.buffer, tensor.data.byteOffset, tensor.data.byteLength)
  return Buffer.concat(tensor.data.flatMap((text) => {
    const length = Buffer.alloc(4)
    length.writeUInt32LE(Buffer.byteLength(text))
    return [length, Buffer.from(text)]
  }))
}

/** Names, types and shapes as the model declares them. */
const fit = (inputs: Tensors, declared: ServedModel['inputs']): void => {
  must(Object.keys(inputs).sort().join() === Object.keys(declared).sort().join(), `inputs ${Object.keys(inputs).join()}`)
  for (const [name, { dtype, shape }] of Object.entries(declared)) {
    const given = inputs[name] as Tensor
    must(given.dtype === dtype, `${name} is ${given.dtype}`)
    must(given.shape.length === shape.length && shape.every((size, at) => size === -1 || size === given.shape[at]), `unexpected shape for input '${name}': [${given.shape.join()}]`)
  }
}

const datatypes: Readonly<Record<DType, string>> = {
  bool: 'BOOL', uint8: 'UINT8', uint16: 'UINT16', uint32: 'UINT32', uint64: 'UINT64', int8: 'INT8', int16: 'INT16', int32: 'INT32', int64: 'INT64', float16: 'FP16', float32: 'FP32', float64: 'FP64', string: 'BYTES',
}
const dtypeOf = (datatype: string): DType => {
  const found = Object.entries(datatypes).find(([, name]) => name === datatype)
  must(found !== undefined, `datatype ${datatype}`)
  return found![0] as DType
}

interface InferInput { name: string; shape: number[]; datatype: string; parameters?: { binary_data_size: number }; data?: unknown[] }

/** The inputs of an inference request, checked by the specification: JSON, or the extension of binary tensors. */
const inferInputs = ({ headers, body }: Seen): { readonly inputs: Tensors; readonly wantsBinary: boolean } => {
  const length = headers['inference-header-content-length']
  const isBinary = length !== undefined
  must(headers['content-type'] === (isBinary ? 'application/octet-stream' : 'application/json'), `content type ${String(headers['content-type'])}`)
  must(headers['content-length'] === String(body.length), 'content length')
  const json = JSON.parse(body.subarray(0, isBinary ? Number(length) : body.length).toString()) as { parameters?: { binary_data_output?: boolean }; inputs: InferInput[] }
  hasOnly(json, ['id', 'parameters', 'inputs', 'outputs'], 'the request')
  must(Array.isArray(json.inputs) && json.inputs.length > 0, 'inputs')
  let at = Number(length ?? body.length)
  const inputs = Object.fromEntries(json.inputs.map((input) => {
    const { name, shape, datatype, data, parameters } = input
    hasOnly(input, ['name', 'shape', 'datatype', 'parameters', 'data'], 'an input')
    must(isSizes(shape), 'shape')
    const dtype = dtypeOf(datatype)
    must((data === undefined) === isBinary, 'data either here or behind')
    let elements: Tensor['data']
    if (data !== undefined) elements = fromJson(dtype, data, name)
    else {
      const size = (parameters as { binary_data_size: number }).binary_data_size
      elements = fromBytes(dtype, body.subarray(at, at + size))
      at += size
    }
    must(elements.length === countOf(shape), `${elements.length} elements of ${name}`)
    return [name, { dtype, shape, data: elements } as Tensor]
  }))
  must(at === body.length, 'bytes behind the last input')
  return { inputs, wantsBinary: json.parameters?.binary_data_output === true }
}

/** Speaks the Open Inference Protocol: all models at version 3, and `echo`, of which it knows no inputs. */
export const openInferenceServer = (options: { readonly binary?: boolean } = {}): Promise<ModelServer> =>
  modelServer((seen) => {
    const { method, path, headers } = seen
    if (path === '/v2') return { name: 'strict', version: '1', extensions: options.binary === true ? ['binary_tensor_data'] : [] }
    const [, name = '', version, rest] = /^\/v2\/models\/([^/]+)(?:\/versions\/([^/]+))?(\/ready|\/infer)?$/.exec(path) ?? []
    const model = servedModels[name]
    must(model !== undefined || name === 'echo', `model ${name} is not there`, 404)
    must(version === undefined || version === '3', `version ${String(version)} is not there`, 404)
    must(method === (rest === '/infer' ? 'POST' : 'GET'), 'method', 405)
    if (rest === '/ready') return { name, ready: true }
    if (rest === undefined) {
      const listed = (tensors: ServedModel['inputs'] = {}): object[] => Object.entries(tensors).map(([one, { dtype, shape }]) => ({ name: one, datatype: datatypes[dtype], shape }))
      return { name, versions: ['3'], platform: 'test', inputs: listed(model?.inputs), outputs: listed(model?.outputs) }
    }
    must(options.binary === true || headers['inference-header-content-length'] === undefined, 'binary tensors are not known')
    const { inputs, wantsBinary } = inferInputs(seen)
    if (model !== undefined) fit(inputs, model.inputs)
    const outputs = Object.entries(model === undefined ? echo(inputs) : model.run(inputs))
    const head = { model_name: name, model_version: '3' }
    if (!wantsBinary) return { headers: { 'content-type': 'application/json' }, bytes: Buffer.from(loose.text({ ...head, outputs: outputs.map(([one, tensor]) => ({ name: one, datatype: datatypes[tensor.dtype], shape: tensor.shape, data: toJson(tensor), parameters: null })) })) }
    const parts = outputs.map(([, tensor]) => toBytes(tensor))
    const json = Buffer.from(JSON.stringify({ ...head, outputs: outputs.map(([one, { dtype, shape }], at) => ({ name: one, datatype: datatypes[dtype], shape, parameters: { binary_data_size: parts[at]!.length } })) }))
    return { headers: { 'content-type': 'application/octet-stream', 'inference-header-content-length': String(json.length) }, bytes: Buffer.concat([json, ...parts]) }
  })

const types: Readonly<Partial<Record<DType, string>>> = { float32: 'DT_FLOAT', float64: 'DT_DOUBLE', int8: 'DT_INT8', int16: 'DT_INT16', int32: 'DT_INT32', int64: 'DT_INT64', uint8: 'DT_UINT8', bool: 'DT_BOOL', string: 'DT_STRING' }

/** `image_bytes` → `text`, `echo_bytes`: base64 on the way. */
const image = ({ image_bytes: images = [] }: Record<string, unknown[]>): Record<string, unknown[]> => {
  const coded = images as { b64: string }[]
  must(coded.every(({ b64 }) => Buffer.from(b64, 'base64').toString('base64') === b64), 'base64')
  return { text: coded.map(({ b64 }) => `${Buffer.from(b64, 'base64').length} bytes`), echo_bytes: coded }
}

const flat = (value: unknown): unknown[] => (Array.isArray(value) ? (value as unknown[]).flatMap(flat) : [value])
const nestedShape = (value: unknown): number[] => (Array.isArray(value) ? [value.length, ...nestedShape((value as unknown[])[0])] : [])
const nested = (values: readonly unknown[], shape: readonly number[]): unknown[] => {
  const [rows = 0, ...rest] = shape
  const size = countOf(rest)
  return Array.from({ length: rows }, (_, row) => (rest.length === 0 ? values[row] : nested(values.slice(row * size, (row + 1) * size), rest)))
}

/** Runs a model of ours on nested columns; a column of no rows has the shape that is declared. */
const columnar = ({ inputs: declared, run }: ServedModel, columns: Record<string, unknown[]>): Record<string, unknown[]> => {
  const inputs = Object.fromEntries(Object.entries(columns).map(([name, column]) => {
    const dtype = declared[name]?.dtype ?? 'string'
    const shape = column.length === 0 ? (declared[name]?.shape ?? []).map((size) => Math.max(0, size)) : nestedShape(column)
    const data = fromJson(dtype, flat(column), name)
    must(data.length === countOf(shape), `${name} must be nested evenly`)
    return [name, { dtype, shape, data } as Tensor]
  }))
  fit(inputs, declared)
  return Object.fromEntries(Object.entries(run(inputs)).map(([name, tensor]) => [name, nested(toJson(tensor), tensor.shape)]))
}

/** Speaks TensorFlow Serving: all models, `image`, and `half` with a type that nobody knows, at version 3 with the label `stable`. */
export const tensorflowServer = (): Promise<ModelServer> =>
  modelServer(({ method, path, headers, body }) => {
    const [, name = '', version, label, rest] = /^\/v1\/models\/([^/:]+)(?:\/versions\/([^/:]+))?(?:\/labels\/([^/:]+))?(\/metadata|:predict)?$/.exec(path) ?? []
    const model = servedModels[name]
    const strings = (...shape: number[]): ServedTensor => ({ dtype: 'string', shape })
    const declared = name === 'image' ? { inputs: { image_bytes: strings(-1) }, outputs: { text: strings(-1), echo_bytes: strings(-1) } } : name === 'half' ? { inputs: { x: { dtype: 'float16', shape: [-1] } as const }, outputs: { y: strings(-1) } } : model
    must(declared !== undefined && (version === undefined || version === '3') && (label === undefined || label === 'stable'), `Servable not found for request: ${path}`, 404)
    must(method === (rest === ':predict' ? 'POST' : 'GET'), 'method', 405)
    if (rest === undefined) return { model_version_status: [{ version: '3', state: 'AVAILABLE', status: { error_code: 'OK', error_message: '' } }] }
    if (rest === '/metadata') {
      const infos = (tensors: ServedModel['inputs']): object =>
        Object.fromEntries(Object.entries(tensors).map(([one, { dtype, shape }]) => [one, { dtype: types[dtype] ?? 'DT_BFLOAT16', tensor_shape: one === 'b_out' ? { dim: [], unknown_rank: true } : { dim: shape.map((size) => ({ size: String(size), name: '' })), unknown_rank: false }, name: 'internal:0' }]))
      return { model_spec: { name, signature_name: '', version: '3' }, metadata: { signature_def: { signature_def: { serving_default: { inputs: infos(declared!.inputs), outputs: infos(declared!.outputs), method_name: 'tensorflow/serving/predict' } } } } }
    }
    must(headers['content-type'] === 'application/json', 'content type')
    const request = loose.parse(body.toString()) as { signature_name?: string; instances?: unknown[]; inputs?: Record<string, unknown[]> }
    hasOnly(request, ['signature_name', 'instances', 'inputs'], 'the request')
    must((request.signature_name ?? 'serving_default') === 'serving_default', `signature ${String(request.signature_name)} is not there`)
    must((request.instances === undefined) !== (request.inputs === undefined), 'either instances or inputs')
    const names = Object.keys(declared!.inputs)
    const columns = request.inputs ?? Object.fromEntries(names.map((one) => [one, (request.instances as unknown[]).map((row) => (names.length === 1 ? row : (row as Record<string, unknown>)[one]))]))
    must(Object.keys(columns).sort().join() === [...names].sort().join() && names.every((one) => Array.isArray(columns[one])), 'one column per input')
    const outputs = model === undefined ? image(columns) : columnar(model, columns)
    const given = Object.keys(outputs)
    const answer = request.inputs !== undefined
      ? { outputs: given.length === 1 ? outputs[given[0]!] : outputs }
      : { predictions: given.length === 1 ? outputs[given[0]!] : outputs[given[0]!]!.map((_, row) => Object.fromEntries(given.map((one) => [one, outputs[one]![row]]))) }
    return { headers: { 'content-type': 'application/json' }, bytes: Buffer.from(loose.text(answer)) }
  })
