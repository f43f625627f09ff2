import { OutriggerError } from '../core/errors.js'

/** An increasing, piecewise linear function: `y[i]` at `x[i]`, flat outside. */
export interface IsotonicFit {
  /** Strictly increasing. */
  readonly x: readonly number[]
  /** Never decreasing. */
  readonly y: readonly number[]
}

interface Pool {
  weight: number
  mean: number
  /** The first and the last distinct x. */
  from: number
  to: number
}

/**
 * Isotonic regression: the increasing function that is nearest to the values in weighted least squares.
 *
 * Pool adjacent violators: rows are ordered by x, rows of equal x are one; where a mean is below the one before, both are one
 * pool. With labels 0 and 1 it is a calibration map from scores to probabilities. O(n log n).
 *
 * **Misleads**: at both ends it follows the noise (a few negative rows at the bottom make a probability of 0), and it takes some
 * hundred rows; judge it on rows that it has not seen.
 *
 * @param x - finite; any order
 * @param y - finite
 * @param options.weights - each at least 0; rows of weight 0 are left out. @default 1 each
 * @throws ERR_OUTRIGGER_INVALID_INPUT if lengths differ, a value is not finite, a weight is negative, or no row has weight
 *
 * Source: Ayer et al., Annals of Mathematical Statistics 26 (1955); Zadrozny and Elkan, KDD (2002), for calibration.
 *
 * @example
 * ```ts
 * import { isotonicRegression, isotonicValue } from 'outrigger/stats'
 * const fit = isotonicRegression([0.1, 0.2, 0.3, 0.9], [0, 1, 0, 1])
 * assert.deepEqual(fit, { x: [0.1, 0.2, 0.3, 0.9], y: [0, 0.5, 0.5, 1] })
 * assert.equal(isotonicValue(fit, 0.25), 0.5)
 * ```
 */
export const isotonicRegression = (x: ArrayLike<number>, y: ArrayLike<number>, options: { readonly weights?: ArrayLike<number> } = {}): IsotonicFit => {
  const { weights } = options
  if (x.length !== y.length || (weights !== undefined && weights.length !== x.length)) throw refused('each x needs its y and its weight', `${x.length} x, ${y.length} y and ${weights?.length ?? x.length} weights`)
  const order: number[] = []
  for (let row = 0; row < x.length; row++) {
    const weight = weights === undefined ? 1 : (weights[row] as number)
    if (!Number.isFinite(x[row]) || !Number.isFinite(y[row])) throw refused('x and y must be finite', `${String(x[row])}, ${String(y[row])} in row ${row}`)
    if (!(weight >= 0 && weight < Infinity)) throw refused('a weight must be a finite number of at least 0', `${weight} in row ${row}`)
    if (weight > 0) order.push(row)
  }
  if (order.length === 0) throw refused('a row must have weight', 'none')
  order.sort((a, b) => (x[a] as number) - (x[b] as number))

  const places: number[] = []
  const pools: Pool[] = []
  for (let next = 0; next < order.length; ) {
    const place = x[order[next] as number] as number
    let [weight, sum] = [0, 0]
    for (; next < order.length && x[order[next] as number] === place; next++) {
      const row = order[next] as number
      const own = weights === undefined ? 1 : (weights[row] as number)
      weight += own
      sum += own * (y[row] as number)
    }
    const pool: Pool = { weight, mean: sum / weight, from: places.length, to: places.length }
    places.push(place)
    for (let before = pools.at(-1); before !== undefined && before.mean >= pool.mean; before = pools.at(-1)) {
      pools.pop()
      pool.mean = (before.mean * before.weight + pool.mean * pool.weight) / (before.weight + pool.weight)
      pool.weight += before.weight
      pool.from = before.from
    }
    pools.push(pool)
  }
  const ends = pools.flatMap(({ from, to, mean }) => (from === to ? [[from, mean] as const] : [[from, mean] as const, [to, mean] as const]))
  return { x: ends.map(([place]) => places[place] as number), y: ends.map(([, mean]) => mean) }
}

/** The value of an isotonic fit at x: linear between the places of the fit, flat outside of them; `NaN` at `NaN`. O(log n). */
export const isotonicValue = ({ x, y }: IsotonicFit, at: number): number => {
  if (Number.isNaN(at)) return NaN
  let [low, high] = [0, x.length]
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((x[middle] as number) <= at) low = middle + 1
    else high = middle
  }
  if (low === 0) return y[0] as number
  const [x0, y0] = [x[low - 1] as number, y[low - 1] as number]
  if (low === x.length || at === x0) return y0
  return y0 + (((y[low] as number) - y0) * (at - x0)) / ((x[low] as number) - x0)
}

const refused = (why: string, value: string): OutriggerError => new OutriggerError('ERR_OUTRIGGER_INVALID_INPUT', `Cannot compute an isotonic regression as ${why}: current value is ${value}`)
