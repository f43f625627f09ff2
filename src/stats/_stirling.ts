/** B(2k) / (2k (2k - 1)) for k = 1 … 9: the coefficients of Stirling's series. */
const coefficients = [
  0.08333333333333333, -0.002777777777777778, 0.0007936507936507937, -0.0005952380952380953, 0.0008417508417508417, -0.0019175269175269176, 0.00641025641025641, -0.029550653594771242, 0.17964437236883057,
]

/**
 * What Stirling's formula lacks: ln Γ(a) − [(a − ½) ln a − a + ½ ln 2π], for a ≥ 10, where the nine terms are good to
 * an absolute 1e-18. (Abramowitz and Stegun, 1964, 6.1.41.)
 */
export const stirlingRemainder = (a: number): number => {
  const inverseSquare = 1 / (a * a)
  let sum = 0
  for (let k = coefficients.length - 1; k >= 0; k--) sum = sum * inverseSquare + (coefficients[k] as number)
  return sum / a
}

/**
 * ln(1 + x) − x without the cancellation near 0, for x > −1.
 *
 * Near 0 it uses ln(1 + x) = 2 artanh(r) with r = x / (2 + x), of which the first term cancels against x by hand.
 */
export const log1pMinus = (x: number): number => {
  if (x < -0.5 || x > 1) return Math.log1p(x) - x
  const r = x / (2 + x)
  const r2 = r * r
  let sum = 0
  let power = 1
  for (let k = 3; ; k += 2) {
    const term = power / k
    sum += term
    if (term < 1e-17) break
    power *= r2
  }
  return 2 * r * r2 * sum - x * r
}
