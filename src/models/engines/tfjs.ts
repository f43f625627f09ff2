/** TensorFlow.js: layers models and graph models, with a `tf` that is passed in. */
import { InvalidOptionError, OutriggerError } from '../../core/errors.js'
import { membersOption, optionsObject, stringOption } from '../../core/options.js'
import { filesOf } from './_tfjs-artifacts.js'
import { loadTfjs } from './_tfjs-load.js'
import { TfjsTensors } from './_tfjs-model.js'
import { loadSavedModel, savedModelFile, type SavedModelOptions } from './_tfjs-saved-model.js'
import type { Tfjs, TfjsArtifacts, TfjsSavable } from './_tfjs-types.js'
import type { Engine, EngineOrigin, TensorEngine } from './engine.js'
import { tfjsNodeShim } from './tfjs-node-shim.js'
import { tensorEngine, type OutputValue, type TensorRow, type TensorRowOptions } from './tensor-rows.js'

/** How a worker or a process gets a `tf` of its own. */
export interface TfjsElsewhere {
  /**
   * What it imports, in order: the first gives `tf`, the others register what it needs (a backend, layers of yours).
   * Names of packages, or `file:` URLs, as `import.meta.resolve` gives them.
   */
  readonly packages: readonly string[]
  /** For `tf.setBackend`; without it, TensorFlow.js chooses. */
  readonly backend?: string
}

