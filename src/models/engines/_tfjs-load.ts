/** Loads the files of a version with TensorFlow.js, so that a version that does not load leaves no tensor behind. */
import { OutriggerError } from '../../core/errors.js'
import type { ModelFiles } from '../store/model-files.js'
import { engineError } from './engine-error.js'
import { artifactsOf, type TfjsModelFiles } from './_tfjs-artifacts.js'
import { needsAsync } from './_tfjs-graph.js'
import type { LoadedTfjs } from './_tfjs-model.js'
import type { Tfjs, TfjsModel } from './_tfjs-types.js'

type Artifacts = TfjsModelFiles['artifacts']

/** @throws `ERR_OUTRIGGER_MODEL_CORRUPT`, `ERR_OUTRIGGER_ENGINE_FAILED` */
export const loadTfjs = async (tf: Tfjs, files: ModelFiles): Promise<LoadedTfjs> => {
  const { kind, artifacts, bytes } = artifactsOf(files)
  try {
    await tf.ready()
    if (kind === 'layers') return { model: await layersModel(tf, artifacts), bytes, isAsync: false }
    const model = graphModel(tf, artifacts)
    return { model, bytes, isAsync: needsAsync(artifacts.modelTopology, nodesOf(model)) }
  } catch (error) {
    throw engineError('load the TensorFlow.js model', error)
  }
}

/** In one go, so that `tidy` frees what there is if it throws half-way. */
const graphModel = (tf: Tfjs, artifacts: Artifacts): TfjsModel =>
  tf.tidy(() => {
    const model = tf.loadGraphModelSync(artifacts)
    for (const weights of Object.values(model.weights) as (readonly never[])[]) for (const weight of weights) tf.keep(weight)
    return model
  }) as TfjsModel

/** The nodes behind the names of the outputs. */
const nodesOf = (model: TfjsModel): string[] => {
  const signed = ((model.modelSignature ?? {}) as { readonly outputs?: Readonly<Record<string, { readonly name?: string } | undefined>> }).outputs
  return (model.outputNodes ?? []).map((name) => signed?.[name]?.name ?? name)
}

/**
 * First the layers, then their weights, so that we have the model in hand, and can dispose it, if the weights are those
 * of another. TensorFlow.js fills new layers with random numbers, which takes long, unless it sees that weights follow:
 * so it is shown them, and then there are none. (If it came to look in another order, it would only take longer.)
 */
const layersModel = async (tf: Tfjs, { weightData, weightSpecs, ...rest }: Artifacts): Promise<TfjsModel> => {
  const unknown = unknownLayer(rest.modelTopology, tf.serialization.SerializationMap.getMap().classNameMap)
  // Found only on its way, it would leave behind the layers that it has built by then.
  if (unknown !== undefined) throw new OutriggerError('ERR_OUTRIGGER_ENGINE_FAILED', `Cannot load the TensorFlow.js model as its layers must be known, own ones by tf.serialization.registerClass: current value is ${unknown}`)
  let looks = 0
  const announced = { ...rest, weightSpecs, get weightData() { return looks++ === 0 ? weightData : undefined } }
  const model = await tf.loadLayersModel({ load: async () => announced as Artifacts })
  try {
    tf.tidy(() => void model.loadWeights(tf.io.decodeWeights(weightData, weightSpecs)))
    return model
  } catch (error) {
    model.dispose()
    throw error
  }
}

interface LayerConfig { readonly class_name?: string; readonly config?: { readonly layers?: readonly LayerConfig[] } }

/** The class of a layer that nobody has registered. */
const unknownLayer = (topology: object, known: object): string | undefined => {
  const open: LayerConfig[] = [(topology as { readonly model_config?: LayerConfig }).model_config ?? (topology as LayerConfig)]
  for (let layer = open.pop(); layer !== undefined; layer = open.pop()) {
    const { class_name: name, config } = layer
    if (typeof name === 'string' && !(name in known)) return name
    if (Array.isArray(config?.layers)) open.push(...config.layers)
  }
  return undefined
}
