/** TensorFlow.js: layers models and graph models, with a `tf` that is passed in. */
import { InvalidOptionError } from '../../core/errors.js'
import { functionOption, optionsObject } from '../../core/options.js'
import { artifactsOf, filesOf } from './_tfjs-artifacts.js'
import { TfjsRows, type TfjsRow } from './_tfjs-rows.js'
import type { Tfjs, TfjsArtifacts, TfjsSavable } from './_tfjs-types.js'
import type { Engine } from './engine.js'

/** Options of {@link tfjs}. */
export interface TfjsOptions<O> {
  /**
   * Makes the output of a row. `values` are those of the model's first output, flat in row-major order; `outputs` are
   * those of all its outputs by name. The arrays are the caller's to keep.
   * @default the values of the only output, as `number[]`
   */
  readonly output?: (values: number[], outputs: Readonly<Record<string, number[]>>) => O
}

/**
 * The files of a TensorFlow.js model (layers or graph), for `publish({ files })`: `model.json` and `weights.bin`, as
 * TensorFlow.js itself would save them. An optimizer's state is left out.
 *
 * @example
 * ```ts
 * import * as tf from '@tensorflow/tfjs'
 * import { tfjsFiles } from 'outrigger/models'
 * const model = tf.sequential({ layers: [tf.layers.dense({ units: 1, inputShape: [4] })] })
 * assert.deepEqual(Object.keys(await tfjsFiles(model)), ['model.json', 'weights.bin'])
 * model.dispose()
 * ```
 */
export const tfjsFiles = async (model: TfjsSavable): Promise<Record<string, Uint8Array | string>> => {
  let saved: TfjsArtifacts = {}
  await model.save({
    save: async (artifacts) => {
      saved = artifacts
      // TensorFlow.js wants a date back and hands it to nobody but us.
      return { modelArtifactsInfo: { dateSaved: new Date(0), modelTopologyType: 'JSON' } }
    },
  })
  return filesOf(saved)
}

/**
 * The engine of TensorFlow.js models: `model.json` with `format` `layers-model` or `graph-model`, and its weights.
 *
 * Rows come without the batch dimension; the rows of a batch are packed into one tensor per input and go through the
 * model in one run. Outputs are plain arrays, and no tensor is left behind. TensorFlow.js computes on the calling
 * thread: the event loop waits while a run lasts. Graph models with control flow (which need `executeAsync`) are not
 * supported yet.
 *
 * A row of the wrong shape fails alone, with `ERR_OUTRIGGER_INVALID_INPUT`.
 *
 * @param tf - `@tensorflow/tfjs`, `@tensorflow/tfjs-node`, or any package with its methods, with the backend set
 * @throws `ERR_OUTRIGGER_INVALID_OPTION`; while loading, `ERR_OUTRIGGER_MODEL_CORRUPT` if the files are no such model
 * @example
 * ```ts
 * import * as tf from '@tensorflow/tfjs'
 * import { mkdtemp } from 'node:fs/promises'
 * import { tmpdir } from 'node:os'
 * import { modelLoader, modelStore, tfjs, tfjsFiles } from 'outrigger/models'
 * await tf.setBackend('cpu')
 * const model = tf.sequential({ layers: [tf.layers.dense({ units: 1, inputShape: [2], kernelInitializer: 'ones' })] })
 * const store = modelStore({ path: await mkdtemp(`${tmpdir()}/models-`) })
 * await store.publish({ name: 'sum', engine: 'tfjs', files: await tfjsFiles(model), golden: [{ input: [1, 2], output: 3 }] })
 *
 * const sum = modelLoader({ store, name: 'sum', engines: [tfjs(tf, { output: ([total]) => total ?? 0 })] })
 * await sum.whenReady()
 * assert.deepEqual(await sum.batch([[1, 2], new Float32Array([3, 4])]), [3, 7])
 * await sum.close()
 * ```
 */
export const tfjs = <O = number[]>(tf: Tfjs, options: TfjsOptions<O> = {}): Engine<TfjsRow, O> => {
  optionsObject('tfjs', options, ['output'])
  for (const method of ['loadLayersModel', 'loadGraphModel', 'tensor', 'tidy'] as const) {
    if (typeof (tf as Partial<Tfjs> | undefined)?.[method] !== 'function') throw new InvalidOptionError(`Cannot create tfjs as \`tf\` must have the method \`${method}\`: current value has none`)
  }
  const output = functionOption('tfjs', 'output', options.output)
  return {
    name: 'tfjs',
    load: async (files) => {
      const { kind, artifacts } = artifactsOf(files)
      const handler = { load: async () => artifacts }
      const model = kind === 'graph' ? await tf.loadGraphModel(handler) : await tf.loadLayersModel(handler)
      try {
        if (output === undefined && model.outputs.length !== 1) {
          throw new InvalidOptionError(`Cannot load the TensorFlow.js model as tfjs needs the option \`output\` for several outputs: current value is ${model.outputs.length} outputs`)
        }
        return new TfjsRows(tf, model, output ?? ((values) => values as O))
      } catch (error) {
        model.dispose()
        throw error
      }
    },
  }
}

export { tfjsSignature } from './_tfjs-rows.js'
export type { TfjsRow } from './_tfjs-rows.js'
export type { NumericRow } from './_pack-rows.js'
export type { Tfjs, TfjsModel, TfjsSavable } from './_tfjs-types.js'
