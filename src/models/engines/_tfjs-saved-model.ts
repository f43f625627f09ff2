/** TensorFlow's own format, which only `@tensorflow/tfjs-node` runs: `saved_model.pb`, `variables/`, `assets/`. */
import { OutriggerError } from '../../core/errors.js'
import type { DType, Tensor, Tensors } from '../../schema/tensor.js'
import type { TensorSpec } from '../manifest/manifest.js'
import { modelDirectory } from '../store/model-directory.js'
import type { ModelFiles } from '../store/model-files.js'
import { batchOf } from './_batch-of.js'
import { Runs } from './_runs.js'
import type { Tfjs, TfjsSavedModel, TfjsSavedTensor, TfjsTensor } from './_tfjs-types.js'
import { engineError } from './engine-error.js'
import type { EngineDescription, TensorModel } from './engine.js'

/** Which part of a SavedModel is served. */
export interface SavedModelOptions {
  /** The name of the signature. @default 'serving_default' */
  readonly signature?: string
  /** The tags of its graph. @default ['serve'] */
  readonly tags?: readonly string[]
}

/** By this file a version is known to be a SavedModel. */
export const savedModelFile = 'saved_model.pb'

/** `tf` as far as a run needs it. */
export type TfjsForSavedModels = Pick<Tfjs, 'tensor' | 'tidy' | 'getBackend' | 'node'>

/**
 * What TensorFlow calls it → what we do. tfjs-node passes a 64-bit integer as its lower 32 bits and zeros above: -2 would
 * silently become 4294967294. As `uint32` a negative number is refused, and all else is passed right.
 */
const inputTypes: Readonly<Record<string, DType>> = { DT_FLOAT: 'float32', DT_INT32: 'int32', DT_INT64: 'uint32', DT_UINT8: 'uint8', DT_BOOL: 'bool', DT_STRING: 'string' }
/** It gives 64-bit integers whole, and cannot read `DT_UINT8` back ("Unhandled TF_DataType: 4"). */
const outputTypes: Readonly<Record<string, DType>> = { DT_FLOAT: 'float32', DT_INT32: 'int32', DT_INT64: 'int64', DT_BOOL: 'bool', DT_STRING: 'string' }

type Spec = TensorSpec & { readonly dtype: DType }

const failed = (constraint: string, value: string): OutriggerError =>
  new OutriggerError('ERR_OUTRIGGER_ENGINE_FAILED', `Cannot load the SavedModel as ${constraint}: current value is ${value}`)

/** tfjs-node hands out the dimensions as protobuf messages, -1 for a free one. */
const sizesOf = ({ shape }: TfjsSavedTensor): (number | null)[] =>
  (Array.isArray(shape) ? (shape as readonly (number | { getSize(): number })[]) : [])
    .map((size) => (typeof size === 'number' ? size : size.getSize()))
    .map((size) => (size < 0 ? null : size))

const specsOf = (tensors: Readonly<Record<string, TfjsSavedTensor>>, what: 'input' | 'output', types: Readonly<Record<string, DType>>): Spec[] =>
  Object.entries(tensors).map(([name, tensor]) => {
    const dtype = types[tensor.tfDtype ?? '']
    if (dtype === undefined) throw failed(`tfjs-node must be able to ${what === 'input' ? 'pass' : 'read'} ${what} \`${name}\`, which takes one of ${Object.keys(types).join(', ')}`, String(tensor.tfDtype ?? tensor.dtype))
    const shape = sizesOf(tensor)
    // A number of dimensions that is not known looks like none.
    return { name, dtype, shape: what === 'output' && shape.length === 0 ? [null] : shape }
  })

const invalid = (name: string, constraint: string, value: string): OutriggerError =>
  new OutriggerError('ERR_OUTRIGGER_INVALID_INPUT', `Cannot run the SavedModel as input \`${name}\` must be ${constraint}: current value is ${value}`, { input: name })

/** TensorFlow itself would run a graph on inputs of other sizes than its signature says, where its operations let it. */
const checked = (inputs: Tensors, { name, dtype, shape }: Spec): Tensor => {
  const input = inputs[name]
  if (input === undefined) throw invalid(name, 'given', Object.keys(inputs).join(', ') || 'nothing')
  if (input.dtype !== dtype) throw invalid(name, dtype, input.dtype)
  const fits = input.shape.length === shape.length && shape.every((size, at) => size === null || size === input.shape[at])
  if (!fits) throw invalid(name, `[${shape.map((size) => size ?? 'any').join(', ')}]`, `[${input.shape.join(', ')}]`)
  return input
}

