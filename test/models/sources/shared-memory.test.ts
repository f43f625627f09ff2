/** Large files that are only passed on may lie in shared memory: no work for the collector of this thread. */
import { describe, expect, it } from 'vitest'
import { functionEngine, httpSource, isolated, memoryDepot, modelLoader, modelStore, onnx, type ModelSource, type ModelStore, type SourceOpenOptions } from 'outrigger/models'
import { onnxLarge } from 'outrigger/testing'
import { temporaryFolder } from '../temporary.js'
import { startModelServer } from './_model-server.js'

const large = Uint8Array.from({ length: (1 << 20) + 3 }, (_, index) => index % 251)
const publishInto = async (store: ModelStore): Promise<ModelStore> => {
  await store.publish({ name: 'm', engine: 'function', files: { 'large.bin': large, 'small.txt': 'small' } })
  return store
}

const sources: Readonly<Record<string, () => Promise<{ readonly source: ModelSource; readonly stop?: () => Promise<void> }>>> = {
  'a directory': async () => ({ source: await publishInto(modelStore({ path: await temporaryFolder() })) }),
  memory: async () => ({ source: await publishInto(modelStore({ depot: memoryDepot() })) }),
  HTTP: async () => {
    const server = await startModelServer(await publishInto(modelStore({ depot: memoryDepot() })))
    return { source: httpSource({ url: server.url }), stop: () => server.stop() }
  },
  'HTTP with a cache': async () => {
    const server = await startModelServer(await publishInto(modelStore({ depot: memoryDepot() })))
    return { source: httpSource({ url: server.url, cache: { path: await temporaryFolder() } }), stop: () => server.stop() }
  },
}

describe.each(Object.entries(sources))('%s', (_, make) => {
  it('shares large files where it may, and only there', async () => {
    const { source, stop } = await make()
    for (const mayShare of [true, false, undefined, true]) {
      const { files } = await source.open('m@1', mayShare === undefined ? {} : { mayShare })
      expect(files.bytes('large.bin').buffer instanceof SharedArrayBuffer).toBe(mayShare === true)
      expect(files.bytes('small.txt').buffer).toBeInstanceOf(ArrayBuffer)
      expect(Buffer.compare(files.bytes('large.bin'), large)).toBe(0)
      expect(files.text('small.txt')).toBe('small')
    }
    await stop?.()
  })
})

it('a loader lets them be shared for engines elsewhere alone, and a worker gets them whole', async () => {
  const store = modelStore({ depot: memoryDepot() })
  const { version } = await store.publish({ name: 'sum', engine: 'onnx', files: { 'model.onnx': onnxLarge(3_000_000, 4) }, golden: [{ input: [1], output: 5 }] })
  const asked: (boolean | undefined)[] = []
  const source: ModelSource = {
    resolve: (reference, options) => store.resolve(reference, options),
    open: (found, options?: SourceOpenOptions) => {
      asked.push(options?.mayShare)
      return store.open(found, options)
    },
  }
  const engine = onnx({ session: { intraOpNumThreads: 1 }, output: ([value]) => value as number })
  for (const isolate of ['worker', 'process', 'inline'] as const) {
    const loader = modelLoader({ store: source, name: 'sum', follow: version, engines: [isolated(engine, { isolate })] })
    await loader.whenReady()
    expect(await loader([38])).toBe(42)
    await loader.close()
  }
  const plain = modelLoader({ store: source, name: 'sum', engines: [functionEngine(() => () => 5, { name: 'onnx' })] })
  await plain.whenReady()
  await plain.close()
  expect(asked).toEqual([true, true, false, false])
})
