import { integrated, pooledPair } from './pooled-values.js'
import { pooledRows, squaredDistance } from './_rows.js'

/**
 * The energy distance of two samples, of numbers or of rows of numbers: 0 exactly when the distributions are equal.
 *
 * √(2 E|X − Y| − E|X − X′| − E|Y − Y′|) over all pairs of rows, Euclidean; for numbers √(2 ∫ (F − G)²). Scale the columns
 * first, or the largest one decides. The value of two equal distributions falls as n^−½ but is not 0; for a p-value of rows see
 * {@link mmd}, of numbers {@link cramerVonMises}. O((n + m) log(n + m)) for numbers, O((n + m)² d) for rows.
 *
 * @throws ERR_OUTRIGGER_INVALID_INPUT if a sample is empty, a value is not finite (of rows: or beyond 1e150), or rows differ in length
 *
 * Source: Székely and Rizzo, Journal of Statistical Planning and Inference 143 (2013).
 *
 * @example
 * ```ts
 * import { energyDistance } from 'outrigger/stats'
 * assert.equal(energyDistance([0, 0], [2, 2]), 2)
 * assert.equal(energyDistance([[0, 0]], [[3, 4]]), Math.sqrt(10))
 * ```
 */
export const energyDistance = (first: ArrayLike<number> | readonly ArrayLike<number>[], second: ArrayLike<number> | readonly ArrayLike<number>[]): number =>
  typeof first?.[0] === 'number' && typeof second?.[0] === 'number' ? ofNumbers(first as ArrayLike<number>, second as ArrayLike<number>) : ofRows(first, second)

const owner = 'an energy distance'

const ofNumbers = (first: ArrayLike<number>, second: ArrayLike<number>): number => Math.sqrt(2 * integrated(pooledPair(owner, first, second), (difference) => difference * difference))

const ofRows = (first: ArrayLike<number> | readonly ArrayLike<number>[], second: ArrayLike<number> | readonly ArrayLike<number>[]): number => {
  const rows = pooledRows(owner, first, second, 1)
  const n = first.length
  const m = second.length
  let [within, across, other] = [0, 0, 0]
  for (let one = 0; one < rows.count; one++) {
    for (let two = 0; two < one; two++) {
      const distance = Math.sqrt(squaredDistance(rows, one, two))
      if (one < n) within += distance
      else if (two < n) across += distance
      else other += distance
    }
  }
  // Where all cancels, rounding may leave less than nothing.
  return Math.sqrt(Math.max(0, (2 * across) / n / m - (2 * within) / n / n - (2 * other) / m / m))
}
