/** Between rows and tensors: turns the small adapter of an engine into an engine that takes the rows of callers. */
import type { ModelBatchCall, ModelCall } from '../../core/call.js'
import { InvalidOptionError, OutriggerError } from '../../core/errors.js'
import { abortErrorOf } from '../../core/model.js'
import { functionOption, membersOption, optionsObject } from '../../core/options.js'
import { isRowFailure, RowFailure, type Row } from '../../core/rows.js'
import type { Tensor, Tensors } from '../../schema/tensor.js'
import type { ModelSignature } from '../manifest/manifest.js'
import type { Engine, EngineDescription, EngineObject, TensorCall, TensorEngine, TensorModel } from './engine.js'
import { engineError } from './engine-error.js'
import type { Data } from './_elements.js'
import { RowReader } from './_row-reader.js'
import { rowSignature, type RowSignature } from './_row-signature.js'
import { productOf, RowWriter } from './_row-writer.js'
import { SpareBuffers } from './_spare-buffers.js'

/**
 * The values of one tensor of a row, without the batch dimension: a typed array or an array, flat in row-major order or
 * nested by dimension; one value where there is one; a record of its fields, where the manifest names them; or a tensor
 * with its shape. Labels stand for numbers where the manifest has categories.
 */
export type TensorValue = number | bigint | boolean | string | (ArrayLike<number> & ArrayBufferView) | (ArrayLike<bigint> & ArrayBufferView) | readonly TensorValue[] | FieldValues | Tensor

/** A record of fields. (An `interface` of yours does not fit an index signature; a `type` does.) */
export interface FieldValues { readonly [field: string]: number | bigint | boolean | string }

/** A row: the values of the model's only input, or a record of values by input. What else stands in a record is ignored. */
export type TensorRow = TensorValue | { readonly [input: string]: TensorValue }

/** An element of an output: a number, a label or a string, or a 64-bit integer that a number does not hold. */
export type OutputValue = number | bigint | string

/** Options of {@link tensorEngine}. */
export interface TensorRowOptions<O, V extends OutputValue = number> {
  /**
   * Makes the output of a row. `values` are those of the model's first output, flat in row-major order; `outputs` are
   * those of all its outputs by name. They are the caller's to keep. Booleans are 0 and 1; 64-bit integers are numbers
   * where a number holds them, else bigints; what has categories is labels.
   * @default the values of the only output
   */
  readonly output?: (values: V[], outputs: Readonly<Record<string, V[]>>) => O
}

/**
 * Makes an engine of rows from one of tensors.
 *
 * Rows are read by the signature of the manifest, which must not contradict the model's own, or else by the model's.
 * They are checked before the engine sees them: a row that does not fit fails alone, with `ERR_OUTRIGGER_INVALID_INPUT`
 * that names the input or the field. NaN and infinities pass.
 *
 * Rows of one shape go through the model together. A model with a fixed batch dimension is run with as many rows as it
 * wants, a row of the batch in the empty places. A lone typed array of the right type goes to the engine uncopied.
 *
 * @throws `ERR_OUTRIGGER_INVALID_OPTION`
 * @example
 * ```ts
 * import { ModelFiles, tensorEngine, type TensorEngine } from 'outrigger/models'
 * const doubling: TensorEngine = {
 *   name: 'doubling',
 *   load: async () => ({
 *     describe: () => ({ signature: { inputs: [{ name: 'x', dtype: 'float32', shape: [null, 2] }], outputs: [{ name: 'y', dtype: 'float32', shape: [null, 2] }] } }),
 *     run: async ({ x }) => ({ y: { dtype: 'float32', shape: x!.shape, data: (x!.data as Float32Array).map((value) => 2 * value) } }),
 *     dispose: () => {},
 *   }),
 * }
 * assert.equal(tensorEngine(doubling, { output: ([first]) => first }).name, 'doubling')
 * ```
 */
export const tensorEngine = <O = number[], V extends OutputValue = number>(tensors: TensorEngine, options: TensorRowOptions<O, V> = {}): Engine<TensorRow, O> => {
  optionsObject('a tensor engine', options, ['output'])
  membersOption('a tensor engine', 'tensors', tensors, ['load'])
  functionOption('a tensor engine', 'output', options.output)
  return {
    name: tensors.name,
    tensors,
    over: (elsewhere) => tensorEngine(elsewhere, options),
    load: async (files, version) => {
      const model = await tensors.load(files, version)
      try {
        // A version that nobody published, as in tests of engines, has no manifest.
        return rowsOver(model, { ...options, signature: (version as Partial<typeof version>).manifest?.signature, takesInputs: tensors.takesInputs ?? false })
      } catch (error) {
        await model.dispose()
        throw error
      }
    },
  }
}

/** Options of {@link rowsOver}. */
export interface RowsOverOptions<O, V extends OutputValue = number> extends TensorRowOptions<O, V> {
  /** The manifest's. */
  readonly signature?: ModelSignature | undefined
  readonly takesInputs?: boolean
}

