/** Takes one output of a run apart into rows of plain data. */
import { OutriggerError } from '../../core/errors.js'
import { fromFloat16 } from '../../schema/float16.js'
import type { Tensor, Tensors } from '../../schema/tensor.js'
import type { TensorSpec } from '../manifest/manifest.js'
import { productOf } from './_row-writer.js'
import type { OutputValue } from './tensor-rows.js'

const shapeText = (sizes: readonly (number | null)[]): string => `[${sizes.map((size) => size ?? 'any').join(', ')}]`

/** Half the cost of `Array.from`. */
const numbersOf = (data: ArrayLike<number>, start: number, end: number): number[] => {
  const values: number[] = []
  for (let at = start; at < end; at += 1) values.push(data[at] as number)
  return values
}

const integerOf = (value: bigint): number | bigint => (value >= BigInt(Number.MIN_SAFE_INTEGER) && value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : value)

const valuesOf = ({ dtype, data }: Tensor, start: number, end: number): OutputValue[] => {
  if (dtype === 'string') return data.slice(start, end)
  if (dtype === 'int64' || dtype === 'uint64') return Array.from(data.subarray(start, end), integerOf)
  if (dtype === 'float16') return Array.from(data.subarray(start, end), fromFloat16)
  return numbersOf(data, start, end)
}

const unusable = (code: 'ERR_OUTRIGGER_ENGINE_FAILED' | 'ERR_OUTRIGGER_ROW_COUNT' | 'ERR_OUTRIGGER_BAD_ANSWER', name: string, constraint: string, value: string, expected?: number): OutriggerError =>
  new OutriggerError(code, `Cannot use output \`${name}\` of the model as it must ${constraint}: current value ${value}`, { output: name, ...(expected === undefined ? {} : { expected }) })

/** One output of the model. */
export class RowReader {
  readonly name: string
  readonly #shape: readonly (number | null)[]
  readonly #categories: readonly string[] | undefined

  constructor({ name, shape, categories }: TensorSpec) {
    this.name = name
    this.#shape = shape
    this.#categories = categories
  }

  /**
   * The flat values of the first `wanted` rows of a run of `count`. Each row is an array of its own.
   *
   * @throws `ERR_OUTRIGGER_ROW_COUNT` if the first dimension is not that of the batch
   * @throws `ERR_OUTRIGGER_BAD_ANSWER` if it has another shape than the signature says
   * @throws `ERR_OUTRIGGER_ENGINE_FAILED` if the engine did not give it
   */
  read(outputs: Tensors, count: number, wanted: number): OutputValue[][] {
    const tensor = Object.hasOwn(outputs, this.name) ? outputs[this.name] : undefined
    if (tensor === undefined) throw unusable('ERR_OUTRIGGER_ENGINE_FAILED', this.name, 'be given by every run', `is none (there are ${Object.keys(outputs).join(', ') || 'no outputs'})`)
    const { shape } = tensor
    if (shape.length === 0) throw unusable('ERR_OUTRIGGER_ROW_COUNT', this.name, `have the rows of the batch as its first dimension, which are ${count}`, 'has no dimensions: one value for the whole batch', count)
    if (shape[0] !== count) throw unusable('ERR_OUTRIGGER_ROW_COUNT', this.name, `have one row per input, which are ${count}`, `has the shape ${shapeText(shape)}`, count)
    if (!this.#fits(shape)) throw unusable('ERR_OUTRIGGER_BAD_ANSWER', this.name, `have the shape ${shapeText([null, ...this.#shape.slice(1)])}`, `has ${shapeText(shape)}`)
    const size = productOf(shape.slice(1))
    if (tensor.data.length !== size * count) throw unusable('ERR_OUTRIGGER_ENGINE_FAILED', this.name, `have as many elements as its shape ${shapeText(shape)} says`, `has ${tensor.data.length}`)
    const rows: OutputValue[][] = []
    for (let row = 0; row < wanted; row += 1) rows.push(valuesOf(tensor, row * size, (row + 1) * size))
    return rows
  }

  /** The values of a row, with labels in the place of the numbers that have them. @throws `ERR_OUTRIGGER_BAD_ANSWER` for a number without */
  labelled(values: OutputValue[]): OutputValue[] {
    return this.#categories === undefined ? values : values.map((value) => this.#labelOf(value))
  }

  /** What the signature leaves open fits; so does everything if its rank is unknown (`[null]`, as graph models say). */
  #fits(shape: readonly number[]): boolean {
    if (this.#shape.length === 1 && this.#shape[0] === null) return true
    return shape.length === this.#shape.length && shape.every((size, at) => at === 0 || this.#shape[at] === null || this.#shape[at] === size)
  }

  #labelOf(value: OutputValue): string {
    const label = typeof value === 'number' ? this.#categories?.[value] : undefined
    if (label !== undefined) return label
    throw unusable('ERR_OUTRIGGER_BAD_ANSWER', this.name, `hold integers from 0 to ${(this.#categories?.length ?? 1) - 1}, which have labels`, `holds ${String(value)}`)
  }
}
