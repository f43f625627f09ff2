/** TensorFlow Serving's REST API (https://www.tensorflow.org/tfx/serving/api_rest), `:predict`; KServe calls it the protocol v1. */
import { OutriggerError } from '../../core/errors.js'
import type { DType, Tensor, Tensors } from '../../schema/tensor.js'
import type { ModelSignature, TensorSpec } from '../manifest/manifest.js'
import { isDType } from './_elements.js'
import { jsonOf, rowJson, tensorOf } from './_json-tensors.js'
import { malformed, type RemoteProtocol } from './_remote-protocol.js'

const types: Readonly<Record<string, DType>> = {
  DT_FLOAT: 'float32', DT_DOUBLE: 'float64', DT_HALF: 'float16', DT_INT8: 'int8', DT_INT16: 'int16', DT_INT32: 'int32', DT_INT64: 'int64', DT_UINT8: 'uint8', DT_UINT16: 'uint16',
  DT_UINT32: 'uint32', DT_UINT64: 'uint64', DT_BOOL: 'bool', DT_STRING: 'string',
}

/** Where the model is, and how it is asked. */
export interface TensorflowServingTarget {
  readonly model: string
  readonly version?: string
  /** In the place of a version: one that the server gave a label. */
  readonly label?: string
  /** @default 'serving_default' */
  readonly signatureName?: string
  /** `row` sends `instances`, which all servers of this protocol know; `columnar` sends `inputs`. @default 'row' */
  readonly format?: 'row' | 'columnar'
}

interface TensorInfo { readonly dtype?: string; readonly tensor_shape?: { readonly dim?: readonly { readonly size?: string | number }[]; readonly unknown_rank?: boolean } }
type Infos = Readonly<Record<string, TensorInfo>>

const specOf = ([name, { dtype = '', tensor_shape: shape = {} }]: [string, TensorInfo]): TensorSpec => {
  const type = types[dtype]
  if (type === undefined) throw malformed(`the type of \`${name}\` must be one of ${Object.keys(types).join(', ')}`, dtype)
  const sizes = shape.unknown_rank === true ? [null] : (shape.dim ?? []).map(({ size }) => (Number(size) < 0 ? null : Number(size)))
  return { name, dtype: type, shape: sizes }
}

const signatureOf = (json: unknown, signatureName: string): ModelSignature | undefined => {
  const { metadata } = Object(json) as { readonly metadata?: { readonly signature_def?: { readonly signature_def?: Readonly<Record<string, { readonly inputs?: Infos; readonly outputs?: Infos }>> } } }
  const all = metadata?.signature_def?.signature_def
  if (all === undefined) return undefined
  const found = Object.hasOwn(all, signatureName) ? all[signatureName] : undefined
  if (found === undefined) throw malformed(`it must know the signature ${JSON.stringify(signatureName)}`, Object.keys(all).join(', '))
  return { inputs: Object.entries(found.inputs ?? {}).map(specOf), outputs: Object.entries(found.outputs ?? {}).map(specOf) }
}

/** A state of several versions (TensorFlow Serving), or one word (KServe). What says neither has answered, and so is there. */
const isReady = (json: unknown): boolean => {
  const { model_version_status: versions, ready } = Object(json) as { readonly model_version_status?: readonly { readonly state?: string }[]; readonly ready?: unknown }
  return Array.isArray(versions) ? versions.some(({ state }) => state === 'AVAILABLE') : ready !== false && ready !== 'False'
}

// Bytes that are no text: by the convention of the server, tensors whose names end so. They are base64 on our side.
const isBytes = (name: string): boolean => name.endsWith('_bytes')

const sendable = (name: string, tensor: Tensor): ((row: number) => string) => {
  const row = (at: number): string => rowJson(tensor, at)
  return tensor.dtype === 'string' && isBytes(name) ? (at) => row(at).replace(/"(?:[^"\\]|\\.)*"/g, (text) => `{"b64":${text}}`) : row
}

const noInput = (value: string): OutriggerError => new OutriggerError('ERR_OUTRIGGER_INVALID_INPUT', `Cannot predict as the inputs must be those of the model: current value is ${value}`)

