import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { describe, expect, test, vi } from 'vitest'
import { owned, pipe } from 'outrigger'
import { isolated, modelLoader, modelStore } from 'outrigger/models'
import { shadow } from 'outrigger/route'
import { entryFile } from '../models/isolation/_kit.js'
import { temporaryFolder } from '../models/temporary.js'

// A thread is started for real; on a busy machine that takes its time.
vi.setConfig({ testTimeout: 30_000 })

describe('shadow of a worker', () => {
  test('shadow: callers are answered while a candidate in a worker computes, and it knows that it only listens', async () => {
    const folder = await temporaryFolder()
    const signal = join(folder, 'callers-are-answered')
    // It computes until the callers have been answered: on the main thread neither would ever end.
    await writeFile(join(folder, 'engine.mjs'), `
      import { existsSync } from 'node:fs'
      export const engine = { name: 'busy', load: async () => (row, call) => {
        while (!existsSync(${JSON.stringify(signal)}));
        row.x = -1
        return { y: 2 * row.y, isShadow: call.isShadow }
      } }`)
    const store = modelStore({ path: join(folder, 'store') })
    await store.publish({ name: 'next', engine: 'busy', files: { 'weights.json': '[]' } })
    const engine = isolated<{ x: number; y: number }, { y: number; isShadow: boolean }>(pathToFileURL(join(folder, 'engine.mjs')), { name: 'busy', isolate: 'worker', niceness: 19, entry: await entryFile() })
    const next = modelLoader({ store, name: 'next', engines: [engine] })
    await next.whenReady()
    const rehearsal = shadow(owned(next), { concurrency: 2, guard: false, timeoutMs: 25_000 })
    const predict = pipe(async ({ y }: { x: number; y: number }) => ({ y: 2 * y, isShadow: true }), rehearsal)
    const rows = Array.from({ length: 50 }, (_, y) => ({ x: 1, y }))
    for (const row of rows) expect(await predict(row)).toEqual({ y: 2 * row.y, isShadow: true })
    expect(rows.every(({ x }) => x === 1)).toBe(true)
    expect(rehearsal.counts).toMatchObject({ running: 2, compared: 0 })
    await writeFile(signal, '')
    await rehearsal.idle()
    expect(rehearsal.counts).toMatchObject({ sampled: 50, compared: 2, agreed: 2, dropped: 48 })
    expect(rehearsal.counts.droppedBy.concurrency).toBe(48)
    await predict.close()
  })
})
