import { InvalidOptionError, OutriggerError } from '../../core/errors.js'
import { numberOption, optionsObject } from '../../core/options.js'
import { evidenceOf, freshBets, payBets, type Bet, type Bets, type EDetector, type GuaranteeOptions } from './e-detector.js'
import { cellOf, rankCells, scoresOf } from './_rank-cells.js'
import { innovation, learnRecursion, type Recursion } from './_recursion.js'
import { readOptions } from './_state.js'
import { anyNumber, detectorOf } from './stream-detector.js'

/** Options of {@link numericEDetector}. */
export interface NumericEDetectorOptions extends GuaranteeOptions {
  /** Values from before, in the order in which they came; at least 100. Required, unless `state` has learned them. */
  readonly reference?: ArrayLike<number>
  /** On how many values before it a value depends: 0 for independent ones, 1 for AR(1); to 24. @default 0 */
  readonly order?: number
}

/** The reference's rank cells, and the recursion, whose lists are empty at order 0. */
interface Memory extends Bets, Recursion {
  edges: number[]
  masses: number[]
  /** The scores of the last `order` values, the newest first. */
  recent: number[]
}

/** In standard deviations; either way. */
const shifts = [0.15, 0.3, 0.6, 1.2]
const spreads = [1.5, 2.2, 0.7]

/** What a bet pays for a normal score z: the likelihood ratio of a shifted or a wider normal distribution, but for a factor. */
const bets: readonly (Bet & { readonly pays: (z: number) => number })[] = [
  ...[...shifts, ...shifts.map((shift) => -shift)].map((shift) => ({ change: shift > 0 ? 'higher' : 'lower', weight: 0.5 / (2 * shifts.length), pays: (z: number) => Math.exp(shift * z) }) as const),
  ...spreads.map((spread) => ({ change: spread > 1 ? 'wider' : 'narrower', weight: 0.5 / spreads.length, pays: (z: number) => Math.exp((z * z * (1 - spread ** -2)) / 2) }) as const),
]
const weights = Float64Array.from(bets, ({ weight }) => weight)

/**
 * A mixture e-detector for a numeric feature, score or residual: its mean and its spread.
 *
 * **Idea**: a value counts by its rank in the reference, as a normal score z (so no outlier weighs more than the largest
 * value seen), and bets on shifts and spreads are bought at fair prices, as in {@link rateEDetector}: exp(δ z) for a shift, exp(z² (1 − 1/r²) / 2)
 * for a spread r times as wide. With `order`, z is what is left of a score after an autoregression on the scores before, learned from the
 * reference (Yule–Walker).
 *
 * **Guarantee**: for independent values from one continuous distribution, whatever it is, the chances of the next value to fall
 * between the order statistics of the reference are known exactly, and so are the prices: the mean run length is at least
 * run / risk, and at most N · risk / run of the runs of N values alarm, the luck of the reference included. With ties, or with `order` (where
 * the regression is taken as learned), it is no theorem; measured: docs/detectors/numeric-e-detector.md.
 *
 * **Misleads**: dependence that `order` does not cover looks like change; a change that is slow or small against what it has seen becomes the
 * norm. What lies between or beyond the values of a reference with few different ones counts as the next of them. O(1) per value; some kB of memory.
 *
 * Source: Shin, Ramdas and Rinaldo, "E-detectors" (2022); van der Waerden (1952) for the scores; Wilks (1942) for the ranks.
 *
 * @throws ERR_OUTRIGGER_TOO_FEW_ROWS below 100 reference values, ERR_OUTRIGGER_INVALID_INPUT if one is no number, ERR_OUTRIGGER_INVALID_OPTION,
 * and ERR_OUTRIGGER_PROFILE for a `state` that is not one of its own
 * @example
 * ```ts
 * import { numericEDetector } from 'outrigger/drift'
 * const value = (i: number): number => (i * 0.618) % 1
 * const detector = numericEDetector({ reference: Array.from({ length: 2000 }, (_, i) => value(i)) })
 * for (let i = 2000; i < 3000; i++) assert.equal(detector.update(value(i)), 'stable')
 * let values = 1
 * while (detector.update(value(values) + 0.3) !== 'drift') values++
 * assert.ok(values < 40)
 * assert.equal(detector.evidence.change, 'higher')
 * ```
 */