/** Options of {@link tfjs}. */
export interface TfjsOptions<O, V extends OutputValue = number> extends TensorRowOptions<O, V> {
  /**
   * How a worker or a process gets a `tf` of its own, where the model is `isolated`.
   * @default the published package of the backend that `tf` uses: `cpu`, `wasm` or `tensorflow`
   */
  readonly elsewhere?: TfjsElsewhere
  /** Which part of a SavedModel is served. @default the signature `serving_default` of the graph with the tag `serve` */
  readonly savedModel?: SavedModelOptions
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

const published: Readonly<Record<string, readonly string[]>> = {
  cpu: ['@tensorflow/tfjs'],
  wasm: ['@tensorflow/tfjs', '@tensorflow/tfjs-backend-wasm'],
  tensorflow: ['@tensorflow/tfjs-node'],
}

/** What both sides of an isolation need to know. */
interface Made {
  readonly elsewhere?: TfjsElsewhere | undefined
  readonly savedModel?: SavedModelOptions | undefined
}

const adapter = (tf: Tfjs, { elsewhere, savedModel }: Made): TensorEngine => ({
  name: 'tfjs',
  // Read when the model is to go elsewhere: by then `tf` has a backend.
  get origin(): EngineOrigin | undefined {
    const backend = tf.getBackend()
    const packages = published[backend]
    const place = elsewhere ?? (packages && { packages, backend })
    return place && { module: 'outrigger:tfjs', export: 'tfjsElsewhere', options: { elsewhere: place, ...(savedModel === undefined ? {} : { savedModel }) } }
  },
  load: async (files) => {
    const isSavedModel = files.has(savedModelFile) && !files.has('model.json')
    return isSavedModel ? await loadSavedModel(tf, files, savedModel) : new TfjsTensors(tf, await loadTfjs(tf, files))
  },
})

/** Makes the adapter in a worker or a process. @internal */
export const tfjsElsewhere = async ({ elsewhere, savedModel }: Made & { readonly elsewhere: TfjsElsewhere }): Promise<TensorEngine> => {
  const { packages, backend } = elsewhere
  const modules: unknown[] = []
  for (const name of packages) {
    try {
      modules.push(await import(name))
    } catch (error) {
      throw new OutriggerError('ERR_OUTRIGGER_PEER_MISSING', `Cannot load TensorFlow.js elsewhere as \`${name}\` must be installed, and found from outrigger (or be a file: URL): current value is not`, { cause: error })
    }
  }
  const [first] = modules as [Partial<Tfjs> & { readonly default?: unknown; setBackend?(name: string): Promise<boolean> }]
  const tf = (typeof first.tidy === 'function' ? first : first.default) as typeof first
  // The thread or the process is ours, and the model's alone.
  if (tf.node !== undefined) tfjsNodeShim()
  if (backend !== undefined && !(await tf.setBackend?.(backend))) {
    throw new InvalidOptionError(`Cannot load TensorFlow.js elsewhere as \`backend\` must be one that ${packages.join(', ')} register: current value is ${backend}`)
  }
  return adapter(tfjsOf(tf), { elsewhere, savedModel })
}

const tfjsOf = (tf: unknown): Tfjs => membersOption('tfjs', 'tf', tf as Tfjs, ['loadLayersModel', 'loadGraphModelSync', 'tensor', 'tidy', 'keep', 'getBackend', 'ready'])

/**
 * The engine of TensorFlow.js models: `model.json` with `format` `layers-model` or `graph-model`, and its weights.
 *
 * Rows come without the batch dimension; the rows of a batch are packed into one tensor per input and go through the
 * model in one run. Outputs are plain arrays, and no tensor is left behind. TensorFlow.js computes on the calling
 * thread: the event loop waits while a run lasts. Graph models with control flow, or with outputs whose size only a run
 * can tell, are run by `executeAsync`; if such a run fails half-way, TensorFlow.js itself leaves tensors behind.
 *
 * With `@tensorflow/tfjs-node` it also loads SavedModels (`saved_model.pb`, `variables/`, `assets/`), which TensorFlow
 * reads from a private directory that is written for it. Of their types, tfjs-node takes 64-bit integers from 0 to
 * 4294967295 only (so the signature says `uint32`), and cannot read outputs of 8-bit integers. On Node 23 and later it
 * needs {@link tfjsNodeShim}.
 *
 * @param tf - `@tensorflow/tfjs`, `@tensorflow/tfjs-node`, or any package with its methods, with the backend set
 * @throws `ERR_OUTRIGGER_INVALID_OPTION`; while loading, `ERR_OUTRIGGER_MODEL_CORRUPT` if the files are no such model,
 * `ERR_OUTRIGGER_ENGINE_FAILED` if TensorFlow.js refuses it
 * @see {@link tensorEngine} for what a row may be
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
export const tfjs = <O = number[], V extends OutputValue = number>(tf: Tfjs, options: TfjsOptions<O, V> = {}): Engine<TensorRow, O> => {
  optionsObject('tfjs', options, ['output', 'elsewhere', 'savedModel'])
  const { elsewhere, savedModel, ...rows } = options
  if (elsewhere !== undefined && !(Array.isArray(elsewhere.packages) && elsewhere.packages.length > 0)) {
    throw new InvalidOptionError(`Cannot create tfjs as \`elsewhere\` must name its \`packages\`, one at least: current value is ${JSON.stringify(elsewhere)}`)
  }
  if (savedModel !== undefined) {
    optionsObject('tfjs', savedModel, ['signature', 'tags'])
    const { signature, tags } = savedModel
    if (signature !== undefined) stringOption('tfjs', 'savedModel.signature', signature)
    if (tags !== undefined && !Array.isArray(tags)) throw new InvalidOptionError(`Cannot create tfjs as \`savedModel.tags\` must be a list of names: current value is ${JSON.stringify(tags)}`)
  }
  return tensorEngine<O, V>(adapter(tfjsOf(tf), { elsewhere, savedModel }), rows)
}

export { tfjsSignature } from './_tfjs-signature.js'
export type { SavedModelOptions } from './_tfjs-saved-model.js'
export type { TfjsSigned } from './_tfjs-signature.js'
export type { Tfjs, TfjsLayersModel, TfjsModel, TfjsNodePart, TfjsSavable, TfjsSavedModel, TfjsSavedTensor } from './_tfjs-types.js'
