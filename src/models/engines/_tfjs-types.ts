/** What we call of TensorFlow.js, so that `tf` may be any of its packages and none of them is imported here. */

/** A tensor. */
export interface TfjsTensor {
  readonly shape: readonly number[]
  readonly dtype: string
  /** Whether `tf.keep` was called for it, as for the weights of a graph model. */
  readonly kept?: boolean
  /** Numbers, or strings. (Its real type depends on that of the tensor.) */
  data(): Promise<object>
  dispose(): void
}

/** An input or output as the model declares it. Layers models say `null` for a free size, graph models -1 or nothing. */
export interface TfjsTensorInfo {
  readonly name: string
  readonly shape?: readonly (number | null)[] | object
  readonly dtype?: string
  /** The layer that it comes from; only layers models have it. */
  readonly sourceLayer?: { readonly name: string }
}

/** A `LayersModel` or a `GraphModel`, or what else predicts like them. */
export interface TfjsModel {
  readonly inputs: readonly TfjsTensorInfo[]
  readonly outputs: readonly TfjsTensorInfo[]
  /** The names by which a graph model is run. */
  readonly inputNodes?: readonly string[]
  readonly outputNodes?: readonly string[]
  /** What a graph model says of its inputs and outputs. */
  readonly modelSignature?: object
  /** How a graph model with structured outputs calls them. */
  readonly modelStructuredOutputKeys?: object
  /** Takes one tensor, or one per input. (Its real parameter names the classes of TensorFlow.js.) */
  predict(inputs: object): object
  /** Only graph models have it. */
  executeAsync?(inputs: object, outputs: string[]): Promise<object>
  dispose(): unknown
}

/** A layers model whose weights are set after it is built. */
export interface TfjsLayersModel extends TfjsModel {
  loadWeights(weights: object): void
}

/** One weight: its name, type and shape. */
export interface TfjsWeightSpec {
  name: string
  shape: number[]
  dtype: 'float32' | 'int32' | 'bool' | 'string' | 'complex64'
  quantization?: { dtype: 'uint8' | 'uint16' | 'float16'; scale?: number; min?: number; original_dtype?: 'float32' | 'int32' }
}

/** What a model is loaded from: the parsed `model.json` and the bytes of its weights. */
export interface TfjsArtifacts {
  modelTopology?: object
  weightSpecs?: TfjsWeightSpec[]
  weightData?: ArrayBuffer | ArrayBuffer[]
  format?: string
  generatedBy?: string
  convertedBy?: string | null
  signature?: object
  userDefinedMetadata?: Record<string, object>
  modelInitializer?: object
  initializerSignature?: object
}

/** An input or output of a SavedModel: `tfDtype` is its type in the graph, `dtype` the one that TensorFlow.js takes it for. */
export interface TfjsSavedTensor {
  readonly dtype: string
  readonly tfDtype?: string
  readonly shape?: unknown
}

/** What `tf.node.loadSavedModel` gives. */
export interface TfjsSavedModel {
  predict(inputs: object): object
  dispose(): unknown
}

/** What only `@tensorflow/tfjs-node` has. */
export interface TfjsNodePart {
  getMetaGraphsFromSavedModel(path: string): Promise<readonly {
    readonly tags: readonly string[]
    readonly signatureDefs: Readonly<Record<string, { readonly inputs: Readonly<Record<string, TfjsSavedTensor>>; readonly outputs: Readonly<Record<string, TfjsSavedTensor>> }>>
  }[]>
  loadSavedModel(path: string, tags?: string[], signature?: string): Promise<TfjsSavedModel>
}

/** TensorFlow.js: `@tensorflow/tfjs`, `@tensorflow/tfjs-node`, or a package with these methods. */
export interface Tfjs {
  loadLayersModel(handler: { load(): Promise<TfjsArtifacts> }): Promise<TfjsLayersModel>
  loadGraphModelSync(artifacts: TfjsArtifacts & { modelTopology: object; weightSpecs: TfjsWeightSpec[]; weightData: ArrayBuffer }): TfjsModel & { readonly weights: object }
  tensor(values: Float32Array | Int32Array | Uint8Array | string[], shape: number[], dtype: 'float32' | 'int32' | 'bool' | 'string'): TfjsTensor
  /** Gives back what `run` gives. (`void` is the only type that fits its real parameter and ours.) */
  tidy(run: () => void): unknown
  keep(tensor: never): unknown
  getBackend(): string
  ready(): Promise<void>
  readonly io: { decodeWeights(data: ArrayBuffer, specs: TfjsWeightSpec[]): object }
  /** Only `@tensorflow/tfjs-node` has it. */
  readonly node?: TfjsNodePart
  readonly serialization: { readonly SerializationMap: { getMap(): { readonly classNameMap: object } } }
}

/** A model that can be saved. */
export interface TfjsSavable {
  save(handler: { save(artifacts: TfjsArtifacts): Promise<{ modelArtifactsInfo: { dateSaved: Date; modelTopologyType: 'JSON' } }> }): Promise<unknown>
}
