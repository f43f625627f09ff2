/** A batch in which some rows are known, some are asked for twice, and some are new. */
import assert from 'node:assert/strict'
import { pipe } from 'outrigger'
import { cached } from 'outrigger/cache'

const runs: number[] = []
const model = {
  predictBatch: async (rows: readonly { readonly from: string; readonly to: string }[]): Promise<number[]> => {
    runs.push(rows.length)
    return rows.map(({ from, to }) => from.length + to.length)
  },
}
const cache = cached({ max: 1000, ttlMs: 60_000 })
const predict = pipe(model, cache)

await predict.batch([{ from: 'Oslo', to: 'Rome' }])
const times = await predict.batch([
  { to: 'Rome', from: 'Oslo' }, // known, whatever the order of its fields
  { from: 'Rome', to: 'Oslo' }, // new
  { from: 'Rome', to: 'Oslo' }, // the same again: shares the run
])
assert.deepEqual(times, [8, 8, 8])
assert.deepEqual(runs, [1, 1])
console.log('Four rows, two of them asked:', cache.counts)
