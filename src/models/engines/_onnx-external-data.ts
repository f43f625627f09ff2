/**
 * Which other files an ONNX model reads its weights from.
 *
 * A weight may lie outside the model (`external_data`), and onnxruntime finds it for itself: of a model that was loaded
 * from memory, in the working directory. A file of that name, which nobody has verified, then changes the model; seen
 * with onnxruntime-node 1.30.0. So the names are read here, and each must be a file of the version.
 */
import { OutriggerError } from '../../core/errors.js'

/** A file that the model refers to. */
export interface OnnxExternalData {
  readonly location: string
  /** Whether it belongs to a weight of the graph itself, which is the only kind that onnxruntime takes from memory. */
  readonly isWeight: boolean
}

/** Messages inside of messages, by the numbers of their fields in onnx.proto3. */
interface Message { readonly [field: number]: () => Message }
const text: Message = {}
const pair: Message = { 1: () => text, 2: () => text } // StringStringEntryProto
const tensor: Message = { 13: () => pair }
const sparseTensor: Message = { 1: () => tensor, 2: () => tensor }
const attribute: Message = { 5: () => tensor, 6: () => graph, 10: () => tensor, 11: () => graph, 22: () => sparseTensor, 23: () => sparseTensor }
const node: Message = { 5: () => attribute }
const graph: Message = { 1: () => node, 5: () => tensor, 15: () => sparseTensor }
const training: Message = { 1: () => graph, 2: () => graph }
const fn: Message = { 7: () => node, 11: () => attribute }
const model: Message = { 7: () => graph, 20: () => training, 25: () => fn }

const maxDepth = 64 * 4
const corrupt = (constraint: string, value: string): OutriggerError =>
  new OutriggerError('ERR_OUTRIGGER_MODEL_CORRUPT', `Cannot load the ONNX model as ${constraint}: current value is ${value}`)

/** The messages inside of a message, as views; all else is passed over. */
const partsOf = (bytes: Uint8Array, message: Message): (readonly [field: number, content: Uint8Array])[] => {
  let at = 0
  const end = (): OutriggerError => corrupt('it must be a whole ONNX file', `ends, or makes no sense, ${bytes.length - at} bytes before the end of a part`)
  const varint = (): number => {
    let value = 0
    for (let factor = 1; factor <= 2 ** 63; factor *= 128) {
      const byte = bytes[at]
      if (byte === undefined) throw end()
      at += 1
      value += (byte & 127) * factor
      if (byte < 128) return value
    }
    throw end()
  }
  const found: [number, Uint8Array][] = []
  while (at < bytes.length) {
    const tag = varint()
    const wireType = tag % 8
    if (wireType === 0) varint()
    else if (wireType === 1) at += 8
    else if (wireType === 5) at += 4
    else if (wireType === 2) {
      const length = varint()
      if (length > bytes.length - at) throw end()
      const field = Math.floor(tag / 8)
      if (field in message) found.push([field, bytes.subarray(at, at + length)])
      at += length
    } else throw end()
    if (at > bytes.length) throw end()
  }
  return found
}

/** The entry's value if its key is `location`. */
const locationOf = (entry: Uint8Array): string | undefined => {
  const texts = new Map(partsOf(entry, pair).map(([field, content]) => [field, new TextDecoder().decode(content)]))
  return texts.get(1) === 'location' ? (texts.get(2) ?? '') : undefined
}

/**
 * Reads no weights, only what is around them.
 *
 * @throws `ERR_OUTRIGGER_MODEL_CORRUPT` if it is no ONNX model
 */
export const onnxExternalData = (bytes: Uint8Array): OnnxExternalData[] => {
  const found: OnnxExternalData[] = []
  let hasGraph = false
  const walk = (part: Uint8Array, message: Message, path: string, depth: number): void => {
    if (depth > maxDepth) throw corrupt('its graphs must not be nested without end', `more than ${maxDepth} levels`)
    for (const [field, content] of partsOf(part, message)) {
      const inner = (message[field] as () => Message)()
      if (inner === graph) hasGraph = true
      if (inner !== pair) {
        walk(content, inner, `${path}.${field}`, depth + 1)
        continue
      }
      const location = locationOf(content)
      if (location !== undefined) found.push({ location, isWeight: path === '.7.5' })
    }
  }
  walk(bytes, model, '', 0)
  if (!hasGraph) throw corrupt('it must hold a graph', `${bytes.length} bytes without one`)
  return found
}
