/** TensorFlow's own format, which only `@tensorflow/tfjs-node` runs: `saved_model.pb`, `variables/`, `assets/`. */
import { OutriggerError } from '../../core/errors.js'
import type { DType, Tensor, Tensors } from '../../schema/tensor.js'
import type { TensorSpec } from '../manifest/manifest.js'
import { modelDirectory } from '../store/model-directory.js'
import type { ModelFiles } from '../store/model-files.js'
import type { TfjsTensor } from './_tfjs-types.js'
import type { EngineDescription, TensorModel } from './engine.js'

/** An input or output of a signature. `tfDtype` is what it is in the graph, `dtype` what TensorFlow.js takes it for. */
export interface TfjsSavedTensor { readonly dtype: string; readonly tfDtype?: string; readonly shape?: unknown }

/** A signature: its inputs and outputs by name. */
export interface TfjsSavedSignature {
  readonly inputs: Readonly<Record<string, TfjsSavedTensor>>
  readonly outputs: Readonly<Record<string, TfjsSavedTensor>>
}

/** What we call of `tf.node`. */
export interface TfjsNodePart {
  getMetaGraphsFromSavedModel(path: string): Promise<readonly { readonly tags: readonly string[]; readonly signatureDefs: Readonly<Record<string, TfjsSavedSignature>> }[]>
  loadSavedModel(path: string, tags?: string[], signature?: string): Promise<{ predict(inputs: object): object; dispose(): unknown }>
}

/** TensorFlow.js with `tf.node`, or without. */
export interface TfjsMaybeNode {
  readonly node?: TfjsNodePart
  tensor(values: Int32Array | Float32Array | Uint8Array | string[], shape: number[], dtype: 'float32' | 'int32' | 'bool' | 'string'): TfjsTensor
  tidy(run: () => void): unknown
  getBackend(): string
}

/** Which part of a SavedModel is served. */
export interface SavedModelOptions {
  /** The name of the signature. @default 'serving_default' */
  readonly signature?: string
  /** The tags of its graph. @default ['serve'] */
  readonly tags?: readonly string[]
}

/** The file by which a version is known to be a SavedModel. */
export const savedModelFile = 'saved_model.pb'

/**
 * What TensorFlow calls it → what we do. tfjs-node passes a 64-bit integer as its lower 32 bits and zeros above: -2 would
 * silently become 4294967294. As `uint32` a negative number is refused, and all else is passed right.
 */
const inputTypes: Readonly<Record<string, DType>> = { DT_FLOAT: 'float32', DT_INT32: 'int32', DT_INT64: 'uint32', DT_UINT8: 'uint8', DT_BOOL: 'bool', DT_STRING: 'string' }
/** It gives 64-bit integers whole, and cannot read `DT_UINT8` back ("Unhandled TF_DataType: 4"). */
const outputTypes: Readonly<Record<string, DType>> = { DT_FLOAT: 'float32', DT_INT32: 'int32', DT_INT64: 'int64', DT_BOOL: 'bool', DT_STRING: 'string' }

const failed = (constraint: string, value: string, cause?: unknown): OutriggerError =>
  new OutriggerError('ERR_OUTRIGGER_ENGINE_FAILED', `Cannot load the SavedModel as ${constraint}: current value is ${value}`, { cause })

/** tfjs-node hands out the dimensions as protobuf messages, -1 for a free one. */
const sizesOf = ({ shape }: TfjsSavedTensor): (number | null)[] =>
  (Array.isArray(shape) ? (shape as readonly (number | { getSize(): number })[]) : [])
    .map((size) => (typeof size === 'number' ? size : size.getSize()))
    .map((size) => (size < 0 ? null : size))

const specsOf = (tensors: Readonly<Record<string, TfjsSavedTensor>>, what: 'input' | 'output', types: Readonly<Record<string, DType>>): (TensorSpec & { readonly dtype: DType })[] =>
  Object.entries(tensors).map(([name, tensor]) => {
    const dtype = types[tensor.tfDtype ?? '']
    if (dtype === undefined) throw failed(`tfjs-node must be able to ${what === 'input' ? 'pass' : 'read'} ${what} \`${name}\`, which needs one of ${Object.keys(types).join(', ')}`, String(tensor.tfDtype ?? tensor.dtype))
    const shape = sizesOf(tensor)
    // A rank that is not known looks like none.
    return { name, dtype, shape: what === 'output' && shape.length === 0 ? [null] : shape }
  })

