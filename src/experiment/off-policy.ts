import { InvalidOptionError } from '../core/errors.js'
import { numberOption, optionsObject } from '../core/options.js'
import { studentisedBootstrap } from './_studentised-bootstrap.js'
import { refusedInput } from './_state.js'

/** A decision that was logged, and what the other policy would have done. */
export interface LoggedDecision {
  /** What came of the action that was taken. */
  readonly reward: number
  /** The chance with which that action was taken, as logged then: in (0, 1]. */
  readonly propensity: number
  /** The chance with which the other policy takes that action. */
  readonly target: number
  /** For `dr`: what a model expected of that action. Fitted on other rows. */
  readonly predicted?: number
  /** For `dr`: what the model expects of the other policy here, Σ π(a | x) q(x, a). */
  readonly predictedTarget?: number
}

/** How {@link offPolicy} estimates. */
export type OffPolicyMethod = 'ips' | 'snips' | 'dr'

/** Options of {@link offPolicy}. */
export interface OffPolicyOptions {
  /** `ips` weighs each reward; `snips` divides by the sum of the weights; `dr` adds a model of rewards. @default 'snips' */
  readonly method?: OffPolicyMethod
  /** The largest weight, for `ips` and `dr`: less variance for a bias that the interval includes. Needs `rewardRange`. @default Infinity */
  readonly clip?: number
  /** The least and the largest possible reward. */
  readonly rewardRange?: readonly [least: number, largest: number]
  /** Below this effective sample size there is no number. @default 200 */
  readonly minimumEffective?: number
  /** Of the interval. @default 0.95 */
  readonly level?: number
  /** How often the bootstrap draws. @default 999 */
  readonly resamples?: number
  /** @default 0 */
  readonly seed?: number | string
}

/** What the logs say about the other policy, or why they say nothing. */
export type OffPolicyResult = OffPolicyEstimate | OffPolicyRefusal

interface Weights {
  /** How many decisions of the other policy itself these would be worth: (Σw)² / Σw². */
  readonly effectiveSamples: number
  /** 1 but for chance if the propensities are true. */
  readonly meanWeight: number
  readonly largestWeight: number
}

/** An estimate of the mean reward under the other policy. */
export interface OffPolicyEstimate extends Weights {
  readonly state: 'estimated'
  readonly estimate: number
  readonly lower: number
  readonly upper: number
  /** The mean reward that was logged, for comparison. */
  readonly logged: number
  /** The share of weight that was clipped away; times a reward, this is the bias that the interval was widened by. */
  readonly clippedShare: number
}

/** No estimate: too few decisions are like those of the other policy (`effective-samples`), or the mean weight is not 1 (`propensities`). */
export interface OffPolicyRefusal extends Weights {
  readonly state: 'insufficient'
  readonly reason: 'effective-samples' | 'propensities'
}

const owner = 'an off-policy estimate'

/**
 * What another policy would have earned, from decisions that were logged with their propensities.
 *
 * With w = target / propensity: `ips` is the mean of w·r, `snips` Σwr / Σw, `dr` the mean of predictedTarget + w(r − predicted). The interval is a studentised
 * bootstrap of rows; a clipped weight's bias, at most (1 − mean w) times the largest reward, is added to it. O(rows × resamples): 0.1 s for 10 000 rows.
 *
 * **Refuses** with `insufficient` below the effective sample size, where intervals are not honest any more, and when the mean weight is not 1 by more than four of its standard errors: then the
 * propensities are wrong, or the log lacks what the other policy does. Never a number from nothing.
 *
 * **Misleads** with propensities that were reconstructed later; with rows that depend on each other (several of one user); for a policy that would change what comes next.
 *
 * Source: Horvitz and Thompson (1952); Swaminathan and Joachims (2015), `snips`; Dudík, Langford and Li (2011), `dr`; Ionides (2008), clipping; Hall (1992), the bootstrap.
 *
 * @throws ERR_OUTRIGGER_INVALID_INPUT for a row that cannot be, with its number; ERR_OUTRIGGER_INVALID_OPTION
 * @example
 * ```ts
 * import { offPolicy } from 'outrigger/experiment'
 * // Two actions, taken at random; the first one earns 1 in half of the cases, the second one in a quarter.
 * const log = Array.from({ length: 2000 }, (_, i) => ({ reward: i % 2 === 0 ? (i >> 1) % 2 : (i >> 1) % 4 === 0 ? 1 : 0, propensity: 0.5, target: i % 2 === 0 ? 0.9 : 0.1 }))
 * const result = offPolicy(log)
 * assert.ok(result.state === 'estimated' && result.lower < 0.475 && 0.475 < result.upper && result.lower > result.logged)
 * assert.equal(offPolicy(log.slice(0, 100)).state, 'insufficient')
 * ```
 */
