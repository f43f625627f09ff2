/** What is known about two models, as numbers and as a text. */
import type { DDSketch } from '../../stats/ddsketch.js'
import type { Moments } from '../../stats/moments.js'
import type { CalibrationGap, CalibrationSummary } from './calibration-gap.js'
import type { ComparisonVerdict } from './comparison-verdict.js'
import type { PartDifference } from './_part-difference.js'
import { distributionDistance, type DistributionDistance } from './distribution-distance.js'
import type { DisagreementExample } from './worst-rows.js'

/** One part of the outputs. What does not apply to its kind is `undefined`. */
export interface PartSummary {
  readonly kind: 'label' | 'number' | 'scores' | 'other'
  readonly rows: number
  /** The share of rows beyond the tolerance. */
  readonly beyondTolerance: number
  /** The share of rows with another label, or another highest score. */
  readonly flipRate: number | undefined
  /** The mean and deviation of candidate less primary: of numbers, or of the score of what the primary ranks first. */
  readonly meanDifference: number | undefined
  readonly deviation: number | undefined
  /** The largest difference of a row: the median of the rows, the 99th percentile, and the most. */
  readonly largest: { readonly p50: number; readonly p99: number; readonly max: number; readonly ulps: number } | undefined
  /** The mean share of the first k that both have. */
  readonly topOverlap: number | undefined
  /** The mean of Kendall's τ. */
  readonly kendallTau: number | undefined
  /** Of all numbers, or of the highest scores. */
  readonly distribution: DistributionDistance | undefined
  /** Rows of which one is of another kind or shape, and rows with a value that is no finite number. */
  readonly misfits: number
  readonly unmeasured: number
}

/** What is known. */
export interface ComparisonSummary {
  readonly rows: number
  /** The share of rows that agree. `NaN` before the first. */
  readonly agreement: number
  readonly candidateFailed: number
  readonly primaryFailed: number
  readonly bothFailed: number
  readonly parts: Readonly<Record<string, PartSummary>>
  /** The geometric mean of the ratios candidate by primary, and percentiles in milliseconds; `undefined` without times. */
  readonly latency: { readonly ratio: number; readonly primary: { readonly p50: number; readonly p99: number }; readonly candidate: { readonly p50: number; readonly p99: number } } | undefined
  readonly calibration: CalibrationSummary | undefined
  readonly examples: readonly DisagreementExample[]
}

/** What was counted. */
export interface ComparedRows extends Pick<ComparisonSummary, 'rows' | 'candidateFailed' | 'primaryFailed' | 'bothFailed' | 'examples'> {
  readonly agreed: number
  readonly parts: ReadonlyMap<string, PartDifference>
  readonly latencyRatio: Moments
  readonly primaryMs: DDSketch
  readonly candidateMs: DDSketch
  readonly calibration: CalibrationGap
}

const percentiles = (ms: DDSketch): { readonly p50: number; readonly p99: number } => ({ p50: ms.quantile(0.5), p99: ms.quantile(0.99) })

export const summaryOf = (compared: ComparedRows): ComparisonSummary => {
  const { rows, agreed, candidateFailed, primaryFailed, bothFailed, parts, primaryMs, candidateMs, latencyRatio, calibration, examples } = compared
  return {
    rows,
    agreement: agreed / rows,
    candidateFailed,
    primaryFailed,
    bothFailed,
    parts: Object.fromEntries([...parts].map(([name, part]) => [name, partSummary(part)])),
    latency: primaryMs.count === 0 ? undefined : { ratio: Math.exp(latencyRatio.mean), primary: percentiles(primaryMs), candidate: percentiles(candidateMs) },
    calibration: calibration.brier.count === 0 ? undefined : calibration.summary(),
    examples,
  }
}

