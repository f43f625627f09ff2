import { OutriggerError } from '../core/errors.js'

/** Counts of two samples over the same cells: their totals, or a coded error if they are no counts or do not match. */
export const totals = (owner: string, first: ArrayLike<number>, second: ArrayLike<number>): { readonly n: number; readonly m: number } => {
  for (const sample of [first, second]) {
    if (typeof sample?.length !== 'number') throw new OutriggerError('ERR_OUTRIGGER_INVALID_INPUT', `Cannot compute ${owner} as a sample must be an array of counts: current value is ${String(sample)}`)
  }
  if (first.length !== second.length) {
    throw new OutriggerError('ERR_OUTRIGGER_INVALID_INPUT', `Cannot compute ${owner} as both samples must have the same cells: current value is ${first.length} and ${second.length} cells`)
  }
  const [n, m] = [total(owner, first), total(owner, second)]
  if (n + m === Infinity) throw new OutriggerError('ERR_OUTRIGGER_INVALID_INPUT', `Cannot compute ${owner} as the sum of all counts must be finite: current value is Infinity`)
  return { n, m }
}

const total = (owner: string, counts: ArrayLike<number>): number => {
  let sum = 0
  for (let cell = 0; cell < counts.length; cell++) {
    const count = counts[cell] as number
    if (!(count >= 0) || count === Infinity) {
      throw new OutriggerError('ERR_OUTRIGGER_INVALID_INPUT', `Cannot compute ${owner} as counts must be finite and not negative: current value is ${String(count)}`)
    }
    sum += count
  }
  return sum
}
