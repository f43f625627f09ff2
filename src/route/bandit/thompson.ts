import { InvalidOptionError } from '../../core/errors.js'
import { numberOption, optionsObject } from '../../core/options.js'
import { betaCumulative, betaDensity, betaQuantile } from '../../stats/beta-distribution.js'
import { studentTCumulative, studentTDensity, studentTQuantile } from '../../stats/student-t.js'
import { probabilityBest, type Posterior } from './_best-arm.js'
import type { ArmStatistics, BanditPolicy } from './bandit-policy.js'

/** Options of {@link thompson}. */
export interface ThompsonOptions {
  /** `beta` for rewards in [0, 1], such as a click; `gaussian` for any others. @default 'beta' */
  readonly belief?: 'beta' | 'gaussian'
  /** What an arm's mean is believed to be before its first reward. @default 0.5 for beta, 0 for gaussian */
  readonly priorMean?: number
  /** How many rewards that belief is worth. @default 2 for beta (a uniform prior), 1 for gaussian */
  readonly priorCount?: number
  /** The spread of rewards that is believed in before the first, worth as many; gaussian only. @default 1 */
  readonly priorDeviation?: number
}

const owner = 'a Thompson policy'

/**
 * Gives each arm the probability that it is the best one, as far as one can know: Thompson sampling, drawn by units.
 *
 * Beta: θ ~ Beta(κm + Σr, κ(1 − m) + n − Σr). Gaussian: the mean of normal rewards of unknown variance, so Student's t with 2a degrees of freedom, a = (κ + n)/2,
 * centre (κm + Σr)/(κ + n) and scale √(b/(a(κ + n))), b = (κs² + Σ(r − r̄)² + κn(r̄ − m)²/(κ + n))/2. P(best) is integrated, not drawn; about 1 ms for two arms, 8 ms for five.
 *
 * Misleads when rewards drift (shares then follow the time), when good rewards come later than bad ones, and by `gaussian` when a few rewards are huge.
 *
 * Source: W. Thompson, Biometrika 25 (1933); Chapelle and Li, NeurIPS (2011); Murphy, Conjugate Bayesian analysis of the Gaussian distribution (2007), section 3.
 *
 * @throws `ERR_OUTRIGGER_INVALID_OPTION`
 * @example
 * ```ts
 * import { thompson } from 'outrigger/route'
 * const [worse, better] = thompson().shares([{ count: 100, mean: 0.1, squares: 9 }, { count: 100, mean: 0.2, squares: 16 }])
 * assert.ok(better! > 0.97 && Math.abs(worse! + better! - 1) < 1e-12)
 * ```
 */
export const thompson = (options: ThompsonOptions = {}): BanditPolicy => {
  optionsObject(owner, options, ['belief', 'priorMean', 'priorCount', 'priorDeviation'])
  const { belief = 'beta' } = options
  if (belief !== 'beta' && belief !== 'gaussian') throw new InvalidOptionError(`Cannot create ${owner} as \`belief\` must be beta or gaussian: current value is ${JSON.stringify(belief)}`)
  const isBeta = belief === 'beta'
  const mean = numberOption(owner, 'priorMean', options.priorMean ?? (isBeta ? 0.5 : 0), isBeta ? { min: 0, max: 1, exclusive: true } : {})
  const worth = numberOption(owner, 'priorCount', options.priorCount ?? (isBeta ? 2 : 1), { min: 0, exclusive: true })
  const deviation = numberOption(owner, 'priorDeviation', options.priorDeviation ?? 1, { min: 0, exclusive: true })
  if (isBeta && mean === 1) throw new InvalidOptionError(`Cannot create ${owner} as \`priorMean\` must be below 1: current value is 1`)
  const posterior = isBeta ? betaOf(mean, worth) : studentOf(mean, worth, deviation)
  return {
    name: `thompson ${belief}`,
    accepts: isBeta ? (reward) => reward >= 0 && reward <= 1 : Number.isFinite,
    shares: (arms) => probabilityBest(arms.map(posterior)),
  }
}

const betaOf =
  (mean: number, worth: number) =>
  (arm: ArmStatistics): Posterior => {
    const won = arm.count * arm.mean
    const shape = { a: worth * mean + won, b: Math.max(worth * (1 - mean), worth * (1 - mean) + arm.count - won) }
    return { density: (x) => betaDensity(x, shape), cumulative: (x) => betaCumulative(x, shape), quantile: (p) => betaQuantile(p, shape) }
  }

const studentOf =
  (mean: number, worth: number, deviation: number) =>
  (arm: ArmStatistics): Posterior => {
    const total = worth + arm.count
    const centre = (worth * mean + arm.count * arm.mean) / total
    const a = total / 2
    const b = (worth * deviation ** 2 + arm.squares + (worth * arm.count * (arm.mean - mean) ** 2) / total) / 2
    const scale = Math.sqrt(b / (a * total))
    return { density: (x) => studentTDensity((x - centre) / scale, 2 * a) / scale, cumulative: (x) => studentTCumulative((x - centre) / scale, 2 * a), quantile: (p) => centre + scale * studentTQuantile(p, 2 * a) }
  }
