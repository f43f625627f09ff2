/** A loaded TensorFlow.js model with its rows: packed into one tensor per input, run inside `tidy`, unpacked. */
import { InvalidOptionError, OutriggerError } from '../../core/errors.js'
import { isRowFailure, RowFailure, type Row } from '../../core/rows.js'
import type { ModelSignature, TensorSpec } from '../manifest/manifest.js'
import type { Tfjs, TfjsModel, TfjsTensor, TfjsTensorInfo } from './_tfjs-types.js'
import { flatRow, isPackable, packRows, rowShape, unpackRows, type NumericRow } from './_pack-rows.js'
import type { EngineDescription, EngineMembers } from './engine.js'

/**
 * A row: the values of the model's input, or a record of values by input name. Without the batch dimension: a typed
 * array or an array of numbers, flat in row-major order or nested by dimension; a number where there is one value.
 */
export type TfjsRow = NumericRow | { readonly [input: string]: NumericRow }

interface Input { readonly name: string; readonly dtype: 'float32' | 'int32' | 'bool'; readonly shape: readonly (number | null)[] | undefined }

const sizesOf = (info: TfjsTensorInfo): readonly (number | null)[] | undefined =>
  Array.isArray(info.shape) ? (info.shape as (number | null)[]).map((size) => (size === null || size < 0 ? null : size)) : undefined

/**
 * The names of the inputs or outputs. Layers models number the names of their tensors by what else lives in the process,
 * so the names of the layers stand for them; graph models name tensors `x:0`.
 */
const namesOf = (infos: readonly TfjsTensorInfo[], layers: readonly string[] | undefined): string[] => {
  const names = infos.map((info, at) => layers?.[at] ?? info.name.replace(/:0$/, ''))
  return names.map((name, at) => (names.indexOf(name) === at ? name : `${name}:${at}`))
}

type Named<T> = Readonly<Record<string, T>>
type Signed = Pick<TfjsModel, 'inputs' | 'outputs' | 'inputNames' | 'outputNames'>
const specsOf = (infos: readonly TfjsTensorInfo[], names: readonly string[]): TensorSpec[] =>
  infos.map((info, at) => ({ name: names[at] as string, dtype: info.dtype, shape: sizesOf(info) ?? [null] }))

/**
 * The input and output tensors of a TensorFlow.js model, for `publish({ signature })`.
 *
 * @example
 * ```ts
 * import * as tf from '@tensorflow/tfjs'
 * import { tfjsSignature } from 'outrigger/models'
 * const model = tf.sequential({ layers: [tf.layers.dense({ units: 1, inputShape: [4] })] })
 * assert.deepEqual(tfjsSignature(model).inputs[0]?.shape, [null, 4])
 * model.dispose()
 * ```
 */
export const tfjsSignature = (model: Signed): ModelSignature => ({
  inputs: specsOf(model.inputs, namesOf(model.inputs, model.inputNames)),
  outputs: specsOf(model.outputs, namesOf(model.outputs, model.outputNames)),
})

const inputsOf = (model: TfjsModel): Input[] => {
  const names = namesOf(model.inputs, model.inputNames)
  return model.inputs.map((info, at) => inputOf(info, names[at] as string))
}

const inputOf = (info: TfjsTensorInfo, name: string): Input => {
  if (!isPackable(info.dtype)) throw new InvalidOptionError(`Cannot load the TensorFlow.js model as the type of input \`${name}\` must be float32, int32 or bool: current value is ${info.dtype}`)
  return { name, dtype: info.dtype, shape: sizesOf(info) }
}

/** A loaded model with its rows. */
export class TfjsRows<O> implements EngineMembers {
  readonly #tf: Tfjs
  readonly #model: TfjsModel
  readonly #inputs: readonly Input[]
  readonly #names: readonly string[]
  readonly #output: (values: number[], outputs: Named<number[]>) => O
  /** The number of rows that the model insists on, or `null`. */
  readonly #batchSize: number | null
  #disposed = false

  constructor(tf: Tfjs, model: TfjsModel, output: (values: number[], outputs: Named<number[]>) => O) {
    this.#tf = tf
    this.#model = model
    this.#inputs = inputsOf(model)
    this.#names = namesOf(model.outputs, model.outputNames)
    this.#output = output
    this.#batchSize = this.#inputs[0]?.shape?.[0] ?? null
  }

