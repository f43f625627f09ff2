/** Between tensors and JSON: elements as text, nested or flat, and back. */
import { OutriggerError } from '../../core/errors.js'
import { fromFloat16 } from '../../schema/float16.js'
import type { DType, Tensor } from '../../schema/tensor.js'
import { elementTypes } from './_elements.js'

const isFloat = (dtype: DType): boolean => dtype === 'float16' || dtype === 'float32' || dtype === 'float64'

/** What JSON has no number for, and what servers write all the same: TensorFlow Serving and Triton these words, Python servers `null`. */
const words: Readonly<Record<string, number>> = { NaN: Number.NaN, Infinity: Infinity, '-Infinity': -Infinity }

const textOf = (tensor: Tensor, start: number, end: number): string => {
  switch (tensor.dtype) {
    case 'string': return tensor.data.slice(start, end).map((value) => JSON.stringify(value)).join(',')
    case 'bool': return Array.from(tensor.data.subarray(start, end), (value) => value !== 0).join(',')
    case 'float16': return numbersText(Array.from(tensor.data.subarray(start, end), fromFloat16))
    case 'float32':
    case 'float64': return numbersText(tensor.data.subarray(start, end))
    default: return tensor.data.subarray(start, end).join(',')
  }
}

/** `join` forgets the sign of -0, which JSON can say. */
const numbersText = (numbers: Float32Array | Float64Array | readonly number[]): string =>
  numbers.includes(0) ? Array.from(numbers, (value) => (Object.is(value, -0) ? '-0' : value)).join(',') : numbers.join(',')

/** The elements from `start` to `end`, flat: `1,2.5`. What is not finite stands there as a word that strict JSON does not know. */
export const flatJson = (tensor: Tensor, start = 0, end: number = tensor.data.length): string => `[${textOf(tensor, start, end)}]`

/** One row of a tensor, nested by its other dimensions; a lone element where it has none. */
export const rowJson = (tensor: Tensor, row: number): string => {
  const sizes = tensor.shape.slice(1)
  const nested = (start: number, depth: number): string => {
    const length = sizes.slice(depth).reduce((product, size) => product * size, 1)
    if (depth === sizes.length) return textOf(tensor, start, start + 1)
    if (depth === sizes.length - 1) return flatJson(tensor, start, start + length)
    const count = sizes[depth] as number
    return `[${Array.from({ length: count }, (_, at) => nested(start + (at * length) / count, depth + 1)).join(',')}]`
  }
  return nested(row * sizes.reduce((product, size) => product * size, 1), 0)
}

/** Whether every element is a number that JSON has. */
export const isFiniteTensor = (tensor: Tensor): boolean => {
  if (tensor.dtype === 'string' || !isFloat(tensor.dtype)) return true
  if (tensor.dtype === 'float16') return tensor.data.every((bits) => (bits & 0x7c00) !== 0x7c00)
  for (const value of tensor.data) if (!Number.isFinite(value)) return false
  return true
}

/** JSON in UTF-8, with the words for what is not finite as texts. */
export const jsonOf = (bytes: Uint8Array): unknown => {
  const text = new TextDecoder().decode(bytes)
  try {
    return JSON.parse(text) as unknown
  } catch (error) {
    // A text without an end goes to the end, so that nothing is looked at twice.
    const repaired = text.replace(/"(?:[^"\\]|\\[^])*(?:"|\\?$)|-?\b(?:NaN|Infinity)\b/g, (found) => (found.startsWith('"') ? found : `"${found}"`))
    if (repaired === text) throw error
    return JSON.parse(repaired) as unknown
  }
}

const badAnswer = (name: string, constraint: string, value: unknown): OutriggerError =>
  new OutriggerError('ERR_OUTRIGGER_ENGINE_FAILED', `Cannot use output \`${name}\` of the server as ${constraint}: current value is ${typeof value === 'object' ? (JSON.stringify(value) ?? String(value)).slice(0, 80) : String(value)}`, { output: name, retryable: false })

/** The sizes of nested arrays, by what is first in each. */
const sizesOf = (value: unknown): number[] => {
  const sizes: number[] = []
  for (let part = value; Array.isArray(part); part = (part as unknown[])[0]) sizes.push(part.length)
  return sizes
}

const flatOf = (json: unknown): readonly unknown[] => {
  if (!Array.isArray(json)) return [json]
  return (json as unknown[]).some(Array.isArray) ? (json as unknown[]).flatMap(flatOf) : (json as unknown[])
}

/**
 * Nested or flat arrays as a tensor. Of floats `null` is NaN. Integers beyond 2⁵³, which JSON.parse has rounded, are
 * refused.
 *
 * @param shape - @default the sizes of the nested arrays
 * @param decode - what an element that is an object stands for
 * @throws `ERR_OUTRIGGER_ENGINE_FAILED`
 */
export const tensorOf = (name: string, dtype: DType, json: unknown, shape: readonly number[] = sizesOf(json), decode?: (value: object) => unknown): Tensor => {
  const { array: Elements, encode, kind } = elementTypes[dtype]
  const float = isFloat(dtype)
  const values = flatOf(json)
  const length = shape.reduce((product, size) => product * size, 1)
  if (values.length !== length) throw badAnswer(name, `it must have ${length} elements, as its shape [${shape.join(', ')}] says`, values.length)
  const data = new Elements(length) as unknown[]
  for (let at = 0; at < length; at += 1) {
    const value = values[at]
    const plain = typeof value === 'object' && value !== null && decode !== undefined ? decode(value) : value
    const element = encode(float && plain === null ? Number.NaN : float && typeof plain === 'string' ? words[plain] : plain)
    if (element === undefined) throw badAnswer(name, `its elements must be ${kind}`, value)
    data[at] = element
  }
  return { dtype, shape, data } as unknown as Tensor
}
