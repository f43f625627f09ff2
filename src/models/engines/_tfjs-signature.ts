/** The inputs and outputs of a TensorFlow.js model, by the names that it is run by. */
import type { ModelSignature, TensorSpec } from '../manifest/manifest.js'
import type { TfjsModel, TfjsTensorInfo } from './_tfjs-types.js'

type Size = number | null
/** What a graph model's own signature says of a tensor. */
interface GraphTensor { readonly dtype?: string; readonly tensorShape?: { readonly dim?: readonly { readonly size?: string | number }[]; readonly unknownRank?: boolean }; readonly resourceId?: unknown }
type GraphTensors = Readonly<Record<string, GraphTensor | undefined>>
/** What a signature is read from. */
export type TfjsSigned = Pick<TfjsModel, 'inputs' | 'outputs' | 'inputNodes' | 'outputNodes' | 'modelSignature' | 'modelStructuredOutputKeys'>

const graphTypes: Readonly<Record<string, string>> = { DT_FLOAT: 'float32', DT_HALF: 'float32', DT_DOUBLE: 'float32', DT_BOOL: 'bool', DT_STRING: 'string', DT_INT8: 'int32', DT_UINT8: 'int32', DT_INT16: 'int32', DT_UINT16: 'int32', DT_INT32: 'int32', DT_INT64: 'int32', DT_COMPLEX64: 'complex64' }

const free = (size: unknown): Size => (typeof size === 'number' && size >= 0 ? size : null)

const shapeOf = (info: TfjsTensorInfo, graph: GraphTensor | undefined): readonly Size[] | undefined => {
  const dims = graph?.tensorShape?.unknownRank === true ? undefined : graph?.tensorShape?.dim
  if (dims !== undefined) return dims.map(({ size }) => free(Number(size)))
  return Array.isArray(info.shape) ? (info.shape as readonly unknown[]).map(free) : undefined
}

/**
 * The names. Layers models number their tensors by what else lives in the process, so the names of the layers stand for
 * them; graph models are run by the names of their signature, or else by those of the nodes.
 */
const namesOf = (infos: readonly TfjsTensorInfo[], given: readonly string[] | undefined): string[] => {
  const names = infos.map((info, at) => given?.[at] ?? info.sourceLayer?.name ?? info.name.replace(/:0$/, ''))
  return names.map((name, at) => (names.indexOf(name) === at ? name : `${name}:${at}`))
}

const specsOf = (infos: readonly TfjsTensorInfo[], names: readonly string[], graph: GraphTensors | undefined, unknown: readonly Size[]): TensorSpec[] =>
  infos.map((info, at) => {
    const name = names[at] as string
    const signed = graph?.[name]
    return { name, dtype: graphTypes[signed?.dtype ?? ''] ?? info.dtype ?? 'float32', shape: shapeOf(info, signed) ?? unknown }
  })

/** Tables that the model has filled itself are inputs in its eyes, not in a caller's. */
const isGiven = (graph: GraphTensors | undefined, name: string): boolean => graph?.[name]?.resourceId === undefined

/**
 * The input and output tensors of a TensorFlow.js model, for `publish({ signature })`.
 *
 * @example
 * ```ts
 * import * as tf from '@tensorflow/tfjs'
 * import { tfjsSignature } from 'outrigger/models'
 * const model = tf.sequential({ layers: [tf.layers.dense({ units: 1, inputShape: [4] })] })
 * assert.deepEqual(tfjsSignature(model).inputs[0]?.shape, [null, 4])
 * model.dispose()
 * ```
 */
export const tfjsSignature = (model: TfjsSigned): ModelSignature => {
  const { inputs, outputs } = (model.modelSignature ?? {}) as { readonly inputs?: GraphTensors; readonly outputs?: GraphTensors }
  const inputNames = namesOf(model.inputs, model.inputNodes)
  const outputNames = namesOf(model.outputs, model.outputNodes)
  const structured = Array.isArray(model.modelStructuredOutputKeys) ? (model.modelStructuredOutputKeys as string[]) : []
  return {
    inputs: specsOf(model.inputs, inputNames, inputs, [null, null]).filter(({ name }) => isGiven(inputs, name)),
    // `[null]` says that not even the rank is known.
    outputs: specsOf(model.outputs, outputNames, outputs, [null]).map((spec, at) => ({ ...spec, name: structured[at] ?? spec.name })),
  }
}
