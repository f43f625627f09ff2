/** Writes one input of a row into the buffer of a batch, and says what is wrong with it if it does not fit. */
import { OutriggerError } from '../../core/errors.js'
import type { DType, Tensor } from '../../schema/tensor.js'
import type { TensorSpec } from '../manifest/manifest.js'
import { elementTypes, type Data, type Elements } from './_elements.js'

type List = readonly unknown[] | (ArrayLike<unknown> & ArrayBufferView)
type Sizes = readonly number[]

const isView = (value: unknown): value is ArrayLike<unknown> & ArrayBufferView => ArrayBuffer.isView(value) && !(value instanceof DataView)
const isList = (value: unknown): value is List => Array.isArray(value) || isView(value)
const isFields = (value: unknown): value is Readonly<Record<string, unknown>> => typeof value === 'object' && value !== null && !Array.isArray(value) && !ArrayBuffer.isView(value)
const isTensor = (value: unknown): value is Tensor => isFields(value) && typeof value['dtype'] === 'string' && Array.isArray(value['shape']) && isList(value['data'])
// Not by constructor: Jest has arrays of another realm.
const arrayNameOf = (view: object): string => (view as { readonly [Symbol.toStringTag]?: string })[Symbol.toStringTag] ?? ''

const show = (value: unknown): string => {
  if (typeof value === 'string') return JSON.stringify(value.length > 40 ? `${value.slice(0, 40)}…` : value)
  if (typeof value === 'bigint') return `${value}n`
  if (isList(value)) return `${Array.isArray(value) ? 'an array' : `a ${arrayNameOf(value)}`} of ${value.length}`
  return typeof value === 'object' && value !== null ? `an object with ${Object.keys(value).slice(0, 10).join(', ') || 'nothing'}` : typeof value === 'symbol' ? 'a symbol' : String(value)
}

const shapeText = (sizes: readonly (number | null)[]): string => `[${sizes.map((size) => size ?? 'any').join(', ')}]`

/** The number of elements of these sizes. */
export const productOf = (sizes: Sizes): number => {
  let product = 1
  for (const size of sizes) product *= size
  return product
}

/** A field of the row, or the elements of a tensor that has none: labels and what they stand for. */
interface Column { readonly place: string; readonly field: string | undefined; readonly categories: readonly string[] | undefined; readonly codes: ReadonlyMap<string, number> | undefined }

const columnOf = (place: string, field: string | undefined, categories: readonly string[] | undefined): Column =>
  ({ place, field, categories, codes: categories && new Map(categories.map((label, code) => [label, code])) })

/** One input of the model. */
export class RowWriter {
  readonly name: string
  readonly dtype: DType
  /** The sizes of a row, without the batch; `null` for a free one. */
  readonly sizes: readonly (number | null)[]
  /** The sizes of every row, if none is free. */
  readonly fixedSizes: Sizes | undefined
  readonly #place: string
  readonly #elements: Elements
  readonly #columns: readonly Column[] | undefined
  readonly #all: Column
  readonly #hasLabels: boolean
  /** The array of a caller that may go to the engine without a look at its elements. */
  readonly #whole: (new (length: number) => Data) | undefined

