import { existsSync, readdirSync } from 'node:fs'
import { expect, test, vi } from 'vitest'
import { isolated } from 'outrigger/models'
import { fakeClock, seededRandom } from 'outrigger/testing'
import { acts, childrenOf, entryFile, loadTiny, tinyEngine, valueOf } from './_kit.js'

vi.setConfig({ testTimeout: 60_000 })
const soon = { timeout: 20_000 }

/** No pauses between restarts, so that there is no end of them. */
const impatient = { next: () => 0, integer: () => 0, substream: () => impatient }
const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

/** What this process holds: descriptors, handles of the event loop, listeners. */
const held = (): Readonly<Record<string, number>> => {
  const counts: Record<string, number> = { descriptors: existsSync('/proc/self/fd') ? readdirSync('/proc/self/fd').length : 0, children: childrenOf(process.pid).length }
  for (const resource of process.getActiveResourcesInfo()) if (!/^(Immediate|Timeout|TTYWrap|FSReqPromise|FSReqCallback)$/.test(resource)) counts[resource] = (counts[resource] ?? 0) + 1
  for (const event of process.eventNames()) counts[`listeners of ${String(event)}`] = process.listenerCount(event)
  return counts
}

test('processes that are killed at random moments under load lose no run that may be repeated', async () => {
  const random = seededRandom('chaos')
  const engine = isolated(tinyEngine(), { isolate: 'process', workers: 2, maxCrashes: Infinity, entry: await entryFile(), random: impatient })
  const model = await loadTiny(engine)
  let killing = true
  let answered = 0
  const client = async (first: number): Promise<void> => {
    for (let x = first; killing; x += 1) {
      expect(valueOf(await model.run(x))).toBe(2 * x)
      answered += 1
      await pause(0)
    }
  }
  const clients = Promise.all(Array.from({ length: 8 }, (_, at) => client(1 + at * 100_000)))
  clients.catch(() => { killing = false })
  for (let kill = 1; kill <= 12 && killing; kill += 1) {
    await pause(random.integer(100))
    const { isolates } = engine.stats()
    process.kill(isolates[random.integer(isolates.length)]?.pid as number, 'SIGKILL')
    // The next one comes when both are there again: a run that is hit twice is lost, as it says.
    await vi.waitFor(() => expect([engine.stats().crashes, ...engine.stats().isolates.map(({ state }) => state === 'loading')]).toEqual([kill, false, false]), soon)
  }
  killing = false
  await clients
  expect(engine.stats()).toMatchObject({ crashes: 12, restarts: 12, queued: 0 })
  expect(answered).toBeGreaterThan(100)
  await model.dispose()
})

/** Nothing is held that was not before. */
const expectHeld = async (before: Readonly<Record<string, number>>): Promise<void> => {
  await vi.waitFor(() => expect(Object.entries(held()).filter(([what, count]) => count > (before[what] ?? 0))).toEqual([]), soon)
}

for (const [isolate, cycles, models] of [['worker', 2, 'fifty'], ['process', 1, 'twenty-five']] as const) {
  test(`${isolate}: ${models} models loaded and disposed leave no thread, process, handle, descriptor or listener behind`, async () => {
    const clock = fakeClock()
    const cycle = async (workers: number): Promise<void> => {
      const engine = isolated(tinyEngine(), { isolate, workers, entry: await entryFile(), clock })
      for (let version = 1; version <= 5; version += 1) {
        const model = await loadTiny(engine, {}, version)
        await Promise.all(Array.from({ length: workers }, (_, x) => model.run(x + 1)))
        await model.dispose()
      }
      await clock.advance(30_000) // So long workers wait for the next version.
    }
    await cycle(1)
    const before = held()
    for (let count = 0; count < cycles; count += 1) await cycle(5)
    expect(clock.pending).toBe(0)
    await expectHeld(before)
  })
}

test('fifteen restarts leave nothing behind', async () => {
  const engine = isolated(tinyEngine(), { isolate: 'process', maxCrashes: Infinity, entry: await entryFile(), random: impatient, replay: 'never' })
  const model = await loadTiny(engine)
  await model.run(1)
  const before = held()
  for (let crash = 1; crash <= 15; crash += 1) await expect(model.run(acts.exit)).rejects.toMatchObject({ code: 'ERR_OUTRIGGER_ENGINE_CRASHED' })
  await model.run(1)
  await expectHeld(before)
  await model.dispose()
})

test('a model whose loading is interrupted by the death of its process leaves nothing behind', async () => {
  const engine = isolated(tinyEngine(), { isolate: 'process', workers: 3, entry: await entryFile() })
  const before = held()
  const loading = loadTiny(engine, { load: 'slow' })
  loading.catch(() => {})
  await vi.waitFor(() => expect(childrenOf(process.pid)).toHaveLength(3), soon)
  process.kill(childrenOf(process.pid)[1] as number, 'SIGKILL')
  await expect(loading).rejects.toMatchObject({ code: 'ERR_OUTRIGGER_ENGINE_CRASHED', signal: 'SIGKILL' })
  await expectHeld(before)
})