export const numericEDetector = (options: NumericEDetectorOptions): EDetector => {
  const kind = 'numericEDetector'
  optionsObject(kind, options, ['reference', 'order', 'run', 'risk', 'state'])
  const { reference, ...others } = options
  const { order = 0, run = 10_000, risk = 0.05, state } = readOptions(kind, others, ['order', 'run', 'risk'])
  numberOption(kind, 'order', order, { min: 0, max: 24, integer: true })
  numberOption(kind, 'run', run, { min: 1 })
  numberOption(kind, 'risk', risk, { min: 0, max: 1, exclusive: true })
  const learned = learnedFrom(kind, reference, state?.memory as Memory | undefined, order)
  const { edges, masses } = learned
  const scores = scoresOf(masses)
  // By cell: what each bet pays, and what its size is the mean of.
  const paid = scores.map((z) => Float64Array.from(bets, ({ pays }) => pays(z)))
  const statistic = scores.map((z) => Float64Array.from(bets, ({ change }) => (change === 'wider' || change === 'narrower' ? z * z : z)))
  const rows = masses.reduce((sum, mass) => sum + mass, 0)
  const prices = bets.map((_, bet) => masses.reduce((sum, mass, cell) => sum + mass * ((paid[cell] as Float64Array)[bet] as number), 0))
  const needed = run / risk
  const fresh = (): Memory => ({
    ...freshBets(rows, prices),
    edges: [...edges],
    masses: [...masses],
    knots: [...learned.knots],
    knotScores: [...learned.knotScores],
    coefficients: [...learned.coefficients],
    recent: [],
  })
  const step = (memory: Memory, value: number): 'stable' | 'drift' => {
    const left = order === 0 ? value : innovation(learned, memory.recent, value)
    if (left === undefined) return 'stable'
    const cell = cellOf(edges, left)
    return payBets(memory, weights, paid[cell] as Float64Array, statistic[cell] as Float64Array) >= needed ? 'drift' : 'stable'
  }
  return detectorOf({ kind, options: { order, run, risk }, domain: anyNumber, fresh, step }, state, (memory) => evidenceOf(memory, bets, needed))
}

const minimumRows = 100

type Learned = Pick<Memory, 'edges' | 'masses'> & Recursion

const learnedFrom = (kind: string, reference: ArrayLike<number> | undefined, memory: Learned | undefined, order: number): Learned => {
  if (memory === undefined) {
    if (typeof reference !== 'object' || reference === null) throw new InvalidOptionError(`Cannot create ${kind} as \`reference\` must be a list of numbers: current value is ${String(reference)}`)
    return learn(kind, reference, order)
  }
  const isSame = ({ edges, masses, coefficients }: Learned): boolean => [edges, masses, coefficients].join() === [memory.edges, memory.masses, memory.coefficients].join()
  if (reference !== undefined && !isSame(learn(kind, reference, order))) throw new InvalidOptionError(`Cannot create ${kind} as \`reference\` must be that of its state, or left out: current value is another one of ${reference.length} values`)
  return memory
}

const learn = (kind: string, reference: ArrayLike<number>, order: number): Learned => {
  const values = Float64Array.from(reference)
  if (!(values.length >= minimumRows)) throw new OutriggerError('ERR_OUTRIGGER_TOO_FEW_ROWS', `Cannot create ${kind} as its reference must have at least ${minimumRows} values: current value is ${values.length}`)
  const bad = values.findIndex((value) => !anyNumber.accepts(value))
  if (bad !== -1) throw new OutriggerError('ERR_OUTRIGGER_INVALID_INPUT', `Cannot create ${kind} as value ${bad} of its reference must be ${anyNumber.what}: current value is ${String(values[bad])}`)
  if (values.every((value) => value === values[0])) throw new InvalidOptionError(`Cannot create ${kind} as the values of its reference must differ, or nothing could be seen: current value is ${values.length} times ${String(values[0])}`)
  if (order === 0) return { ...rankCells(values), knots: [], knotScores: [], coefficients: [] }
  const recursion = learnRecursion(kind, values, order)
  const recent: number[] = []
  const left = Array.from(values, (value) => innovation(recursion, recent, value)).filter((rest) => rest !== undefined)
  return { ...rankCells(Float64Array.from(left)), ...recursion }
}
