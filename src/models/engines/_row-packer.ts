/** From rows to the tensors of runs: which rows go together, and what stands where in their buffers. */
import { OutriggerError } from '../../core/errors.js'
import type { Tensor, Tensors } from '../../schema/tensor.js'
import type { Data } from './_elements.js'
import type { RowSignature } from './_row-signature.js'
import { productOf, RowWriter } from './_row-writer.js'
import { SpareBuffers } from './_spare-buffers.js'

/** The tensors of one run. */
export interface Pack {
  readonly inputs: Tensors
  /** How many rows the tensors have: more than `indices` where a fixed batch is filled up. */
  readonly count: number
  /** Which of the rows they are, in order. */
  readonly indices: readonly number[]
}

type Sizes = readonly number[]
type Fail = (index: number, error: unknown) => void

/** Rows whose tensors have the same sizes: `sizes` by input. */
interface Group { readonly sizes: readonly Sizes[]; readonly indices: number[] }

const isRecord = (row: unknown): row is Readonly<Record<string, unknown>> => typeof row === 'object' && row !== null && !ArrayBuffer.isView(row) && !Array.isArray(row)

/** Packs the rows of one model. */
export class RowPacker {
  readonly #writers: readonly RowWriter[]
  readonly #batchSize: number | undefined
  readonly #takesInputs: boolean
  /** The sizes of every row, if none is free. */
  readonly #fixedSizes: readonly Sizes[] | undefined
  readonly #spares = new SpareBuffers()

  constructor({ inputs, batchSize }: RowSignature, takesInputs: boolean) {
    this.#writers = inputs.map((spec) => new RowWriter(spec))
    this.#batchSize = batchSize
    this.#takesInputs = takesInputs
    const sizes = this.#writers.map(({ fixedSizes }) => fixedSizes)
    this.#fixedSizes = sizes.includes(undefined) ? undefined : (sizes as Sizes[])
  }

  /** The tensors of a lone row, without the lists that several need. @throws `ERR_OUTRIGGER_INVALID_INPUT` */
  one(row: unknown): Tensors {
    const inputs: Record<string, Tensor> = {}
    for (const writer of this.#writers) {
      const value = this.#valueOf(row, writer)
      const sizes = writer.fixedSizes ?? writer.sizesOf(value)
      const length = productOf(sizes)
      let data = this.#takesInputs ? undefined : writer.asItIs(value, length)
      if (data === undefined) writer.write(value, (data = writer.make(length)), 0, sizes)
      inputs[writer.name] = { dtype: writer.dtype, shape: [1, ...sizes], data } as Tensor
    }
    return inputs
  }

  /** The runs that the rows need, each packed when it is asked for. A row that does not fit is failed and left out. */
  *runs(rows: readonly unknown[], fail: Fail): Generator<Pack, void> {
    for (const { sizes, indices } of this.#groupsOf(rows, fail)) {
      const waiting = indices.values()
      for (let left = indices.length; left > 0; ) {
        const count = this.#batchSize ?? left
        const lengths = sizes.map(productOf)
        const data: Data[] = []
        const packed: number[] = []
        while (packed.length < count && left > 0) {
          const index = waiting.next().value as number
          left -= 1
          try {
            this.#place(rows[index], data, packed.length, count, sizes, lengths)
            packed.push(index)
          } catch (error) {
            fail(index, error)
          }
        }
        if (packed.length > 0) yield { inputs: this.#tensors(data, packed.length, sizes, lengths), count: this.#batchSize ?? packed.length, indices: packed }
      }
    }
  }

  /** The buffers of a run that has ended well; one that failed might go on all the same. */
  release({ inputs }: Pack): void {
    if (this.#takesInputs) return
    this.#writers.forEach(({ name }, input) => this.#spares.give(input, (inputs[name] as Tensor).data))
  }

  /** Rows that may share a run. One whose shape is impossible has failed by then. */
  #groupsOf(rows: readonly unknown[], fail: Fail): Iterable<Group> {
    if (this.#fixedSizes !== undefined) return [{ sizes: this.#fixedSizes, indices: rows.map((_, index) => index) }]
    const groups = new Map<string, Group>()
    for (let index = 0; index < rows.length; index += 1) {
      try {
        const sizes = this.#writers.map((writer) => writer.sizesOf(this.#valueOf(rows[index], writer)))
        const key = sizes.join(';')
        const group = groups.get(key)
        if (group === undefined) groups.set(key, { sizes, indices: [index] })
        else group.indices.push(index)
      } catch (error) {
        fail(index, error)
      }
    }
    return groups.values()
  }

  /** Writes a row into its place in the buffers. Where there is one place, a caller's array may take it, which nobody writes into. */
  #place(row: unknown, buffers: Data[], at: number, count: number, sizes: readonly Sizes[], lengths: readonly number[]): void {
    for (let input = 0; input < this.#writers.length; input += 1) {
      const writer = this.#writers[input] as RowWriter
      const length = lengths[input] as number
      const value = this.#valueOf(row, writer)
      const same = count === 1 && !this.#takesInputs ? writer.asItIs(value, length) : undefined
      if (same !== undefined) {
        buffers[input] = same
      } else {
        const buffer = (count > 1 ? buffers[input] : undefined) ?? this.#spares.take(input, count * length, (size) => writer.make(size))
        buffers[input] = buffer
        writer.write(value, buffer, at * length, sizes[input] as Sizes)
      }
    }
  }

  #tensors(data: readonly Data[], rows: number, sizes: readonly Sizes[], lengths: readonly number[]): Tensors {
    const count = this.#batchSize ?? rows
    const inputs: Record<string, Tensor> = {}
    this.#writers.forEach(({ name, dtype }, input) => {
      inputs[name] = { dtype, shape: [count, ...(sizes[input] as Sizes)], data: filled(data[input] as Data, rows, count, lengths[input] as number) } as Tensor
    })
    return inputs
  }

  #valueOf(row: unknown, writer: RowWriter): unknown {
    const { name } = writer
    const isOnly = this.#writers.length === 1
    if (!isRecord(row)) {
      if (isOnly) return row
    } else {
      if (Object.hasOwn(row, name) && !(isOnly && writer.hasField(name))) return row[name]
      // The fields of the only input, or its tensor.
      if (isOnly && (writer.hasFields || 'dtype' in row)) return row
    }
    const value = isRecord(row) ? `an object with ${Object.keys(row).slice(0, 20).join(', ') || 'nothing'}` : 'one value for all'
    throw new OutriggerError('ERR_OUTRIGGER_INVALID_INPUT', `Cannot predict the row as it must have values for input \`${name}\`: current value is ${value}`, { input: name })
  }
}

/** The buffer of a run: without the places of rows that failed, or with the last row in the places that are empty. */
const filled = (data: Data, rows: number, count: number, length: number): Data => {
  if (data.length > count * length) return Array.isArray(data) ? data.slice(0, count * length) : data.subarray(0, count * length)
  for (let row = rows; row < count; row += 1) (data as Float32Array).copyWithin(row * length, (rows - 1) * length, rows * length)
  return data
}
