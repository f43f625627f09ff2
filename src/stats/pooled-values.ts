import { OutriggerError } from '../core/errors.js'

/** The values of a sample in increasing order, or a coded error if there is none, or one is not finite. */
const sortedSample = (owner: string, sample: ArrayLike<number>): Float64Array => {
  if (typeof sample?.length !== 'number') throw new OutriggerError('ERR_OUTRIGGER_INVALID_INPUT', `Cannot compute ${owner} as a sample must be an array of numbers: current value is ${String(sample)}`)
  if (sample.length === 0) throw new OutriggerError('ERR_OUTRIGGER_INVALID_INPUT', `Cannot compute ${owner} as a sample must have at least 1 value: current value is an empty sample`)
  const sorted = new Float64Array(sample.length)
  for (let row = 0; row < sorted.length; row++) {
    const value = sample[row]
    if (typeof value !== 'number' || !Number.isFinite(value)) {
      throw new OutriggerError('ERR_OUTRIGGER_INVALID_INPUT', `Cannot compute ${owner} as a sample must be of finite numbers: current value is ${String(value)} in row ${row}`)
    }
    sorted[row] = value
  }
  return sorted.sort()
}

/** Several samples over the distinct values of all of them. */
export interface PooledValues {
  /** In increasing order. */
  readonly values: Float64Array
  /** For each sample, how often it has each value. */
  readonly counts: readonly Uint32Array[]
  /** The size of each sample. */
  readonly sizes: readonly number[]
}

/** Pools samples, each refused as in the tests of raw values: with a coded error if it is empty or a value is not finite. O(N log N). */
export const pooledValues = (owner: string, samples: readonly ArrayLike<number>[]): PooledValues => {
  const sorted = samples.map((sample) => sortedSample(owner, sample))
  const sizes = sorted.map((sample) => sample.length)
  const size = sizes.reduce((sum, one) => sum + one, 0)
  const values = new Float64Array(size)
  const counts = sorted.map(() => new Uint32Array(size))
  const heads = new Uint32Array(sorted.length)
  let distinct = 0
  for (let taken = 0; taken < size; distinct++) {
    let least = Infinity
    for (let index = 0; index < sorted.length; index++) {
      const value = (sorted[index] as Float64Array)[heads[index] as number]
      if (value !== undefined && value < least) least = value
    }
    for (let index = 0; index < sorted.length; index++) {
      const sample = sorted[index] as Float64Array
      const start = heads[index] as number
      let end = start
      while (sample[end] === least) end++
      heads[index] = end
      ;(counts[index] as Uint32Array)[distinct] = end - start
      taken += end - start
    }
    values[distinct] = least
  }
  return { values: values.subarray(0, distinct), counts: counts.map((count) => count.subarray(0, distinct)), sizes }
}

/** Two samples over the distinct values of both. */
export interface PooledPair {
  readonly values: Float64Array
  /** How often the first sample has each value, and the second. */
  readonly counts: readonly [Uint32Array, Uint32Array]
  /** How often both together have each value. */
  readonly ties: Uint32Array
  readonly n: number
  readonly m: number
  /** n m (F − G) at each value: a whole number, which has no rounding up to 2⁵³. */
  readonly apart: Float64Array
}

/** Pools two samples, as {@link pooledValues}, with how far their distribution functions are apart. */
export const pooledPair = (owner: string, first: ArrayLike<number>, second: ArrayLike<number>): PooledPair => {
  const { values, counts, sizes } = pooledValues(owner, [first, second])
  const [a, b] = counts as [Uint32Array, Uint32Array]
  const [n, m] = sizes as [number, number]
  const apart = new Float64Array(values.length)
  let i = 0
  let j = 0
  for (let value = 0; value < values.length; value++) {
    i += a[value] as number
    j += b[value] as number
    apart[value] = i * m - j * n
  }
  return { values, counts: [a, b], ties: a.map((count, value) => count + (b[value] as number)), n, m, apart }
}

/** The integral of `weight(F − G)` between the values; where F = G it is 0, however far apart they are. */
export const integrated = ({ values, apart, n, m }: PooledPair, weight: (difference: number) => number): number => {
  let sum = 0
  for (let value = 0; value + 1 < values.length; value++) {
    const difference = (apart[value] as number) / n / m
    if (difference !== 0) sum += weight(difference) * ((values[value + 1] as number) - (values[value] as number))
  }
  return sum
}
