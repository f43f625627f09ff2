/** A router tried three models at random and logged the chances. What would always taking the third one have earned? The log knows. */
import assert from 'node:assert/strict'
import { seededRandom } from 'outrigger'
import { offPolicy } from 'outrigger/experiment'

const random = seededRandom('router')
const weights = [0.6, 0.3, 0.1]
const accuracies = [0.7, 0.72, 0.8]
const log = Array.from({ length: 4000 }, () => {
  const point = random.next()
  const model = point < 0.6 ? 0 : point < 0.9 ? 1 : 2
  return { model, reward: random.next() < accuracies[model]! ? 1 : 0, propensity: weights[model]! }
})

const third = offPolicy(log.map((row) => ({ ...row, target: row.model === 2 ? 1 : 0 })))
assert.ok(third.state === 'estimated')
console.log(`logged ${third.logged.toFixed(3)}; the third model alone ${third.estimate.toFixed(3)} (${third.lower.toFixed(3)} to ${third.upper.toFixed(3)}), from ${Math.round(third.effectiveSamples)} effective decisions`)
assert.ok(third.lower > third.logged && third.lower < 0.8 && 0.8 < third.upper)

// A log whose propensities are wrong is found out.
const wrong = offPolicy(log.map((row) => ({ ...row, propensity: 1 / 3, target: row.model === 2 ? 1 : 0 })))
assert.deepEqual([wrong.state, wrong.state === 'insufficient' && wrong.reason], ['insufficient', 'propensities'])