/**
 * The rows of a loaded model.
 *
 * @throws `ERR_OUTRIGGER_MODEL_CORRUPT` if the manifest's signature is not that of the model
 * @throws `ERR_OUTRIGGER_INVALID_OPTION` if the model has several outputs and there is no `output`
 */
export const rowsOver = <O = number[], V extends OutputValue = number>(model: TensorModel, options: RowsOverOptions<O, V> = {}): RowModel<O> => new TensorRows(model, options)

/** A loaded model that takes rows. */
export interface RowModel<O> extends EngineObject<TensorRow, O> {
  predict(row: TensorRow, call: ModelCall): Promise<O>
  predictBatch(rows: readonly TensorRow[], call: ModelBatchCall): Promise<Row<O>[]>
  describe(): EngineDescription
  /** Disposes the model, once. */
  dispose(): void | Promise<void>
}

/** Rows whose tensors have one shape: `sizes` by input. */
interface Group { readonly sizes: readonly (readonly number[])[]; readonly indices: number[] }

/** The tensors of one run, and which rows are in them. */
interface Pack { readonly inputs: Tensors; readonly count: number; readonly indices: readonly number[] }

const isRecord = (row: unknown): row is Readonly<Record<string, unknown>> => typeof row === 'object' && row !== null && !ArrayBuffer.isView(row) && !Array.isArray(row)

const disposed = (): OutriggerError => new OutriggerError('ERR_OUTRIGGER_CLOSED', 'Cannot predict as the model must not be disposed: current value is disposed')

class TensorRows<O, V extends OutputValue> implements RowModel<O> {
  readonly #model: TensorModel
  readonly #signature: RowSignature
  readonly #description: EngineDescription
  readonly #writers: readonly RowWriter[]
  readonly #readers: readonly RowReader[]
  readonly #takesInputs: boolean
  readonly #output: TensorRowOptions<O, V>['output']
  /** The sizes of every row, if none is free. */
  readonly #fixedSizes: readonly (readonly number[])[] | undefined
  readonly #spares = new SpareBuffers()
  #disposed = false

  constructor(model: TensorModel, { signature, takesInputs = false, output }: RowsOverOptions<O, V>) {
    this.#model = model
    this.#description = model.describe()
    this.#signature = rowSignature(signature, this.#description)
    const { inputs, outputs } = this.#signature
    if (output === undefined && outputs.length !== 1) {
      throw new InvalidOptionError(`Cannot load the model as the engine needs the option \`output\` for several outputs: current value is ${outputs.length} outputs (${outputs.map(({ name }) => name).join(', ')})`)
    }
    this.#writers = inputs.map((spec) => new RowWriter(spec))
    this.#readers = outputs.map((spec) => new RowReader(spec))
    this.#takesInputs = takesInputs
    this.#output = output
    const sizes = this.#writers.map(({ fixedSizes }) => fixedSizes)
    this.#fixedSizes = sizes.includes(undefined) ? undefined : (sizes as (readonly number[])[])
  }

  describe(): EngineDescription {
    const { inputs, outputs, batchSize } = this.#signature
    const { batchable = true } = this.#description
    return { ...this.#description, signature: { inputs, outputs }, batchable: batchable && batchSize !== 1, ...(batchSize === undefined ? {} : { batchSize }) }
  }

  dispose(): void | Promise<void> {
    if (this.#disposed) return undefined
    this.#disposed = true
    return this.#model.dispose()
  }

  async predict(row: TensorRow, call: ModelCall): Promise<O> {
    const outcome = (this.#signature.batchSize ?? 1) === 1 ? await this.#predictOne(row, call) : (await this.#predict([row], call))[0]
    if (isRowFailure(outcome)) throw outcome.error
    return outcome as O
  }

  async predictBatch(rows: readonly TensorRow[], call: ModelBatchCall): Promise<Row<O>[]> {
    return await this.#predict(rows, call)
  }

  /** What {@link TensorRows.#predict} does, of one row and without its lists. */
  async #predictOne(row: TensorRow, call: TensorCall): Promise<Row<O>> {
    if (this.#disposed) throw disposed()
    const inputs: Record<string, Tensor> = {}
    for (const writer of this.#writers) {
      const value = this.#valueOf(row, writer)
      const sizes = writer.fixedSizes ?? writer.sizesOf(value)
      const length = productOf(sizes)
      let data = this.#takesInputs ? undefined : writer.asItIs(value, length)
      if (data === undefined) writer.write(value, (data = writer.make(length)), 0, sizes)
      inputs[writer.name] = { dtype: writer.dtype, shape: [1, ...sizes], data } as Tensor
    }
    let columns: OutputValue[][][]
    try {
      const outputs = await this.#model.run(inputs, call)
      columns = this.#readers.map((reader) => reader.read(outputs, 1, 1))
    } catch (error) {
      throw engineError('predict', error)
    }
    return this.#outputOf(columns, 0)
  }

  async #predict(rows: readonly TensorRow[], call: TensorCall): Promise<Row<O>[]> {
    if (this.#disposed) throw disposed()
    const outcomes = new Array<Row<O>>(rows.length)
    let runs = 0
    for (const group of this.#groupsOf(rows, outcomes)) {
      for (let next = 0; next < group.indices.length; ) {
        const start = next
        const indices: number[] = []
        const inputs = this.#pack(rows, group, start, indices, outcomes, (end) => (next = end))
        if (indices.length === 0) continue
        if (runs > 0 && call.signal.aborted) {
          const failure = new RowFailure(abortErrorOf(call.signal.reason))
          for (const index of indices) outcomes[index] = failure
          continue
        }
        runs += 1
        await this.#run({ inputs, indices, count: this.#signature.batchSize ?? indices.length }, call, outcomes)
      }
    }
    return outcomes
  }

  /** Rows that may share a run. One whose shape is impossible has failed by then. */
  #groupsOf(rows: readonly TensorRow[], outcomes: Row<O>[]): Iterable<Group> {
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
        outcomes[index] = new RowFailure(error)
      }
    }
    return groups.values()
  }