  constructor(spec: TensorSpec & { readonly dtype: DType }) {
    this.name = spec.name
    this.dtype = spec.dtype
    this.#place = `input \`${spec.name}\``
    this.#elements = elementTypes[spec.dtype]
    this.#all = columnOf(this.#place, undefined, spec.categories)
    this.#columns = spec.fields?.map(({ name, categories }) => columnOf(`field \`${name}\``, name, categories))
    this.#hasLabels = this.#all.codes !== undefined || (this.#columns?.some(({ codes }) => codes !== undefined) ?? false)
    this.#whole = this.#hasLabels || spec.dtype === 'bool' || spec.dtype === 'string' ? undefined : this.#elements.array
    const sizes = spec.shape.slice(1)
    if (this.#columns !== undefined) sizes[sizes.length - 1] = this.#columns.length
    this.sizes = sizes
    this.fixedSizes = sizes.includes(null) ? undefined : (sizes as number[])
  }

  /** Whether the row itself may be a record of fields. */
  get hasFields(): boolean {
    return this.#columns !== undefined
  }

  hasField(name: string): boolean {
    return this.#columns?.some(({ field }) => field === name) ?? false
  }

  make(length: number): Data {
    return new this.#elements.array(length)
  }

  /** The sizes of this row. @throws `ERR_OUTRIGGER_INVALID_INPUT` if they are not those of the input */
  sizesOf(value: unknown): Sizes {
    if (this.fixedSizes !== undefined) return this.fixedSizes
    const sizes = isTensor(value) && !this.hasFields ? value.shape : this.#nestedSizes(value)
    if (this.#fits(sizes)) return sizes
    // Flat: as many elements as there are, for the one size that is free.
    const free = this.sizes.filter((size) => size === null).length
    const fixed = productOf(this.sizes.filter((size) => size !== null))
    const count = isList(value) ? value.length : 1
    if (sizes.length > 1 || free !== 1 || fixed === 0 || count % fixed !== 0) throw this.#misshapen(value, free > 1 ? ', nested or a tensor with its shape' : ', flat or nested')
    return this.sizes.map((size) => size ?? count / fixed)
  }

  /** The caller's own array, if it stands as the engine wants it. */
  asItIs(value: unknown, length: number): Data | undefined {
    return this.#whole !== undefined && value instanceof this.#whole && value.length === length ? value : undefined
  }

  /** Writes the row. @throws `ERR_OUTRIGGER_INVALID_INPUT`, having written some of it or nothing */
  write(value: unknown, into: Data, at: number, sizes: Sizes): void {
    const length = productOf(sizes)
    if (this.#whole !== undefined && value instanceof this.#whole && value.length === length) {
      ;(into as Float32Array).set(value as Float32Array, at)
    } else if (isList(value)) {
      if (sizes.length < 2 || isView(value) || this.#isFlat(value)) this.#writeFlat(value, into, at, length, value)
      else this.#writeNested(value, into, at, sizes, 0, value)
    } else if (isTensor(value) && !this.hasFields) {
      if (value.dtype !== this.dtype) throw this.#error(this.#all, `must be a tensor of ${this.dtype}`, `a tensor of ${value.dtype}`)
      if (shapeText(value.shape) !== shapeText(sizes)) throw this.#error(this.#all, `must have the shape ${shapeText(this.sizes)}`, shapeText(value.shape))
      this.#writeFlat(value.data, into, at, length, value)
    } else if (this.#columns !== undefined && isFields(value)) {
      if (length !== this.#columns.length) throw this.#misshapen(value, ', flat or nested')
      this.#writeFields(value, into, at)
    } else if (length === 1 && (typeof value !== 'object' || value === null)) {
      this.#put(value, into, at, 0)
    } else {
      throw this.#misshapen(value, ', flat or nested')
    }
  }

  #fits(sizes: Sizes): boolean {
    return sizes.length === this.sizes.length && this.sizes.every((size, at) => size === null || size === sizes[at])
  }

  #isFlat(list: List): boolean {
    return list.length > 0 && !isList(list[0]) && !isFields(list[0])
  }

  #nestedSizes(value: unknown): Sizes {
    const sizes: number[] = []
    let one = value
    while (isList(one)) {
      sizes.push(one.length)
      one = one[0]
    }
    if (this.#columns !== undefined && isFields(one)) sizes.push(this.#columns.length)
    // Of an empty list nobody sees the sizes within: those that are fixed, and nothing of the others.
    if (sizes.at(-1) === 0) for (let at = sizes.length; at < this.sizes.length; at += 1) sizes.push(this.sizes[at] ?? 0)
    return sizes
  }

  #writeNested(list: unknown, into: Data, at: number, sizes: Sizes, depth: number, whole: unknown): void {
    if (depth === sizes.length - 1 && this.#columns !== undefined && isFields(list)) return this.#writeFields(list, into, at)
    const size = sizes[depth] as number
    if (!isList(list) || list.length !== size) throw this.#error(this.#all, `must have the shape ${shapeText(this.sizes)}, flat or nested evenly`, `${show(whole)} with ${show(list)} in dimension ${depth + 1}`)
    if (depth === sizes.length - 1) return this.#writeFlat(list, into, at, size, whole)
    const step = productOf(sizes.slice(depth + 1))
    for (let index = 0; index < size; index += 1) this.#writeNested(list[index], into, at + index * step, sizes, depth + 1, whole)
  }

  /** The hot loop. */
  #writeFlat(list: ArrayLike<unknown>, into: Data, at: number, length: number, whole: unknown): void {
    if (list.length !== length) throw this.#misshapen(whole, this.sizes.length > 1 ? ', flat or nested' : '')
    const { takes, largest } = this.#elements
    if (!this.#hasLabels && largest !== undefined && Array.isArray(list)) {
      for (let index = 0; index < length; index += 1) {
        const value: unknown = list[index]
        if (typeof value === 'number' && value <= largest && value >= -largest) (into as Float32Array)[at + index] = value
        else this.#put(value, into, at + index, index)
      }
    } else if (!this.#hasLabels && isView(list) && takes.includes(arrayNameOf(list))) {
      ;(into as Float32Array).set(list as unknown as Float32Array, at)
    } else if (this.dtype === 'float16' && !this.#hasLabels && isView(list) && arrayNameOf(list) === 'Float16Array') {
      ;(into as Uint16Array).set(new Uint16Array(list.buffer, list.byteOffset, length), at)
    } else {
      for (let index = 0; index < length; index += 1) this.#put(list[index], into, at + index, index)
    }
  }

  #writeFields(record: Readonly<Record<string, unknown>>, into: Data, at: number): void {
    const columns = this.#columns as readonly Column[]
    for (let index = 0; index < columns.length; index += 1) {
      const { field } = columns[index] as Column
      const value = record[field as string]
      if (value === undefined) throw this.#error(columns[index] as Column, 'must be there', `an object with ${Object.keys(record).slice(0, 20).join(', ') || 'nothing'}`)
      this.#put(value, into, at + index, index)
    }
  }

