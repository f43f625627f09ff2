import { refusedInput } from '../state-fields.js'
import { MeanStatistics } from './_mean-statistics.js'
import { metricBase, type Metric, type MetricOptions } from './metric.js'

/**
 * The share of units for which something is true: a conversion, a wrong answer, a complaint.
 *
 * A unit counts with its first value. The difference of the two shares is exact at every look and for rare events too (empirical Bernstein on
 * randomisation scores): no normal approximation. O(1) per value and in memory.
 *
 * **Misleads**: what a unit does later does not count; for all of its events use `ratioMetric`.
 *
 * @throws `ERR_OUTRIGGER_INVALID_OPTION`
 * @example
 * ```ts
 * import { rateMetric } from 'outrigger/experiment'
 * const wrong = rateMetric({ name: 'wrong answers', better: 'lower', margin: 0.01 })
 * assert.equal(wrong.role, 'primary')
 * ```
 */
export const rateMetric = (options: MetricOptions<boolean | 0 | 1>): Metric => {
  const owner = 'a rate metric'
  const base = metricBase(owner, options, [])
  const read = (value: unknown): number => {
    if (value === true || value === 1) return 1
    if (value === false || value === 0) return 0
    throw refusedInput(`count a value of ${base.name}`, 'it must be true, false, 1 or 0', value)
  }
  return { ...base, kind: 'rate', takesAll: false, start: (state) => new MeanStatistics({ owner: base.name, read, range: [0, 1] }, state) }
}
