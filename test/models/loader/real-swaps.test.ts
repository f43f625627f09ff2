/** The short form of `npm run swaps`: real engines, every way of calling, swaps as fast as they go. */
import * as tf from '@tensorflow/tfjs'
import * as ort from 'onnxruntime-node'
import { describe, expect, it } from 'vitest'
import { memoryDepot, modelLoader, modelStore, onnx, tfjs, tfjsFiles, type Engine, type ModelStore, type TensorRow } from 'outrigger/models'
import { onnxAffine } from 'outrigger/testing'
import { startClients } from './_swap-clients.js'

const golden = (version: number): { readonly input: number[]; readonly output: number }[] => [{ input: [3], output: 3 * version }, { input: [-1], output: -version }]

const onnxStore = async (): Promise<ModelStore> => {
  const store = modelStore({ depot: memoryDepot() })
  for (const version of [1, 2, 3, 4]) await store.publish({ name: 'm', engine: 'onnx', files: { 'model.onnx': onnxAffine([[version]], [0]) }, golden: golden(version) })
  return store
}

const tfjsStore = async (): Promise<ModelStore> => {
  await tf.setBackend('cpu')
  const store = modelStore({ depot: memoryDepot() })
  for (const version of [1, 2, 3, 4]) {
    const model = tf.sequential({ layers: [tf.layers.dense({ units: 1, inputShape: [1], useBias: false, kernelInitializer: tf.initializers.constant({ value: version }) })] })
    await store.publish({ name: 'm', engine: 'tfjs', files: await tfjsFiles(model), golden: golden(version) })
    model.dispose()
  }
  return store
}

/** What is in memory natively: sessions of onnxruntime that are not released. */
const counted = (): { readonly engine: Engine<TensorRow, number>; readonly open: () => number } => {
  let open = 0
  const InferenceSession = {
    create: async (...given: never[]) => {
      const session = await (ort.InferenceSession.create as (...all: never[]) => Promise<ort.InferenceSession>)(...given)
      const release = session.release.bind(session)
      open += 1
      session.release = async () => { open -= 1; await release() }
      return session
    },
  }
  return { engine: onnx({ ort: { ...ort, InferenceSession } as never, session: { intraOpNumThreads: 1 }, output: ([value]) => value as number }), open: () => open }
}

/** Long enough for others to come to their turn: engines and clients share one thread. */
const rest = async (): Promise<void> => {
  for (let turns = 0; turns < 4; turns += 1) await new Promise((resolve) => void setImmediate(resolve))
}

describe('hot swap with real models under 64 clients', () => {
  it.each<[string, number, number, () => Promise<ModelStore>, () => { readonly engine: Engine<TensorRow, number>; readonly open: () => number }]>([
    ['ONNX', 100, 0, onnxStore, counted],
    ['ONNX, two kept warm', 100, 2, onnxStore, counted],
    ['TensorFlow.js', 50, 0, tfjsStore, () => ({ engine: tfjs(tf, { output: ([value]) => value as number }), open: () => tf.memory().numTensors })],
  ])('%s: no call fails, none is answered by another version than was live at its entry, nothing is left', async (_, swaps, keepWarm, publish, make) => {
    const store = await publish()
    const { engine, open } = make()
    const before = open()
    const loader = modelLoader({ store, name: 'm', follow: 1, engines: [engine], keepWarm, warmup: { sizes: [1, 2] } })
    await loader.whenReady()
    const perModel = open() - before
    expect(perModel).toBe(1)
    const clients = startClients(loader, 64, { pause: rest })
    const order = [1, 2, 1, 3, 4, 3, 2, 4] // with two kept warm half of them are loaded
    for (let swap = 1; swap <= swaps; swap += 1) await loader.use(order[swap % order.length] as number)
    const { rows, hits, shadowed, faults } = await clients.stop()
    expect(faults).toEqual([])
    expect(rows).toBeGreaterThan(10 * swaps)
    expect(Math.min(hits, shadowed)).toBeGreaterThan(0)
    await expect.poll(open, { interval: 5 }).toBe(before + perModel * (1 + keepWarm))
    expect(loader.loaded.map(({ state, leases }) => [state, leases])).toEqual([['live', 0], ...Array.from({ length: keepWarm }, () => ['ready', 0])])
    await loader.close()
    expect(open()).toBe(before)
  }, 60_000)
})
