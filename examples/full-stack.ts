/** Eight layers around one model, in the order that docs/concepts.md gives, on a bad day: the model fails in one call of ten and hangs in one of a hundred. */
import assert from 'node:assert/strict'
import { circuitBreaker, fallback, pipe, predictor, retry, seededRandom, timeout, type ModelBatchCall } from 'outrigger'
import { microBatched } from 'outrigger/batch'
import { cached } from 'outrigger/cache'
import { extraWorkBudget } from 'outrigger/policy'
import { adaptiveConcurrency, hedge } from 'outrigger/resilience'
import { fakeClock } from 'outrigger/testing'

const clock = fakeClock() // stands still until told to go on: minutes pass in no time
const random = seededRandom('a bad day')
let runs = 0
let rowsAsked = 0

const model = {
  predictBatch: (distances: readonly number[], call: ModelBatchCall): Promise<number[]> => {
    runs += 1
    rowsAsked += distances.length
    return new Promise((resolve, reject) => {
      // As `fetch` does: one that ignored its signal would keep its place for ever.
      call.signal.addEventListener('abort', () => reject(call.signal.reason), { once: true })
      const luck = random.next()
      if (luck < 0.01) return // hangs
      const ms = 5 + 0.1 * distances.length
      clock.setTimeout(() => (luck < 0.11 ? reject(new Error('the replica is gone')) : resolve(distances.map((km) => km * 0.8))), ms)
    })
  },
}

const budget = extraWorkBudget({ ratio: 0.2 }) // shared: a bad day must not multiply itself
const cache = cached<number>({ max: 500, ttlMs: 60_000, staleIfErrorMs: 600_000 })
const breaker = circuitBreaker()
const predict = pipe(
  predictor(model, { name: 'delay', clock, random }),
  microBatched({ maxSize: 32, concurrency: 4, budget }),
  adaptiveConcurrency({ initial: 100, max: 400 }),
  timeout({ ms: 100 }),
  hedge({ quantile: 0.95, budget }),
  retry({ retries: 2, budget }),
  breaker,
  cache,
  fallback({ use: () => 42, name: 'mean delay' }),
)
console.log(predict.describe())

const start = clock.wall()
const sources: Record<string, number> = {}
predict.observe((event) => {
  if (event.type === 'state') console.log(`${(event.at - start).toFixed(0).padStart(6)} ms  ${event.layer}: ${event.from} → ${event.to}, ${event.reason}`)
  if (event.type === 'prediction') sources[event.record.source ?? event.record.outcome] = (sources[event.record.source ?? event.record.outcome] ?? 0) + 1
})

const calls = 20_000
const answers: Promise<number>[] = []
for (let call = 0; call < calls; call += 1) {
  const km = random.integer(2000)
  answers.push(predict(km).then((minutes) => (assert.ok(minutes === km * 0.8 || minutes === 42), minutes)))
  if (call % 10 === 9) await clock.advance(2)
}
await clock.advance(5000)
const settled = await Promise.all(answers)

console.log(`${calls} calls, ${runs} runs of ${(rowsAsked / runs).toFixed(1)} rows each; extra work ${budget.counts.spent}, refused ${budget.counts.refused}`)
console.log(sources)
assert.equal(settled.length, calls) // everybody got an answer, and each of them the right one or the mean
assert.ok((sources['fallback'] ?? 0) < 0.01 * calls)
assert.ok(budget.counts.spent <= 0.2 * calls + 100 + 100)
await predict.close()
