const splitter = 134217729

/** The rounding error of the product x · y, exactly, unless it over- or underflows. (Dekker, Numerische Mathematik 18, 1971.) */
const productError = (x: number, y: number, product: number): number => {
  const xScaled = splitter * x
  const xHigh = xScaled - (xScaled - x)
  const xLow = x - xHigh
  const yScaled = splitter * y
  const yHigh = yScaled - (yScaled - y)
  const yLow = y - yHigh
  return xLow * yLow - (product - xHigh * yHigh - xLow * yHigh - xHigh * yLow)
}

/**
 * (a + b) x − a, how far the mean of a beta or binomial count is above `a`, good to its own last digits: far out in a
 * tail with parameters of a million, the plain expression would cost four digits of the probability.
 */
export const exactExcess = (a: number, b: number, x: number): number => {
  const total = a + b
  const fromB = total - a
  const sumError = a - (total - fromB) + (b - fromB)
  const product = total * x
  const error = productError(total, x, product)
  return Number.isFinite(error) ? product - a + (error + sumError * x) : product - a
}
