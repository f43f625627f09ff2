import { parameter } from './_parameters.js'

/**
 * The procedure of Benjamini and Hochberg for e-values: which hypotheses are rejected so that at most a share `level` of
 * them is false on average, **however the e-values depend on each other**.
 *
 * Sorted downwards, the largest i with i · e(i) / k ≥ 1 / level, and the first i are rejected. An e-value is a number ≥ 0 whose mean
 * is at most 1 when there is nothing to find: a betting score, a likelihood ratio, an e-process when it is looked at.
 * 1 / p is none. `NaN` (no test was made) is never rejected and does not count. O(k log k).
 *
 * @param level - in (0, 1)
 * @returns for each e-value whether its hypothesis is rejected, in the order given
 * @throws ERR_OUTRIGGER_INVALID_INPUT if an e-value is negative, or the level is not in (0, 1)
 *
 * Source: Wang and Ramdas, Journal of the Royal Statistical Society B 84 (2022).
 *
 * @example
 * ```ts
 * import { eBenjaminiHochberg } from 'outrigger/stats'
 * assert.deepEqual(eBenjaminiHochberg([50, 1, 31, 0.2], 0.1), [true, false, true, false])
 * assert.deepEqual(eBenjaminiHochberg([31, 1, 1, 0.2], 0.1), [false, false, false, false])
 * ```
 */
export const eBenjaminiHochberg = (eValues: readonly number[], level: number): boolean[] => {
  const owner = 'a false discovery rate'
  parameter(owner, 'level', level, 'above 0 and below 1', level > 0 && level < 1)
  for (const e of eValues) parameter(owner, 'eValues', e, 'not negative', !(e < 0))
  const sorted = eValues.filter((e) => !Number.isNaN(e)).sort((a, b) => b - a)
  let threshold = Infinity
  let found = false
  sorted.forEach((e, index) => {
    if (((index + 1) * e * level) / sorted.length < 1) return
    threshold = e
    found = true
  })
  return eValues.map((e) => found && e >= threshold)
}