export const offPolicy = (log: readonly LoggedDecision[], options: OffPolicyOptions = {}): OffPolicyResult => {
  const { method, clip, rewardRange, minimumEffective, level, resamples, seed } = checked(options)
  const rows = log.length
  const weights = new Float64Array(rows)
  const values = new Float64Array(rows)
  let [logged, sum, squares, raw, rawSquares, largestWeight] = [0, 0, 0, 0, 0, 0]
  log.forEach((decision, row) => {
    const { reward, predicted = 0, predictedTarget = 0 } = checkedRow(decision, row, method, rewardRange)
    const whole = decision.target / decision.propensity
    const weight = Math.min(whole, clip)
    logged += reward
    sum += weight
    squares += weight * weight
    raw += whole
    rawSquares += whole * whole
    largestWeight = Math.max(largestWeight, whole)
    weights[row] = method === 'snips' ? weight : 1
    values[row] = method === 'snips' ? reward : method === 'ips' ? weight * reward : predictedTarget + weight * (reward - predicted)
  })
  const about: Weights = { effectiveSamples: squares === 0 ? 0 : (sum * sum) / squares, meanWeight: rows === 0 ? NaN : raw / rows, largestWeight }
  if (about.effectiveSamples < minimumEffective || rows < 2) return { state: 'insufficient', reason: 'effective-samples', ...about }
  const errorOf = (total: number, totalSquares: number): number => Math.sqrt(Math.max(0, totalSquares - (total * total) / rows) / (rows - 1) / rows)
  // Beyond rounding: a policy that equals the logged one has no error at all.
  if (Math.abs(about.meanWeight - 1) > 4 * errorOf(raw, rawSquares) + 1e-6) return { state: 'insufficient', reason: 'propensities', ...about }
  const { estimate, lower, upper } = studentisedBootstrap(weights, values, { level, resamples, seed })
  const clippedShare = clip === Infinity ? 0 : Math.max(0, 1 - sum / rows)
  const [least, largest] = rewardRange ?? [-Infinity, Infinity]
  let [below, above] = [0, 0]
  if (clip < largestWeight) {
    // What was cut off, at most, and twice its standard error.
    const most = clippedShare + 2 * errorOf(sum, squares)
    ;[below, above] = method === 'dr' ? [most * (largest - least), most * (largest - least)] : [most * Math.max(0, -least), most * Math.max(0, largest)]
  }
  return { state: 'estimated', estimate, lower: Math.max(least, lower - below), upper: Math.min(largest, upper + above), logged: logged / rows, clippedShare, ...about }
}

const checkedRow = (decision: LoggedDecision, row: number, method: OffPolicyMethod, range: readonly [number, number] | undefined): LoggedDecision => {
  const { reward, propensity, target, predicted, predictedTarget } = decision
  const refuse = (name: string, must: string, value: unknown): never => {
    throw refusedInput(`compute ${owner}`, `\`${name}\` of row ${row} must be ${must}`, value)
  }
  if (!Number.isFinite(reward)) refuse('reward', 'a finite number', reward)
  if (range !== undefined && !(reward >= range[0] && reward <= range[1])) refuse('reward', `in [${range[0]}, ${range[1]}]`, reward)
  if (!(propensity > 0 && propensity <= 1)) refuse('propensity', 'in (0, 1]', propensity)
  if (!(target >= 0 && target <= 1)) refuse('target', 'in [0, 1]', target)
  if (method === 'dr') {
    if (!Number.isFinite(predicted)) refuse('predicted', 'a finite number for `dr`', predicted)
    if (!Number.isFinite(predictedTarget)) refuse('predictedTarget', 'a finite number for `dr`', predictedTarget)
    if (range !== undefined && !((predicted as number) >= range[0] && (predicted as number) <= range[1])) refuse('predicted', `in [${range[0]}, ${range[1]}]`, predicted)
  }
  return decision
}

const checked = (options: OffPolicyOptions) => {
  optionsObject(owner, options, ['method', 'clip', 'rewardRange', 'minimumEffective', 'level', 'resamples', 'seed'])
  const { method = 'snips', clip = Infinity, rewardRange, minimumEffective = 200, level = 0.95, resamples = 999, seed = 0 } = options
  if (method !== 'ips' && method !== 'snips' && method !== 'dr') throw new InvalidOptionError(`Cannot create ${owner} as \`method\` must be ips, snips or dr: current value is ${String(method)}`)
  numberOption(owner, 'clip', clip, { min: 1, infinite: true })
  numberOption(owner, 'minimumEffective', minimumEffective, { min: 2 })
  numberOption(owner, 'level', level, { min: 0, max: 1, exclusive: true })
  if (level === 1) throw new InvalidOptionError(`Cannot create ${owner} as \`level\` must be below 1: current value is 1`)
  numberOption(owner, 'resamples', resamples, { min: 99, integer: true })
  if (rewardRange !== undefined) {
    const [least, largest] = rewardRange
    numberOption(owner, 'rewardRange', least)
    numberOption(owner, 'rewardRange', largest, { min: least, exclusive: true })
  }
  if (clip < Infinity && (method === 'snips' || rewardRange === undefined)) throw new InvalidOptionError(`Cannot create ${owner} as \`clip\` is for ips and dr with a \`rewardRange\`, or its bias could not be told: current value is ${clip} for ${method}`)
  return { method, clip, rewardRange, minimumEffective, level, resamples, seed }
}