/** An input as TensorFlow.js takes it. It knows neither 8-bit nor 64-bit integers, and tfjs-node turns the 32-bit ones into them. */
const tensorOf = (tf: TfjsMaybeNode, { dtype, shape, data }: Tensor): TfjsTensor => {
  const sizes = [...shape]
  switch (dtype) {
    case 'float32': return tf.tensor(data, sizes, 'float32')
    case 'int32': return tf.tensor(data, sizes, 'int32')
    case 'uint8': return tf.tensor(Int32Array.from(data), sizes, 'int32')
    case 'uint32': return tf.tensor(new Int32Array(data.buffer, data.byteOffset, data.length), sizes, 'int32')
    case 'bool': return tf.tensor(data, sizes, 'bool')
    case 'string': return tf.tensor(data, sizes, 'string')
    default: throw new OutriggerError('ERR_OUTRIGGER_INVALID_INPUT', `Cannot run the SavedModel as tfjs-node takes float32, int32, uint32, uint8, bool and string: current value is ${dtype}`)
  }
}

class SavedModel implements TensorModel {
  readonly #tf: TfjsMaybeNode
  readonly #model: { predict(inputs: object): object; dispose(): unknown }
  readonly #description: EngineDescription
  readonly #release: () => Promise<void>
  readonly #dtypes: ReadonlyMap<string, DType>

  constructor(tf: TfjsMaybeNode, model: { predict(inputs: object): object; dispose(): unknown }, description: EngineDescription, outputs: ReadonlyMap<string, DType>, release: () => Promise<void>) {
    this.#tf = tf
    this.#model = model
    this.#description = description
    this.#dtypes = outputs
    this.#release = release
  }

  describe(): EngineDescription {
    return this.#description
  }

  async run(inputs: Tensors): Promise<Tensors> {
    const outputs = this.#tf.tidy(() =>
      this.#model.predict(Object.fromEntries(Object.entries(inputs).map(([name, tensor]) => [name, tensorOf(this.#tf, tensor)]))),
    ) as Readonly<Record<string, TfjsTensor>>
    try {
      const read = await Promise.all(Object.entries(outputs).map(async ([name, tensor]) =>
        [name, { dtype: this.#dtypes.get(name), shape: tensor.shape, data: await tensor.data() }] as [string, Tensor]))
      return Object.fromEntries(read)
    } finally {
      for (const tensor of Object.values(outputs)) tensor.dispose()
    }
  }

  async dispose(): Promise<void> {
    try {
      this.#model.dispose()
    } finally {
      await this.#release()
    }
  }
}

/**
 * Loads a SavedModel. TensorFlow reads it from a directory, so the verified bytes are written to a private one. It has
 * read all of it when it is loaded, so that the directory goes then; but a graph with assets may read them while it
 * runs, and keeps it until `dispose`.
 *
 * @throws `ERR_OUTRIGGER_ENGINE_FAILED` if `tf` is not tfjs-node, or the SavedModel lacks the tags or the signature
 */
export const loadSavedModel = async (tf: TfjsMaybeNode, files: ModelFiles, { signature = 'serving_default', tags = ['serve'] }: SavedModelOptions = {}): Promise<TensorModel> => {
  const { node } = tf
  if (node === undefined) throw failed('`tf` must be @tensorflow/tfjs-node, which alone has `tf.node`', `a \`tf\` with the backend ${tf.getBackend()}`)
  const directory = await modelDirectory(files)
  const keep = files.paths.some((path) => path.startsWith('assets/'))
  let model: { predict(inputs: object): object; dispose(): unknown } | undefined
  try {
    const graphs = await node.getMetaGraphsFromSavedModel(directory.path)
    const graph = graphs.find((one) => [...one.tags].sort().join() === [...tags].sort().join())
    if (graph === undefined) throw failed(`it must have the tags ${tags.join(', ')}`, graphs.map((one) => one.tags.join(', ')).join(' or ') || 'none')
    const entry = Object.hasOwn(graph.signatureDefs, signature) ? graph.signatureDefs[signature] : undefined
    if (entry === undefined) throw failed(`it must have the signature \`${signature}\``, Object.keys(graph.signatureDefs).join(', ') || 'none')
    const inputs = specsOf(entry.inputs, 'input', inputTypes)
    const outputs = specsOf(entry.outputs, 'output', outputTypes)
    // A copy, as it sorts the tags in place.
    model = await node.loadSavedModel(directory.path, [...tags], signature)
    const bytes = files.paths.reduce((sum, path) => sum + files.bytes(path).length, 0)
    const description: EngineDescription = { signature: { inputs, outputs }, bytes, device: tf.getBackend() }
    const loaded = new SavedModel(tf, model, description, new Map(outputs.map(({ name, dtype }) => [name, dtype])), directory.remove)
    if (!keep) await directory.remove()
    return loaded
  } catch (error) {
    model?.dispose()
    await directory.remove()
    throw error instanceof OutriggerError ? error : failed('TensorFlow must be able to load it', error instanceof Error ? error.message : String(error), error)
  }
}
