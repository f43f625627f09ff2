/** A model that goes down behind a cache: who was answered before still gets an answer, marked as stale, and a scoring job pushes nobody out. */
import assert from 'node:assert/strict'
import { circuitBreaker, pipe, predictor, timeout } from 'outrigger'
import { cached } from 'outrigger/cache'
import { fakeClock } from 'outrigger/testing'

// In a service the clock is the machine's; here an hour passes in no time.
const clock = fakeClock()
let isDown = false
let asked = 0
const model = async (flight: { readonly from: string; readonly to: string }): Promise<number> => {
  asked += 1
  if (isDown) throw new Error('connection refused')
  return flight.from.length + flight.to.length
}
const cache = cached({
  max: 1000,
  ttlMs: 60_000,
  staleWhileRevalidateMs: 60_000,
  staleIfErrorMs: 24 * 3_600_000,
})
const predict = pipe(predictor(model, { clock, name: 'delay', version: '7' }), timeout({ ms: 200 }), circuitBreaker({ minimumCalls: 5, windowSize: 5 }), cache)

const flights = Array.from({ length: 1000 }, (_, index) => ({ from: 'ATL', to: `airport ${index}` }))
await predict.batch(flights)
await predict.batch(Array.from({ length: 5000 }, (_, index) => ({ from: 'job', to: `row ${index}` })), { workload: 'batch' })
asked = 0
await predict.batch(flights)
assert.equal(asked, 0)

isDown = true
await clock.advance(3_600_000)
const rows = await predict.detailedBatch(flights)
assert.ok(rows.every((row) => row.ok && row.record.source === 'stale' && row.record.cache?.ageMs === 3_600_000))
assert.ok(asked <= 1000)
console.log(`The model is down for an hour; ${rows.length} of ${rows.length} flights are answered, an hour old and marked.`)
console.log(predict.describe())
await predict.close()
