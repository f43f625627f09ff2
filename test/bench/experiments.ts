/**
 * False decisions and sizes of whole experiments: `node --import tsx test/bench/experiments.ts [runs]`, 1000 runs by default, some minutes.
 * docs/experiments.md has the table.
 */
import { meanMetric } from '../../src/experiment/metrics/mean-metric.js'
import { rateMetric } from '../../src/experiment/metrics/rate-metric.js'
import { ratioMetric } from '../../src/experiment/metrics/ratio-metric.js'
import { runExperiments, type ExperimentTraffic } from '../experiment/_experiment-traffic.js'

const runs = Number(process.argv[2] ?? 1000)
const rate = rateMetric({ name: 'm', better: 'higher' })
const mean = meanMetric({ name: 'm', better: 'higher' })
const ratio = ratioMetric({ name: 'm', better: 'higher' })
const ramp = [0.01, 0.05, 0.1, 0.25, 0.5]
/** Rollbacks at the level of promotions, so that they can be seen at all. */
const options = { rollbackAlpha: 0.05 }
const sticky = { visits: 20_000, users: 3000, ramp, options } as const
const fresh = { visits: 20_000, users: Infinity, ramp: [0.5], options } as const

const percent = (share: number, of: number): string => `${(100 * share).toFixed(1)} % ± ${(100 * Math.sqrt((share * (1 - share)) / of)).toFixed(1)}`
const say = (name: string, traffic: ExperimentTraffic, times = runs): void => {
  const { promoted, rolledBack, mismatched, median } = runExperiments(times, traffic)
  console.log(`| ${name} | ${percent(promoted, times)} | ${percent(rolledBack, times)} | ${percent(mismatched, times)} | ${median} |`)
}

console.log(`${runs} runs, both levels 5 %\n\n| the candidate does nothing; a look after every event | promoted | rolled back | SRM | median visits |\n|---|---|---|---|---|`)
const byTrait: ExperimentTraffic['value'] = ({ random, trait, swing }) => random.uniform() < 0.4 * trait * swing
const exponential: ExperimentTraffic['value'] = ({ random, trait, swing }) => -Math.log(1 - random.uniform()) * trait * swing
say('rate 10 %, new users', { ...fresh, metric: rate, value: ({ random }) => random.uniform() < 0.1 })
say('rate 0.5 %, new users', { ...fresh, metric: rate, value: ({ random }) => random.uniform() < 0.005 })
say('rate, 3000 users come back, ramp 1-5-10-25-50 %, base rate ± 50 %', { ...sticky, metric: rate, value: byTrait })
say('unbounded mean (exponential), new users', { ...fresh, metric: mean, value: exponential })
say('unbounded mean, new users, share 5 %', { ...fresh, ramp: [0.05], metric: mean, value: exponential })
say('unbounded mean, 3000 users, ramp, swings', { ...sticky, metric: mean, value: exponential })
say('ratio of all visits, 3000 users, ramp, swings (a look each 10)', { ...sticky, every: 10, metric: ratio, value: (visit) => ({ numerator: byTrait(visit) === true ? 1 : 0, denominator: 1 }) })
say('mean, 300 users, weights changed 20 times by 0.5 %', { ...sticky, users: 300, ramp: Array.from({ length: 20 }, (_, step) => 0.4 + step / 200), metric: mean, value: ({ random, trait }) => 10 * trait + random.normal() })

console.log('\n| the candidate is another; a look each 50 | promoted | rolled back | SRM | median visits |\n|---|---|---|---|---|')
const long = { visits: 200_000, users: Infinity, ramp: [0.5], every: 50 } as const
const some = Math.max(20, runs / 5)
for (const [control, candidate] of [[0.1, 0.11], [0.1, 0.12], [0.01, 0.02], [0.1, 0.05]] as const) {
  say(`rate ${control} against ${candidate}`, { ...long, metric: rate, value: ({ random, isCandidate }) => random.uniform() < (isCandidate ? candidate : control) }, some)
}
say('exponential mean 1 against 1.1', { ...long, metric: mean, value: ({ random, isCandidate }) => -Math.log(1 - random.uniform()) + (isCandidate ? 0.1 : 0) }, some)
