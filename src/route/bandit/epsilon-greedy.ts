import { numberOption, optionsObject } from '../../core/options.js'
import type { BanditPolicy } from './bandit-policy.js'

/** Options of {@link epsilonGreedy}. */
export interface EpsilonGreedyOptions {
  /** The share that is spread over all arms alike, in [0, 1]. @default 0.1 */
  readonly epsilon?: number
}

/**
 * Gives the arm with the best mean so far all but a share ε, which all arms have alike: 1 − ε + ε/K and ε/K.
 *
 * The plainest policy: its shares can be foretold, and it never stops to pay for the worst arm. Arms without a reward count as best, and equal ones share. O(K).
 *
 * Source: Sutton and Barto, Reinforcement Learning, 2nd edition (2018), section 2.2.
 *
 * @throws `ERR_OUTRIGGER_INVALID_OPTION`
 * @example
 * ```ts
 * import { epsilonGreedy } from 'outrigger/route'
 * const shares = epsilonGreedy({ epsilon: 0.2 }).shares([{ count: 9, mean: 0.1, squares: 0 }, { count: 9, mean: 0.2, squares: 0 }])
 * assert.deepEqual(shares, [0.1, 0.9])
 * ```
 */
export const epsilonGreedy = (options: EpsilonGreedyOptions = {}): BanditPolicy => {
  optionsObject('an epsilon-greedy policy', options, ['epsilon'])
  const epsilon = numberOption('an epsilon-greedy policy', 'epsilon', options.epsilon ?? 0.1, { min: 0, max: 1 })
  return {
    name: 'epsilon-greedy',
    accepts: Number.isFinite,
    shares: (arms) => spread(bestOf(arms.map(({ count, mean }) => (count === 0 ? Infinity : mean))), epsilon),
  }
}

/** Which are the largest, equal ones together. */
export const bestOf = (scores: readonly number[]): boolean[] => {
  const best = Math.max(...scores)
  return scores.map((score) => score === best)
}

/** All but ε for the best, ε for all. */
export const spread = (isBest: readonly boolean[], epsilon: number): number[] => {
  const winners = isBest.filter(Boolean).length
  return isBest.map((best) => epsilon / isBest.length + (best ? (1 - epsilon) / winners : 0))
}
