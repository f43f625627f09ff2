import { OutriggerError } from '../core/errors.js'

/** Rows of numbers, one after the other. */
export interface Rows {
  readonly count: number
  readonly width: number
  readonly data: Float64Array
}

/** Both samples as rows of one width, the first sample's first; numbers are rows of width 1. A coded error for what is none. */
export const pooledRows = (owner: string, first: ArrayLike<number> | readonly ArrayLike<number>[], second: ArrayLike<number> | readonly ArrayLike<number>[], least: number): Rows => {
  for (const sample of [first, second]) {
    if (sample.length < least) throw new OutriggerError('ERR_OUTRIGGER_INVALID_INPUT', `Cannot compute ${owner} as a sample must have at least ${least} rows: current value is ${sample.length}`)
  }
  const head = first[0] as number | ArrayLike<number>
  const width = typeof head === 'number' ? 1 : head.length
  const count = first.length + second.length
  const data = new Float64Array(count * width)
  for (let index = 0; index < count; index++) {
    const row = (index < first.length ? first[index] : second[index - first.length]) as number | ArrayLike<number>
    const values: ArrayLike<number> = typeof row === 'number' ? [row] : row
    if (values.length !== width) throw new OutriggerError('ERR_OUTRIGGER_INVALID_INPUT', `Cannot compute ${owner} as all rows must have ${width} numbers: current value is a row of ${values.length}`)
    for (let column = 0; column < width; column++) {
      const value = values[column]
      if (typeof value !== 'number' || !Number.isFinite(value)) throw new OutriggerError('ERR_OUTRIGGER_INVALID_INPUT', `Cannot compute ${owner} as rows must be of finite numbers: current value is ${String(value)}`)
      data[index * width + column] = value
    }
  }
  return { count, width, data }
}

/** The squared Euclidean distance of two rows. */
export const squaredDistance = ({ data, width }: Rows, one: number, other: number): number => {
  let sum = 0
  for (let column = 0; column < width; column++) {
    const difference = (data[one * width + column] as number) - (data[other * width + column] as number)
    sum += difference * difference
  }
  return sum
}
