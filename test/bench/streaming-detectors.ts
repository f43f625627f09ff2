/**
 * What the streaming detectors are worth: false alarms on 10 000 values that never change, and delays after a change.
 * `node --import tsx test/bench/streaming-detectors.ts [runs]`: 200 runs by default, some minutes; docs/streaming-detectors.md has the table.
 *
 * Each run has a seed of its own, the same for every detector. A delay counts from the change, 5000 values in, to the first alarm
 * after it; without one in 5000 more it is missed. Alarms before the change are the false ones, and the detector goes on after them.
 */
import { adwin, cusum, ddm, eddm, hddmA, hddmW, kswin, pageHinkley, type StreamDetector } from '../../src/drift/index.js'
import { seeded } from '../drift/_seeded.js'

const runs = Number(process.argv[2] ?? 200)
const before = 5000
const after = 5000
type Draw = (random: ReturnType<typeof seeded>) => number
type Make = () => StreamDetector
const rate = (p: number): Draw => (random) => Number(random.uniform() < p)
const normal = (mean: number, sd: number): Draw => (random) => mean + sd * random.normal()

const errorDetectors: Record<string, Make> = {
  'adwin': () => adwin(),
  'pageHinkley': () => pageHinkley(),
  'cusum, told .2': () => cusum({ target: 0.2, standardDeviation: 0.4, slack: 0.125, threshold: 25 }),
  'hddmA': () => hddmA(),
  'hddmW': () => hddmW(),
  'ddm': () => ddm(),
  'eddm': () => eddm(),
  'kswin': () => kswin(),
}
const numberDetectors: Record<string, Make> = {
  'adwin': () => adwin(),
  'pageHinkley': () => pageHinkley(),
  'cusum, h = 5': () => cusum({ target: 0 }),
  'cusum, h = 10': () => cusum({ target: 0, threshold: 10 }),
  'kswin': () => kswin(),
  'kswin, alpha 1e-4': () => kswin({ alpha: 0.0001 }),
}

const quantile = (sorted: readonly number[], q: number): number => sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))] ?? NaN

/** Alarms per 10 000 clean values, and the share of runs that have any. */
const falseAlarms = (make: Make, draw: Draw): string => {
  let [alarms, alarmed] = [0, 0]
  for (let run = 1; run <= runs; run++) {
    const random = seeded(run * 7919)
    const detector = make()
    let own = 0
    for (let i = 0; i < 10_000; i++) if (detector.update(draw(random)) === 'drift') own += 1
    alarms += own
    if (own > 0) alarmed += 1
  }
  return `${(alarms / runs).toFixed(alarms / runs < 10 ? 2 : 0)} (${((100 * alarmed) / runs).toFixed(1)} %)`
}

const delays = (make: Make, from: Draw, to: Draw): string => {
  const found: number[] = []
  for (let run = 1; run <= runs; run++) {
    const random = seeded(run * 104_729)
    const detector = make()
    for (let i = 0; i < before; i++) detector.update(from(random))
    for (let i = 1; i <= after; i++) {
      if (detector.update(to(random)) === 'drift') {
        found.push(i)
        break
      }
    }
  }
  found.sort((a, b) => a - b)
  // Of all runs: those that missed it come last.
  const of = (q: number): string => (q * runs < found.length ? String(quantile([...found, ...new Array<number>(runs - found.length).fill(Infinity)], q)) : 'never')
  return `${of(0.5)} (${of(0.9)})${found.length < runs ? `, ${(100 - (100 * found.length) / runs).toFixed(1)} % missed` : ''}`
}

const nanoseconds = (make: Make, draw: Draw): string => {
  const random = seeded(1)
  const values = Array.from({ length: 100_000 }, () => draw(random))
  const times = Array.from({ length: 5 }, () => {
    const detector = make()
    const start = process.hrtime.bigint()
    for (const value of values) detector.update(value)
    return Number(process.hrtime.bigint() - start) / values.length
  })
  return times.sort((a, b) => a - b)[2]!.toFixed(0)
}

const table = (title: string, detectors: Record<string, Make>, clean: Draw, changes: Record<string, Draw>): void => {
  console.log(`\n| ${title} | alarms per 10 000 clean (runs with any) | ${Object.keys(changes).join(' | ')} | ns per value |\n|---|---|${'---|'.repeat(Object.keys(changes).length)}---|`)
  for (const [name, make] of Object.entries(detectors)) {
    console.log(`| ${name} | ${falseAlarms(make, clean)} | ${Object.values(changes).map((change) => delays(make, clean, change)).join(' | ')} | ${nanoseconds(make, clean)} |`)
  }
}

console.log(`${runs} runs; delays as median (90th percentile) of values`)
table('errors, rate .2', errorDetectors, rate(0.2), { '.2 → .25': rate(0.25), '.2 → .3': rate(0.3), '.2 → .5': rate(0.5) })
table('normal values', numberDetectors, normal(0, 1), { 'mean + .5 sd': normal(0.5, 1), 'mean + 1 sd': normal(1, 1), 'sd × 1.5': normal(0, 1.5) })
