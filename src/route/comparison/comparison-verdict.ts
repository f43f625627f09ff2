/** Whether two models agree within stated limits, at any number of looks. */
import { InvalidOptionError } from '../../core/errors.js'
import { numberOption, optionsObject } from '../../core/options.js'
import { meanSequence } from '../../experiment/mean-sequence.js'
import { rateSequence } from '../../experiment/rate-sequence.js'
import type { Moments } from '../../stats/moments.js'
import type { PartDifference } from './_part-difference.js'

/** What may differ, and by how much. At least one of them. */
export interface ComparisonLimits {
  /** The share of rows that may be beyond the tolerance, in (0, 1]. */
  readonly disagreement?: number
  /** The share of rows that may have another label, or another highest score, in (0, 1]; of each part. */
  readonly flips?: number
  /** The share of rows for which the candidate alone may fail, in (0, 1]. */
  readonly failures?: number
  /** How far the mean of the candidate's numbers may be from the primary's, either way; of each part, in its unit. Sees no rare large difference before it comes: limit `disagreement`, too. */
  readonly meanDifference?: number
  /** How many times as long the candidate may take, by the geometric mean of the ratios. */
  readonly latencyRatio?: number
  /** How much worse the candidate's Brier score may be, on labelled rows. */
  readonly brier?: number
  /** No verdict on fewer compared rows. @default 100 */
  readonly minimumRows?: number
  /** No `agrees` when the candidate saw a smaller share of the rows that it was to see. @default 0.5 */
  readonly minimumCoverage?: number
  /** The chance that the answer is ever wrong, over all looks and limits, if rows are independent: many of one user are not. @default 0.05 */
  readonly alpha?: number
}

/** `differs` when one limit is passed for sure, `agrees` when all are kept for sure, else `insufficient`. */
export type ComparisonAnswer = 'agrees' | 'differs' | 'insufficient'

/** One limit, and what is known about it. */
export interface LimitCheck {
  readonly limit: Exclude<keyof ComparisonLimits, 'minimumRows' | 'minimumCoverage' | 'alpha'>
  /** The part of the output, where the limit is one of parts. */
  readonly part: string | undefined
  readonly allowed: number
  readonly estimate: number
  /** An interval that holds at all looks at once. */
  readonly lower: number
  readonly upper: number
  readonly answer: ComparisonAnswer
}

/** The answer with the numbers that made it. */
export interface ComparisonVerdict {
  readonly answer: ComparisonAnswer
  readonly reason: string
  readonly rows: number
  /** The share of the rows that the candidate saw. `NaN` before the first. */
  readonly coverage: number
  readonly checks: readonly LimitCheck[]
}

/** What is judged. */
export interface ComparisonEvidence {
  readonly rows: number
  readonly agreed: number
  readonly candidateFailed: number
  readonly primaryFailed: number
  readonly bothFailed: number
  readonly dropped: number
  readonly parts: ReadonlyMap<string, PartDifference>
  /** Of the logarithms of the ratios. */
  readonly latency: Moments
  readonly brier: Moments
}

const owner = 'a verdict of a comparison'
const shares = ['disagreement', 'flips', 'failures'] as const
const amounts = ['meanDifference', 'latencyRatio', 'brier'] as const

/** Refuses limits that are none. */
const checkLimits = (limits: ComparisonLimits): void => {
  optionsObject(owner, limits, [...shares, ...amounts, 'minimumRows', 'minimumCoverage', 'alpha'])
  for (const name of shares) if (limits[name] !== undefined) numberOption(owner, name, limits[name], { min: 0, max: 1, exclusive: true })
  for (const name of amounts) if (limits[name] !== undefined) numberOption(owner, name, limits[name], { min: 0, exclusive: true })
  if ([...shares, ...amounts].every((name) => limits[name] === undefined)) throw new InvalidOptionError(`Cannot create ${owner} as it needs a limit (${[...shares, ...amounts].join(', ')}): current value has none`)
}

type Interval = Pick<LimitCheck, 'estimate' | 'lower' | 'upper'>

/**
 * The verdict: an interval for each limit that holds at all looks at once, at its part of α.
 *
 * Rates have exact intervals (a Beta mixture), means those of `meanSequence`, which say nothing below 100 rows. Numbers that never differed by anything but one
 * constant have that as their interval. One look or a thousand, one limit or ten: the answer is wrong with probability α at most.
 */
