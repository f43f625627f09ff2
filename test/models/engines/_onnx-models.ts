/** The models of the conformance suite, as ONNX files. */
import type { DType } from 'outrigger/schema'
import { onnxAffine, onnxModel, type EngineTestModels } from 'outrigger/testing'

export const kernel = [[1, 2], [3, 4], [5, 6]]
export const bias = [0.5, -0.5]
export const float = (name: string, ...shape: (number | string)[]): { name: string; dtype: DType; shape: (number | string)[] } => ({ name, dtype: 'float32', shape })
const types: readonly DType[] = ['float16', 'float32', 'float64', 'int8', 'uint8', 'int16', 'uint16', 'int32', 'uint32', 'int64', 'uint64', 'bool', 'string']

export const onnxModels: EngineTestModels = {
  affine: { 'model.onnx': onnxAffine(kernel, bias) },
  fixedBatch: { 'model.onnx': onnxAffine(kernel, bias, { batch: 4 }) },
  twoByTwo: {
    'model.onnx': onnxModel({
      nodes: [{ op: 'Add', inputs: ['a', 'b'], outputs: ['sum'] }, { op: 'Sub', inputs: ['a', 'b'], outputs: ['difference'] }],
      inputs: [float('a', 'N', 2), float('b', 'N', 2)],
      outputs: [float('sum', 'N', 2), float('difference', 'N', 2)],
    }),
  },
  sequence: {
    'model.onnx': onnxModel({
      nodes: [{ op: 'ReduceSum', inputs: ['x', 'axes'], outputs: ['y'], attributes: { keepdims: 0n } }],
      inputs: [float('x', 'N', 'steps', 2)],
      outputs: [float('y', 'N', 2)],
      weights: { axes: { dtype: 'int64', shape: [1], data: BigInt64Array.of(1n) } },
    }),
  },
  identity: Object.fromEntries(types.map((dtype) => [dtype, { 'model.onnx': onnxModel({ nodes: [{ op: 'Identity', inputs: ['x'], outputs: ['y'] }], inputs: [{ name: 'x', dtype, shape: ['N', 2] }], outputs: [{ name: 'y', dtype, shape: ['N', 2] }] }) }])),
}
