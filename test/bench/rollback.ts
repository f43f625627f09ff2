/**
 * False rollbacks and delays of the failure attribution: `node --import tsx test/bench/rollback.ts [runs]`, 300 runs by default, some minutes.
 * docs/which-test.md has the tables.
 */
import { rollOuts, type Traffic } from '../experiment/_rollout-traffic.js'

const runs = Number(process.argv[2] ?? 300)
const ramp = [0.01, 0.05, 0.1, 0.25, 0.5]
const healthy = { requests: 1_000_000, ramp, users: 20_000, heavy: true, baseRate: 0.0035, swing: 0.9, assignment: 'hash' } as const
const bad = { requests: 400_000, users: 20_000, heavy: false, baseRate: 0.005, swing: 0, assignment: 'request' } as const

const say = (name: string, traffic: Omit<Traffic, 'seed'>, times = runs): void => {
  const { share, median, p90 } = rollOuts(times, traffic)
  console.log(`| ${name} | ${(100 * share).toFixed(2)} % ± ${(100 * Math.sqrt((share * (1 - share)) / times)).toFixed(2)} | ${median} | ${p90} |`)
}

console.log(`${runs} runs\n\n| healthy, 1 M requests, ramp 1-5-10-25-50 %, base rate ± 90 % | rolled back | median canary requests | p90 |\n|---|---|---|---|`)
say('sticky by hash, 0.5 % of users fail 30 %', healthy)
say('sticky by a store', { ...healthy, assignment: 'stored' })
say('by request', { ...healthy, assignment: 'request' })
say('better: half the failures, sticky by hash', { ...healthy, factor: 0.5 })
say('every failing request counted, sticky by hash (wrong)', { ...healthy, count: 'requests' })
console.log('\n| worse, base rate 0.5 % | rolled back | median canary requests | p90 |\n|---|---|---|---|')
for (const weight of [0.01, 0.05]) {
  const at = { ...bad, ramp: [weight] }
  say(`50 % failures, weight ${weight}`, { ...at, canaryRate: 0.5 }, 4 * runs)
  say(`all fail, weight ${weight}`, { ...at, canaryRate: 1 }, 4 * runs)
  say(`10 times, by request, weight ${weight}`, { ...at, factor: 10 }, 4 * runs)
  say(`10 times, sticky, weight ${weight}`, { ...at, factor: 10, assignment: 'hash', heavy: true, baseRate: 0.0035 }, 4 * runs)
  say(`4 times, by request, weight ${weight}`, { ...at, factor: 4 })
}
