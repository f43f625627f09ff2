/** By how much the errors of one block are a multiple of what its rows promise, beyond chance: standard deviations of the factor. */
export interface BlockErrors {
  readonly count: number
  readonly absolute: number
  readonly squared: number
}

/** A row that measures a leaf. */
export interface MeasuredRow {
  readonly leaf: number
  readonly error: number
  readonly block: unknown
}

/** DerSimonian and Laird's moment estimate (Controlled Clinical Trials 7, 1986) of the spread of a factor. */
const spreadOf = (ratios: readonly { readonly value: number; readonly variance: number }[]): number => {
  const usable = ratios.filter(({ variance }) => variance > 0)
  const weights = usable.map(({ variance }) => 1 / variance)
  const total = weights.reduce((sum, weight) => sum + weight, 0)
  if (usable.length < 2) return 0
  const mean = usable.reduce((sum, { value }, at) => sum + value * (weights[at] as number), 0) / total
  const q = usable.reduce((sum, { value }, at) => sum + (weights[at] as number) * (value - mean) ** 2, 0)
  const squares = weights.reduce((sum, weight) => sum + weight * weight, 0)
  return Math.sqrt(Math.max(0, (q - (usable.length - 1)) / (total - squares / total)))
}

/**
 * How blocks differ: each has the errors that the leaves of its rows promise, times a factor of its own.
 *
 * @param losses - per leaf: rows, mean and variance of the absolute error, mean and variance of the squared error
 */
export const blockErrors = (rows: readonly MeasuredRow[], losses: readonly (readonly [number, number, number, number, number])[]): BlockErrors => {
  const sums = new Map<unknown, { absolute: number[]; squared: number[] }>()
  for (const { leaf, error, block } of rows) {
    const own = sums.get(block) ?? { absolute: [0, 0, 0], squared: [0, 0, 0] }
    sums.set(block, own)
    const [, absolute, absoluteVariance, squared, squaredVariance] = losses[leaf] as (typeof losses)[number]
    ;[error, absolute, absoluteVariance].forEach((term, at) => (own.absolute[at] = (own.absolute[at] as number) + term))
    ;[error * error, squared, squaredVariance].forEach((term, at) => (own.squared[at] = (own.squared[at] as number) + term))
  }
  const ratios = (of: 'absolute' | 'squared'): { value: number; variance: number }[] =>
    [...sums.values()].flatMap(({ [of]: [seen = 0, promised = 0, variance = 0] }) => (promised > 0 ? [{ value: seen / promised, variance: variance / promised / promised }] : []))
  return { count: sums.size, absolute: spreadOf(ratios('absolute')), squared: spreadOf(ratios('squared')) }
}