/** As TensorFlow.js takes it, which knows neither 8-bit nor 64-bit integers: tfjs-node makes them of 32-bit ones. */
const tensorOf = (tf: TfjsForSavedModels, { dtype, shape, data }: Tensor): TfjsTensor => {
  const sizes = [...shape]
  switch (dtype) {
    case 'uint32': return tf.tensor(new Int32Array(data.buffer, data.byteOffset, data.length), sizes, 'int32')
    case 'uint8': return tf.tensor(Int32Array.from(data), sizes, 'int32')
    default: return tf.tensor(data as Float32Array, sizes, dtype as 'float32')
  }
}

class SavedModel implements TensorModel {
  readonly #tf: TfjsForSavedModels
  readonly #model: TfjsSavedModel
  readonly #description: EngineDescription
  readonly #inputs: readonly Spec[]
  readonly #dtypes: ReadonlyMap<string, DType>
  readonly #removeFiles: () => Promise<void>
  readonly #runs = new Runs('the SavedModel')

  constructor(tf: TfjsForSavedModels, model: TfjsSavedModel, { inputs, outputs }: { readonly inputs: readonly Spec[]; readonly outputs: readonly Spec[] }, bytes: number, removeFiles: () => Promise<void>) {
    this.#tf = tf
    this.#model = model
    this.#description = { signature: { inputs, outputs }, ...batchOf({ inputs, outputs }), bytes, device: tf.getBackend() }
    this.#inputs = inputs
    this.#dtypes = new Map(outputs.map(({ name, dtype }) => [name, dtype]))
    this.#removeFiles = removeFiles
  }

  describe(): EngineDescription {
    return this.#description
  }

  run(inputs: Tensors): Promise<Tensors> {
    return this.#runs.during(async () => {
      let outputs: Readonly<Record<string, TfjsTensor>> = {}
      try {
        const given = this.#inputs.map((spec) => [spec.name, checked(inputs, spec)] as const)
        outputs = this.#tf.tidy(() => this.#model.predict(Object.fromEntries(given.map(([name, tensor]) => [name, tensorOf(this.#tf, tensor)])))) as typeof outputs
        const read = Object.entries(outputs).map(async ([name, tensor]) => [name, { dtype: this.#dtypes.get(name), shape: [...tensor.shape], data: await tensor.data() } as Tensor] as const)
        return Object.fromEntries(await Promise.all(read))
      } catch (error) {
        throw engineError('run the SavedModel', error)
      } finally {
        for (const tensor of Object.values(outputs)) tensor.dispose()
      }
    })
  }

  dispose(): Promise<void> {
    return this.#runs.end(async () => {
      try {
        this.#model.dispose()
      } finally {
        await this.#removeFiles()
      }
    })
  }
}

/**
 * Loads a SavedModel. TensorFlow reads it from a directory, so the verified bytes are written to a private one. It has
 * read all of it when it is loaded, so that the directory goes then; but a graph with assets may read them while it
 * runs, and keeps it until `dispose`. Its name is new each time: tfjs-node takes models of one path for the same.
 *
 * @throws `ERR_OUTRIGGER_ENGINE_FAILED` if `tf` is not tfjs-node, or the SavedModel lacks the tags or the signature
 */
export const loadSavedModel = async (tf: TfjsForSavedModels, files: ModelFiles, { signature = 'serving_default', tags = ['serve'] }: SavedModelOptions = {}): Promise<TensorModel> => {
  const { node } = tf
  if (node === undefined) throw failed('`tf` must be @tensorflow/tfjs-node, which alone has `tf.node`', `a \`tf\` with the backend ${tf.getBackend()}`)
  const directory = await modelDirectory(files)
  let model: TfjsSavedModel | undefined
  try {
    const graphs = await node.getMetaGraphsFromSavedModel(directory.path)
    const graph = graphs.find((one) => [...one.tags].sort().join() === [...tags].sort().join())
    if (graph === undefined) throw failed(`it must have the tags ${tags.join(', ')}`, graphs.map((one) => one.tags.join(', ')).join(' or ') || 'none')
    const entry = Object.hasOwn(graph.signatureDefs, signature) ? graph.signatureDefs[signature] : undefined
    if (entry === undefined) throw failed(`it must have the signature \`${signature}\``, Object.keys(graph.signatureDefs).join(', ') || 'none')
    const tensors = { inputs: specsOf(entry.inputs, 'input', inputTypes), outputs: specsOf(entry.outputs, 'output', outputTypes) }
    // A copy, as it sorts the tags in place.
    model = await node.loadSavedModel(directory.path, [...tags], signature)
    if (!files.paths.some((path) => path.startsWith('assets/'))) await directory.remove()
    const bytes = files.paths.reduce((sum, path) => sum + files.bytes(path).length, 0)
    return new SavedModel(tf, model, tensors, bytes, directory.remove)
  } catch (error) {
    model?.dispose()
    await directory.remove()
    throw engineError('load the SavedModel', error)
  }
}
