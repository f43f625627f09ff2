/**
 * Delays of detectors against an oracle: a CUSUM that is told both distributions, with the threshold at which as many of the same clean runs
 * alarm as of the detector's.
 */
import type { StreamDetector } from '../../../src/drift/index.js'
import { seeded } from '../_seeded.js'

type Random = ReturnType<typeof seeded>

/** One run's stream. */
export interface Stream {
  next(isChanged: boolean): number
  /** The logarithm of the likelihood of the last value after the change over that before. */
  logRatio(): number
}

/** A change that is to be found. */
export interface Scenario {
  readonly stream: (random: Random) => Stream
  readonly referenceRows: number
  readonly make: (reference: readonly number[]) => StreamDetector
  /** Values between the reference and the change. */
  readonly before: number
}

export const rateStream =
  (from: number, to: number) =>
  (random: Random): Stream => {
    let last = 0
    return {
      next: (isChanged) => (last = Number(random.uniform() < (isChanged ? to : from))),
      logRatio: () => (last === 1 ? Math.log(to / from) : Math.log((1 - to) / (1 - from))),
    }
  }

/** A stationary Gaussian AR(1) of variance 1 (independent at ρ = 0) that becomes shift + spread times itself. */
export const normalStream =
  ({ shift = 0, spread = 1, rho = 0 }: { readonly shift?: number; readonly spread?: number; readonly rho?: number }) =>
  (random: Random): Stream => {
    const sd = Math.sqrt(1 - rho * rho)
    let z = random.normal()
    let [last, previous] = [z, z]
    return {
      next: (isChanged) => {
        z = rho * z + sd * random.normal()
        previous = last
        return (last = isChanged ? shift + spread * z : z)
      },
      // Of the innovation, as it would be if both values came from after the change.
      logRatio: () => {
        const innovation = (last - rho * previous) / sd
        const mean = (shift * (1 - rho)) / sd
        return -Math.log(spread) + innovation ** 2 / 2 - ((innovation - mean) / spread) ** 2 / 2
      },
    }
  }

const cleanLength = 10_000
const longestDelay = 5000

const setUp = ({ stream, referenceRows, make }: Scenario, seed: number): { readonly source: Stream; readonly detector: StreamDetector } => {
  const source = stream(seeded(seed))
  const detector = make(Array.from({ length: referenceRows }, () => source.next(false)))
  return { source, detector }
}

/** Of `runs` clean runs of 10 000 values: how many alarm, and the highest sum of the oracle in each. */
export const cleanRuns = (scenario: Scenario, runs: number): { readonly alarmed: number; readonly highest: number[] } => {
  let alarmed = 0
  const highest: number[] = []
  for (let run = 1; run <= runs; run++) {
    const { source, detector } = setUp(scenario, run * 7919)
    let [isAlarmed, sum, most] = [false, 0, 0]
    for (let i = 0; i < cleanLength; i++) {
      const value = source.next(false)
      if (!isAlarmed && detector.update(value) === 'drift') isAlarmed = true
      sum = Math.max(0, sum) + source.logRatio()
      most = Math.max(most, sum)
    }
    if (isAlarmed) alarmed += 1
    highest.push(most)
  }
  return { alarmed, highest }
}

/** Delays of the detector, and of the oracle at a threshold, sorted; `Infinity` if there was no alarm in 5000 values. */
export const delaysOf = (scenario: Scenario, runs: number, threshold: number): { readonly ours: number[]; readonly oracle: number[] } => {
  const ours: number[] = []
  const oracle: number[] = []
  for (let run = 1; run <= runs; run++) {
    const { source, detector } = setUp(scenario, run * 104_729)
    let [sum, ourDelay, oracleDelay] = [0, Infinity, Infinity]
    for (let i = 1 - scenario.before; i <= longestDelay && (ourDelay === Infinity || oracleDelay === Infinity); i++) {
      const value = source.next(i > 0)
      sum = Math.max(0, sum) + source.logRatio()
      if (ourDelay === Infinity && detector.update(value) === 'drift' && i > 0) ourDelay = i
      if (oracleDelay === Infinity && i > 0 && sum >= threshold) oracleDelay = i
    }
    ours.push(ourDelay)
    oracle.push(oracleDelay)
  }
  const sort = (list: number[]): number[] => list.sort((a, b) => a - b)
  return { ours: sort(ours), oracle: sort(oracle) }
}

/** The median delay of a detector alone. */
export const medianDelay = (scenario: Scenario, runs: number): number => delaysOf(scenario, runs, -Infinity).ours[Math.floor(runs / 2)] as number

/** What a detector is worth in a scenario. */
export interface Report {
  /** Share of clean runs of 10 000 values that alarm. */
  readonly alarmed: number
  readonly median: number
  readonly p90: number
  readonly missed: number
  /** The median delay of the oracle, at as many false alarms. */
  readonly oracle: number
  readonly ratio: number
}

export const againstOracle = (scenario: Scenario, runs: number): Report => {
  const { alarmed, highest } = cleanRuns(scenario, runs)
  highest.sort((a, b) => b - a)
  const threshold = highest[Math.max(0, alarmed - 1)] as number
  const { ours, oracle } = delaysOf(scenario, runs, threshold)
  const at = (list: readonly number[], share: number): number => list[Math.floor(share * list.length)] as number
  return { alarmed: alarmed / runs, median: at(ours, 0.5), p90: at(ours, 0.9), missed: ours.filter((delay) => delay === Infinity).length, oracle: at(oracle, 0.5), ratio: at(ours, 0.5) / at(oracle, 0.5) }
}
