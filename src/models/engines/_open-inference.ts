/**
 * The Open Inference Protocol v2 over REST (https://github.com/kserve/open-inference-protocol), which Triton, KServe,
 * MLServer, OpenVINO and Seldon speak, with its extension for binary tensors.
 */
import { OutriggerError } from '../../core/errors.js'
import type { DType, Tensor, Tensors } from '../../schema/tensor.js'
import type { ModelSignature, TensorSpec } from '../manifest/manifest.js'
import { flatJson, isFiniteTensor, jsonOf, tensorOf } from './_json-tensors.js'
import type { RemoteAnswer, RemoteProtocol, RemoteRequest } from './_remote-protocol.js'
import { malformed } from './_remote-protocol.js'

const datatypes: Readonly<Record<DType, string>> = {
  bool: 'BOOL', uint8: 'UINT8', uint16: 'UINT16', uint32: 'UINT32', uint64: 'UINT64', int8: 'INT8', int16: 'INT16', int32: 'INT32', int64: 'INT64',
  float16: 'FP16', float32: 'FP32', float64: 'FP64', string: 'BYTES',
}
const dtypes: ReadonlyMap<unknown, DType> = new Map(Object.entries(datatypes).map(([dtype, datatype]) => [datatype, dtype as DType]))

const lengthHeader = 'Inference-Header-Content-Length'

interface RemoteTensor {
  readonly name: string
  readonly datatype: string
  readonly shape: readonly number[]
  readonly data?: unknown
  readonly parameters?: { readonly binary_data_size?: number }
}

const dtypeOf = (name: string, datatype: unknown): DType => {
  const dtype = dtypes.get(datatype)
  if (dtype === undefined) throw malformed(`the type of \`${name}\` must be one of ${[...dtypes.keys()].join(', ')}`, datatype)
  return dtype
}

// ---- binary tensors: elements little-endian without gaps; a text with its length in front, in four bytes

const utf8 = new TextEncoder()

const bytesOf = (tensor: Tensor): Uint8Array => {
  if (tensor.dtype !== 'string') return new Uint8Array(tensor.data.buffer, tensor.data.byteOffset, tensor.data.byteLength)
  const texts = tensor.data.map((text) => utf8.encode(text))
  const bytes = new Uint8Array(texts.reduce((sum, { length }) => sum + 4 + length, 0))
  const view = new DataView(bytes.buffer)
  let at = 0
  for (const text of texts) {
    view.setUint32(at, text.length, true)
    bytes.set(text, at + 4)
    at += 4 + text.length
  }
  return bytes
}

const textsOf = (name: string, bytes: Uint8Array): string[] => {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const decoder = new TextDecoder('utf-8', { fatal: true })
  const texts: string[] = []
  for (let at = 0; at < bytes.length; ) {
    const end = at + 4 <= bytes.length ? at + 4 + view.getUint32(at, true) : Infinity
    if (end > bytes.length) throw malformed(`the bytes of \`${name}\` must be whole`, `${bytes.length - at} bytes at the end`)
    texts.push(decoder.decode(bytes.subarray(at + 4, end)))
    at = end
  }
  return texts
}

const arrays = {
  float16: Uint16Array, float32: Float32Array, float64: Float64Array, int8: Int8Array, uint8: Uint8Array, int16: Int16Array, uint16: Uint16Array, int32: Int32Array, uint32: Uint32Array,
  int64: BigInt64Array, uint64: BigUint64Array, bool: Uint8Array,
} as const

const binaryTensor = (name: string, dtype: DType, shape: readonly number[], bytes: Uint8Array): Tensor => {
  const length = shape.reduce((product, size) => product * size, 1)
  let data: Tensor['data']
  if (dtype === 'string') data = textsOf(name, bytes)
  else {
    const { BYTES_PER_ELEMENT: width } = arrays[dtype]
    if (bytes.length % width !== 0) throw malformed(`the bytes of \`${name}\` must be whole`, `${bytes.length} bytes of ${width} each`)
    data = new arrays[dtype](bytes.slice().buffer)
  }
  if (data.length !== length) throw malformed(`\`${name}\` must have ${length} elements, as its shape [${shape.join(', ')}] says`, data.length)
  return { dtype, shape, data } as Tensor
}

// ---- requests and answers

const head = ([name, { dtype, shape }]: [string, Tensor]): string => `"name":${JSON.stringify(name)},"shape":[${shape.join(',')}],"datatype":"${datatypes[dtype]}"`

