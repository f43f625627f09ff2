/** What we call of TensorFlow.js, so that `tf` may be any of its packages and none of them is imported here. */

/** A tensor. */
export interface TfjsTensor {
  readonly shape: readonly number[]
  readonly dtype: string
  data(): Promise<ArrayLike<number>>
  dispose(): void
}

/** An input or output as the model declares it. Layers models say `null` for a free size, graph models -1 or nothing. */
export interface TfjsTensorInfo {
  readonly name: string
  readonly shape?: readonly (number | null)[] | object
  readonly dtype: string
}

/** A `LayersModel` or a `GraphModel`. */
export interface TfjsModel {
  readonly inputs: readonly TfjsTensorInfo[]
  readonly outputs: readonly TfjsTensorInfo[]
  /** The names of its input layers; only layers models have them. */
  readonly inputNames?: readonly string[]
  readonly outputNames?: readonly string[]
  /** Takes one tensor, or one per input. (Its real parameter names the classes of TensorFlow.js.) */
  predict(inputs: object): TfjsTensor | TfjsTensor[] | { readonly [name: string]: TfjsTensor }
  dispose(): unknown
}

/** One weight: its name, type and shape. */
export interface TfjsWeightSpec { name: string; shape: number[]; dtype: 'float32' | 'int32' | 'bool' | 'string' | 'complex64' }

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

/** Gives the artifacts to `loadLayersModel` and `loadGraphModel`. */
export interface TfjsLoadHandler { load(): Promise<TfjsArtifacts> }

/** TensorFlow.js: `@tensorflow/tfjs`, `@tensorflow/tfjs-node`, or a package with these methods. */
export interface Tfjs {
  loadLayersModel(handler: TfjsLoadHandler): Promise<TfjsModel>
  loadGraphModel(handler: TfjsLoadHandler): Promise<TfjsModel>
  tensor(values: Float32Array | Int32Array | Uint8Array, shape: number[], dtype: 'float32' | 'int32' | 'bool'): TfjsTensor
  /** Gives back what `run` gives. (`void` is the only type that fits its real parameter and ours.) */
  tidy(run: () => void): unknown
}

/** A model that can be saved. */
export interface TfjsSavable {
  save(handler: { save(artifacts: TfjsArtifacts): Promise<{ modelArtifactsInfo: { dateSaved: Date; modelTopologyType: 'JSON' } }> }): Promise<unknown>
}
