/** Three times too much: the scoring job waits, readers share what is left, every checkout is served. */
import assert from 'node:assert/strict'
import { pipe, predictor, seededRandom } from 'outrigger'
import { bulkhead } from 'outrigger/resilience'
import { loadShedding } from 'outrigger/resilience'
import { fakeClock, mockModel } from 'outrigger/testing'

const clock = fakeClock()
const model = mockModel<string, string>({ clock }).delays(50, (who) => who)
const shedding = loadShedding({ rowsInFlight: 40 })
const predict = pipe(predictor(model, { clock, random: seededRandom(1) }), bulkhead({ concurrency: 8, queue: 100 }), shedding)

// Eight at a time, 50 ms each, are 8 in 50 ms; there come 24.
const served: Record<string, number> = { checkout: 0, reader: 0, job: 0 }
for (let at = 0; at < 3000; at += 50) {
  for (const [who, count, options] of [['checkout', 4, { priority: 1 }], ['reader', 8, {}], ['job', 12, { workload: 'batch' as const }]] as const) {
    for (let call = 0; call < count; call += 1) predict(who, options).then((name) => (served[name]! += 1), () => {})
  }
  await clock.advance(50)
}
await clock.advance(2000)
const { high, normal, batch } = shedding.counts
assert.equal(high.shed, 0)
assert.ok(normal.shed > 0 && batch.shed > batch.admitted)
assert.ok(normal.shed / (normal.shed + normal.admitted) < batch.shed / (batch.shed + batch.admitted))
console.log(`Served: ${served['checkout']} of 240 checkouts, ${served['reader']} of 480 readers, ${served['job']} of 720 rows of the job.`)