  /** Packs rows from `start` on, as many as fit into one run. `indices` is filled with those that did not fail. */
  #pack(rows: readonly TensorRow[], { sizes, indices: all }: Group, start: number, indices: number[], outcomes: Row<O>[], ended: (end: number) => void): Tensors {
    const count = this.#signature.batchSize ?? all.length - start
    const lengths = sizes.map(productOf)
    const lone = count === 1 && !this.#takesInputs
    const data: Data[] = []
    let next = start
    for (; next < all.length && indices.length < count; next += 1) {
      const index = all[next] as number
      try {
        for (let input = 0; input < this.#writers.length; input += 1) {
          const writer = this.#writers[input] as RowWriter
          const length = lengths[input] as number
          const value = this.#valueOf(rows[index], writer)
          const same = lone ? writer.asItIs(value, length) : undefined
          if (same === undefined) writer.write(value, (data[input] ??= this.#spares.take(input, count * length, (size) => writer.make(size))), indices.length * length, sizes[input] as readonly number[])
          else data[input] = same
        }
        indices.push(index)
      } catch (error) {
        if (lone) data.length = 0 // never write into a caller's array
        outcomes[index] = new RowFailure(error)
      }
    }
    ended(next)
    if (indices.length === 0) return {}
    return Object.fromEntries(this.#writers.map((writer, input) => {
      const rowsIn = this.#signature.batchSize ?? indices.length
      const shape = [rowsIn, ...(sizes[input] as readonly number[])]
      return [writer.name, { dtype: writer.dtype, shape, data: filled(data[input] as Data, indices.length, rowsIn, lengths[input] as number) } as Tensor]
    }))
  }

  #valueOf(row: unknown, writer: RowWriter): unknown {
    const { name } = writer
    if (!isRecord(row)) {
      if (this.#writers.length === 1) return row
    } else {
      if (Object.hasOwn(row, name) && !(this.#writers.length === 1 && writer.hasField(name))) return row[name]
      if (this.#writers.length === 1 && (writer.hasFields || 'dtype' in row)) return row
    }
    const value = isRecord(row) ? `an object with ${Object.keys(row).slice(0, 20).join(', ') || 'nothing'}` : 'one value for all'
    throw new OutriggerError('ERR_OUTRIGGER_INVALID_INPUT', `Cannot predict the row as it must have values for input \`${name}\`: current value is ${value}`, { input: name })
  }

  async #run({ inputs, count, indices }: Pack, call: TensorCall, outcomes: Row<O>[]): Promise<void> {
    try {
      const outputs = await this.#model.run(inputs, call)
      const columns = this.#readers.map((reader) => reader.read(outputs, count, indices.length))
      // Not after a run that failed, which might go on all the same.
      if (!this.#takesInputs) this.#writers.forEach(({ name }, input) => this.#spares.give(input, (inputs[name] as Tensor).data))
      indices.forEach((index, at) => (outcomes[index] = this.#outputOf(columns, at)))
    } catch (error) {
      const failure = new RowFailure(engineError('predict', error))
      for (const index of indices) outcomes[index] = failure
    }
  }

  #outputOf(columns: readonly OutputValue[][][], at: number): Row<O> {
    const values = columns[0]?.[at] as V[]
    if (this.#output === undefined) return values as O
    try {
      return this.#output(values, Object.fromEntries(this.#readers.map(({ name }, output) => [name, columns[output]?.[at] as V[]])))
    } catch (error) {
      return new RowFailure(error)
    }
  }
}

/** The buffer of a run: without the places of rows that failed, or with the last row in the places that are empty. */
const filled = (data: Data, rows: number, wanted: number, length: number): Data => {
  if (data.length > wanted * length) return data.slice === undefined ? data : Array.isArray(data) ? data.slice(0, wanted * length) : (data.subarray(0, wanted * length) as Data)
  for (let row = rows; row < wanted; row += 1) (data as Float32Array).copyWithin(row * length, (rows - 1) * length, rows * length)
  return data
}
