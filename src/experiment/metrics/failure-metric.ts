import { numberOption } from '../../core/options.js'
import type { PredictionRecord } from '../../core/record.js'
import type { Draw } from '../draw.js'
import { FailureAttribution, type FailureAttributionState } from '../failure-attribution.js'
import { isState, refusedState } from '../state-fields.js'
import { metricBase, type Metric, type MetricOptions, type MetricStatistics } from './metric.js'

/** Options of {@link failureMetric}. */
export interface FailureMetricOptions extends Omit<MetricOptions<boolean>, 'role' | 'better' | 'margin'> {
  /** How many failing units are remembered one by one; see {@link FailureAttribution}. @default 4096 */
  readonly exactUnits?: number
}

/**
 * Failures, as a guardrail that needs few requests: whose are the failing units? See {@link FailureAttribution}.
 *
 * Counts the first failure of each unit; values other than `true` cost nothing. From records, see {@link isFailed} for what a failure is; `from` changes it. It never speaks for a promotion: to promote on failures, add a
 * `rateMetric` with a margin. Its evidence is the highest there ever was. Memory: 4096 units, then a filter of 64 kB.
 *
 * @throws `ERR_OUTRIGGER_INVALID_OPTION`
 * @example
 * ```ts
 * import { failureMetric } from 'outrigger/experiment'
 * assert.equal(failureMetric().role, 'guardrail')
 * ```
 */
export const failureMetric = (options: Partial<FailureMetricOptions> = {}): Metric => {
  const owner = 'a failure metric'
  const { exactUnits = 4096, ...rest } = options
  const base = metricBase(owner, { name: 'failures', ...rest }, [], { role: 'guardrail', better: 'lower' })
  numberOption(owner, 'exactUnits', exactUnits, { min: 0, max: 2 ** 24, integer: true })
  return { ...base, from: base.from ?? isFailed, role: 'guardrail', kind: 'failures', takesAll: true, start: (state) => new FailureStatistics(new FailureAttribution(state === undefined ? { exactUnits } : savedFailures(base.name, state))) }
}

/**
 * Whether the arm failed a call: it threw, it took too long, or a fallback had to answer for it. Calls that were rejected before the model (limits, an open circuit) or aborted by
 * their caller are no failures.
 */
export const isFailed = ({ outcome, source }: PredictionRecord): boolean => outcome === 'error' || outcome === 'timeout' || (outcome === 'ok' && source === 'fallback')

const savedFailures = (owner: string, state: unknown): FailureAttributionState => {
  if (!isState(state)) throw refusedState(owner, 'its state must be that of failures', state)
  return state as FailureAttributionState
}

/** First failures of units, by arm. */
export class FailureStatistics implements MetricStatistics {
  readonly #failures: FailureAttribution
  readonly limit: undefined
  readonly estimate: undefined

  constructor(failures: FailureAttribution) {
    this.#failures = failures
  }

  add({ unit, isCandidate, share }: Draw, value: unknown): boolean {
    // A unit whose arm has no share any more (it was killed while the call ran) says nothing.
    if (value !== true || share === (isCandidate ? 0 : 1)) return false
    // By the share now, not by the unit's own draw: a unit that has not failed yet may have been moved since.
    return this.#failures.fail({ unit, isCanary: isCandidate, canaryChance: share })
  }

  get arms(): MetricStatistics['arms'] {
    const { control, canary } = this.#failures.counts
    return [
      { units: control, value: undefined },
      { units: canary, value: undefined },
    ]
  }

  above(): number {
    return Math.log(this.#failures.peak)
  }

  below(): number {
    return 0
  }

  z(): number {
    return NaN
  }

  get note(): string {
    const { control, canary, expected } = this.#failures.counts
    return `${canary} of ${control + canary} failing units are the candidate's, ${expected.toPrecision(3)} expected`
  }

  merge(other: MetricStatistics): void {
    this.#failures.mergeSharded((other as FailureStatistics).#failures)
  }

  state(withUnits: boolean): unknown {
    const state = this.#failures.toJSON()
    return withUnits ? state : { ...state, units: [], filter: null }
  }
}
