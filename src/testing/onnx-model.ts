/** ONNX models from their graph, written byte by byte: a test makes the model it needs and downloads nothing. */
import { InvalidOptionError } from '../core/errors.js'
import { optionsObject } from '../core/options.js'
import type { DType, Tensor } from '../schema/tensor.js'
import { bytes, each, float, integer, joined, text, type Pieces } from './_protobuf.js'

/** An attribute: a `bigint` is an INT, a `number` a FLOAT, arrays of them INTS and FLOATS; a text a STRING; a tensor a TENSOR. */
export type OnnxAttribute = bigint | number | string | Tensor | readonly bigint[] | readonly number[]

/** One operation of the graph, by its name in https://onnx.ai/onnx/operators/. */
export interface OnnxNode {
  readonly op: string
  /** Names of values; `''` for an optional one that is left out. */
  readonly inputs: readonly string[]
  readonly outputs: readonly string[]
  readonly attributes?: Readonly<Record<string, OnnxAttribute>>
}

/** An input or an output of the graph. */
export interface OnnxValue {
  readonly name: string
  readonly dtype: DType
  /** A number for a fixed dimension, a name for a free one, `null` for one that has no name either. */
  readonly shape: readonly (number | string | null)[]
}

/** Where the elements of a weight are, if they are in a file of their own. */
export interface OnnxExternalData {
  /** The file's path, relative to the model's. */
  readonly location: string
  /** @default 0 */
  readonly offset?: number
  /** In bytes. */
  readonly length: number
}

/** A weight: its elements, or where they are. */
export type OnnxWeight = Tensor | (Pick<Tensor, 'dtype' | 'shape'> & { readonly external: OnnxExternalData })

/** The graph, and what it needs to run. */
export interface OnnxModelOptions {
  readonly nodes: readonly OnnxNode[]
  readonly inputs: readonly OnnxValue[]
  readonly outputs: readonly OnnxValue[]
  /** By name. */
  readonly weights?: Readonly<Record<string, OnnxWeight>>
  /** The version of the operators. @default 13 */
  readonly opset?: number
}

/** TensorProto.DataType */
const dataTypes: Readonly<Record<DType, number>> = {
  float32: 1, uint8: 2, int8: 3, uint16: 4, int16: 5, int32: 6, int64: 7, string: 8, bool: 9, float16: 10, float64: 11, uint32: 12, uint64: 13,
}

const isTensor = (value: OnnxAttribute): value is Tensor => typeof value === 'object' && !Array.isArray(value)

// The numbers are those of the fields in https://github.com/onnx/onnx/blob/v1.16.0/onnx/onnx.proto3

const stringPair = (key: string, value: string): Pieces => [
  ...text(1, key), // StringStringEntryProto.key
  ...text(2, value), // .value
]

const tensorElements = (weight: OnnxWeight): Pieces => {
  if ('external' in weight) {
    const { location, offset = 0, length } = weight.external
    return [
      ...each(Object.entries({ location, offset, length }), ([key, value]) => bytes(13, ...stringPair(key, String(value)))), // TensorProto.external_data
      ...integer(14, 1), // .data_location = EXTERNAL
    ]
  }
  if (weight.dtype === 'string') return each(weight.data, (value) => text(6, value)) // .string_data
  const { data } = weight
  return bytes(9, new Uint8Array(data.buffer, data.byteOffset, data.byteLength)) // .raw_data, little-endian as every machine that Node runs on
}

const tensor = (name: string, weight: OnnxWeight): Pieces => [
  ...each(weight.shape, (size) => integer(1, size)), // TensorProto.dims
  ...integer(2, dataTypes[weight.dtype]), // .data_type
  ...text(8, name), // .name
  ...tensorElements(weight),
]

