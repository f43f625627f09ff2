import * as ort from 'onnxruntime-node'
import { describe, expect, it } from 'vitest'
import { memoryDepot, modelLoader, modelStore, onnx, type ModelStore } from 'outrigger/models'
import { onnxAffine } from 'outrigger/testing'

const published = async (): Promise<ModelStore> => {
  const store = modelStore({ depot: memoryDepot() })
  for (const factor of [2, 3]) await store.publish({ name: 'm', engine: 'onnx', files: { 'model.onnx': onnxAffine([[factor]], [0]) }, golden: [{ input: [1], output: factor }] })
  return store
}

describe('modelLoader with `isolate`', () => {
  it.each(['worker', 'process'] as const)('%s: the model computes there, through the gate, a swap and a close', async (isolate) => {
    const store = await published()
    const loader = modelLoader({ store, name: 'm', follow: 1, engines: [onnx({ output: ([value]) => value })], isolate })
    await loader.whenReady()
    expect(await loader.batch([[1], [5]])).toEqual([2, 10])
    await loader.use(2)
    expect(await loader([7])).toBe(21)
    await loader.close()
  }, 30_000)

  it('takes the options of `isolated`, or nothing at all by `inline`', async () => {
    const store = await published()
    for (const isolate of [{ isolate: 'inline' } as const, 'inline' as const]) {
      const loader = modelLoader({ store, name: 'm', engines: [onnx({ output: ([value]) => value })], isolate })
      await loader.whenReady()
      expect(await loader([1])).toBe(3)
      await loader.close()
    }
  })

  it.each<[string, object]>([
    ['a function cannot go elsewhere', { load: () => (row: number) => row, isolate: 'worker' }],
    ['an engine must say how it is made again', { engines: [onnx({ ort })], isolate: 'worker' }],
    ['an unknown place', { engines: [onnx()], isolate: 'cloud' }],
  ])('refuses at once: %s', async (_, options) => {
    const store = await published()
    expect(() => modelLoader({ store, name: 'm', ...options } as never)).toThrow(expect.objectContaining({ code: 'ERR_OUTRIGGER_INVALID_OPTION' }))
  })
})
