import * as ort from 'onnxruntime-node'
import { onnx, type Onnxruntime, type TensorEngine } from 'outrigger/models'
import type { DType, Tensor } from 'outrigger/schema'
import { engineConformance, onnxAffine, onnxModel, type EngineTestModels } from 'outrigger/testing'
import { describe, it } from 'vitest'

const kernel = [[1, 2], [3, 4], [5, 6]]
const bias = [0.5, -0.5]
const float = (name: string, ...shape: (number | string)[]): { name: string; dtype: DType; shape: (number | string)[] } => ({ name, dtype: 'float32', shape })
const types: readonly DType[] = ['float16', 'float32', 'float64', 'int8', 'uint8', 'int16', 'uint16', 'int32', 'uint32', 'int64', 'uint64', 'bool', 'string']

const models: EngineTestModels = {
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

const external = (name: string, offset: number, shape: readonly number[]): { readonly [name: string]: Pick<Tensor, 'dtype' | 'shape'> & { readonly external: { location: string; offset: number; length: number } } } =>
  ({ [name]: { dtype: 'float32', shape, external: { location: 'weights/model.onnx.data', offset, length: shape.reduce((product, size) => product * size, 4) } } })

/** The affine model with its weights beside it. */
const apart: EngineTestModels = {
  affine: {
    'model.onnx': onnxModel({
      nodes: [{ op: 'Gemm', inputs: ['x', 'W', 'b'], outputs: ['y'] }],
      inputs: [float('x', 'N', 3)],
      outputs: [float('y', 'N', 2)],
      weights: { ...external('W', 0, [3, 2]), ...external('b', 24, [2]) },
    }),
    'weights/model.onnx.data': new Uint8Array(Float32Array.from([...kernel.flat(), ...bias]).buffer),
  },
}

let sessions = 0
/** onnxruntime, and how many sessions it holds. */
const counted: Onnxruntime = {
  ...ort,
  InferenceSession: {
    create: async (bytes, options) => {
      const session = await ort.InferenceSession.create(bytes, options)
      sessions += 1
      const release = session.release.bind(session)
      return Object.assign(session, {
        release: async () => {
          await release()
          sessions -= 1
        },
      })
    },
  },
}

describe.each([['in the model', models], ['in a file of their own', apart]])('onnx, its weights %s', (_, held) => {
  const make = (): TensorEngine => onnx({ ort: counted, session: { intraOpNumThreads: 1, logSeverityLevel: 4 } }).tensors as TensorEngine
  for (const { name, run } of engineConformance(make, { models: held, held: () => sessions })) it(name, run)
})
