import { InvalidOptionError } from '../../core/errors.js'
import { functionOption, numberOption } from '../../core/options.js'
import { refusedInput } from '../state-fields.js'
import { MeanStatistics } from './_mean-statistics.js'
import { metricBase, type Metric, type MetricOptions } from './metric.js'

/** Options of {@link meanMetric}. */
export interface MeanMetricOptions extends MetricOptions<number> {
  /** Where all values lie. With it the evidence is exact; without, asymptotic, from 100 units per arm. */
  readonly range?: readonly [lowest: number, highest: number]
  /** For values without `range`: after about how many units the interval shall be narrowest. @default 5000 */
  readonly tunedFor?: number
  /**
   * CUPED: something known of the unit from **before** the experiment (its earlier mean of the same metric), or `undefined`. The more it correlates with the value, the sooner the verdict: variance
   * falls by its square. It must not depend on the arm.
   */
  readonly before?: (unit: string | number) => number | undefined
}

/**
 * The mean of a number per unit: revenue, an error in minutes.
 *
 * A unit counts with its first value. With `range`, evidence is exact at every look (empirical Bernstein on randomisation scores); without, it is
 * an asymptotic confidence sequence. O(1) per value and in memory.
 *
 * **Misleads**: without `range`, heavy tails need thousands of units before the level holds; cap them.
 *
 * @throws `ERR_OUTRIGGER_INVALID_OPTION`
 * @example
 * ```ts
 * import { meanMetric } from 'outrigger/experiment'
 * const error = meanMetric({ name: 'error in minutes', better: 'lower', range: [0, 180] })
 * assert.equal(error.kind, 'mean')
 * ```
 */
export const meanMetric = (options: MeanMetricOptions): Metric => {
  const owner = 'a mean metric'
  const base = metricBase(owner, options, ['range', 'tunedFor', 'before'])
  const before = functionOption(owner, 'before', options.before)
  const tunedFor = options.tunedFor === undefined ? undefined : numberOption(owner, 'tunedFor', options.tunedFor, { min: 1 })
  const { range } = options
  if (range !== undefined && !(Array.isArray(range) && range.length === 2 && range.every(Number.isFinite) && range[0] < range[1])) {
    throw new InvalidOptionError(`Cannot create ${owner} as \`range\` must be two finite numbers, the lower first: current value is ${String(range)}`)
  }
  const [lowest, highest] = range ?? [-Infinity, Infinity]
  const read = (value: unknown): number => {
    if (!Number.isFinite(value) || (value as number) < lowest || (value as number) > highest) {
      throw refusedInput(`count a value of ${base.name}`, `it must be a finite number${range === undefined ? '' : ` from ${lowest} to ${highest}`}`, value)
    }
    return value as number
  }
  return { ...base, kind: 'mean', takesAll: false, start: (state) => new MeanStatistics({ owner: base.name, read, range, tunedFor, before }, state) }
}
