import type { PairedSummary } from '../stats/paired-moments.js'
import { checkSample, type SampleSummary } from '../stats/sample-summary.js'
import { refusedInput } from './_state.js'

/** What {@link cuped} made of the arms. */
export interface CupedResult {
  /** The slope by which the metric was adjusted. */
  readonly theta: number
  /** In the order of the arms: summaries for `welch`, `meanDifferenceSequence` and the like. */
  readonly arms: readonly SampleSummary[]
  /** The share of the variance within arms that the covariate explains: the test needs this share of units less. */
  readonly varianceReduction: number
}

/**
 * CUPED: takes out of a metric what was known about its units before the experiment.
 *
 * With x from **before** the exposure (the unit's own metric of the weeks before) and y the metric: y − θ(x − x̄), θ = cov(x, y) / var(x) within the arms, pooled, and x̄ over
 * all arms. The difference of adjusted means is that of an analysis of covariance; its variance is smaller by the square of the correlation. From
 * moments that merge, so O(arms).
 *
 * It misleads if x can be influenced by the treatment: then it removes the effect. A unit without a past gets the x of all such units (0, say).
 *
 * Source: Deng, Xu, Kohavi and Walker, WSDM (2013).
 *
 * @param arms - of each arm the moments of (x, y)
 * @throws ERR_OUTRIGGER_INVALID_INPUT for an arm of less than 2 units, or moments that are none
 * @example
 * ```ts
 * import { cuped } from 'outrigger/experiment'
 * import { PairedMoments, welch } from 'outrigger/stats'
 * const [control, treatment] = [new PairedMoments(), new PairedMoments()]
 * for (let i = 0; i < 400; i++) {
 *   const before = (i * 37) % 101
 *   ;(i % 2 === 0 ? control : treatment).push(before, before + ((i * 53) % 11) + (i % 2))
 * }
 * const { arms, varianceReduction } = cuped([control, treatment])
 * assert.ok(varianceReduction > 0.98 && welch(arms[0]!, arms[1]!).pValue < 0.01)
 * ```
 */
export const cuped = (arms: readonly PairedSummary[]): CupedResult => {
  const owner = 'a CUPED adjustment'
  if (arms.length === 0) throw refusedInput(`compute ${owner}`, 'there must be at least one arm', 'none')
  let [xx, xy, yy, units, sum] = [0, 0, 0, 0, 0]
  arms.forEach(({ count, meanX, meanY, varianceX, varianceY, covariance }, arm) => {
    checkSample(owner, `covariate of arm ${arm}`, { count, mean: meanX, variance: varianceX })
    checkSample(owner, `metric of arm ${arm}`, { count, mean: meanY, variance: varianceY })
    if (!(Math.abs(covariance) <= Math.sqrt(varianceX * varianceY) * (1 + 1e-9))) throw refusedInput(`compute ${owner}`, `the covariance of arm ${arm} must be one of its variances`, covariance)
    xx += (count - 1) * varianceX
    xy += (count - 1) * covariance
    yy += (count - 1) * varianceY
    units += count
    sum += count * meanX
  })
  const theta = xx === 0 ? 0 : xy / xx
  return {
    theta,
    varianceReduction: yy === 0 ? 0 : (theta * xy) / yy,
    arms: arms.map(({ count, meanX, meanY, varianceX, varianceY, covariance }) => ({
      count,
      mean: meanY - theta * (meanX - sum / units),
      variance: Math.max(0, varianceY - 2 * theta * covariance + theta * theta * varianceX),
    })),
  }
}

/**
 * A ratio metric (clicks per view, revenue per order) whose unit is the user and not the view: Σy / Σx, as a summary for the tests of means.
 *
 * By the delta method: R = ȳ / x̄, of variance (var y − 2R cov + R² var x) / x̄² per unit. Counting views as if they were independent makes the variance far too small.
 * It misleads for few units, or an x̄ that is hardly known itself.
 *
 * Source: Deng, Knoblich and Lu, KDD (2018).
 *
 * @param pairs - x the denominator and y the numerator of each unit
 * @throws ERR_OUTRIGGER_INVALID_INPUT for less than 2 units, moments that are none, or a mean denominator of 0
 * @example
 * ```ts
 * import { ratioSummary } from 'outrigger/experiment'
 * import { PairedMoments } from 'outrigger/stats'
 * const clicks = new PairedMoments()
 * for (const [views, clicked] of [[10, 1], [20, 3], [5, 1], [40, 4]] as const) clicks.push(views, clicked)
 * assert.equal(ratioSummary(clicks).mean, 9 / 75)
 * ```
 */
export const ratioSummary = (pairs: PairedSummary): SampleSummary => {
  const { count, meanX, meanY, varianceX, varianceY, covariance } = pairs
  const owner = 'a ratio metric'
  checkSample(owner, 'denominator', { count, mean: meanX, variance: varianceX })
  checkSample(owner, 'numerator', { count, mean: meanY, variance: varianceY })
  if (meanX === 0 || !Number.isFinite(covariance)) throw refusedInput(`compute ${owner}`, 'the mean of its denominator must not be 0, and its covariance be finite', `${meanX} and ${covariance}`)
  const ratio = meanY / meanX
  return { count, mean: ratio, variance: Math.max(0, (varianceY - 2 * ratio * covariance + ratio * ratio * varianceX) / (meanX * meanX)) }
}
