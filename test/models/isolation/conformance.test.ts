import * as tf from '@tensorflow/tfjs'
import { afterAll, describe, it } from 'vitest'
import { isolated, onnx, tfjs, type Engine, type IsolationOptions, type TensorEngine } from 'outrigger/models'
import { engineConformance, type EngineCheckName } from 'outrigger/testing'
import { onnxModels } from '../engines/_onnx-models.js'
import { layersModels } from '../engines/_tfjs-models.js'
import { entryFile } from './_kit.js'

const entry = await entryFile()
await tf.setBackend('cpu')
const models = { onnx: onnxModels, tfjs: await layersModels(tf) }
const engines = { onnx: onnx({ session: { intraOpNumThreads: 1, logSeverityLevel: 4 } }), tfjs: tfjs(tf) } as Readonly<Record<'onnx' | 'tfjs', Engine<unknown, unknown>>>

/** What isolation adds to: each check starts an isolate, or several. With CI=true all checks run everywhere. */
const telling: readonly EngineCheckName[] = [
  'a model says truthfully what it takes and gives', 'several inputs and outputs go by their names', 'an input of another shape or type, or none, is refused with a code, and the next run is right',
  'outputs are the caller\'s own', 'runs at once do not mix', 'disposing while a run is under way harms neither',
]
const ci = process.env['CI'] === 'true'

describe.each<['onnx' | 'tfjs', IsolationOptions, 'all' | 'telling']>([
  ['onnx', { isolate: 'worker' }, 'all'],
  ['onnx', { isolate: 'worker', replay: 'idempotent', workers: 2 }, 'telling'],
  ['onnx', { isolate: 'process', standby: true }, 'telling'],
  ['tfjs', { isolate: 'worker' }, 'telling'],
])('%s, %j', (name, options, which) => {
  const engine = isolated(engines[name], { entry, ...options })
  const checks = engineConformance(() => engine.tensors as TensorEngine, { models: models[name], held: () => engine.stats().isolates.length })
  for (const check of checks) if (ci || which === 'all' || telling.includes(check.name)) it(check.name, check.run, 60_000)
  afterAll(() => {
    if (engine.stats().crashes > 0) throw new Error(`${name} crashed ${engine.stats().crashes} times`)
  })
})
