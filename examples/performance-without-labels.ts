/** A model of payments gets worse; the estimate from scores alone cannot see it, and a tenth of the labels can. */
import assert from 'node:assert/strict'
import { seededRandom } from 'outrigger'
import { performanceEstimator } from 'outrigger/drift'

const random = seededRandom('payments')
/** A score, and a label that is positive as often as the score says, or less often. */
const payment = (trust = 1) => {
  const score = random.next()
  return { score, label: random.next() < trust * score }
}
const estimator = performanceEstimator({ reference: Array.from({ length: 3000 }, () => payment()) })

const good = estimator.window()
for (let i = 0; i < 2000; i++) good.count(payment().score)
const { accuracy } = estimator.estimate(good)
assert.ok(accuracy.low < 0.75 && 0.75 < accuracy.high)

// The fraud has changed: positive is now half as often true. The labels of every tenth payment come back.
const bad = estimator.window()
for (let i = 0; i < 2000; i++) {
  const { score, label } = payment(0.5)
  bad.count(score)
  if (i % 10 === 0) bad.label(score, label)
}
const before = estimator.estimate(bad).precision
const after = estimator.corrected(bad).precision
assert.ok(before !== undefined && after !== undefined && after.high < before.low)
console.log(`precision: ${before.value.toFixed(2)} by the scores, ${after.value.toFixed(2)} (${after.low.toFixed(2)} to ${after.high.toFixed(2)}) once some labels came`)
