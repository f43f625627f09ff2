import { numberOption } from '../../core/options.js'
import type { Draw } from '../draw.js'
import { countField, fieldsOf, numberField, refusedInput, refusedState } from '../state-fields.js'
import { joinStrata, Stratified, type JointDifference, type StratumDifference } from '../strata.js'
import { metricBase, type ArmSummary, type Metric, type MetricOptions, type MetricStatistics } from './metric.js'

/** What a unit adds to both sums of a ratio. */
export interface RatioValue {
  readonly numerator: number
  /** At least 0. */
  readonly denominator: number
}

/** Options of {@link ratioMetric}. */
export interface RatioMetricOptions extends MetricOptions<RatioValue> {
  /** How many units are remembered with their sums; later ones do not count. @default 100_000 */
  readonly maxUnits?: number
  /** After about how many units the interval shall be narrowest. @default 5000 */
  readonly tunedFor?: number
}

/**
 * A ratio of sums over all values of all units: clicks per view, wrong answers per request, milliseconds per row.
 *
 * **All values** of a unit count, as one unit: the delta method, over units and not over requests, so that a user with a thousand requests is no thousand
 * samples. Differences are taken among units of the same draw, and joined. Asymptotic, from 100 units per arm. O(1) per value; about 150 bytes per unit.
 *
 * **Misleads**: at a look a unit counts by what it has done so far; the level is that of an approximation. A few units that do most of it all need many units.
 *
 * Source: Deng, Knoblich and Lu, "Applying the delta method in metric analytics" (2018).
 *
 * @throws `ERR_OUTRIGGER_INVALID_OPTION`
 * @example
 * ```ts
 * import { ratioMetric } from 'outrigger/experiment'
 * assert.equal(ratioMetric({ name: 'errors per request', better: 'lower' }).takesAll, true)
 * ```
 */
export const ratioMetric = (options: RatioMetricOptions): Metric => {
  const owner = 'a ratio metric'
  const base = metricBase(owner, options, ['maxUnits', 'tunedFor'])
  const maxUnits = numberOption(owner, 'maxUnits', options.maxUnits ?? 100_000, { min: 1, integer: true })
  const tunedFor = numberOption(owner, 'tunedFor', options.tunedFor ?? 5000, { min: 1 })
  return { ...base, kind: 'ratio', takesAll: true, start: (state) => new RatioStatistics(base.name, { maxUnits, tunedFor }, state) }
}

/** Of one arm in one stratum: units, sums, and sums of products. */
type Sums = [units: number, n: number, d: number, nn: number, dd: number, nd: number]

interface UnitSums {
  readonly draw: string
  n: number
  d: number
}

const maxStrata = 64

class RatioStatistics extends Stratified implements MetricStatistics {
  readonly #name: string
  readonly #maxUnits: number
  readonly #tunedFor: number
  /** By the chance of the draw and its epoch: control, candidate. */
  readonly #strata = new Map<string, readonly [Sums, Sums]>()
  readonly #units = new Map<number, UnitSums>()
  #refused = 0
  readonly limit: undefined

  constructor(name: string, { maxUnits, tunedFor }: { readonly maxUnits: number; readonly tunedFor: number }, state?: unknown) {
    super()
    this.#name = name
    this.#maxUnits = maxUnits
    this.#tunedFor = tunedFor
    if (state !== undefined) this.#restore(state)
  }

