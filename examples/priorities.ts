/** Two calls at a time: checkouts overtake readers, readers overtake a scoring job, and nobody waits longer than half a second. */
import assert from 'node:assert/strict'
import { pipe } from 'outrigger'
import { bulkhead } from 'outrigger/resilience'

const order: string[] = []
let running = 0
const model = async (who: string): Promise<string> => {
  running += 1
  assert.ok(running <= 2)
  order.push(who)
  await new Promise((resolve) => setTimeout(resolve, 2))
  running -= 1
  return who
}
const predict = pipe(model, bulkhead({ concurrency: 2, queue: 6, maxWaitMs: 500 }))

const job = predict.batch(['job'], { workload: 'batch' })
const jobs = [job, ...Array.from({ length: 5 }, () => predict('job', { workload: 'batch' }))]
const readers = Array.from({ length: 2 }, () => predict('reader'))
const checkouts = Array.from({ length: 2 }, () => predict('checkout', { priority: 1 }))
const fates = await Promise.allSettled([...jobs, ...readers, ...checkouts])

assert.deepEqual(order, ['job', 'job', 'checkout', 'checkout', 'reader', 'reader', 'job', 'job'])
// Two of the job's calls gave their places in the full queue to others.
assert.equal(fates.filter(({ status }) => status === 'rejected').length, 2)
console.log(`Order: ${order.join(', ')}.`)
