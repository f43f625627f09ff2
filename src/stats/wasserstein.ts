import { OutriggerError } from '../core/errors.js'
import { totals } from './totals.js'
import { positive } from './_parameters.js'
import { integrated, pooledPair } from './pooled-values.js'

/** Where the cells of {@link wassersteinCounts} are, and in which unit the result is. */
export interface WassersteinOptions {
  /** A position for each cell, in increasing order: its centre, its median or its value. */
  readonly positions: ArrayLike<number>
  /** The result is divided by it; a standard deviation or an interquartile range makes it free of units. @default 1 */
  readonly scale?: number
}

/**
 * The Wasserstein-1 ("earth mover's") distance of two samples counted over cells with positions.
 *
 * Σ |Fᵢ − Gᵢ| (xᵢ₊₁ − xᵢ) / scale: how far a row has to move on average. Positions are the reference's, so that one outlier
 * counts as one row in the last cell, however far out it lies; a shift beyond the last cell is therefore understated.
 *
 * @throws ERR_OUTRIGGER_INVALID_INPUT if lengths differ, positions decrease or are not finite, the scale is not above 0, or a count is no count.
 * `NaN` if a sample is empty.
 *
 * Source: Vallender, Theory of Probability and its Applications 18 (1974), for the form with distribution functions.
 *
 * @example
 * ```ts
 * import { wassersteinCounts } from 'outrigger/stats'
 * assert.equal(wassersteinCounts([10, 0, 0], [0, 0, 10], { positions: [0, 1, 5] }), 5)
 * ```
 */
export const wassersteinCounts = (first: ArrayLike<number>, second: ArrayLike<number>, options: WassersteinOptions): number => {
  const { positions, scale = 1 } = options
  const { n, m } = totals('a Wasserstein distance', first, second)
  if (positions.length !== first.length || !(scale > 0)) {
    throw new OutriggerError('ERR_OUTRIGGER_INVALID_INPUT', `Cannot compute a Wasserstein distance as it needs a position for each of ${first.length} cells and a scale above 0: current value is ${positions.length} positions and a scale of ${scale}`)
  }
  if (n === 0 || m === 0) return NaN
  let a = 0
  let b = 0
  let sum = 0
  for (let cell = 0; cell + 1 < first.length; cell++) {
    a += first[cell] as number
    b += second[cell] as number
    const width = (positions[cell + 1] as number) - (positions[cell] as number)
    if (!(width >= 0 && width < Infinity)) {
      throw new OutriggerError('ERR_OUTRIGGER_INVALID_INPUT', `Cannot compute a Wasserstein distance as positions must increase, by finite steps: current value is ${positions[cell]} before ${positions[cell + 1]}`)
    }
    sum += Math.abs(a / n - b / m) * width
  }
  return sum / scale
}

/**
 * The Wasserstein-1 ("earth mover's") distance of two samples of raw values: how far a value has to move on average to
 * make one sample the other. ∫ |F − G| / scale, O((n + m) log(n + m)).
 *
 * In the unit of the values unless `scale` says otherwise. It has no bound, and **one outlier of size s moves it by s / n**; two
 * samples of one distribution give about 0.8 sd √(1/n + 1/m), not 0.
 *
 * @throws ERR_OUTRIGGER_INVALID_INPUT if a sample is empty or has a value that is not finite, or the scale is not above 0
 *
 * Source: Vallender, Theory of Probability and its Applications 18 (1974).
 *
 * @example
 * ```ts
 * import { wasserstein } from 'outrigger/stats'
 * assert.equal(wasserstein([0, 1, 3], [5, 6, 8]), 5)
 * assert.equal(wasserstein([0, 1, 3], [5, 6, 8], { scale: 2 }), 2.5)
 * ```
 */
export const wasserstein = (first: ArrayLike<number>, second: ArrayLike<number>, options: Partial<Pick<WassersteinOptions, 'scale'>> = {}): number => {
  const owner = 'a Wasserstein distance'
  const scale = positive(owner, 'scale', options.scale ?? 1)
  return integrated(pooledPair(owner, first, second), Math.abs) / scale
}
