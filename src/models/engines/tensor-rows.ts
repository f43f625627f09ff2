/** Between rows and tensors: turns the small adapter of an engine into an engine that takes the rows of callers. */
import type { ModelBatchCall } from '../../core/batch-call.js'
import type { ModelCall } from '../../core/call.js'
import { functionOption, membersOption, optionsObject } from '../../core/options.js'
import type { Row } from '../../core/rows.js'
import type { Tensor } from '../../schema/tensor.js'
import type { ModelSignature } from '../manifest/manifest.js'
import type { Engine, EngineDescription, EngineObject, TensorEngine, TensorModel } from './engine.js'
import { ModelRows } from './_model-rows.js'

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
export const rowsOver = <O = number[], V extends OutputValue = number>(model: TensorModel, options: RowsOverOptions<O, V> = {}): RowModel<O> => new ModelRows(model, options)

/** A loaded model that takes rows. */
export interface RowModel<O> extends EngineObject<TensorRow, O> {
  predict(row: TensorRow, call: ModelCall): Promise<O>
  predictBatch(rows: readonly TensorRow[], call: ModelBatchCall): Promise<Row<O>[]>
  describe(): EngineDescription
  /** Disposes the model, once. */
  dispose(): void | Promise<void>
}
