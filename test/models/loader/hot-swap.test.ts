import * as tf from '@tensorflow/tfjs'
import { describe, expect, it } from 'vitest'
import { cached } from '../../../src/cache/cached.js'
import { BatchCall } from '../../../src/core/batch-call.js'
import { Call } from '../../../src/core/call.js'
import { layer } from '../../../src/core/layer.js'
import { pipe } from '../../../src/core/pipe.js'
import { stageOf } from '../../../src/core/predictor.js'
import { tfjs, tfjsFiles } from '../../../src/models/engines/tfjs.js'
import { modelLoader, type ModelLoader } from '../../../src/models/loader/model-loader.js'
import { modelStore } from '../../../src/models/store/model-store.js'
import { fallback } from '../../../src/resilience/fallback.js'
import { fakeClock } from '../../../src/testing/fake-clock.js'
import { eventsOf, steps, storeOf, throughTheGate, turn, WatchedModel } from './_loader-kit.js'
import { temporaryFolder } from '../temporary.js'

/** Clients that call until told to stop; each checks that it was served by what was live when it entered. */
const clients = (count: number, one: (client: number) => Promise<void>): { stop(): Promise<number> } => {
  let running = true
  let calls = 0
  const all = Promise.all(Array.from({ length: count }, async (_, client) => {
    while (running) {
      await one(client)
      calls += 1
      await turn() // tfjs answers within microtasks: without this the event loop would never come round
    }
  }))
  return { stop: async () => { running = false; await all; return calls } }
}

const watched = async (versions: number, extra: object = {}): Promise<ModelLoader<number, string>> => {
  const loader = modelLoader({ store: await storeOf(versions), name: 'delay', follow: 1, load: (files) => new WatchedModel(Number(files.text('number.json'))), ...extra })
  await loader.whenReady()
  return loader
}