/** A lone input travels without its name, so that the server would not notice another one. */
const named = (inputs: Tensors, signature: ModelSignature | undefined): Tensors => {
  const unknown = Object.keys(inputs).find((name) => signature !== undefined && !signature.inputs.some((input) => input.name === name))
  if (unknown !== undefined) throw noInput(JSON.stringify(unknown))
  return inputs
}

const body = (inputs: Tensors, format: 'row' | 'columnar'): string => {
  const columns = Object.entries(inputs).map(([name, tensor]) => ({ name: JSON.stringify(name), row: sendable(name, tensor), rows: tensor.shape[0] ?? 1 }))
  const [first] = columns
  if (first === undefined) throw noInput('none')
  const rows = Array.from({ length: first.rows }, (_, at) => at)
  if (format === 'columnar') return `"inputs":{${columns.map(({ name, row }) => `${name}:[${rows.map(row).join(',')}]`).join(',')}}`
  return `"instances":[${rows.map((at) => (columns.length === 1 ? first.row(at) : `{${columns.map(({ name, row }) => `${name}:${row(at)}`).join(',')}}`)).join(',')}]`
}

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> => typeof value === 'object' && value !== null && !Array.isArray(value)

const isEmpty = (value: unknown): boolean => Array.isArray(value) && value.length === 0

/** Output by name. One alone comes without its name, unless it is that of bytes. */
const columnsOf = (json: unknown, names: readonly string[]): Readonly<Record<string, unknown>> => {
  const { predictions, outputs, error } = Object(json) as { readonly predictions?: unknown; readonly outputs?: unknown; readonly error?: unknown }
  if (predictions === undefined && outputs === undefined) throw malformed('it must have `predictions` or `outputs`', error ?? 'neither')
  const [name = ''] = names
  if (outputs !== undefined) return isObject(outputs) && !('b64' in outputs) ? outputs : { [name]: outputs }
  const rows = Array.isArray(predictions) ? (predictions as unknown[]) : [predictions]
  if (!isObject(rows[0]) || 'b64' in rows[0]) return { [name]: rows }
  return Object.fromEntries(names.map((one) => [one, rows.map((row) => Object(row)[one] as unknown)]))
}

const decode = (name: string) => (value: object): unknown => {
  const { b64 } = value as { readonly b64?: unknown }
  if (typeof b64 !== 'string' || isBytes(name)) return b64
  return new TextDecoder('utf-8', { fatal: true }).decode(Buffer.from(b64, 'base64'))
}

export const tensorflowServing = ({ model, version, label, signatureName = 'serving_default', format = 'row' }: TensorflowServingTarget): RemoteProtocol => {
  const which = version !== undefined ? `/versions/${encodeURIComponent(version)}` : label !== undefined ? `/labels/${encodeURIComponent(label)}` : ''
  const path = `v1/models/${encodeURIComponent(model)}${which}`
  return {
    connect: async (get) => {
      const status = jsonOf((await get(path)).bytes)
      if (!isReady(status)) throw new OutriggerError('ERR_OUTRIGGER_ENGINE_FAILED', `Cannot load the model as the server must have it ready: current value is ${JSON.stringify(status).slice(0, 200)}`, { retryable: true })
      return {
        signature: async () => signatureOf(jsonOf((await get(`${path}/metadata`)).bytes), signatureName),
        path: `${path}:predict`,
        request: (inputs, signature) => ({ headers: { 'content-type': 'application/json' }, body: `{"signature_name":${JSON.stringify(signatureName)},${body(named(inputs, signature), format)}}` }),
        outputs: ({ bytes }, signature) => {
          const specs = signature?.outputs ?? []
          const columns = columnsOf(jsonOf(bytes), specs.map(({ name }) => name))
          return Object.fromEntries(specs.map(({ name, dtype, shape }) => {
            if (!isDType(dtype)) throw malformed(`the type of \`${name}\` must be one that JSON can hold`, dtype)
            // Of no rows the nesting says nothing.
            const none = isEmpty(columns[name]) ? [0, ...shape.slice(1).map((size) => size ?? 0)] : undefined
            return [name, tensorOf(name, dtype, columns[name], none, decode(name))]
          }))
        },
      }
    },
  }
}
