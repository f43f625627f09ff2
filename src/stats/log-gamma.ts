import { stirlingSeries } from './_stirling-series.js'

/** ζ(k) − 1 for k = 2, 3, …: the Taylor coefficients of ln Γ around 2. */
const zetaMinusOne = [
  0.6449340668482264, 0.2020569031595943, 0.08232323371113819, 0.03692775514336993, 0.01734306198444914, 0.008349277381922827,
  0.00407735619794434, 0.0020083928260822143, 0.0009945751278180853, 0.0004941886041194645, 0.0002460865533080483, 0.00012271334757848915,
  6.124813505870483e-05, 3.058823630702049e-05, 1.528225940865187e-05, 7.637197637899763e-06, 3.81729326499984e-06, 1.908212716553939e-06,
  9.539620338727962e-07, 4.769329867878064e-07, 2.38450502727733e-07, 1.1921992596531106e-07, 5.960818905125948e-08, 2.980350351465228e-08,
  1.4901554828365043e-08, 7.45071178983543e-09, 3.725334024788457e-09, 1.862659723513049e-09, 9.313274324196682e-10, 4.656629065033784e-10,
  2.3283118336765053e-10, 1.164155017270052e-10, 5.820772087902701e-11, 2.9103850444971e-11,
]
const eulerGamma = 0.5772156649015329
const halfLogTwoPi = 0.9189385332046728

/** ln Γ(1 + z) for |z| ≤ ½: −ln(1 + z) + z(1 − γ) + Σ (−1)^k (ζ(k) − 1) z^k / k, which loses nothing near its zeros. */
export const logGammaNearOne = (z: number): number => {
  let sum = 0
  for (let index = zetaMinusOne.length - 1; index >= 0; index--) {
    const k = index + 2
    const coefficient = (zetaMinusOne[index] as number) / k
    sum = sum * z + (k % 2 === 0 ? coefficient : -coefficient)
  }
  return sum * z * z + z * (1 - eulerGamma) - Math.log1p(z)
}

/**
 * The natural logarithm of the gamma function, ln Γ(x), for x > 0.
 *
 * Stirling's series from 10 up, a Taylor series around 1 and 2 (so that the zeros there keep their digits), and the
 * recurrence Γ(x + 1) = x Γ(x) between. Relative error below 1e-14. `NaN` for x < 0; `Infinity` at 0.
 *
 * Source: Abramowitz and Stegun, Handbook of Mathematical Functions (1964), 6.1.33 and 6.1.41.
 *
 * @example
 * ```ts
 * import { logGamma } from 'outrigger/stats'
 * assert.ok(Math.abs(logGamma(6) - Math.log(120)) < 1e-14)
 * ```
 */
export const logGamma = (x: number): number => {
  if (Number.isNaN(x) || x < 0) return NaN
  if (x === 0 || x === Infinity) return Infinity
  if (x >= 10) return (x - 0.5) * Math.log(x) - x + halfLogTwoPi + stirlingSeries(x)
  if (x < 0.5) return logGammaNearOne(x) - Math.log(x)
  let product = 1
  let rest = x
  while (rest > 2.5) {
    rest -= 1
    product *= rest
  }
  if (rest > 1.5) return logGammaNearOne(rest - 2) + Math.log1p(rest - 2) + Math.log(product)
  return logGammaNearOne(rest - 1) + Math.log(product)
}