  add({ unit, isCandidate, chance, epoch }: Draw, value: unknown): boolean {
    const { numerator, denominator } = (value ?? {}) as Partial<RatioValue>
    if (!Number.isFinite(numerator) || !Number.isFinite(denominator) || (denominator as number) < 0) throw refusedInput(`count a value of ${this.#name}`, 'it must be { numerator, denominator }, finite, the denominator at least 0', JSON.stringify(value))
    if (chance === 0 || chance === 1) return false
    const stratum = `${epoch}:${chance}`
    let arms = this.#strata.get(stratum)
    let known = this.#units.get(unit)
    const draw = `${isCandidate ? 1 : 0}${stratum}`
    if ((arms === undefined && this.#strata.size >= maxStrata) || (known === undefined && this.#units.size >= this.#maxUnits)) {
      this.#refused += 1
      return false
    }
    if (arms === undefined) this.#strata.set(stratum, (arms = [noSums(), noSums()]))
    const sums = arms[isCandidate ? 1 : 0]
    // A unit that was drawn again begins anew; what it was stays where it was counted.
    if (known === undefined || known.draw !== draw) {
      known = { draw, n: 0, d: 0 }
      this.#units.set(unit, known)
      sums[0] += 1
    } else add(sums, known, -1)
    known.n += numerator as number
    known.d += denominator as number
    add(sums, known, 1)
    return true
  }

  get arms(): readonly [ArmSummary, ArmSummary] {
    const arm = (at: 0 | 1): ArmSummary => {
      let [units, n, d] = [0, 0, 0]
      for (const arms of this.#strata.values()) {
        units += arms[at][0]
        n += arms[at][1]
        d += arms[at][2]
      }
      return { units, value: d > 0 ? n / d : undefined }
    }
    return [arm(0), arm(1)]
  }

  get note(): string | undefined {
    return this.#refused === 0 ? undefined : `${this.#refused} values of units beyond the most that are remembered`
  }

  merge(other: MetricStatistics): void {
    const more = other as RatioStatistics
    for (const [stratum, theirs] of more.#strata) {
      const mine = this.#strata.get(stratum) ?? ([noSums(), noSums()] as const)
      this.#strata.set(stratum, mine)
      for (const arm of [0, 1] as const) theirs[arm].forEach((sum, at) => (mine[arm][at] = (mine[arm][at] as number) + sum))
    }
    for (const [unit, sums] of more.#units) if (this.#units.size < this.#maxUnits) this.#units.set(unit, { ...sums })
    this.#refused += more.#refused
  }

  state(withUnits: boolean): unknown {
    return {
      strata: [...this.#strata].map(([stratum, [control, candidate]]) => [stratum, [...control], [...candidate]]),
      units: withUnits ? [...this.#units].map(([unit, { draw, n, d }]) => [unit, draw, n, d]) : [],
      refused: this.#refused,
    }
  }

  protected joint(): JointDifference {
    return joinStrata([...this.#strata.values()].map(ratioDifference), this.#tunedFor)
  }

  #restore(state: unknown): void {
    const owner = this.#name
    const fields = fieldsOf(owner, state)
    const { strata, units } = fields
    if (!Array.isArray(strata) || !strata.every((entry) => Array.isArray(entry) && typeof entry[0] === 'string' && isSums(entry[1]) && isSums(entry[2]))) throw refusedState(owner, '`strata` must be texts with two times six finite numbers', strata)
    if (!Array.isArray(units) || units.length > this.#maxUnits || !units.every((entry) => Array.isArray(entry) && Number.isSafeInteger(entry[0]) && typeof entry[1] === 'string' && Number.isFinite(entry[2]) && Number.isFinite(entry[3]))) throw refusedState(owner, '`units` must be hashes, each with its draw and its sums', units)
    for (const [stratum, control, candidate] of strata as [string, Sums, Sums][]) this.#strata.set(stratum, [[...control], [...candidate]])
    for (const [unit, draw, n, d] of units as [number, string, number, number][]) this.#units.set(unit, { draw, n: numberField(owner, { n }, 'n'), d: numberField(owner, { d }, 'd', 0) })
    this.#refused = countField(owner, fields, 'refused')
  }
}

const noSums = (): Sums => [0, 0, 0, 0, 0, 0]

const isSums = (value: unknown): boolean => Array.isArray(value) && value.length === 6 && value.every(Number.isFinite)

const add = (sums: Sums, { n, d }: UnitSums, sign: 1 | -1): void => {
  sums[1] += sign * n
  sums[2] += sign * d
  sums[3] += sign * n * n
  sums[4] += sign * d * d
  sums[5] += sign * n * d
}

const ratioDifference = ([control, candidate]: readonly [Sums, Sums]): StratumDifference => {
  const [a, b] = [residuals(control), residuals(candidate)]
  // No smaller than of both together: a small arm without its rare values knows nothing of these.
  const pooled = (a.squares + b.squares) / (control[0] + candidate[0] - 2)
  const variance = ([units, , d]: Sums, squares: number): number => Math.max(squares / (units - 1), pooled) * (units / (d * d))
  return { control: control[0], candidate: candidate[0], difference: b.ratio - a.ratio, variance: variance(control, a.squares) + variance(candidate, b.squares) }
}

/** n̄ / d̄, and the sum of squares of n − ratio·d, whose mean is 0. */
const residuals = ([, n, d, nn, dd, nd]: Sums): { readonly ratio: number; readonly squares: number } => {
  const ratio = n / d
  return { ratio, squares: Math.max(0, nn - 2 * ratio * nd + ratio * ratio * dd) }
}
