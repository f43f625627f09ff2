/** B(2k) / (2k (2k - 1)) for k = 1 … 9: the coefficients of Stirling's series. */
export const stirlingCoefficients: readonly number[] = [
  0.08333333333333333, -0.002777777777777778, 0.0007936507936507937, -0.0005952380952380953, 0.0008417508417508417, -0.0019175269175269176, 0.00641025641025641, -0.029550653594771242, 0.17964437236883057,
]

/**
 * ln Γ(a) − [(a − ½) ln a − a + ½ ln 2π], for a ≥ 10, where the nine terms are good to an absolute 1e-18. (Abramowitz
 * and Stegun, 1964, 6.1.41.)
 */
export const stirlingSeries = (a: number): number => {
  const inverseSquare = 1 / (a * a)
  let sum = 0
  for (let k = stirlingCoefficients.length - 1; k >= 0; k--) sum = sum * inverseSquare + (stirlingCoefficients[k] as number)
  return sum / a
}