  /** One element, checked. `index` says which of its row it is, so that a field knows its labels. */
  #put(value: unknown, into: Data, at: number, index: number): void {
    const column = this.#columns?.[index % this.#columns.length] ?? this.#all
    const code = column.codes === undefined ? this.#elements.encode(value) : this.#codeOf(column, value)
    if (code === undefined) throw this.#error(column, `must be ${this.#elements.kind}`, show(value), column === this.#all && this.fixedSizes?.length !== 0 ? index : undefined)
    ;(into as (typeof code)[])[at] = code
  }

  #codeOf({ codes, categories, ...column }: Column, value: unknown): number | bigint | string | undefined {
    const count = categories?.length ?? 0
    const code = typeof value === 'string' ? codes?.get(value) : Number.isInteger(value) && (value as number) >= 0 && (value as number) < count ? (value as number) : undefined
    if (code !== undefined) return this.#elements.encode(code)
    const labels = (categories ?? []).slice(0, 20).map((label) => JSON.stringify(label)).join(', ')
    throw this.#error({ codes, categories, ...column }, `must be one of ${labels}${count > 20 ? ` and ${count - 20} more` : ''}, or the number of one`, show(value))
  }

  #misshapen(value: unknown, how: string): OutriggerError {
    return this.#error(this.#all, `must have the shape ${shapeText(this.sizes)}${how}`, show(value))
  }

  #error({ place, field }: Column, constraint: string, value: string, index?: number): OutriggerError {
    const where = `${index === undefined ? '' : `element ${index} of `}${place}`
    return new OutriggerError('ERR_OUTRIGGER_INVALID_INPUT', `Cannot predict the row as ${where} ${constraint}: current value is ${value}`, { input: this.name, ...(field === undefined ? {} : { field }), ...(index === undefined ? {} : { index }) })
  }
}
