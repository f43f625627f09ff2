/** A canary that is as good as the control, and one that is worse: a z-test that is looked at after every request cries wolf, the e-process does not. */
import assert from 'node:assert/strict'
import { seededRandom } from 'outrigger'
import { FailureAttribution, meanDifferenceSequence } from 'outrigger/experiment'
import { Moments, welch } from 'outrigger/stats'

const serve = (seed: string, canaryRate: number, requests: number) => {
  const random = seededRandom(seed)
  const failures = new FailureAttribution()
  const arms = [new Moments(), new Moments()] as const
  let [peeked, sequential, rolledBack] = [false, false, false]
  for (let request = 0; request < requests; request++) {
    const isCanary = random.next() < 0.1
    const failed = random.next() < (isCanary ? canaryRate : 0.02)
    arms[isCanary ? 1 : 0].push(failed ? 1 : 0)
    if (failed) failures.fail({ unit: request, isCanary, canaryChance: 0.1 })
    rolledBack ||= failures.isWorse
    if (arms[1].count < 100) continue
    peeked ||= welch(...arms).pValue < 0.05
    sequential ||= meanDifferenceSequence(...arms).pValue < 0.05
  }
  return { peeked, sequential, rolledBack }
}

const healthy = Array.from({ length: 20 }, (_, run) => serve(`healthy ${run}`, 0.02, 5000))
const share = (of: (run: (typeof healthy)[number]) => boolean): number => healthy.filter(of).length / healthy.length
console.log(`equal arms: peeked Welch ${share((run) => run.peeked)}, confidence sequence ${share((run) => run.sequential)}, rolled back ${share((run) => run.rolledBack)}`)
assert.ok(share((run) => run.peeked) > 0.2)
assert.ok(share((run) => run.sequential) <= 0.1)
assert.equal(share((run) => run.rolledBack), 0)

assert.ok(serve('worse', 0.1, 5000).rolledBack)
