import { numberOption, optionsObject, type NumberRange } from '../core/options.js'
import { InvalidOptionError } from '../core/errors.js'
import { normalCumulative, normalQuantile } from '../stats/normal.js'
import { tunedPrecision } from './mean-sequence.js'

/** The effect that an experiment shall find: of two rates, or of two means with the standard deviation of a unit. */
export type Effect = { readonly control: number; readonly treatment: number } | { readonly difference: number; readonly standardDeviation: number }

/** Options of {@link sampleSize} and {@link power}. */
export interface PowerOptions {
  /** Two-sided. @default 0.05 */
  readonly alpha?: number
  /** The treatment's share of the units. @default 0.5 */
  readonly share?: number
  /** Whether it will be looked at all the time, by `meanDifferenceSequence` with this `tunedAt`; without, once at the end. */
  readonly tunedAt?: number
}

/** Options of {@link sampleSize}. */
export interface SampleSizeOptions extends PowerOptions {
  /** The chance to find the effect. @default 0.8 */
  readonly power?: number
}

/**
 * How many units an experiment needs, both arms together, to find an effect with some probability.
 *
 * For one look n = ((z₁₋α/₂ σ₀ + z_power σ₁) / difference)², with σ₀ and σ₁ the deviations without and with the effect. With `tunedAt`, z₁₋α/₂ is the boundary of the
 * confidence sequence at n: what is needed at the latest, as most find it earlier. Not good below about 10 events per arm.
 *
 * @throws ERR_OUTRIGGER_INVALID_OPTION
 * @example
 * ```ts
 * import { sampleSize } from 'outrigger/experiment'
 * const once = sampleSize({ control: 0.1, treatment: 0.11 })
 * assert.equal(once, 29_502)
 * const always = sampleSize({ control: 0.1, treatment: 0.11 }, { tunedAt: once })
 * assert.ok(always / once > 1.5 && always / once < 2.2) // the price of looking at any time, at most
 * ```
 */
export const sampleSize = (effect: Effect, options: SampleSizeOptions = {}): number => {
  const owner = 'a sample size'
  const { power: wanted = 0.8, ...rest } = options
  numberOption(owner, 'power', wanted, { min: 0, exclusive: true })
  if (!(wanted < 1)) throw new InvalidOptionError(`Cannot create ${owner} as \`power\` must be below 1: current value is ${wanted}`)
  const plan = planOf(owner, effect, rest)
  let [few, enough] = [1, 2]
  while (reached(plan, enough) < wanted) {
    few = enough
    enough *= 2
    if (enough > 2 ** 52) return Infinity
  }
  while (enough - few > 1) {
    const middle = Math.floor((few + enough) / 2)
    if (reached(plan, middle) < wanted) few = middle
    else enough = middle
  }
  // Each arm has a whole number of units.
  return Math.ceil(enough * plan.share - 1e-9) + Math.ceil(enough * (1 - plan.share) - 1e-9)
}

/**
 * The chance to find an effect with that many units, both arms together. All else as {@link sampleSize}.
 *
 * @throws ERR_OUTRIGGER_INVALID_OPTION
 * @example
 * ```ts
 * import { power } from 'outrigger/experiment'
 * assert.ok(Math.abs(power({ difference: 0.5, standardDeviation: 1 }, 126) - 0.8) < 0.01)
 * ```
 */
export const power = (effect: Effect, units: number, options: PowerOptions = {}): number => {
  const owner = 'a power'
  numberOption(owner, 'units', units, { min: 2 })
  return reached(planOf(owner, effect, options), units)
}

interface Plan {
  readonly difference: number
  /** Standard deviations of the difference, times √n: without the effect and with it. */
  readonly without: number
  readonly with: number
  readonly share: number
  readonly alpha: number
  readonly tunedAt: number | undefined
}

const reached = ({ difference, without, with: present, alpha, tunedAt }: Plan, n: number): number => {
  let critical = normalQuantile(1 - alpha / 2)
  if (tunedAt !== undefined) {
    const spread = n * tunedPrecision(alpha, tunedAt)
    critical = Math.sqrt(((2 * (spread + 1)) / spread) * Math.log(Math.sqrt(spread + 1) / alpha))
  }
  return normalCumulative((difference * Math.sqrt(n) - critical * without) / present)
}

const planOf = (owner: string, effect: Effect, options: PowerOptions): Plan => {
  optionsObject(owner, options, ['alpha', 'share', 'tunedAt'])
  const { alpha = 0.05, share = 0.5, tunedAt } = options
  const inside = (name: string, value: unknown, range: NumberRange = {}): number => {
    const number = numberOption(owner, name, value, { min: 0, exclusive: true, ...range })
    if (!(number < (range.max ?? Infinity))) throw new InvalidOptionError(`Cannot create ${owner} as \`${name}\` must be below ${range.max}: current value is ${number}`)
    return number
  }
  inside('alpha', alpha, { max: 1 })
  inside('share', share, { max: 1 })
  if (tunedAt !== undefined) inside('tunedAt', tunedAt)
  const spread = (control: number, treatment: number): number => Math.sqrt(control / (1 - share) + treatment / share)
  if ('difference' in effect) {
    const variance = inside('standardDeviation', effect.standardDeviation) ** 2
    const deviation = spread(variance, variance)
    return { difference: distance(owner, effect.difference), without: deviation, with: deviation, share, alpha, tunedAt }
  }
  const { control, treatment } = effect
  inside('control', control, { max: 1 })
  inside('treatment', treatment, { max: 1 })
  const pooled = (1 - share) * control + share * treatment
  const variance = (rate: number): number => rate * (1 - rate)
  return { difference: distance(owner, treatment - control), without: spread(variance(pooled), variance(pooled)), with: spread(variance(control), variance(treatment)), share, alpha, tunedAt }
}

const distance = (owner: string, difference: number): number => {
  const size = Math.abs(numberOption(owner, 'difference', difference))
  if (size === 0) throw new InvalidOptionError(`Cannot create ${owner} as the effect must differ from none: current value is 0`)
  return size
}