describe('hot swap', () => {
  it('200 swaps under 64 concurrent clients: no failed call, none answered by another version than it was bound to, none meets a disposed model', async () => {
    const loader = await watched(3)
    const { stop } = clients(64, async (client) => {
      const bound = loader.identity.version
      if (client % 3 === 0) {
        expect(await loader.batch([1, 2, 3])).toEqual([`${bound}:1`, `${bound}:2`, `${bound}:3`])
      } else {
        const { output, record } = await loader.detailed(client)
        expect([output, record.identity.version]).toEqual([`${bound}:${client}`, bound])
      }
    })
    const seen = new Set<string>()
    for (let swap = 0; swap < 200; swap += 1) seen.add((await loader.use(1 + ((swap + 1) % 3))).version)
    const calls = await stop()
    expect(calls).toBeGreaterThan(1_000)
    expect(seen.size).toBe(3)
    for (let turns = 0; turns < 10; turns += 1) await turn()
    expect(WatchedModel.alive.size).toBe(1)
    expect(loader.loaded).toEqual([expect.objectContaining({ state: 'live', leases: 0 })])
    await loader.close()
    expect(WatchedModel.alive.size).toBe(0)
  }, 30_000)

  it('20 swaps under 32 clients with real tfjs models leave the tensors of one model', async () => {
    await tf.setBackend('cpu')
    const store = modelStore({ path: await temporaryFolder() })
    for (const factor of [1, 2, 3]) {
      const model = tf.sequential({ layers: [tf.layers.dense({ units: 1, inputShape: [2], kernelInitializer: tf.initializers.constant({ value: factor }) })] })
      await store.publish({ name: 'sum', engine: 'tfjs', files: await tfjsFiles(model), golden: [{ input: [1, 1], output: 2 * factor }] })
      model.dispose()
    }
    const before = tf.memory().numTensors
    const loader = modelLoader({ store, name: 'sum', follow: 1, engines: [tfjs(tf, { output: ([value]) => value as number })] })
    await loader.whenReady()
    const perModel = tf.memory().numTensors - before
    const { stop } = clients(32, async (client) => {
      const bound = Number(loader.identity.version)
      if (client % 2 === 0) expect(await loader([1, 2])).toBe(3 * bound)
      else expect(await loader.batch([[1, 1], new Float32Array([2, 2])])).toEqual([2 * bound, 4 * bound])
    })
    for (let swap = 0; swap < 20; swap += 1) await loader.use(1 + ((swap + 1) % 3))
    expect(await stop()).toBeGreaterThan(100)
    for (let turns = 0; turns < 10; turns += 1) await turn()
    expect(tf.memory().numTensors - before).toBe(perModel)

    // Damaged weights, well-formed in every other way.
    const broken = tf.sequential({ layers: [tf.layers.dense({ units: 1, inputShape: [2], kernelInitializer: tf.initializers.constant({ value: Number.NaN }) })] })
    await store.publish({ name: 'sum', engine: 'tfjs', files: await tfjsFiles(broken), golden: [{ input: [1, 1], output: 8 }] })
    broken.dispose()
    await expect(loader.use(4)).rejects.toMatchObject({ code: 'ERR_OUTRIGGER_MODEL_REFUSED', reason: 'the output of golden prediction 0 is NaN' })
    expect(tf.memory().numTensors - before).toBe(perModel)
    expect(await loader([1, 1])).toBe(2 * Number(loader.identity.version))
    await loader.close()
    expect(tf.memory().numTensors).toBe(before)
  }, 30_000)

  it('a call stays with its version through a layer that waits, and the record says so, also for batches', async () => {
    const loader = await watched(2)
    let open = (): void => {}
    const gate = new Promise<void>((resolve) => { open = resolve })
    const waiting = pipe(loader, layer('waiting', { one: async (next, input: number, call) => { await gate; return await next(input, call) } }))
    const single = waiting.detailed(1)
    const batch = waiting.detailedBatch([1, 2])
    await loader.use(2)
    expect(loader.loaded.map(({ identity, state, leases }) => [identity.version, state, leases])).toEqual([['2', 'live', 0], ['1', 'draining', 3]])
    const later = waiting(9)
    open()
    expect(await single).toMatchObject({ output: '1:1', record: { identity: { version: '1' } } })
    expect(await batch).toMatchObject([{ output: '1:1', record: { identity: { version: '1' } } }, { output: '1:2', record: { identity: { version: '1' } } }])
    expect(await later).toBe('2:9')
    await turn()
    expect(loader.loaded).toHaveLength(1)
    await waiting.close()
    await loader.close()
  })

  it('rows that were bound to different versions and travel together are run by version, in order', async () => {
    const runs: string[] = []
    const loader = modelLoader({
      store: await storeOf(2), name: 'delay', follow: 1,
      load: (files) => ({ predictBatch: (rows: readonly number[]) => { runs.push(`${files.text('number.json')}: ${rows.join(' ')}`); return rows.map((row) => `${files.text('number.json')}:${row}`) } }),
    })
    await loader.whenReady()
    const stage = stageOf(loader)
    const calls = [10, 20, 30, 40].map(() => new Call(stage.runtime, undefined, undefined, undefined))
    const bind = (index: number): void => stage.bind?.(calls[index] as Call, 0)
    bind(0)
    bind(2)
    await loader.use(2)
    bind(1)
    // Row 3 comes unbound and is bound where it arrives.
    expect(await stage.many([10, 20, 30, 40], new BatchCall(stage.runtime, calls))).toEqual(['1:10', '2:20', '1:30', '2:40'])
    expect(runs).toEqual(['1: 10 30', '2: 20 40'])
    expect(loader.loaded.map(({ leases }) => leases)).toEqual([2, 2])
    for (const call of calls) call.end()
    await turn()
    expect(loader.loaded.map(({ leases }) => leases)).toEqual([0])
    await loader.close()
  })

  it('a cache around it answers with what the call is bound to, and an old fill is not found by new calls', async () => {
    const loader = await watched(2)
    const outer = pipe(loader, cached({ max: 10 }))
    expect([await outer(1), await outer(1)]).toEqual(['1:1', '1:1'])
    const slow = outer(5)
    await loader.use(2)
    expect([await outer(1), await slow, await outer(5)]).toEqual(['2:1', '1:5', '2:5'])
    await loader.use(1)
    expect([await outer(1), await outer(5)]).toEqual(['1:1', '1:5'])
    await outer.close()
    await loader.close()
  })

  it('as a rung of a fallback it is bound when the call arrives, its cache included', async () => {
    const loader = await watched(2)
    const rung = pipe(loader, cached({ max: 10 }))
    const outer = pipe((_: number): string => { throw new Error('down') }, fallback(rung))
    expect([await outer(1), await outer(1)]).toEqual(['1:1', '1:1'])
    await loader.use(2)
    expect(await outer(1)).toBe('2:1')
    await turn()
    expect(loader.loaded).toEqual([expect.objectContaining({ state: 'live', leases: 0 })])
    await outer.close()
    await rung.close()
    await loader.close()
  })

  it('before the first version a fallback answers', async () => {
    const loader = modelLoader({ store: await storeOf(1), name: 'delay', load: () => (row: number) => row })
    const outer = pipe(loader, fallback(() => -1))
    expect(await outer(5)).toBe(-1)
    await loader.whenReady()
    expect(await outer(5)).toBe(5)
    await outer.close()
    await loader.close()
  })
})

