/**
 * SavedModels without variables, written byte by byte from the graph models of TensorFlow.js, which are the same graphs in
 * JSON (tensorflow/core/protobuf/saved_model.proto and meta_graph.proto, framework/graph.proto): the weights become
 * constants in `saved_model.pb`.
 */
import { bytes, each, integer, joined, text, type Pieces } from '../../../src/testing/_protobuf.js'
import type { MlpLayer } from '../../../src/testing/mlp.js'
import { graphFiles } from '../../models/engines/_graph-model.js'

interface Shape { readonly dim: readonly { readonly size: string }[] }
interface Attribute { readonly type?: string; readonly shape?: Shape; readonly b?: boolean; readonly s?: string; readonly tensor?: { readonly dtype: string; readonly tensorShape: Shape } }
interface Node { readonly name: string; readonly op: string; readonly input?: readonly string[]; readonly attr: Readonly<Record<string, Attribute>> }
interface Info { readonly name: string; readonly dtype: string; readonly tensorShape: Shape }
interface GraphJson {
  readonly signature: { readonly inputs: Readonly<Record<string, Info>>; readonly outputs: Readonly<Record<string, Info>> }
  readonly modelTopology: { readonly node: readonly Node[] }
  readonly weightsManifest: readonly [{ readonly weights: readonly { readonly name: string; readonly shape: readonly number[]; readonly dtype: string }[] }]
}

const types: Readonly<Record<string, number>> = { DT_FLOAT: 1, DT_INT32: 3, DT_STRING: 7, DT_BOOL: 10 }
const typeOf = (name: string): number => types[name] as number
const shapeOf = ({ dim }: Shape): Pieces => each(dim, ({ size }) => bytes(2, ...integer(1, BigInt(size))))

const attributeOf = ({ type, shape, b, s, tensor }: Attribute, weight: Uint8Array | undefined): Pieces => {
  if (type !== undefined) return integer(6, typeOf(type))
  if (shape !== undefined) return bytes(7, ...shapeOf(shape))
  if (b !== undefined) return integer(5, Number(b))
  if (s !== undefined) return bytes(2, new Uint8Array(Buffer.from(s, 'base64')))
  if (tensor === undefined) throw new Error('an attribute of a kind that this does not write')
  return bytes(8, ...integer(1, typeOf(tensor.dtype)), ...bytes(2, ...shapeOf(tensor.tensorShape)), ...bytes(4, weight ?? new Uint8Array()))
}

const infosOf = (field: 1 | 2, infos: Readonly<Record<string, Info>>): Pieces =>
  each(Object.entries(infos), ([key, { name, dtype, tensorShape }]) => bytes(field, ...text(1, key), ...bytes(2, ...text(1, name), ...integer(2, typeOf(dtype)), ...bytes(3, ...shapeOf(tensorShape)))))

/** The files of the SavedModel, from those of a graph model. */
export const frozenSavedModel = (graph: Readonly<Record<string, Uint8Array | string>>): Record<string, Uint8Array> => {
  const { signature, modelTopology, weightsManifest: [{ weights }] } = JSON.parse(graph['model.json'] as string) as GraphJson
  const stored = graph['weights.bin'] as Uint8Array
  const contents = new Map<string, Uint8Array>()
  let at = 0
  for (const { name, shape, dtype } of weights) {
    const length = shape.reduce((product, size) => product * size, 1) * (dtype === 'bool' ? 1 : 4)
    contents.set(name, stored.subarray(at, at + length))
    at += length
  }
  const nodes = each(modelTopology.node, ({ name, op, input = [], attr }) => bytes(1, ...text(1, name), ...text(2, op), ...each(input, (from) => text(3, from)),
    ...each(Object.entries(attr), ([key, value]) => bytes(5, ...text(1, key), ...bytes(2, ...attributeOf(value, contents.get(name)))))))
  const definition = [...infosOf(1, signature.inputs), ...infosOf(2, signature.outputs), ...text(3, 'tensorflow/serving/predict')]
  const metaGraph = [...bytes(1, ...text(4, 'serve')), ...bytes(2, ...nodes, ...bytes(4, ...integer(1, 1994))), ...bytes(5, ...text(1, 'serving_default'), ...bytes(2, ...definition))]
  return { 'saved_model.pb': joined([...integer(1, 1), ...bytes(2, ...metaGraph)]) }
}

/** An MLP as a graph model: ReLU between its layers, and softmax at the end unless `softmax` is false. */
export const mlpGraph = (layers: readonly MlpLayer[], { softmax = true }: { readonly softmax?: boolean } = {}): Record<string, Uint8Array | string> => {
  const names = layers.map((_, at) => (at < layers.length - 1 ? `relu${at}` : softmax ? 'softmax' : `sum${at}`))
  return graphFiles({
    inputs: [{ name: 'x', dtype: 'float32', shape: [null, layers[0]?.inputs ?? 0] }],
    outputs: [{ name: 'y', dtype: 'float32', shape: [null, layers.at(-1)?.outputs ?? 0], node: names.at(-1) as string }],
    nodes: layers.flatMap((_, at) => [
      { name: `product${at}`, op: 'MatMul', input: [names[at - 1] ?? 'x', `kernel${at}`], attr: { transpose_a: { b: false }, transpose_b: { b: false } } },
      { name: `sum${at}`, op: 'BiasAdd', input: [`product${at}`, `bias${at}`], attr: { data_format: { s: 'TkhXQw==' } } },
      ...(at < layers.length - 1 ? [{ name: `relu${at}`, op: 'Relu', input: [`sum${at}`] }] : softmax ? [{ name: 'softmax', op: 'Softmax', input: [`sum${at}`] }] : []),
    ]),
    weights: layers.flatMap(({ inputs, outputs, weights, bias }, at) => [
      { name: `kernel${at}`, dtype: 'float32', shape: [inputs, outputs], values: Array.from(weights) },
      { name: `bias${at}`, dtype: 'float32', shape: [outputs], values: Array.from(bias) },
    ]),
  })
}

/** One layer whose every output is `factor` times the sum of its inputs. 2560 × 2560 is 26 MB. */
export const summingLayer = (inputs: number, outputs: number, factor: number): MlpLayer =>
  ({ inputs, outputs, weights: new Float32Array(inputs * outputs).fill(factor), bias: new Float32Array(outputs) })