  describe(): EngineDescription {
    return { signature: tfjsSignature(this.#model), batchable: this.#batchSize !== 1 }
  }

  dispose(): void {
    if (this.#disposed) return
    this.#disposed = true
    this.#model.dispose()
  }

  async predict(row: TfjsRow): Promise<O> {
    const [outcome] = await this.predictBatch([row])
    if (isRowFailure(outcome)) throw outcome.error
    return outcome as O
  }

  /** Rows of one shape go through the model together; a row that does not fit fails alone. */
  async predictBatch(rows: readonly TfjsRow[]): Promise<Row<O>[]> {
    if (this.#disposed) throw new OutriggerError('ERR_OUTRIGGER_CLOSED', 'Cannot predict as the TensorFlow.js model is disposed')
    const outcomes = new Array<Row<O>>(rows.length)
    const groups = new Map<string, { readonly shapes: readonly (readonly number[])[]; readonly values: ArrayLike<number>[][]; readonly indices: number[] }>()
    rows.forEach((row, index) => {
      try {
        const flat = this.#inputs.map((input) => flatRow(this.#valueOf(row, input), `input \`${input.name}\``))
        const shapes = this.#inputs.map((input, at) => rowShape(input.shape?.slice(1), flat[at] as (typeof flat)[number], `input \`${input.name}\``))
        const key = shapes.join(';')
        let group = groups.get(key)
        if (group === undefined) groups.set(key, (group = { shapes, values: this.#inputs.map(() => []), indices: [] }))
        flat.forEach((one, at) => group.values[at]?.push(one.values))
        group.indices.push(index)
      } catch (error) {
        outcomes[index] = new RowFailure(error)
      }
    })
    for (const { shapes, values, indices } of groups.values()) {
      const size = this.#batchSize ?? indices.length
      for (let start = 0; start < indices.length; start += size) {
        const outputs = await this.#run(values.map((rowsOfInput) => padded(rowsOfInput.slice(start, start + size), size)), shapes, size)
        indices.slice(start, start + size).forEach((index, at) => { outcomes[index] = outputs[at] as O })
      }
    }
    return outcomes
  }

  #valueOf(row: TfjsRow, input: Input): unknown {
    const isRecord = typeof row === 'object' && row !== null && !Array.isArray(row) && !ArrayBuffer.isView(row)
    if (!isRecord && this.#inputs.length === 1) return row
    if (isRecord && Object.hasOwn(row, input.name)) return (row as Readonly<Record<string, NumericRow>>)[input.name]
    throw new OutriggerError('ERR_OUTRIGGER_INVALID_INPUT', `Cannot predict the row as it must have values for input \`${input.name}\`: current value has ${isRecord ? Object.keys(row).join(', ') || 'none' : 'one array for all'}`, { input: input.name })
  }

  /** One run: one tensor per input; nothing of it is left behind, whatever happens. */
  async #run(values: readonly (readonly ArrayLike<number>[])[], shapes: readonly (readonly number[])[], count: number): Promise<O[]> {
    const tensors = this.#tf.tidy(() => {
      const inputs = this.#inputs.map(({ dtype }, at) => this.#tf.tensor(packRows(values[at] ?? [], dtype), [count, ...(shapes[at] ?? [])], dtype))
      return this.#byName(this.#model.predict(inputs.length === 1 ? (inputs[0] as TfjsTensor) : inputs))
    }) as Named<TfjsTensor>
    try {
      const outputs = await Promise.all(Object.entries(tensors).map(async ([name, tensor]) => ({ name, rows: unpackRows(await tensor.data(), tensor.shape, count) })))
      return Array.from({ length: count }, (_, row) => {
        const named = Object.fromEntries(outputs.map(({ name, rows }) => [name, rows[row] as number[]]))
        return this.#output(outputs[0]?.rows[row] as number[], named)
      })
    } finally {
      for (const tensor of Object.values(tensors)) tensor.dispose()
    }
  }

  #byName(predicted: TfjsTensor | TfjsTensor[] | { readonly [name: string]: TfjsTensor }): Named<TfjsTensor> {
    if (Array.isArray(predicted)) return Object.fromEntries(predicted.map((tensor, at) => [this.#names[at] ?? String(at), tensor]))
    // A graph model with structured outputs names them itself.
    return typeof predicted.dispose === 'function' ? { [this.#names[0] ?? 'output']: predicted as TfjsTensor } : (predicted as Named<TfjsTensor>)
  }
}

const padded = <T>(rows: readonly T[], size: number): readonly T[] =>
  rows.length === size ? rows : Array.from({ length: size }, (_, index) => rows[Math.min(index, rows.length - 1)] as T)