const partSummary = (part: PartDifference): PartSummary => {
  const { kind, rows, differing, judged, flips, misfits, unmeasured, mostUlps, difference, overlap, ranking, largest, primary, candidate } = part
  const isMeasured = difference.count > 0
  return {
    kind,
    rows,
    beyondTolerance: differing / rows,
    flipRate: judged === 0 ? undefined : flips / judged,
    meanDifference: isMeasured ? difference.mean : undefined,
    deviation: difference.count > 1 ? difference.standardDeviation : undefined,
    largest: isMeasured ? { p50: largest.quantile(0.5), p99: largest.quantile(0.99), max: largest.max, ulps: mostUlps } : undefined,
    topOverlap: overlap.count === 0 ? undefined : overlap.mean,
    kendallTau: ranking.count === 0 ? undefined : ranking.mean,
    distribution: isMeasured ? distributionDistance(primary, candidate) : undefined,
    misfits,
    unmeasured,
  }
}

const number = (value: number): string => (Math.abs(value) >= 1e6 ? value.toExponential(2) : String(Number(value.toPrecision(3))))
const percent = (share: number): string => `${number(share * 100)} %`

const linesOfPart = (name: string, part: PartSummary): string[] => {
  const figures: string[] = [`${percent(part.beyondTolerance)} of ${part.rows} rows beyond the tolerance`]
  if (part.flipRate !== undefined) figures.push(`${percent(part.flipRate)} flipped`)
  if (part.meanDifference !== undefined) figures.push(`difference ${number(part.meanDifference)} ± ${number(part.deviation ?? 0)}`)
  if (part.largest !== undefined) figures.push(`largest p50 ${number(part.largest.p50)}, p99 ${number(part.largest.p99)}, max ${number(part.largest.max)} (${number(part.largest.ulps)} ULP)`)
  if (part.topOverlap !== undefined) figures.push(`first k in common ${percent(part.topOverlap)}`)
  if (part.kendallTau !== undefined) figures.push(`Kendall τ ${number(part.kendallTau)}`)
  if (part.distribution !== undefined) figures.push(`JS distance ${number(part.distribution.jensenShannon)}, KL ${number(part.distribution.kullbackLeibler)}`)
  if (part.misfits > 0) figures.push(`${part.misfits} of another kind or shape`)
  if (part.unmeasured > 0) figures.push(`${part.unmeasured} not finite`)
  return [`${name === '' ? 'output' : name} (${part.kind}): ${figures.join('; ')}`]
}

/** A short text that a person can paste into a ticket. */
export const textOf = (summary: ComparisonSummary, verdict: ComparisonVerdict | undefined): string => {
  const { rows, agreement, candidateFailed, primaryFailed, bothFailed, parts, latency, calibration, examples } = summary
  const lines: string[] = []
  if (verdict !== undefined) {
    lines.push(`The candidate ${verdict.answer === 'insufficient' ? 'is not judged yet' : verdict.answer}: ${verdict.reason}.`)
    for (const { limit, part, allowed, estimate, lower, upper, answer } of verdict.checks) lines.push(`- ${limit}${part === undefined || part === '' ? '' : ` of ${part}`}: ${number(estimate)} (${number(lower)} to ${number(upper)}), allowed ${allowed}: ${answer}`)
    if (verdict.coverage >= 0) lines.push(`The candidate saw ${percent(verdict.coverage)} of the sampled rows.`)
  }
  lines.push(`${rows} rows compared, ${rows === 0 ? 'none' : percent(agreement)} agreed; the candidate alone failed ${candidateFailed}, the primary alone ${primaryFailed}, both ${bothFailed}.`)
  for (const [name, part] of Object.entries(parts)) lines.push(...linesOfPart(name, part))
  if (latency !== undefined) lines.push(`Latency: ${number(latency.ratio)} × (p50 ${number(latency.primary.p50)} → ${number(latency.candidate.p50)} ms, p99 ${number(latency.primary.p99)} → ${number(latency.candidate.p99)} ms)`)
  if (calibration !== undefined) lines.push(`Calibration error on ${calibration.rows} labels: ${number(calibration.primary)} → ${number(calibration.candidate)}; Brier score ${calibration.brierDifference > 0 ? '+' : ''}${number(calibration.brierDifference)}`)
  for (const { id, part, primary, candidate } of examples.slice(0, 3)) lines.push(`For example ${id}${part === '' ? '' : ` (${part})`}: ${primary} → ${candidate}`)
  return lines.join('\n')
}
