import { numberOption } from '../../core/options.js'
import type { PredictionRecord } from '../../core/record.js'
import type { Draw } from '../draw.js'
import { ExceedanceAttribution, type ExceedanceAttributionState } from '../exceedance-attribution.js'
import { isState, refusedInput, refusedState } from '../state-fields.js'
import { FailureStatistics } from './failure-metric.js'
import { metricBase, type Metric, type MetricOptions } from './metric.js'

/** Options of {@link latencyMetric}. */
export interface LatencyMetricOptions extends Omit<MetricOptions<number>, 'role' | 'better' | 'margin'> {
  /** Of the control's values: what is above is slow. @default 0.95 */
  readonly quantile?: number
  /** How many of the control's values there must be before anything is judged. @default 500 */
  readonly warmUp?: number
}

/**
 * Latency, as a guardrail that needs few requests: whose are the units that are slow for the first time? See {@link ExceedanceAttribution}.
 *
 * Slow is what exceeds a quantile of the control. It never speaks for a promotion: for that, add a `quantileMetric` with a margin. From records, it reads `durations.totalMs` of
 * answers, and of timeouts (which took at least as long); not of what a fallback answered, and errors may be fast.
 *
 * **Misleads**: a cache in front makes both arms alike; read `durations.modelMs` by `from` then.
 *
 * @throws `ERR_OUTRIGGER_INVALID_OPTION`
 * @example
 * ```ts
 * import { latencyMetric } from 'outrigger/experiment'
 * assert.equal(latencyMetric({ quantile: 0.99 }).name, 'latency')
 * ```
 */
export const latencyMetric = (options: Partial<LatencyMetricOptions> = {}): Metric => {
  const owner = 'a latency metric'
  const { quantile = 0.95, warmUp = 500, ...rest } = options
  const base = metricBase(owner, { name: 'latency', ...rest }, [], { role: 'guardrail', better: 'lower' })
  numberOption(owner, 'quantile', quantile, { min: 0, max: 1 })
  numberOption(owner, 'warmUp', warmUp, { min: 1, integer: true })
  return { ...base, role: 'guardrail', from: base.from ?? totalMs, kind: 'latency', takesAll: true, start: (state) => new LatencyStatistics(base.name, new ExceedanceAttribution(state === undefined ? { quantile, warmUp } : saved(base.name, state))) }
}

const totalMs = ({ outcome, source, durations }: PredictionRecord): number | undefined => ((outcome === 'ok' && source !== 'fallback') || outcome === 'timeout' ? durations.totalMs : undefined)

const saved = (owner: string, state: unknown): ExceedanceAttributionState => {
  if (!isState(state)) throw refusedState(owner, 'its state must be that of exceedances', state)
  return state as ExceedanceAttributionState
}

class LatencyStatistics extends FailureStatistics {
  readonly #name: string
  readonly #slow: ExceedanceAttribution

  constructor(name: string, slow: ExceedanceAttribution) {
    super(slow.failures)
    this.#name = name
    this.#slow = slow
  }

  override add({ unit, isCandidate, share }: Draw, value: unknown): boolean {
    if (!Number.isFinite(value)) throw refusedInput(`count a value of ${this.#name}`, 'it must be a finite number', value)
    return share !== (isCandidate ? 0 : 1) && this.#slow.push({ unit, isCanary: isCandidate, canaryChance: share, value: value as number })
  }

  override get note(): string {
    const { threshold, quantile } = this.#slow
    return `${super.note.replace('failing', 'slow')}; slow is above ${threshold === Infinity ? 'what is not learnt yet' : `${threshold.toPrecision(3)}, quantile ${quantile} of the control`}`
  }

  override state(withUnits: boolean): unknown {
    return { ...this.#slow.toJSON(), failures: super.state(withUnits) }
  }
}