const jsonRequest = (inputs: Tensors): RemoteRequest => {
  for (const [name, tensor] of Object.entries(inputs)) {
    if (!isFiniteTensor(tensor)) {
      throw new OutriggerError('ERR_OUTRIGGER_INVALID_INPUT', `Cannot predict as input \`${name}\` must be finite, for a server without binary tensors, since JSON has no NaN and no infinity: current value is not`, { input: name })
    }
  }
  return {
    headers: { 'content-type': 'application/json' },
    body: `{"inputs":[${Object.entries(inputs).map((entry) => `{${head(entry)},"data":${flatJson(entry[1])}}`).join(',')}]}`,
  }
}

const binaryRequest = (inputs: Tensors): RemoteRequest => {
  const parts = Object.values(inputs).map(bytesOf)
  const heads = Object.entries(inputs).map((entry, at) => `{${head(entry)},"parameters":{"binary_data_size":${(parts[at] as Uint8Array).length}}}`)
  const json = utf8.encode(`{"inputs":[${heads.join(',')}],"parameters":{"binary_data_output":true}}`)
  return {
    headers: { 'content-type': 'application/octet-stream', [lengthHeader]: String(json.length) },
    body: Buffer.concat([json, ...parts]),
  }
}

const isShape = (shape: unknown): shape is readonly number[] => Array.isArray(shape) && shape.every((size) => Number.isSafeInteger(size) && (size as number) >= 0)

const outputsOf = ({ bytes, headers }: RemoteAnswer, wantedVersion: string | undefined): Tensors => {
  const length = headers.get(lengthHeader)
  const jsonLength = length === null ? bytes.length : Number(length)
  if (!(jsonLength <= bytes.length)) throw malformed(`its header ${lengthHeader} must not go beyond its end`, length)
  const { outputs, model_version: version } = Object(jsonOf(bytes.subarray(0, jsonLength))) as { outputs?: unknown; model_version?: unknown }
  if (!Array.isArray(outputs)) throw malformed('it must have `outputs`', typeof outputs)
  if (wantedVersion !== undefined && typeof version === 'string' && version !== '' && version !== wantedVersion) throw malformed(`it must be of version ${wantedVersion}`, version)
  let at = jsonLength
  return Object.fromEntries((outputs as RemoteTensor[]).map(({ name, datatype, shape, data, parameters }) => {
    const dtype = dtypeOf(name, datatype)
    if (!isShape(shape)) throw malformed(`the shape of \`${name}\` must be sizes`, JSON.stringify(shape))
    const size = parameters?.binary_data_size
    if (size === undefined) return [name, tensorOf(name, dtype, data, shape)]
    const part = bytes.subarray(at, at + size)
    at += size
    return [name, binaryTensor(name, dtype, shape, part)]
  }))
}

const specOf = ({ name, datatype, shape }: RemoteTensor): TensorSpec => ({ name, dtype: dtypeOf(name, datatype), shape: shape.map((size) => (size < 0 ? null : size)) })

/** Servers that do not know what their model takes give empty lists. */
const signatureOf = (metadata: unknown): ModelSignature | undefined => {
  const { inputs, outputs } = Object(metadata) as { readonly inputs?: readonly RemoteTensor[]; readonly outputs?: readonly RemoteTensor[] }
  return Array.isArray(inputs) && Array.isArray(outputs) && inputs.length > 0 && outputs.length > 0 ? { inputs: inputs.map(specOf), outputs: outputs.map(specOf) } : undefined
}

/** Where the protocol is spoken: the model, and of its versions one. */
export interface OpenInferenceTarget {
  readonly model: string
  readonly version?: string
  /** Whether tensors go as bytes. @default if the server says that it knows `binary_tensor_data` */
  readonly binary?: boolean
}

export const openInference = ({ model, version, binary }: OpenInferenceTarget): RemoteProtocol => {
  const path = `v2/models/${encodeURIComponent(model)}${version === undefined ? '' : `/versions/${encodeURIComponent(version)}`}`
  return {
    connect: async (get) => {
      await get(`${path}/ready`)
      const isBinary = binary ?? (await get('v2').then(({ bytes }) => knowsBinary(jsonOf(bytes)), unlessAnswered))
      return {
        signature: async () => signatureOf(jsonOf((await get(path)).bytes)),
        path: `${path}/infer`,
        request: isBinary ? binaryRequest : jsonRequest,
        outputs: (answer) => outputsOf(answer, version),
      }
    },
  }
}

const knowsBinary = (metadata: unknown): boolean => {
  const { extensions } = Object(metadata) as { readonly extensions?: unknown }
  return Array.isArray(extensions) && extensions.includes('binary_tensor_data')
}

/** A server that does not tell about itself knows no extension; one that does not answer may know some. */
const unlessAnswered = (error: unknown): boolean => {
  if (typeof (error as { readonly status?: unknown } | null)?.status === 'number') return false
  throw error
}
