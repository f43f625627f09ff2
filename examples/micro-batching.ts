/** Sixty-four clients of an engine that takes 4 ms a run and 20 µs a row: one by one, and in batches that form by themselves. */
import assert from 'node:assert/strict'
import { pipe, type Predictor } from 'outrigger'
import { microBatched } from 'outrigger/batch'

/** An engine that works off one run after the other, as a GPU does. */
const engine = () => {
  let free = Promise.resolve()
  const serve = async (rows: readonly number[]): Promise<number[]> => {
    const turn = free.then(() => new Promise<void>((resolve) => setTimeout(resolve, 4 + 0.02 * rows.length)))
    free = turn
    await turn
    if (rows.includes(13)) throw new Error('the engine cannot digest 13')
    return rows.map((km) => km * 1.6)
  }
  return { predict: async (km: number) => (await serve([km]))[0] as number, predictBatch: serve }
}

/** Rows per second of so many clients, each of whom asks again when it has its answer. */
const throughput = async (predict: Predictor<number, number>, clients: number, rows: number): Promise<number> => {
  const startedAt = performance.now()
  let left = rows
  await Promise.all(Array.from({ length: clients }, async () => {
    while (left > 0) {
      left -= 1
      assert.equal(await predict(10), 16)
    }
  }))
  return (rows / (performance.now() - startedAt)) * 1000
}

const batching = microBatched({ objectiveMs: 50 })
const predict = pipe(engine(), batching)
const alone = await throughput(pipe(engine()), 64, 128)
const batched = await throughput(predict, 64, 6400)
assert.ok(batched > 4 * alone, `${batched.toFixed(0)} against ${alone.toFixed(0)} rows a second`)

// A row that makes the whole run fail fails alone.
const results = await Promise.allSettled([11, 12, 13, 14].map((km) => predict(km)))
assert.deepEqual(results.map(({ status }) => status), ['fulfilled', 'fulfilled', 'rejected', 'fulfilled'])

const { size, fit, runs, rows } = batching.state
console.log(`64 clients: ${alone.toFixed(0)} rows a second one by one, ${batched.toFixed(0)} in batches (${(rows / runs).toFixed(1)} rows a run).`)
console.log(`Learned: a run takes ${fit?.fixedMs.toFixed(1)} ms and ${fit?.perRowMs.toFixed(3)} ms a row; up to ${size} rows keep the objective.`)
await predict.close()
