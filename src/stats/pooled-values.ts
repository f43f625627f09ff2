import { OutriggerError } from '../core/errors.js'

/** The values of a sample in increasing order, or a coded error if there is none, or one is not finite. */
export const sortedSample = (owner: string, sample: ArrayLike<number>): Float64Array => {
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

/** Pools samples, each refused as in {@link sortedSample}. O(N log N). */
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
