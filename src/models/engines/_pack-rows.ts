/** Rows to one flat array per run, and back: the shapes are those of one row, without the batch dimension. */
import { OutriggerError } from '../../core/errors.js'

/** A row: numbers, flat in row-major order or nested by dimension. */
export type NumericRow = number | boolean | ArrayLike<number> | readonly NumericRow[]

/** Flat values of one input, as the engine takes them. */
export type Packed = Float32Array | Int32Array | Uint8Array

const invalid = (input: string, constraint: string, value: unknown): OutriggerError =>
  new OutriggerError('ERR_OUTRIGGER_INVALID_INPUT', `Cannot predict the row as ${input} ${constraint}: current value is ${String(value)}`, { input })

const isView = (row: unknown): row is ArrayLike<number> & ArrayBufferView => ArrayBuffer.isView(row) && !(row instanceof DataView) && !(row instanceof BigInt64Array) && !(row instanceof BigUint64Array)

const flatten = (row: unknown, input: string, values: number[], sizes: number[], depth: number): void => {
  if (typeof row === 'number' || typeof row === 'boolean') {
    if (sizes[depth] !== undefined) throw invalid(input, 'must be nested evenly', 'an array beside a number')
    values.push(Number(row))
    return
  }
  if (!Array.isArray(row) && !isView(row)) throw invalid(input, 'must hold numbers', row === null ? 'null' : typeof row)
  if (depth === sizes.length && values.length === 0) sizes.push(row.length)
  if (sizes[depth] !== row.length) throw invalid(input, 'must be nested evenly', `${row.length} elements beside ${sizes[depth] ?? 'a number'}`)
  for (let index = 0; index < row.length; index += 1) flatten(row[index], input, values, sizes, depth + 1)
}

/** The values of a row. A typed array is taken as it is, anything else is checked element by element. */
export const flatRow = (row: unknown, input: string): { readonly values: ArrayLike<number>; readonly sizes: readonly number[] } => {
  if (isView(row)) return { values: row, sizes: [row.length] }
  const values: number[] = []
  const sizes: number[] = []
  flatten(row, input, values, sizes, 0)
  return { values, sizes }
}

/** The sizes of a row's dimensions: what the model declares, with what it leaves open filled in from the row. */
export const rowShape = (declared: readonly (number | null)[] | undefined, row: { readonly values: ArrayLike<number>; readonly sizes: readonly number[] }, input: string): readonly number[] => {
  const { values, sizes } = row
  if (declared === undefined) return sizes
  const fixed = declared.reduce<number>((product, size) => product * (size ?? 1), 1)
  const open = declared.filter((size) => size === null).length
  const isNested = sizes.length === declared.length && declared.every((size, index) => size === null || size === sizes[index])
  if (isNested) return sizes
  const isFlat = sizes.length <= 1 && (open === 0 ? values.length === fixed : open === 1 && values.length % fixed === 0)
  if (!isFlat) throw invalid(input, `must have the shape [${declared.map((size) => size ?? 'any').join(', ')}], flat or nested`, `[${sizes.join(', ')}]`)
  return declared.map((size) => size ?? values.length / fixed)
}

/** The types that we can make tensors of. */
export type PackableType = 'float32' | 'int32' | 'bool'

const arrays = { float32: Float32Array, int32: Int32Array, bool: Uint8Array } as const satisfies Record<PackableType, unknown>

export const isPackable = (dtype: string): dtype is PackableType => Object.hasOwn(arrays, dtype)

/** The values of several rows of one size, one after the other. */
export const packRows = (rows: readonly ArrayLike<number>[], dtype: PackableType): Packed => {
  const size = rows[0]?.length ?? 0
  const packed = new arrays[dtype](rows.length * size)
  rows.forEach((row, index) => packed.set(row, index * size))
  return packed
}

/** The rows of a run's output. Each is an array of its own. */
export const unpackRows = (values: ArrayLike<number>, shape: readonly number[], count: number): number[][] => {
  if (shape[0] !== count) {
    throw new OutriggerError('ERR_OUTRIGGER_ROW_COUNT', `Cannot use the output of the model as it must have one row per input, which are ${count}: current value has the shape [${shape.join(', ')}]`, { expected: count })
  }
  const size = values.length / count
  const rows: number[][] = []
  for (let index = 0; index < count; index += 1) {
    const row = new Array<number>(size)
    for (let at = 0; at < size; at += 1) row[at] = Number(values[index * size + at])
    rows.push(row)
  }
  return rows
}
