/** A remote model that sheds load: retries that do as they are told, and stop before they make it worse. */
import assert from 'node:assert/strict'
import { pipe, predictor, retry, seededRandom, timeout } from 'outrigger'
import { extraWorkBudget } from 'outrigger/policy'
import { fakeClock } from 'outrigger/testing'

// A second passes in no time here.
const clock = fakeClock()
let isOverloaded = false
const asked: number[] = []
const remote = predictor(
  async (km: number): Promise<number> => {
    asked.push(clock.now())
    if (isOverloaded) throw Object.assign(new Error('503'), { response: { headers: new Headers({ 'retry-after': '1' }) } })
    return km * 1.6
  },
  { name: 'remote', clock, random: seededRandom(1) },
)

const budget = extraWorkBudget({ ratio: 0.1, minimumPerSecond: 0, burst: 10 })
const predict = pipe(remote, timeout({ ms: 200 }), retry({ retries: 3, jitter: 'decorrelated', budget }))

// It recovers in time: the caller sees nothing of it.
isOverloaded = true
const answer = predict(10)
await clock.advance(900)
isOverloaded = false
await clock.advance(1000)
assert.equal(await answer, 16)
assert.ok(asked.length === 2 && asked[1]! >= 1000, 'asked again no earlier than it was told to')

// It does not: a hundred callers are not four hundred calls.
isOverloaded = true
asked.length = 0
const answers = Promise.allSettled(Array.from({ length: 100 }, () => predict(10)))
await clock.advance(10_000)
const failed = (await answers).filter(({ status }) => status === 'rejected').length
assert.equal(failed, 100)
assert.ok(asked.length <= 120, `${asked.length}`)
console.log(`100 calls of a model that is down cost it ${asked.length} requests; the budget refused ${budget.counts.refused} retries.`)
