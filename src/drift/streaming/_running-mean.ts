/** A mean that learns value by value: part of the memory of several detectors. */
export interface RunningMean {
  n: number
  mean: number
}

/** Takes one value into a running mean. The product with 1/n, not the quotient: to the bit what river computes. */
export const take = (memory: RunningMean, value: number): void => {
  memory.n += 1
  memory.mean += (1 / memory.n) * (value - memory.mean)
}