describe('the drain deadline', () => {
  it('is told, seals the version for who is not in it, and it is disposed once nobody is in the model', async () => {
    const clock = fakeClock()
    const loader = await watched(2, { clock, drainMs: 5_000 })
    const heard = eventsOf(loader)
    let open = (): void => {}
    const gate = new Promise<void>((resolve) => { open = resolve })
    const waiting = pipe(loader, layer('waiting', { one: async (next, input: number, call) => { await gate; return await next(input, call) } }))
    const stuck = waiting(1).catch((error: unknown) => error)
    await loader.use(2)
    expect(clock.holding).toBe(0)
    await clock.advance(4_999)
    expect(WatchedModel.alive.size).toBe(2)
    await clock.advance(1)
    expect(WatchedModel.alive.size).toBe(1)
    open()
    expect(await stuck).toMatchObject({ code: 'ERR_OUTRIGGER_CLOSED' })
    expect(heard.filter((text) => !text.startsWith('Nothing was checked'))).toEqual([...steps('delay@2', ...throughTheGate, 'live'), 'delay@1 draining', 'Calls still hold delay@1, 5000 ms after it was replaced.', 'delay@1 disposed'])
    await waiting.close()
    await loader.close()
    expect(clock.pending).toBe(0)
  })

  it('does not dispose a model under a call that is in it', async () => {
    const clock = fakeClock()
    let leave = (_: string): void => {}
    let disposed = 0
    const loader = modelLoader({ store: await storeOf(2), name: 'delay', follow: 1, clock, drainMs: 5_000, load: (files) => ({ predict: (row: number) => (row === 0 ? new Promise<string>((resolve) => { leave = resolve }) : files.text('number.json')), dispose: () => { disposed += 1 } }) })
    await loader.whenReady()
    let open = (): void => {}
    const gate = new Promise<void>((resolve) => { open = resolve })
    const late = pipe(loader, layer('late', { one: async (next, input: number, call) => { await gate; return await next(input, call) } }))
    const outside = late(1).catch((error: unknown) => error)
    const inside = loader(0)
    await turn()
    await loader.use(2)
    await clock.advance(60_000)
    expect(disposed).toBe(0)
    expect(await loader(1)).toBe('2')
    open() // sealed: nobody new comes in, or it would never be disposed
    expect(await outside).toMatchObject({ code: 'ERR_OUTRIGGER_CLOSED' })
    leave('done')
    expect(await inside).toBe('done')
    await turn()
    expect(disposed).toBe(1)
    await loader.close()
    expect(disposed).toBe(2)
  })

  it('a close does not wait for a call that never leaves the model', async () => {
    const clock = fakeClock()
    let disposed = 0
    const loader = modelLoader({ store: await storeOf(2), name: 'delay', follow: 1, clock, drainMs: 5_000, load: () => ({ predict: () => new Promise<string>(() => {}), dispose: () => { disposed += 1 } }) })
    await loader.whenReady()
    const outer = pipe(loader)
    void outer(0)
    await turn()
    await loader.use(2)
    const closed = loader.close()
    await clock.advance(5_000)
    await closed
    expect(disposed).toBe(2)
  })

  it('a stream keeps its version until it ends', async () => {
    let disposed = 0
    const loader = modelLoader({
      store: await storeOf(2), name: 'delay', follow: 1,
      load: (files) => Object.assign(async function* (row: number) { yield files.text('number.json'); await turn(); yield `${row} of ${files.text('number.json')}, ${disposed}` }, { dispose: () => { disposed += 1 } }),
    })
    await loader.whenReady()
    const stream = await loader(7)
    await loader.use(2)
    await turn()
    const parts: string[] = []
    for await (const part of stream) parts.push(part)
    expect(parts).toEqual(['1', '7 of 1, 0'])
    await turn()
    expect(disposed).toBe(1)
    await loader.close()
  })
})
