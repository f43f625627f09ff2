/** A loaded ONNX model: tensors in, tensors out, and an end that waits for the runs that are in it. */
import { OutriggerError } from '../../core/errors.js'
import type { DType, Tensor, Tensors } from '../../schema/tensor.js'
import type { TensorSpec } from '../manifest/manifest.js'
import { batchOf } from './_batch-of.js'
import { Runs } from './_runs.js'
import type { OnnxSession, Onnxruntime, OnnxTensor, OnnxValueMetadata } from './_onnx-types.js'
import type { EngineDescription, TensorModel } from './engine.js'

const dtypes: ReadonlySet<string> = new Set<DType>(['float16', 'float32', 'float64', 'int8', 'uint8', 'int16', 'uint16', 'int32', 'uint32', 'int64', 'uint64', 'bool', 'string'])

export const onnxFailed = (action: string, cause: unknown): OutriggerError =>
  new OutriggerError('ERR_OUTRIGGER_ENGINE_FAILED', `Cannot ${action} as onnxruntime refuses: current value is ${cause instanceof Error ? cause.message : String(cause)}`, { cause })

const specOf = ({ name, isTensor, type = '', shape = [] }: OnnxValueMetadata): TensorSpec => {
  if (!isTensor) {
    throw new OutriggerError('ERR_OUTRIGGER_ENGINE_FAILED', `Cannot load the ONNX model as \`${name}\` must be a tensor (of scikit-learn, export it with \`zipmap: False\`): current value is a sequence or a map`)
  }
  if (!dtypes.has(type)) throw new OutriggerError('ERR_OUTRIGGER_ENGINE_FAILED', `Cannot load the ONNX model as the type of \`${name}\` must be one of ${[...dtypes].join(', ')}: current value is ${type}`)
  return { name, dtype: type, shape: shape.map((size) => (typeof size === 'number' ? size : null)) }
}

/** An output whose number of dimensions the model does not know: onnxruntime says `[]`, as for a single number. */
const unlessUnknown = (spec: TensorSpec): TensorSpec => (spec.shape.length === 0 ? { ...spec, shape: [null] } : spec)

const dataOf = ({ type, data }: OnnxTensor): Tensor['data'] => {
  // Where the language has a Float16Array, onnxruntime gives one; ours are bits.
  if (type !== 'float16' || data instanceof Uint16Array) return data as Tensor['data']
  const { buffer, byteOffset, byteLength } = data as ArrayBufferView
  return new Uint16Array(buffer, byteOffset, byteLength / 2)
}

export class OnnxModel implements TensorModel {
  readonly #ort: Onnxruntime
  readonly #session: OnnxSession
  readonly #description: EngineDescription
  readonly #runs = new Runs('the ONNX model')

  /** @throws `ERR_OUTRIGGER_ENGINE_FAILED` if something that goes in or out is no tensor of a type that we have */
  constructor(ort: Onnxruntime, session: OnnxSession, about: Pick<EngineDescription, 'bytes' | 'device'>) {
    this.#ort = ort
    this.#session = session
    const signature = { inputs: session.inputMetadata.map(specOf), outputs: session.outputMetadata.map(specOf).map(unlessUnknown) }
    this.#description = { signature, ...batchOf(signature), ...about }
  }

  describe(): EngineDescription {
    return this.#description
  }

  run(inputs: Tensors): Promise<Tensors> {
    return this.#runs.during(() => this.#run(inputs))
  }

  /** onnxruntime would free the session at once, and a run that has not begun would find nothing. */
  dispose(): Promise<void> {
    return this.#runs.end(() => this.#session.release())
  }

  async #run(inputs: Tensors): Promise<Tensors> {
    let results: Readonly<Record<string, object>>
    try {
      const feeds: Record<string, object> = {}
      for (const name of Object.keys(inputs)) feeds[name] = this.#tensorOf(inputs[name] as Tensor)
      results = await this.#session.run(feeds)
    } catch (error) {
      throw onnxFailed('run the ONNX model', error)
    }
    const outputs: Record<string, Tensor> = {}
    for (const name of Object.keys(results)) {
      const result = results[name] as OnnxTensor
      outputs[name] = { dtype: result.type, shape: result.dims, data: dataOf(result) } as Tensor
    }
    return outputs
  }

  #tensorOf({ dtype, data, shape }: Tensor): object {
    // Of bits the constructor makes a Float16Array where there is one (Node 24), which onnxruntime-node 1.30 cannot read.
    return dtype === 'float16' && 'Float16Array' in globalThis ? { type: dtype, dims: shape, data, location: 'cpu' } : new this.#ort.Tensor(dtype, data, shape)
  }
}
