import { InvalidOptionError } from '../../core/errors.js'
import { chiSquareHomogeneity } from '../../stats/chi-square-homogeneity.js'
import { gTest } from '../../stats/g-test.js'
import { mergedCounts } from '../../stats/merge-cells.js'
import { readBatchOptions, type BatchDetectorOptions, type BatchVerdict } from './batch-detector.js'
import { divergenceVerdict, symmetricSlopes } from './_divergence-drift.js'
import { sampleCells, type CellOptions, type Sample } from './sample-cells.js'

/** Options of {@link chiSquareDrift}. */
export interface ChiSquareDriftOptions extends BatchDetectorOptions, CellOptions {
  /** Pearson's statistic, or the likelihood ratio with Williams' correction. @default 'chi-square' */
  readonly statistic?: 'chi-square' | 'g'
}

const name = 'a chi-square detector'

/**
 * Chi-square (or G): whether categories, or numbers in cells, have other shares. Both samples are samples.
 *
 * Cells of which either sample expects fewer than 5 rows are merged; p is from chi-square of k − 1 degrees of freedom. The effect is Cramér's V **as
 * two samples of equal size would show it**, √(½ Σ (p − q)²/(p + q)), from 0 to 1, with (k − 1)(1/n + 1/m)/4 taken off under the root: the common V shrinks as the
 * sizes part, so that no tolerance fits it. Interval: noncentral chi-square, widened to the delta method's. `tolerance` .05 (a shift of a normal mean by .1 standard
 * deviations), `detect` .15. Fast: O(k) from counts; of numbers O((n + m) log(n + m)).
 *
 * **Misleads**: what is merged is not compared apart, so that ten rows of a new category among thousands may be missed: {@link jensenShannonDrift} sees them.
 *
 * Source: K. Pearson, Biometrika 8 (1911); Williams, Biometrika 63 (1976); Smithson, Confidence Intervals (2003), chapter 4.
 *
 * @throws ERR_OUTRIGGER_INVALID_INPUT for values or counts that are none, or samples of two kinds
 * @throws ERR_OUTRIGGER_INVALID_OPTION for an option out of its range
 * @example
 * ```ts
 * import { chiSquareDrift } from 'outrigger/drift'
 * const { state, effect } = chiSquareDrift({ counts: [500, 300, 200] }, { counts: [100, 120, 180] })
 * assert.ok(state === 'drifted' && effect.low > 0.15 && effect.high < 0.4)
 * assert.equal(chiSquareDrift(Array(500).fill('cash'), Array(20).fill('cash')).state, 'too-few-rows')
 * ```
 */
export const chiSquareDrift = (reference: Sample, live: Sample, options: ChiSquareDriftOptions = {}): BatchVerdict => {
  const read = readBatchOptions({ name, tolerance: 0.05, detect: 0.15, most: 1 }, options, ['cells', 'ordered', 'statistic'])
  const { statistic = 'chi-square' } = options
  if (statistic !== 'chi-square' && statistic !== 'g') throw new InvalidOptionError(`Cannot create ${name} as \`statistic\` must be chi-square or g: current value is ${String(statistic)}`)
  const all = sampleCells(name, [reference, live], options)
  const { n, m, ordered } = all
  const { pValue, groups } = statistic === 'g' ? gTest(all.reference, all.live, { ordered, corrected: true }) : chiSquareHomogeneity(all.reference, all.live, { ordered })
  const cells = { ...all, reference: mergedCounts(all.reference, groups), live: mergedCounts(all.live, groups) }
  const degreesOfFreedom = cells.reference.length - 1
  const noise = (1 / n + 1 / m) / 4
  const found = { divergence: triangular(cells.reference, cells.live, n, m), mean: degreesOfFreedom * noise, variance: 2 * degreesOfFreedom * noise * noise, pValue }
  return divergenceVerdict({ measure: 'cramers-v', slopes, order: 2, noise: 1 / 4, degreesOfFreedom, most: 1 }, cells, n === 0 || m === 0 ? undefined : found, read)
}

const triangular = (reference: readonly number[], live: readonly number[], n: number, m: number): number =>
  reference.reduce((sum, count, cell) => {
    const [p, q] = [count / n, (live[cell] as number) / m]
    return sum + (p - q) ** 2 / (p + q) / 2
  }, 0)

const slopes = symmetricSlopes((own, other) => {
  const ratio = (own - other) / (own + other)
  return ratio - (ratio * ratio) / 2
})
