/** What the elements of each type of tensor may be, and how they stand in its array. Pure. */
import type { DType, TensorArrays } from '../../schema/tensor.js'
import { float16Overflow, toFloat16 } from '../../schema/float16.js'

/** The array of any type of tensor. */
export type Data = TensorArrays[DType]

type Encoded = number | bigint | string

/** A type of elements. */
export interface Elements {
  /** What an element must be, for messages. */
  readonly kind: string
  /** The typed array, or `Array` of strings. */
  readonly array: new (length: number) => Data
  /** As it stands in the array, or `undefined` if it may not stand there. */
  encode(value: unknown): Encoded | undefined
  /** The typed arrays whose every element fits, by `Symbol.toStringTag`: they are copied without a look. */
  readonly takes: readonly string[]
  /** The largest number that goes in as it is; only of floats, for a faster loop. */
  readonly largest?: number
}

const integerArrays: readonly (readonly [name: string, least: number, most: number])[] = [
  ['Int8Array', -(2 ** 7), 2 ** 7 - 1], ['Uint8Array', 0, 2 ** 8 - 1], ['Uint8ClampedArray', 0, 2 ** 8 - 1], ['Int16Array', -(2 ** 15), 2 ** 15 - 1],
  ['Uint16Array', 0, 2 ** 16 - 1], ['Int32Array', -(2 ** 31), 2 ** 31 - 1], ['Uint32Array', 0, 2 ** 32 - 1],
]
const integerNames = integerArrays.map(([name]) => name)

const numberOf = (value: unknown): number | undefined => (typeof value === 'number' ? value : typeof value === 'boolean' ? Number(value) : undefined)

/** NaN and infinities pass, which is for checks of quality to judge; a number that would become infinite does not. */
const floats = (kind: string, overflow: number, array: Elements['array'], takes: readonly string[], code: (value: number) => number): Elements => ({
  kind,
  array,
  takes,
  encode: (value) => {
    const number = numberOf(value)
    return number === undefined || (Math.abs(number) >= overflow && Number.isFinite(number)) ? undefined : code(number)
  },
})

const asItIs = (value: number): number => value
const float32Overflow = (2 - 2 ** -24) * 2 ** 127

const integers = (array: Elements['array']): Elements => {
  const [, least, most] = integerArrays.find(([name]) => name === array.name) as (typeof integerArrays)[number]
  return {
    kind: `an integer from ${least} to ${most}`,
    array,
    takes: integerArrays.filter(([, from, to]) => from >= least && to <= most).map(([name]) => name),
    encode: (value) => {
      const number = numberOf(value)
      return number !== undefined && number >= least && number <= most && Number.isInteger(number) ? number : undefined
    },
  }
}

const bigIntegers = (least: bigint, most: bigint, array: Elements['array']): Elements => ({
  kind: `an integer from ${least} to ${most}, as a bigint where it is beyond 2**53 - 1`,
  array,
  takes: [array.name],
  encode: (value) => {
    const number = numberOf(value)
    // A number beyond is no longer the integer that somebody meant.
    const integer = typeof value === 'bigint' ? value : Number.isSafeInteger(number) ? BigInt(number as number) : undefined
    return integer !== undefined && integer >= least && integer <= most ? integer : undefined
  },
})

/** Type → what its elements are. */
export const elementTypes: Readonly<Record<DType, Elements>> = {
  float32: { ...floats('a number that float32 holds', float32Overflow, Float32Array, ['Float32Array', ...integerNames], asItIs), largest: 3.4028234663852886e38 },
  float64: { ...floats('a number', Infinity, Float64Array, ['Float64Array', 'Float32Array', ...integerNames], asItIs), largest: Number.MAX_VALUE },
  // A Uint16Array is the bits themselves. So is a Float16Array (Node 24), but it has to be looked at as one: see RowWriter.
  float16: floats('a number that float16 holds (up to 65504)', float16Overflow, Uint16Array, ['Uint16Array'], toFloat16),
  int8: integers(Int8Array),
  uint8: integers(Uint8Array),
  int16: integers(Int16Array),
  uint16: integers(Uint16Array),
  int32: integers(Int32Array),
  uint32: integers(Uint32Array),
  int64: bigIntegers(-(2n ** 63n), 2n ** 63n - 1n, BigInt64Array),
  uint64: bigIntegers(0n, 2n ** 64n - 1n, BigUint64Array),
  bool: { kind: 'true, false, 0 or 1', array: Uint8Array, takes: [], encode: (value) => (value === true || value === 1 ? 1 : value === false || value === 0 ? 0 : undefined) },
  string: { kind: 'a string', array: Array<string>, takes: [], encode: (value) => (typeof value === 'string' ? value : undefined) },
}

/** Whether we can make tensors of this type. */
export const isDType = (dtype: string): dtype is DType => Object.hasOwn(elementTypes, dtype)
