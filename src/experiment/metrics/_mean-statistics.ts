import { boundedEvidence } from '../bounded-evidence.js'
import { mixtureEvidence, mixtureFor } from '../mixture-evidence.js'
import { ScoreSums } from '../score-sums.js'
import { refusedInput } from '../state-fields.js'
import { leastForNormal } from '../strata.js'
import type { Draw } from '../draw.js'
import type { ArmSummary, MetricStatistics } from './metric.js'


/** What {@link MeanStatistics} are made of. */
export interface MeanSettings {
  readonly owner: string
  /** Turns what was observed into a number. */
  readonly read: (value: unknown) => number
  /** Where values lie; unbounded without. */
  readonly range?: readonly [number, number] | undefined
  /** Units after which an interval of unbounded values is narrowest. */
  readonly tunedFor?: number | undefined
  readonly before?: ((unit: string | number) => number | undefined) | undefined
}

/** The statistics of one number per unit. Bounded: exact evidence. Unbounded: asymptotic. */
export class MeanStatistics implements MetricStatistics {
  readonly #settings: MeanSettings
  readonly #sums: ScoreSums
  readonly #mixture: number

  constructor(settings: MeanSettings, state?: unknown) {
    this.#settings = settings
    this.#sums = new ScoreSums(settings.range, state)
    this.#mixture = mixtureFor(settings.tunedFor ?? 5000, 0.05)
  }

  add(draw: Draw, value: unknown, unit: string | number): boolean {
    const { read, owner, before } = this.#settings
    const number = read(value)
    const covariate = before?.(unit)
    if (covariate !== undefined && !Number.isFinite(covariate)) throw refusedInput(`count a value of ${owner}`, '`before` must give a finite number or undefined', covariate)
    this.#sums.add(draw, number, covariate)
    return true
  }

  get arms(): readonly [ArmSummary, ArmSummary] {
    const [control, candidate] = this.#sums.arms
    const summary = ({ count, mean }: { count: number; mean: number }): ArmSummary => ({ units: count, value: count === 0 ? undefined : mean })
    return [summary(control), summary(candidate)]
  }

  get estimate(): number | undefined {
    return this.#sums.estimate
  }

  get limit(): number | undefined {
    const { range } = this.#settings
    return range === undefined ? undefined : range[1] - range[0]
  }

  above(bound: number): number {
    return this.#evidence(1, bound)
  }

  below(bound: number): number {
    return this.#evidence(-1, bound)
  }

  z(bound: number): number {
    return this.#sums.excess(bound) / Math.sqrt(this.#sums.excessVariance(bound))
  }

  merge(other: MetricStatistics): void {
    this.#sums.merge((other as MeanStatistics).#sums)
  }

  state(): unknown {
    return this.#sums.toJSON()
  }

  #evidence(sign: 1 | -1, bound: number): number {
    const { limit } = this
    if (limit !== undefined) return boundedEvidence(this.#sums, { sign, bound, range: limit })
    if (this.#sums.arms.some(({ count }) => count < leastForNormal)) return 0
    return mixtureEvidence(sign * this.z(bound), this.#sums.evenUnits * this.#mixture)
  }
}
