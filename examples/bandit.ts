/** Two ranking models share the users; clicks that come later say who gets more of them. */
import assert from 'node:assert/strict'
import { predictor, seededRandom } from 'outrigger'
import { labelJoin } from 'outrigger/core'
import { bandit, split, thompson } from 'outrigger/route'
import { fakeClock } from 'outrigger/testing'

const clock = fakeClock()
const random = seededRandom(17)
const clickRate = { old: 0.05, new: 0.08 }
const router = split({
  name: 'ranking',
  variants: { old: predictor((_: number) => 'old' as const, { clock }), new: (_: number) => 'new' as const },
  weights: { old: 0.5, new: 0.5 },
})
const hour = 3_600_000
const clicks = labelJoin<boolean>({ max: 20_000, ttlMs: 24 * hour })
router.observe(clicks.observer)
const learner = bandit({ split: router, policy: thompson(), labels: clicks, every: 500 })

let yesterday: { id: string; arm: 'old' | 'new' }[] = []
let clicked = 0
const days = 12
const users = 1000
for (let day = 0; day < days; day += 1) {
  const ids = Array.from({ length: users }, (_, user) => `day-${day}-user-${user}`)
  const served = await router.batch(ids.map(() => 1), { keys: ids, ids })
  await clock.advance(12 * hour)
  // What came of the day before is known only now.
  for (const { id, arm } of yesterday) {
    const click = random.next() < clickRate[arm]
    if (click) clicked += 1
    clicks.label(id, click, clock.wall())
  }
  yesterday = served.map((arm, index) => ({ id: ids[index]!, arm }))
  console.log(`day ${day + 1}: ${(100 * router.weights.new).toFixed(1)} % new, epoch ${router.epoch.number}, ${learner.counts.rewards} rewards`)
}
assert.ok(router.weights.new > 0.9)
assert.ok(router.weights.old >= 0.01)
assert.equal(learner.counts.rewards, (days - 1) * users)
const evenly = ((days - 1) * users * (clickRate.old + clickRate.new)) / 2
assert.ok(clicked > evenly)
console.log(`${clicked} clicks; an even split expects ${evenly.toFixed(0)}.`)
