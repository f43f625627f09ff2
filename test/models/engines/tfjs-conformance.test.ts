import * as tf from '@tensorflow/tfjs'
import '@tensorflow/tfjs-backend-wasm'
import { beforeAll, describe, it } from 'vitest'
import { tfjs, type TensorEngine } from 'outrigger/models'
import { engineConformance } from 'outrigger/testing'
import { graphModels, layersModels } from './_tfjs-models.js'

// Made before the tests, as their names depend on what can be asked.
await tf.setBackend('cpu')
const kinds = { layers: await layersModels(tf), graph: graphModels }

describe.each(['cpu', 'wasm'])('tfjs on %s', (backend) => {
  beforeAll(async () => {
    await tf.setBackend(backend)
  })
  for (const [kind, models] of Object.entries(kinds)) {
    describe(`${kind} models`, () => {
      for (const { name, run } of engineConformance(() => tfjs(tf).tensors as TensorEngine, { models, held: () => tf.memory().numTensors })) it(name, run)
    })
  }
})