export const judgeComparison = (evidence: ComparisonEvidence, limits: ComparisonLimits): ComparisonVerdict => {
  checkLimits(limits)
  const { rows, agreed, candidateFailed, primaryFailed, bothFailed, dropped, parts, latency, brier } = evidence
  const seen = rows + candidateFailed + primaryFailed + bothFailed
  const coverage = seen / (seen + dropped)
  const minimumRows = numberOption(owner, 'minimumRows', limits.minimumRows ?? 100, { min: 1, integer: true })
  const minimumCoverage = numberOption(owner, 'minimumCoverage', limits.minimumCoverage ?? 0.5, { min: 0, max: 1 })
  const alpha = numberOption(owner, 'alpha', limits.alpha ?? 0.05, { min: 0, max: 0.5, exclusive: true })

  const asked: { readonly limit: LimitCheck['limit']; readonly part?: string; readonly of: (each: number) => Interval }[] = []
  const ask = (limit: LimitCheck['limit'], of: (each: number) => Interval, part?: string): void => {
    if (limits[limit] !== undefined) asked.push({ limit, of, ...(part === undefined ? {} : { part }) })
  }
  ask('disagreement', (each) => rateSequence({ events: rows - agreed, trials: rows }, { alpha: each }))
  ask('failures', (each) => rateSequence({ events: candidateFailed, trials: rows + candidateFailed }, { alpha: each }))
  for (const [name, part] of parts) {
    if (part.judged > 0) ask('flips', (each) => rateSequence({ events: part.flips, trials: part.judged }, { alpha: each }), name)
    if (part.difference.count > 0) ask('meanDifference', (each) => magnitude(meanOf(part.difference, each)), name)
  }
  ask('latencyRatio', (each) => mapped(meanOf(latency, each), Math.exp))
  ask('brier', (each) => meanOf(brier, each))

  const checks = asked.map(({ limit, part, of }): LimitCheck => {
    const { estimate, lower, upper } = of(alpha / asked.length)
    const allowed = limits[limit] as number
    return { limit, part, allowed, estimate, lower, upper, answer: lower > allowed ? 'differs' : upper <= allowed ? 'agrees' : 'insufficient' }
  })
  const done = (answer: ComparisonAnswer, reason: string): ComparisonVerdict => ({ answer, reason, rows, coverage, checks })
  const passed = checks.find(({ answer }) => answer === 'differs')
  const judged = rows + candidateFailed
  if (judged < minimumRows) return done('insufficient', `${judged} rows of ${minimumRows}`)
  if (passed !== undefined) return done('differs', `${nameOf(passed)} is above ${passed.allowed}`)
  const open = checks.find(({ answer }) => answer === 'insufficient')
  const silent = ([...shares, ...amounts] as const).find((limit) => limits[limit] !== undefined && !checks.some((check) => check.limit === limit))
  if (open !== undefined) return done('insufficient', `${nameOf(open)} may be on either side of ${open.allowed}`)
  if (silent !== undefined) return done('insufficient', `no row has anything to compare for ${silent}`)
  if (coverage < minimumCoverage) return done('insufficient', `the candidate saw ${Number((coverage * 100).toFixed(1))} % of the sampled rows, fewer than ${minimumCoverage * 100} %`)
  return done('agrees', 'every limit is kept')
}

const nameOf = ({ limit, part }: LimitCheck): string => (part === undefined || part === '' ? limit : `${limit} of ${part}`)

const meanOf = (moments: Moments, alpha: number): Interval =>
  moments.count >= 100 && moments.variance === 0 ? { estimate: moments.mean, lower: moments.mean, upper: moments.mean } : meanSequence(moments, { alpha })

const mapped = ({ estimate, lower, upper }: Interval, map: (value: number) => number): Interval => ({ estimate: map(estimate), lower: map(lower), upper: map(upper) })

/** Of how far a number is from 0. */
const magnitude = ({ estimate, lower, upper }: Interval): Interval => ({ estimate: Math.abs(estimate), lower: Math.max(0, lower, -upper), upper: Math.max(Math.abs(lower), Math.abs(upper)) })
