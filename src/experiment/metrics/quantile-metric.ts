import { InvalidOptionError } from '../../core/errors.js'
import { numberOption } from '../../core/options.js'
import { DDSketch, type DDSketchState } from '../../stats/ddsketch.js'
import type { Draw } from '../draw.js'
import { fieldsOf, refusedInput, refusedState } from '../state-fields.js'
import { MeanStatistics } from './_mean-statistics.js'
import { metricBase, type ArmSummary, type Metric, type MetricOptions, type MetricStatistics } from './metric.js'

/** Options of {@link quantileMetric}. */
export interface QuantileMetricOptions extends MetricOptions<number> {
  /** Which quantile, in (0, 1): 0.95 for the slowest twentieth. */
  readonly quantile: number
  /** How many of the control's units the threshold is learnt from. @default 500 */
  readonly learn?: number
  /** The threshold itself, if it is known, or must be the same in several processes. @default learnt from the control */
  readonly threshold?: number
}

/**
 * A quantile of the units' values, judged by the share of units beyond the control's: "no more than 5 % of answers take longer than the control's slowest 5 %".
 *
 * The control's first 500 units say where the quantile lies; it stays fixed from then on. What is compared after that is the share of units above it, exactly at every look as in
 * `rateMetric`; estimate, margin and interval are such shares. The arms' own quantiles are told in `note` (DDSketch, 1 %). A unit counts with its first value.
 *
 * **Misleads**: the threshold is learnt from what came first; a quantile that wanders by the day makes both shares move alike.
 *
 * @throws `ERR_OUTRIGGER_INVALID_OPTION`
 * @example
 * ```ts
 * import { quantileMetric } from 'outrigger/experiment'
 * const slow = quantileMetric({ name: 'p95 of error', quantile: 0.95, better: 'lower', margin: 0.02 })
 * assert.equal(slow.kind, 'quantile')
 * ```
 */
export const quantileMetric = (options: QuantileMetricOptions): Metric => {
  const owner = 'a quantile metric'
  const base = metricBase(owner, options, ['quantile', 'learn', 'threshold'], { better: 'lower' })
  const quantile = numberOption(owner, 'quantile', options.quantile, { min: 0, max: 1, exclusive: true })
  if (quantile === 1) throw new InvalidOptionError(`Cannot create ${owner} as \`quantile\` must be below 1: current value is 1`)
  const learn = numberOption(owner, 'learn', options.learn ?? 500, { min: 20, integer: true })
  const threshold = options.threshold === undefined ? undefined : numberOption(owner, 'threshold', options.threshold)
  return { ...base, kind: 'quantile', takesAll: false, start: (state) => new QuantileStatistics(base.name, { quantile, learn, threshold }, state) }
}

interface Settings {
  readonly quantile: number
  readonly learn: number
  readonly threshold: number | undefined
}

class QuantileStatistics implements MetricStatistics {
  readonly #name: string
  readonly #settings: Settings
  readonly #exceeding: MeanStatistics
  readonly #sketches: readonly [DDSketch, DDSketch]
  #threshold: number | undefined
  readonly limit = 1

  constructor(name: string, settings: Settings, state?: unknown) {
    this.#name = name
    this.#settings = settings
    const mean = { owner: name, read: Number, range: [0, 1] } as const
    if (state === undefined) {
      this.#exceeding = new MeanStatistics(mean)
      this.#sketches = [new DDSketch(), new DDSketch()]
      this.#threshold = settings.threshold
      return
    }
    const { exceeding, control, candidate, threshold } = fieldsOf(name, state)
    if (threshold !== null && !Number.isFinite(threshold)) throw refusedState(name, '`threshold` must be a finite number or null', threshold)
    this.#exceeding = new MeanStatistics(mean, exceeding)
    this.#sketches = [sketchOf(name, control), sketchOf(name, candidate)]
    this.#threshold = (threshold as number | null) ?? undefined
  }

  add(draw: Draw, value: unknown, unit: string | number): boolean {
    if (!Number.isFinite(value)) throw refusedInput(`count a value of ${this.#name}`, 'it must be a finite number', value)
    const { quantile, learn } = this.#settings
    const [control, candidate] = this.#sketches
    ;(draw.isCandidate ? candidate : control).add(value as number)
    if (this.#threshold !== undefined) return this.#exceeding.add(draw, (value as number) > this.#threshold, unit)
    if (control.count >= learn) this.#threshold = control.quantile(quantile)
    return true
  }

  get arms(): readonly [ArmSummary, ArmSummary] {
    return this.#exceeding.arms
  }

  get estimate(): number | undefined {
    return this.#exceeding.estimate
  }

  get note(): string {
    const shown = (sketch: DDSketch): string => (sketch.count === 0 ? 'none' : sketch.quantile(this.#settings.quantile).toPrecision(4))
    const [control, candidate] = this.#sketches
    return `quantile ${this.#settings.quantile}: control ${shown(control)}, candidate ${shown(candidate)}; threshold ${this.#threshold?.toPrecision(4) ?? 'not learnt yet'}`
  }

  above(bound: number): number {
    return this.#exceeding.above(bound)
  }

  below(bound: number): number {
    return this.#exceeding.below(bound)
  }

  z(bound: number): number {
    return this.#exceeding.z(bound)
  }

  merge(other: MetricStatistics): void {
    const more = other as QuantileStatistics
    this.#exceeding.merge(more.#exceeding)
    this.#sketches.forEach((sketch, arm) => sketch.merge(more.#sketches[arm] as DDSketch))
    this.#threshold ??= more.#threshold
  }

  state(): unknown {
    return { exceeding: this.#exceeding.state(), control: this.#sketches[0].toJSON(), candidate: this.#sketches[1].toJSON(), threshold: this.#threshold ?? null }
  }
}

const sketchOf = (owner: string, state: unknown): DDSketch => new DDSketch(fieldsOf(owner, state) as unknown as DDSketchState)
