/** ONNX models that tests of serving need again and again: a classifier, one with a known answer, a large one, a slow one. */
import { InvalidOptionError } from '../core/errors.js'
import { numberOption, optionsObject } from '../core/options.js'
import type { Tensor } from '../schema/tensor.js'
import type { MlpLayer } from './mlp.js'
import { onnxModel, type OnnxNode, type OnnxValue } from './onnx-model.js'

const float32 = (data: Float32Array, shape: readonly number[]): Tensor => ({ dtype: 'float32', shape, data })
const scalar = (value: number): Tensor => float32(Float32Array.of(value), [])
const int64 = (...values: number[]): Tensor => ({ dtype: 'int64', shape: [values.length], data: BigInt64Array.from(values, BigInt) })
const rows = (name: string, batch: number | undefined, size: number): OnnxValue => ({ name, dtype: 'float32', shape: [batch ?? 'N', size] })

/** How many rows a run of a test model must have. */
export interface OnnxBatch {
  /** The fixed batch dimension. @default free */
  readonly batch?: number
}

/**
 * A classifier: Gemm and Relu by layer, Softmax at the end. `x` of `[N, inputs]` → `y` of `[N, outputs]`.
 *
 * What it must answer says {@link mlpPredict}.
 *
 * @throws `ERR_OUTRIGGER_INVALID_OPTION`
 * @example
 * ```ts
 * import { InferenceSession, Tensor } from 'onnxruntime-node'
 * import { mlpLayers, mlpPredict, onnxMlp, seededRandom } from 'outrigger/testing'
 * const layers = mlpLayers([4, 8, 3], seededRandom(1))
 * const session = await InferenceSession.create(onnxMlp(layers))
 * const { y } = await session.run({ x: new Tensor('float32', [1, 2, 3, 4], [1, 4]) })
 * mlpPredict(layers, [1, 2, 3, 4]).forEach((expected, at) => assert.ok(Math.abs(Number(y?.data[at]) - expected) < 1e-6))
 * await session.release()
 * ```
 */
export const onnxMlp = (layers: readonly MlpLayer[], options: OnnxBatch = {}): Uint8Array => {
  optionsObject('an ONNX MLP', options, ['batch'])
  const [first] = layers
  const last = layers.at(-1)
  if (first === undefined || last === undefined) throw new InvalidOptionError('Cannot create an ONNX MLP as it must have at least one layer: current value is 0 layers')
  const nodes: OnnxNode[] = layers.flatMap((_, at): OnnxNode[] => [
    { op: 'Gemm', inputs: [at === 0 ? 'x' : `relu${at - 1}`, `weights${at}`, `bias${at}`], outputs: [`gemm${at}`] },
    at === layers.length - 1
      ? { op: 'Softmax', inputs: [`gemm${at}`], outputs: ['y'], attributes: { axis: -1n } }
      : { op: 'Relu', inputs: [`gemm${at}`], outputs: [`relu${at}`] },
  ])
  const weights = Object.fromEntries(layers.flatMap(({ inputs, outputs, weights, bias }, at) => [[`weights${at}`, float32(weights, [inputs, outputs])], [`bias${at}`, float32(bias, [outputs])]]))
  return onnxModel({ nodes, inputs: [rows('x', options.batch, first.inputs)], outputs: [rows('y', options.batch, last.outputs)], weights })
}

/**
 * `y = x W + b`, with an answer that can be worked out by hand: `x` of `[N, weights.length]` → `y` of `[N, bias.length]`.
 * With `NaN` in it, a model that answers NaN.
 *
 * @param weights - one row per input, one column per output
 */
export const onnxAffine = (weights: readonly (readonly number[])[], bias: readonly number[], options: OnnxBatch = {}): Uint8Array => {
  optionsObject('an affine ONNX model', options, ['batch'])
  return onnxModel({
    nodes: [{ op: 'Gemm', inputs: ['x', 'W', 'b'], outputs: ['y'] }],
    inputs: [rows('x', options.batch, weights.length)],
    outputs: [rows('y', options.batch, bias.length)],
    weights: { W: float32(Float32Array.from(weights.flat()), [weights.length, bias.length]), b: float32(Float32Array.from(bias), [bias.length]) },
  })
}

