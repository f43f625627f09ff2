/** Two equal arms (or unequal ones), looked at after every unit: in which share of the runs does each test ever see a difference? */
import { logBetaMixture } from '../../src/experiment/_beta-mixture.js'
import { meanDifferenceSequence, mixtureSprt, rateDifferenceSequence } from '../../src/experiment/index.js'
import { seeded } from '../drift/_seeded.js'

export interface Stream {
  readonly units: number
  /** A value of a unit: of the control, or of the treatment. */
  readonly draw: (random: ReturnType<typeof seeded>, isTreatment: boolean) => number
  /** Whether values are 0 and 1. */
  readonly isRate: boolean
  /** The standard deviation of effects that the mixture SPRT expects. */
  readonly tau: number
  /** Of the treatment. @default 0.5 */
  readonly share?: number
}

export const tests = ['z-test', 'z-test at the end', 'meanDifferenceSequence', 'mixtureSprt', 'countRatioSequence', 'rateDifferenceSequence'] as const
export type TestName = (typeof tests)[number]

class Arm {
  count = 0
  mean = 0
  squares = 0
  get variance(): number {
    return this.squares / (this.count - 1)
  }
  push(value: number): void {
    this.count++
    const before = value - this.mean
    this.mean += before / this.count
    this.squares += before * (value - this.mean)
  }
}

/** By test: at which unit it first saw a difference; Infinity if never. */
export const firstAlarms = (seed: number, stream: Stream): Readonly<Record<TestName, number>> => {
  const random = seeded(seed * 6151 + 3)
  const [control, treatment] = [new Arm(), new Arm()]
  const found = Object.fromEntries(tests.map((name) => [name, Infinity])) as Record<TestName, number>
  const see = (name: TestName, n: number, isSeen: () => boolean): void => {
    if (found[name] === Infinity && isSeen()) found[name] = n
  }
  const isBeyond = (): boolean => Math.abs(treatment.mean - control.mean) > 1.96 * Math.sqrt(control.variance / control.count + treatment.variance / treatment.count)
  const { share = 0.5 } = stream
  const events = (arm: Arm): number => Math.round(arm.mean * arm.count)
  for (let n = 1; n <= stream.units; n++) {
    const isTreatment = random.uniform() < share
    const value = stream.draw(random, isTreatment)
    ;(isTreatment ? treatment : control).push(value)
    if (Math.min(control.count, treatment.count) < 20) continue
    see('z-test', n, isBeyond)
    see('meanDifferenceSequence', n, () => meanDifferenceSequence(control, treatment).pValue <= 0.05)
    see('mixtureSprt', n, () => mixtureSprt(control, treatment, { tau: stream.tau }).pValue <= 0.05)
    if (!stream.isRate) continue
    // The evidence of `countRatioSequence`, without its bounds.
    if (value === 1) see('countRatioSequence', n, () => logBetaMixture({ hits: events(treatment), misses: events(control) }, { a: Math.max(0.5, 10 * share), b: 10 * (1 - share) }, share, 'both') >= Math.log(20))
    if (n % 200 === 0) {
      see('rateDifferenceSequence', n, () => {
        const { lower, upper } = rateDifferenceSequence({ events: events(control), trials: control.count }, { events: events(treatment), trials: treatment.count })
        return lower > 0 || upper < 0
      })
    }
  }
  if (isBeyond()) found['z-test at the end'] = stream.units
  return found
}

/** By test: the share of runs with an alarm, and the median unit of it. */
export const alarms = (runs: number, stream: Stream): Readonly<Record<TestName, { readonly share: number; readonly median: number }>> => {
  const all = Array.from({ length: runs }, (_, seed) => firstAlarms(seed + 1, stream))
  return Object.fromEntries(
    tests.map((name) => {
      const at = all.map((found) => found[name]).sort((a, b) => a - b)
      return [name, { share: at.filter((n) => n < Infinity).length / runs, median: at[runs >> 1] as number }]
    }),
  ) as Record<TestName, { share: number; median: number }>
}

export const rates = (control: number, treatment: number, units: number): Stream => ({ units, isRate: true, tau: 0.3 * control, draw: (random, isTreatment) => Number(random.uniform() < (isTreatment ? treatment : control)) })
export const latencies = (sigma: number, factor: number, units: number): Stream => ({ units, isRate: false, tau: 0.1 * Math.exp((sigma * sigma) / 2), draw: (random, isTreatment) => Math.exp(sigma * random.normal()) * (isTreatment ? factor : 1) })
