import { describe, expect, test } from 'vitest'
import { seededRandom } from 'outrigger'
import { assigner, bandit, epsilonGreedy, thompson, upperConfidenceBound, type BanditPolicy } from 'outrigger/route'

interface World {
  readonly rates: readonly number[]
  readonly policy: BanditPolicy
  readonly seed: number
  readonly units: number
  /** Rewards come so many units later. */
  readonly delay?: number
}

/** Regret against always the best arm, per unit; the least weight of any epoch; the shares at the end. */
const run = ({ rates, policy, seed, units, delay = 0 }: World): { regret: number; least: number; weights: number[] } => {
  const random = seededRandom(seed)
  const names = rates.map((_, index) => `arm ${index}`)
  const one = assigner({ name: `sim ${seed}`, weights: Object.fromEntries(names.map((name) => [name, 1 / names.length])) })
  const learner = bandit({ split: one, policy, every: 500, minimum: 50 })
  const best = Math.max(...rates)
  const waiting: [string, number][] = []
  let regret = 0
  let least = 1
  for (let unit = 0; unit < units; unit += 1) {
    const { variant, propensity } = one.choose(String(unit))
    const rate = rates[names.indexOf(variant)] as number
    regret += best - rate
    least = Math.min(least, propensity)
    waiting.push([variant, random.next() < rate ? 1 : 0])
    if (waiting.length > delay) learner.reward(...(waiting.shift() as [string, number]))
  }
  return { regret: regret / units, least, weights: names.map((name) => one.weights[name] as number) }
}

const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length
const runs = 12

describe('bandit, simulated', () => {
  const rates = [0.05, 0.06, 0.08]
  const uniform = mean(rates.map((rate) => 0.08 - rate))
  for (const policy of [thompson(), thompson({ belief: 'gaussian' }), epsilonGreedy(), upperConfidenceBound()]) {
    test(`${policy.name}: less regret than an even split, the floor is kept, also when rewards are late`, () => {
      for (const delay of [0, 2000]) {
        const all = Array.from({ length: runs }, (_, seed) => run({ rates, policy, seed, units: 30_000, delay }))
        const regret = mean(all.map((one) => one.regret))
        console.log(`${policy.name}, ${delay} late: regret ${(100 * regret).toFixed(2)} points a unit, even split ${(100 * uniform).toFixed(2)}`)
        // UCB1 explores for long where rates are small: its bound is √(2 ln N / n), far above these differences.
        expect(regret).toBeLessThan(policy.name.startsWith('upper') ? uniform : 0.5 * uniform)
        for (const { least, weights } of all) {
          expect(least).toBeGreaterThanOrEqual(0.01 - 1e-12)
          expect(Math.min(...weights)).toBeGreaterThanOrEqual(0.01 - 1e-12)
        }
      }
    })
  }

  test('thompson between equal arms is not forced to one: on average over runs, each has its part', () => {
    const shares = Array.from({ length: 40 }, (_, seed) => run({ rates: [0.1, 0.1], policy: thompson(), seed: 100 + seed, units: 10_000 }).weights[0] as number)
    const spread = Math.sqrt(mean(shares.map((share) => (share - mean(shares)) ** 2)) / shares.length)
    console.log(`equal arms: mean share ${mean(shares).toFixed(3)} ± ${spread.toFixed(3)}`)
    expect(Math.abs(mean(shares) - 0.5)).toBeLessThan(4 * spread)
    expect(shares.filter((share) => share > 0.02 && share < 0.98).length).toBeGreaterThan(20)
  })
})