/**
 * A model of a given size that is made and run quickly: `y = x + value`, both of `[N, 1]`, where `value` is looked up in
 * a table that makes up the size.
 *
 * @param bytes - its size, within a few hundred bytes
 * @param value - tells versions apart
 */
export const onnxLarge = (bytes: number, value: number): Uint8Array => {
  const length = Math.floor(numberOption('a large ONNX model', 'bytes', bytes, { min: 4, integer: true }) / 4)
  // The place in the table hangs on the input, so that no optimizer replaces the table by the one number that is read.
  return onnxModel({
    nodes: [
      { op: 'Mul', inputs: ['x', 'zero'], outputs: ['zeros'] },
      { op: 'Cast', inputs: ['zeros'], outputs: ['places'], attributes: { to: 7n } },
      { op: 'Gather', inputs: ['table', 'places'], outputs: ['values'] },
      { op: 'Add', inputs: ['x', 'values'], outputs: ['y'] },
    ],
    inputs: [rows('x', undefined, 1)],
    outputs: [rows('y', undefined, 1)],
    weights: { table: float32(new Float32Array(length).fill(value), [length]), zero: scalar(0) },
  })
}

/** How much a slow model computes. */
export interface OnnxSlowOptions {
  /** How often two matrices are multiplied; some 2.5 ms each on one core of 2024. @default 30 */
  readonly products?: number
  /** Their rows and columns. @default 512 */
  readonly size?: number
}

/**
 * A model that computes for long, however many rows there are, and gives back what it was given: `x` of `[N, 1]` → `y`
 * of `[N, 1]`. How long that is hangs on the machine: measure one run, then choose `products`.
 */
export const onnxSlow = (options: OnnxSlowOptions = {}): Uint8Array => {
  optionsObject('a slow ONNX model', options, ['products', 'size'])
  const { products = 30, size = 512 } = options
  numberOption('a slow ONNX model', 'products', products, { min: 1, integer: true })
  numberOption('a slow ONNX model', 'size', size, { min: 1, integer: true })
  // The first matrix is made of the input, so that nothing can be worked out while loading. Multiplied by a matrix of
  // 1/size it stays as it is.
  return onnxModel({
    nodes: [
      { op: 'ReduceMean', inputs: ['x'], outputs: ['mean'] },
      { op: 'Tanh', inputs: ['mean'], outputs: ['bounded'] },
      { op: 'Expand', inputs: ['bounded', 'shape'], outputs: ['product0'] },
      { op: 'ConstantOfShape', inputs: ['shape'], outputs: ['factor'], attributes: { value: float32(Float32Array.of(1 / size), [1]) } },
      ...Array.from({ length: products }, (_, at): OnnxNode => ({ op: 'MatMul', inputs: [`product${at}`, 'factor'], outputs: [`product${at + 1}`] })),
      { op: 'ReduceMean', inputs: [`product${products}`], outputs: ['result'], attributes: { keepdims: 0n } },
      { op: 'Mul', inputs: ['result', 'zero'], outputs: ['nothing'] },
      { op: 'Add', inputs: ['x', 'nothing'], outputs: ['y'] },
    ],
    inputs: [rows('x', undefined, 1)],
    outputs: [rows('y', undefined, 1)],
    weights: { shape: int64(size, size), zero: scalar(0) },
  })
}

/**
 * A model that gives back what it is given, whatever the types: each input `a` comes out as `a_out`. For several
 * inputs and outputs, texts, booleans, 64-bit integers, fixed and free dimensions.
 */
export const onnxIdentity = (values: readonly OnnxValue[]): Uint8Array =>
  onnxModel({
    nodes: values.map(({ name }) => ({ op: 'Identity', inputs: [name], outputs: [`${name}_out`] })),
    inputs: values,
    outputs: values.map((value) => ({ ...value, name: `${value.name}_out` })),
  })
