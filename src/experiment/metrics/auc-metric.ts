import { numberOption } from '../../core/options.js'
import { aucCounts } from '../../stats/auc.js'
import type { Draw } from '../draw.js'
import { countList, fieldsOf, refusedState } from '../state-fields.js'
import { joinStrata, Stratified, type JointDifference, type StratumDifference } from '../strata.js'
import { readScored, type LabelMetricOptions } from './label-metrics.js'
import { metricBase, type ArmSummary, type Metric, type MetricStatistics } from './metric.js'

/** Options of {@link aucMetric}. */
export interface AucMetricOptions extends LabelMetricOptions {
  /** After about how many units the interval shall be narrowest. @default 5000 */
  readonly tunedFor?: number
}

/**
 * The area under the ROC curve against late labels; higher is better.
 *
 * Scores are counted in 100 equal cells of [0, 1] by label and arm, which merges exactly; ties within a cell count one half. The variance is DeLong's on these cells. Differences are
 * taken among units of the same draw, and joined. Asymptotic, from 100 units per arm, 10 of each label. A unit counts with its first labelled prediction.
 *
 * **Misleads**: scores that all lie in a few cells tie; rare labels need many units.
 *
 * Source: DeLong, DeLong and Clarke-Pearson, Biometrics 44 (1988).
 *
 * @throws `ERR_OUTRIGGER_INVALID_OPTION`
 * @example
 * ```ts
 * import { aucMetric } from 'outrigger/experiment'
 * assert.equal(aucMetric({ name: 'AUC', margin: 0.01 }).better, 'higher')
 * ```
 */
export const aucMetric = (options: AucMetricOptions): Metric => {
  const owner = 'an AUC metric'
  const base = metricBase(owner, options, ['tunedFor'], { better: 'higher' })
  const tunedFor = numberOption(owner, 'tunedFor', options.tunedFor ?? 5000, { min: 1 })
  return { ...base, kind: 'auc', takesAll: false, start: (state) => new AucStatistics(base.name, tunedFor, state) }
}

const cells = 100
/** How many of each label an arm must have. */
const leastPerLabel = 10
const maxStrata = 64
/** Positive and negative labels of the control, then of the candidate, by cell. */
type Counts = readonly [number[], number[], number[], number[]]

class AucStatistics extends Stratified implements MetricStatistics {
  readonly #name: string
  readonly #tunedFor: number
  readonly #strata = new Map<string, Counts>()
  readonly limit = 1

  constructor(name: string, tunedFor: number, state?: unknown) {
    super()
    this.#name = name
    this.#tunedFor = tunedFor
    if (state === undefined) return
    const { strata } = fieldsOf(name, state)
    if (!Array.isArray(strata)) throw refusedState(name, '`strata` must be a list', strata)
    for (const entry of strata as unknown[]) {
      if (!Array.isArray(entry) || entry.length !== 5 || typeof entry[0] !== 'string') throw refusedState(name, 'a stratum must be a text and four lists', entry)
      this.#strata.set(entry[0], [1, 2, 3, 4].map((at) => countList(name, 'counts', entry[at], cells)) as unknown as Counts)
    }
  }

  add({ isCandidate, chance, epoch }: Draw, value: unknown): boolean {
    const { score, label } = readScored(this.#name, value)
    const stratum = `${epoch}:${chance}`
    let counts = this.#strata.get(stratum)
    if (counts === undefined) {
      if (this.#strata.size >= maxStrata) return false
      this.#strata.set(stratum, (counts = none()))
    }
    const cell = Math.min(cells - 1, Math.floor(score * cells))
    const list = counts[(isCandidate ? 2 : 0) + 1 - label] as number[]
    list[cell] = (list[cell] as number) + 1
    return true
  }

  get arms(): readonly [ArmSummary, ArmSummary] {
    const sum = none()
    for (const counts of this.#strata.values()) addCounts(sum, counts)
    const arm = (from: 0 | 2): ArmSummary => {
      const auc = aucCounts(sum[from], sum[(from + 1) as 1 | 3])
      return { units: total(sum[from]) + total(sum[(from + 1) as 1 | 3]), value: Number.isNaN(auc) ? undefined : auc }
    }
    return [arm(0), arm(2)]
  }

  merge(other: MetricStatistics): void {
    for (const [stratum, theirs] of (other as AucStatistics).#strata) {
      const mine = this.#strata.get(stratum) ?? none()
      addCounts(mine, theirs)
      this.#strata.set(stratum, mine)
    }
  }

  state(): unknown {
    return { strata: [...this.#strata].map(([stratum, counts]) => [stratum, ...counts.map((list) => [...list])]) }
  }

  protected joint(): JointDifference {
    return joinStrata([...this.#strata.values()].map(aucDifference), this.#tunedFor)
  }
}

const none = (): Counts => [0, 1, 2, 3].map(() => new Array<number>(cells).fill(0)) as unknown as Counts

const total = (list: readonly number[]): number => list.reduce((sum, count) => sum + count, 0)

const addCounts = (to: Counts, from: Counts): void => to.forEach((list, at) => (from[at] as number[]).forEach((count, cell) => (list[cell] = (list[cell] as number) + count)))

const aucDifference = ([positives, negatives, morePositives, moreNegatives]: Counts): StratumDifference => {
  const [control, candidate] = [deLong(positives, negatives), deLong(morePositives, moreNegatives)]
  // No smaller than of both together, as a small arm may lack what is rare.
  const both = deLong(sumOf(positives, morePositives), sumOf(negatives, moreNegatives))
  const variance = (arm: Placements): number => (Math.min(arm.positives, arm.negatives) < leastPerLabel ? NaN : Math.max(arm.ofPositives, both.ofPositives) / arm.positives + Math.max(arm.ofNegatives, both.ofNegatives) / arm.negatives)
  return {
    control: control.positives + control.negatives,
    candidate: candidate.positives + candidate.negatives,
    difference: candidate.auc - control.auc,
    variance: variance(control) + variance(candidate),
  }
}

const sumOf = (first: readonly number[], second: readonly number[]): number[] => first.map((count, cell) => count + (second[cell] as number))

/** An AUC, and the variances of what it is made of: of each positive the share of negatives below it, and the other way round. */
interface Placements {
  readonly auc: number
  readonly positives: number
  readonly negatives: number
  readonly ofPositives: number
  readonly ofNegatives: number
}

const deLong = (positives: readonly number[], negatives: readonly number[]): Placements => {
  const [n, m] = [total(positives), total(negatives)]
  const auc = aucCounts(positives, negatives)
  let [below, above, ofPositives, ofNegatives] = [0, n, 0, 0]
  for (let cell = 0; cell < cells; cell++) {
    const [p, q] = [positives[cell] as number, negatives[cell] as number]
    above -= p
    ofPositives += p * ((below + q / 2) / m - auc) ** 2
    ofNegatives += q * ((above + p / 2) / n - auc) ** 2
    below += q
  }
  return { auc, positives: n, negatives: m, ofPositives: ofPositives / (n - 1), ofNegatives: ofNegatives / (m - 1) }
}
