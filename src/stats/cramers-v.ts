import { totals } from './totals.js'

/**
 * Cramér's V between "which sample" and "which cell", corrected for bias: 0 (no association) to 1.
 *
 * With φ² = X²/N over k non-empty cells and two samples: φ̃² = max(0, φ² − (k − 1)/(N − 1)), k̃ = k − (k − 1)²/(N − 1),
 * r̃ = 2 − 1/(N − 1), V = √(φ̃² / min(k̃ − 1, r̃ − 1)). The plain V is above 0 for unchanged data, more with more cells.
 *
 * V depends on the ratio of the sample sizes: compare it only between windows of like size. O(k).
 *
 * @throws ERR_OUTRIGGER_INVALID_INPUT if the lengths differ or a count is negative or not finite. `NaN` if a sample is empty.
 *
 * Source: W. Bergsma, Journal of the Korean Statistical Society 42 (2013).
 *
 * @example
 * ```ts
 * import { cramersV } from 'outrigger/stats'
 * assert.equal(cramersV([50, 50], [51, 49]), 0)
 * assert.ok(cramersV([100, 0], [0, 100]) > 0.99)
 * ```
 */
export const cramersV = (first: ArrayLike<number>, second: ArrayLike<number>): number => {
  const { n, m } = totals('Cramér\'s V', first, second)
  if (n === 0 || m === 0) return NaN
  let sum = 0
  let cells = 0
  for (let cell = 0; cell < first.length; cell++) {
    const pooled = (first[cell] as number) + (second[cell] as number)
    if (pooled === 0) continue
    const difference = (first[cell] as number) / n - (second[cell] as number) / m
    sum += (difference * difference) / pooled
    cells += 1
  }
  const rest = n + m - 1
  const phi2 = Math.max(0, (sum * n * m) / (n + m) - (cells - 1) / rest)
  const width = Math.min(cells - (cells - 1) ** 2 / rest - 1, 1 - 1 / rest)
  return width <= 0 ? 0 : Math.min(1, Math.sqrt(phi2 / width))
}
