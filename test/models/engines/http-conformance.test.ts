import { http, type TensorEngine } from 'outrigger/models'
import type { DType } from 'outrigger/schema'
import { engineConformance, type EngineTestModels } from 'outrigger/testing'
import { afterAll, describe, it } from 'vitest'
import { openInferenceServer, tensorflowServer } from './_model-servers.js'

const [binary, json, tensorflow] = await Promise.all([openInferenceServer({ binary: true }), openInferenceServer(), tensorflowServer()])
afterAll(() => Promise.all([binary, json, tensorflow].map((server) => server.close())))

const modelsOf = (endpoint: object, types: readonly DType[]): EngineTestModels => {
  const files = (model: string): Record<string, string> => ({ 'endpoint.json': JSON.stringify({ ...endpoint, model }) })
  return { affine: files('affine'), fixedBatch: files('fixedBatch'), twoByTwo: files('twoByTwo'), sequence: files('sequence'), identity: Object.fromEntries(types.map((dtype) => [dtype, files(`identity-${dtype}`)])) }
}
const small: readonly DType[] = ['float32', 'float64', 'int8', 'int16', 'int32', 'uint8', 'bool', 'string']
const except = { 'a model says what it holds and where it computes': 'what a remote model holds, it holds elsewhere: 0 bytes' }

describe.each([
  ['by binary tensors', binary.url, { protocol: 'v2', version: '3' }, [...small, 'float16', 'uint16', 'uint32', 'int64', 'uint64']],
  ['by JSON', json.url, { protocol: 'v2', version: '3' }, [...small, 'uint16', 'uint32']],
  ['by rows of TensorFlow Serving', tensorflow.url, { protocol: 'tensorflow' }, small],
  ['by columns of TensorFlow Serving', tensorflow.url, { protocol: 'tensorflow', format: 'columnar' }, small],
] as const)('http, %s', (_, baseUrl, endpoint, types) => {
  const make = (): TensorEngine => http({ baseUrl }).tensors as TensorEngine
  for (const { name, run } of engineConformance(make, { models: modelsOf(endpoint, types), except })) it(name, run)
})
