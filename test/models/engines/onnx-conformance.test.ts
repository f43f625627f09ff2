import * as ort from 'onnxruntime-node'
import { onnx, type Onnxruntime, type TensorEngine } from 'outrigger/models'
import type { Tensor } from 'outrigger/schema'
import { engineConformance, onnxModel, type EngineTestModels } from 'outrigger/testing'
import { describe, it } from 'vitest'
import { bias, float, kernel, onnxModels } from './_onnx-models.js'

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

describe.each([['in the model', onnxModels], ['in a file of their own', apart]])('onnx, its weights %s', (_, held) => {
  const make = (): TensorEngine => onnx({ ort: counted, session: { intraOpNumThreads: 1, logSeverityLevel: 4 } }).tensors as TensorEngine
  for (const { name, run } of engineConformance(make, { models: held, held: () => sessions })) it(name, run)
})
