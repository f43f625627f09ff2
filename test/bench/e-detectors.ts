/**
 * The e-detectors against an oracle, ADWIN and Page–Hinkley: false alarms in clean runs of 10 000 values, and delays.
 * `node --import tsx test/bench/e-detectors.ts [runs]`: 1000 runs by default, some minutes; docs/e-detectors.md has the table.
 */
import { adwin, numericEDetector, pageHinkley, rateEDetector, type StreamDetector } from '../../src/drift/index.js'
import { againstOracle, normalStream, rateStream, type Scenario } from '../drift/streaming/_against-oracle.js'

const runs = Number(process.argv[2] ?? 1000)
type Make = Scenario['make']
const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0)
const rate: Make = (reference) => rateEDetector({ events: sum(reference), rows: reference.length })
const both: Make = (reference) => rateEDetector({ events: sum(reference), rows: reference.length, direction: 'both' })
const numeric = (order: number): Make => (reference) => numericEDetector({ reference, order })
const plain = (make: () => StreamDetector): Make => () => make()

const row = (name: string, scenario: Scenario): void => {
  const { alarmed, median, p90, missed, oracle, ratio } = againstOracle(scenario, runs)
  console.log(`| ${name} | ${scenario.referenceRows} + ${scenario.before} | ${(100 * alarmed).toFixed(1)} % | ${median} (${p90}) | ${((100 * missed) / runs).toFixed(1)} % | ${oracle} | ${ratio.toFixed(2)} |`)
}

console.log(`${runs} runs\n\n| detector, change | reference + clean values before | clean runs with an alarm | delay, median (p90) | missed | oracle | ratio |\n|---|---|---|---|---|---|---|`)
for (const to of [0.25, 0.3, 0.5]) {
  const at = (name: string, make: Make, referenceRows = 2000, before = 5000): void => row(`${name}, .2 → ${to}`, { stream: rateStream(0.2, to), referenceRows, before, make })
  at('rateEDetector', rate)
  at('rateEDetector, both ways', both)
  at('rateEDetector', rate, 2000, 0)
  at('rateEDetector', rate, 20_000, 0)
  at('adwin', plain(adwin))
  at('pageHinkley', plain(pageHinkley))
}
for (const [from, to] of [[0.01, 0.02], [0.001, 0.005], [0.5, 0.6], [0.05, 0.075]] as const) {
  for (const referenceRows of [200, 2000]) row(`rateEDetector, ${from} → ${to}`, { stream: rateStream(from, to), referenceRows, before: 5000, make: rate })
}
for (const rho of [0, 0.5, 0.9]) {
  for (const [name, change] of Object.entries({ 'mean + .5 sd': { shift: 0.5 }, 'mean + .25 sd': { shift: 0.25 }, 'sd × 1.5': { spread: 1.5 }, 'sd × .6': { spread: 0.6 } })) {
    const order = rho === 0 ? 0 : 1
    for (const [referenceRows, before] of [[2000, 5000], [2000, 0], [200, 5000]] as const) row(`numericEDetector${order === 0 ? '' : `, order 1, ρ = ${rho}`}, ${name}`, { stream: normalStream({ rho, ...change }), referenceRows, before, make: numeric(order) })
  }
}
row('numericEDetector, order 0 though ρ = .5, mean + .5 sd', { stream: normalStream({ rho: 0.5, shift: 0.5 }), referenceRows: 2000, before: 5000, make: numeric(0) })
