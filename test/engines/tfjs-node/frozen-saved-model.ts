/**
 * SavedModels without variables, written byte by byte, of any size: the weights are constants of the graph
 * (tensorflow/core/protobuf/saved_model.proto and meta_graph.proto, framework/graph.proto).
 */
import { bytes, each, integer, joined, text, type Pieces } from '../../../src/testing/_protobuf.js'
import type { MlpLayer } from '../../../src/testing/mlp.js'

const float = 1 // DT_FLOAT

const shapeOf = (sizes: readonly number[]): Pieces => each(sizes, (size) => bytes(2, ...integer(1, size)))
const attribute = (key: string, ...value: Pieces): Pieces => bytes(5, ...text(1, key), ...bytes(2, ...value))
const type = (key: string): Pieces => attribute(key, ...integer(6, float))
const node = (name: string, op: string, inputs: readonly string[], ...attributes: Pieces): Pieces =>
  bytes(1, ...text(1, name), ...text(2, op), ...each(inputs, (input) => text(3, input)), ...attributes)
const constant = (name: string, sizes: readonly number[], values: Float32Array): Pieces =>
  node(name, 'Const', [], ...type('dtype'), ...attribute('value', ...bytes(8, ...integer(1, float), ...bytes(2, ...shapeOf(sizes)), ...bytes(4, new Uint8Array(values.buffer, values.byteOffset, values.byteLength)))))
const tensorInfo = (field: 1 | 2, key: string, name: string, sizes: readonly number[]): Pieces =>
  bytes(field, ...text(1, key), ...bytes(2, ...text(1, name), ...integer(2, float), ...bytes(3, ...shapeOf(sizes))))

/** The files of a model with these layers: ReLU between them, and softmax at the end unless `softmax` is false. */
export const frozenSavedModel = (layers: readonly MlpLayer[], { softmax = true }: { readonly softmax?: boolean } = {}): Record<string, Uint8Array> => {
  const [inputs, outputs] = [layers[0]?.inputs ?? 0, layers.at(-1)?.outputs ?? 0]
  let last = 'x'
  const then = (name: string, op: string, from: readonly string[], ...attributes: Pieces): Pieces => {
    last = name
    return node(name, op, from, ...type('T'), ...attributes)
  }
  const graph: Pieces = [
    ...node('x', 'Placeholder', [], ...type('dtype'), ...attribute('shape', ...bytes(7, ...shapeOf([-1, inputs])))),
    ...layers.flatMap(({ inputs: rows, outputs: columns, weights, bias }, at) => [
      ...constant(`kernel${at}`, [rows, columns], weights),
      ...constant(`bias${at}`, [columns], bias),
      ...then(`product${at}`, 'MatMul', [last, `kernel${at}`], ...attribute('transpose_a', ...integer(5, 0)), ...attribute('transpose_b', ...integer(5, 0))),
      ...then(`sum${at}`, 'BiasAdd', [`product${at}`, `bias${at}`]),
      ...(at < layers.length - 1 ? then(`relu${at}`, 'Relu', [`sum${at}`]) : softmax ? then('softmax', 'Softmax', [`sum${at}`]) : []),
    ]),
    ...bytes(4, ...integer(1, 1994)),
  ]
  const signature = [...tensorInfo(1, 'x', 'x:0', [-1, inputs]), ...tensorInfo(2, 'y', `${last}:0`, [-1, outputs]), ...text(3, 'tensorflow/serving/predict')]
  const metaGraph = [...bytes(1, ...text(4, 'serve')), ...bytes(2, ...graph), ...bytes(5, ...text(1, 'serving_default'), ...bytes(2, ...signature))]
  return { 'saved_model.pb': joined([...integer(1, 1), ...bytes(2, ...metaGraph)]) }
}

/** One layer whose every output is `factor` times the sum of its inputs. 2560 × 2560 is 26 MB. */
export const summingLayer = (inputs: number, outputs: number, factor: number): MlpLayer =>
  ({ inputs, outputs, weights: new Float32Array(inputs * outputs).fill(factor), bias: new Float32Array(outputs) })
