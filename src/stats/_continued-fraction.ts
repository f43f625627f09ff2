/** Steps after which a fraction that has not settled is given up as `NaN`: about half a second. */
const maximumSteps = 2 ** 24

/**
 * b₀ + a₁ / (b₁ + a₂ / (b₂ + …)), from its n-th terms; `NaN` if 2²⁴ terms do not settle it.
 *
 * Evaluated from the far end, where rounding errors shrink on their way to the front instead of piling up as they do in
 * Lentz's forward product; twice as many terms are taken until two values agree.
 */
export const continuedFraction = (numerator: (n: number) => number, denominator: (n: number) => number): number => {
  let before = NaN
  for (let steps = 16; steps <= maximumSteps; steps *= 2) {
    let value = denominator(steps)
    for (let n = steps; n >= 1; n--) value = denominator(n - 1) + numerator(n) / value
    if (Math.abs(value - before) <= 2 * Number.EPSILON * Math.abs(value)) return value
    before = value
  }
  return NaN
}
