import { totals } from './totals.js'

/**
 * The population stability index (PSI) of two samples counted over the same cells; 0 and up, in nats.
 *
 * Σ (q − p) ln(q / p). **Empty cells**: half a row is added to every cell of both samples before the shares are taken
 * (p = (a + ½) / (n + k/2)), so that an empty cell adds a finite amount that shrinks as rows come in; cells empty in both
 * are left out. A constant such as 1e-4 in their place makes the index a measure of that constant.
 *
 * By custom below .1 is called stable and above .25 shifted, whatever the sizes: the index knows none, and unchanged data give
 * about (k − 1)(1/n + 1/m). It is here because people ask for it; `driftVerdict` does not decide by it.
 *
 * @throws ERR_OUTRIGGER_INVALID_INPUT if the lengths differ or a count is negative or not finite. `NaN` if a sample is empty.
 *
 * Source: Yurdakul, Statistical Properties of Population Stability Index (2018), chapter 3; Jeffreys (1946) for the half.
 *
 * @example
 * ```ts
 * import { populationStability } from 'outrigger/stats'
 * assert.equal(populationStability([100, 100], [10, 10]), 0)
 * assert.ok(Math.abs(populationStability([500, 500], [300, 700]) - 0.169) < 0.001)
 * ```
 */
export const populationStability = (first: ArrayLike<number>, second: ArrayLike<number>): number => {
  const { n, m } = totals('a population stability index', first, second)
  if (n === 0 || m === 0) return NaN
  const used: number[] = []
  for (let cell = 0; cell < first.length; cell++) if ((first[cell] as number) + (second[cell] as number) > 0) used.push(cell)
  let sum = 0
  for (const cell of used) {
    const p = ((first[cell] as number) + 0.5) / (n + used.length / 2)
    const q = ((second[cell] as number) + 0.5) / (m + used.length / 2)
    sum += (q - p) * Math.log(q / p)
  }
  return sum
}
