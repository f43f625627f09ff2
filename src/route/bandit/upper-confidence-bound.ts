import { numberOption, optionsObject } from '../../core/options.js'
import type { BanditPolicy } from './bandit-policy.js'
import { bestOf, spread } from './epsilon-greedy.js'

/** Options of {@link upperConfidenceBound}. */
export interface UpperConfidenceBoundOptions {
  /** How wide rewards range: the largest less the smallest. @default 1 */
  readonly range?: number
}

/**
 * UCB1: all for the arm that could be best, by mean + range × √(2 ln N / n); what the bandit's floor leaves.
 *
 * It draws nothing, so that a batch between two updates goes to one arm: update often, or take `thompson`. Arms without a reward come first, and equal ones share. O(K).
 *
 * Source: Auer, Cesa-Bianchi and Fischer, Machine Learning 47 (2002).
 *
 * @throws `ERR_OUTRIGGER_INVALID_OPTION`
 * @example
 * ```ts
 * import { upperConfidenceBound } from 'outrigger/route'
 * const shares = upperConfidenceBound().shares([{ count: 900, mean: 0.5, squares: 0 }, { count: 9, mean: 0.4, squares: 0 }])
 * assert.deepEqual(shares, [0, 1]) // little is known of the second
 * ```
 */
export const upperConfidenceBound = (options: UpperConfidenceBoundOptions = {}): BanditPolicy => {
  optionsObject('an upper-confidence-bound policy', options, ['range'])
  const range = numberOption('an upper-confidence-bound policy', 'range', options.range ?? 1, { min: 0, exclusive: true })
  return {
    name: 'upper confidence bound',
    accepts: Number.isFinite,
    shares: (arms) => {
      const total = arms.reduce((sum, { count }) => sum + count, 0)
      return spread(bestOf(arms.map(({ count, mean }) => (count === 0 ? Infinity : mean + range * Math.sqrt((2 * Math.log(total)) / count)))), 0)
    },
  }
}