const attributeValue = (value: OnnxAttribute): Pieces => {
  if (typeof value === 'number') return [...float(2, value), ...integer(20, 1)] // AttributeProto.f, .type = FLOAT
  if (typeof value === 'bigint') return [...integer(3, value), ...integer(20, 2)] // .i, INT
  if (typeof value === 'string') return [...text(4, value), ...integer(20, 3)] // .s, STRING
  if (isTensor(value)) return [...bytes(5, ...tensor('', value)), ...integer(20, 4)] // .t, TENSOR
  if (typeof value[0] === 'number') return [...each(value as readonly number[], (one) => float(7, one)), ...integer(20, 6)] // .floats, FLOATS
  return [...each(value as readonly bigint[], (one) => integer(8, one)), ...integer(20, 7)] // .ints, INTS
}

const node = ({ op, inputs, outputs, attributes = {} }: OnnxNode): Pieces => [
  ...each(inputs, (name) => text(1, name)), // NodeProto.input
  ...each(outputs, (name) => text(2, name)), // .output
  ...text(4, op), // .op_type
  ...each(Object.entries(attributes), ([name, value]) => bytes(5, ...text(1, name), ...attributeValue(value))), // .attribute
]

const dimension = (size: number | string | null): Pieces => (size === null ? [] : typeof size === 'number' ? integer(1, size) : text(2, size)) // Dimension.dim_value, .dim_param

const valueInfo = ({ name, dtype, shape }: OnnxValue): Pieces => [
  ...text(1, name), // ValueInfoProto.name
  ...bytes(2, ...bytes(1, // .type, TypeProto.tensor_type
    ...integer(1, dataTypes[dtype]), // Tensor.elem_type
    ...bytes(2, ...each(shape, (size) => bytes(1, ...dimension(size)))), // .shape, TensorShapeProto.dim
  )),
]

const graph = ({ nodes, inputs, outputs, weights = {} }: OnnxModelOptions): Pieces => [
  ...each(nodes, (one) => bytes(1, ...node(one))), // GraphProto.node
  ...text(2, 'graph'), // .name
  ...each(Object.entries(weights), ([name, weight]) => bytes(5, ...tensor(name, weight))), // .initializer
  ...each(inputs, (value) => bytes(11, ...valueInfo(value))), // .input
  ...each(outputs, (value) => bytes(12, ...valueInfo(value))), // .output
]

/**
 * The bytes of an ONNX model (IR version 8) with this graph. What the graph means is not checked; a runtime will.
 *
 * For models that are often needed there are {@link onnxMlp}, {@link onnxAffine}, {@link onnxLarge}, {@link onnxSlow}
 * and {@link onnxIdentity}.
 *
 * @throws `ERR_OUTRIGGER_INVALID_OPTION` if a weight has not as many elements as its shape says
 * @example
 * ```ts
 * import { InferenceSession, Tensor } from 'onnxruntime-node'
 * import { onnxModel } from 'outrigger/testing'
 * const model = onnxModel({
 *   nodes: [{ op: 'Sqrt', inputs: ['x'], outputs: ['y'] }],
 *   inputs: [{ name: 'x', dtype: 'float32', shape: ['N'] }],
 *   outputs: [{ name: 'y', dtype: 'float32', shape: ['N'] }],
 * })
 * const session = await InferenceSession.create(model)
 * const { y } = await session.run({ x: new Tensor('float32', [9, 4], [2]) })
 * assert.deepEqual(y?.data, new Float32Array([3, 2]))
 * await session.release()
 * ```
 */
export const onnxModel = (options: OnnxModelOptions): Uint8Array => {
  optionsObject('an ONNX model', options, ['nodes', 'inputs', 'outputs', 'weights', 'opset'])
  const { weights = {}, opset = 13 } = options
  for (const [name, weight] of Object.entries(weights)) {
    const count = weight.shape.reduce((product, size) => product * size, 1)
    if ('data' in weight && weight.data.length !== count) {
      throw new InvalidOptionError(`Cannot create an ONNX model as the weight ${name} must have ${count} elements, as its shape says: current value is ${weight.data.length}`)
    }
  }
  return joined([
    ...integer(1, 8), // ModelProto.ir_version
    ...text(2, 'outrigger'), // .producer_name
    ...bytes(7, ...graph(options)), // .graph
    ...bytes(8, ...integer(2, opset)), // .opset_import, OperatorSetIdProto.version
  ])
}
