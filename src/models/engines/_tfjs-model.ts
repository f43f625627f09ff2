/** A loaded TensorFlow.js model as an engine's model: no tensor of a run outlives it. */
import { OutriggerError } from '../../core/errors.js'
import type { Tensor, Tensors } from '../../schema/tensor.js'
import type { TensorSpec } from '../manifest/manifest.js'
import type { EngineDescription, TensorModel } from './engine.js'
import { checkTensors } from './check-tensors.js'
import { engineError } from './engine-error.js'
import { Runs } from './_runs.js'
import { tfjsSignature } from './_tfjs-signature.js'
import type { Tfjs, TfjsModel, TfjsTensor } from './_tfjs-types.js'

/** What was loaded. */
export interface LoadedTfjs {
  readonly model: TfjsModel
  /** What its weights hold. */
  readonly bytes: number
  /** Whether it has to be run by `executeAsync`. */
  readonly isAsync: boolean
}

/** Beyond it, the plain JavaScript backend gains nothing by batches: measured 37 × at 4 weights, 3.5 × at 9 500, 1 × at 100 000. */
const plainBatchBytes = 2 ** 18

const isTensor = (value: unknown): value is TfjsTensor => typeof (value as Partial<TfjsTensor> | null)?.data === 'function'

const tensorTypes = new Set<string>(['float32', 'int32', 'bool', 'string'])

/** A loaded model. */
export class TfjsTensors implements TensorModel {
  readonly #tf: Tfjs
  readonly #loaded: LoadedTfjs
  readonly #description: EngineDescription
  readonly #specs: readonly TensorSpec[]
  readonly #inputs: readonly string[]
  readonly #outputs: readonly string[]
  readonly #runs = new Runs('the TensorFlow.js model')

  constructor(tf: Tfjs, loaded: LoadedTfjs) {
    this.#tf = tf
    this.#loaded = loaded
    const signature = tfjsSignature(loaded.model)
    this.#specs = signature.inputs
    this.#inputs = signature.inputs.map(({ name }) => name)
    this.#outputs = signature.outputs.map(({ name }) => name)
    const batchSize = signature.inputs[0]?.shape[0] ?? undefined
    const device = tf.getBackend()
    const { bytes } = loaded
    this.#description = { signature, batchable: batchSize !== 1 && (device !== 'cpu' || bytes < plainBatchBytes), ...(batchSize === undefined ? {} : { batchSize }), bytes, device }
  }

  describe(): EngineDescription {
    return this.#description
  }

  run(inputs: Tensors): Promise<Tensors> {
    return this.#runs.during(async () => {
      try {
        // Layers models take a batch of any size, whatever they say.
        checkTensors(this.#specs, inputs)
        const outputs = this.#loaded.isAsync ? await this.#executeAsync(inputs) : this.#predict(inputs)
        try {
          return Object.fromEntries(await Promise.all(Object.entries(outputs).map(async ([name, tensor]) => [name, await plain(tensor)] as const)))
        } finally {
          free(Object.values(outputs))
        }
      } catch (error) {
        throw engineError('run the TensorFlow.js model', error)
      }
    })
  }

  /** Waits for the runs that are under way: they use the weights. */
  dispose(): Promise<void> {
    return this.#runs.end(() => void this.#loaded.model.dispose())
  }

  #predict(inputs: Tensors): Record<string, TfjsTensor> {
    return this.#tf.tidy(() => {
      const tensors = this.#inputs.map((name) => this.#tensor(inputs, name))
      return this.#byName(this.#loaded.model.predict(tensors.length === 1 ? (tensors[0] as TfjsTensor) : tensors))
    }) as Record<string, TfjsTensor>
  }

  /** Not within `tidy`, which cannot wait: a graph model frees itself what it makes on its way. */
  async #executeAsync(inputs: Tensors): Promise<Record<string, TfjsTensor>> {
    const { model } = this.#loaded
    const tensors: TfjsTensor[] = []
    try {
      for (const name of this.#inputs) tensors.push(this.#tensor(inputs, name))
      const given = Object.fromEntries(this.#inputs.map((name, at) => [name, tensors[at]]))
      const outputs = this.#byName((await model.executeAsync?.(given, [...(model.outputNodes ?? [])])) as object)
      // An input that is passed through is an output too.
      const kept = new Set(Object.values(outputs))
      for (let at = tensors.length - 1; at >= 0; at -= 1) if (kept.has(tensors[at] as TfjsTensor)) tensors.splice(at, 1)
      return outputs
    } finally {
      free(tensors)
    }
  }

  #tensor(inputs: Tensors, name: string): TfjsTensor {
    const { data, shape, dtype } = inputs[name] as Tensor
    return this.#tf.tensor(data as Float32Array, [...shape], dtype as 'float32')
  }

  #byName(predicted: object): Record<string, TfjsTensor> {
    if (isTensor(predicted)) return { [this.#outputs[0] ?? 'output']: predicted }
    if (Array.isArray(predicted)) return Object.fromEntries(predicted.map((tensor: TfjsTensor, at) => [this.#outputs[at] ?? String(at), tensor]))
    return predicted as Record<string, TfjsTensor> // structured outputs have names of their own
  }
}

/** A weight that the model gives out as it is stays. */
const free = (tensors: readonly TfjsTensor[]): void => {
  for (const tensor of tensors) if (tensor.kept !== true) tensor.dispose()
}

/** A copy: the plain JavaScript backend gives out its own array, which may be that of a weight or of the caller. */
const plain = async (tensor: TfjsTensor): Promise<Tensor> => {
  const { dtype, shape } = tensor
  if (!tensorTypes.has(dtype)) throw new OutriggerError('ERR_OUTRIGGER_ENGINE_FAILED', `Cannot use the output of the TensorFlow.js model as its type must be float32, int32, bool or string: current value is ${dtype}`)
  return { dtype, shape: [...shape], data: ((await tensor.data()) as Float32Array).slice() } as Tensor
}
