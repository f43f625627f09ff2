import { OutriggerError } from '../core/errors.js'

/** Rows of numbers, one after the other. */
export interface Rows {
  readonly count: number
  readonly width: number
  readonly data: Float64Array
}

/** Beyond it the square of a distance may be no double, and what is made of it `NaN`. */
const largest = 1e150

const refused = (owner: string, why: string, value: string): OutriggerError => new OutriggerError('ERR_OUTRIGGER_INVALID_INPUT', `Cannot compute ${owner} as ${why}: current value is ${value}`)

const rowOf = (owner: string, row: unknown): ArrayLike<number> => {
  if (typeof row === 'number') return [row]
  if (typeof row !== 'object' || row === null || typeof (row as Partial<ArrayLike<number>>).length !== 'number') throw refused(owner, 'a row must be a number or an array of numbers', String(row))
  return row as ArrayLike<number>
}

/** Both samples as rows of one width, the first sample's first; numbers are rows of width 1. A coded error for what is none. */
export const pooledRows = (owner: string, first: ArrayLike<number> | readonly ArrayLike<number>[], second: ArrayLike<number> | readonly ArrayLike<number>[], least: number): Rows => {
  for (const sample of [first, second]) {
    if (typeof sample?.length !== 'number') throw refused(owner, 'a sample must be an array of rows', String(sample))
    if (sample.length < least) throw refused(owner, `a sample must have at least ${least} rows`, String(sample.length))
  }
  const width = rowOf(owner, first[0]).length
  if (width === 0) throw refused(owner, 'a row must have at least 1 number', 'an empty row')
  const count = first.length + second.length
  const data = new Float64Array(count * width)
  for (let index = 0; index < count; index++) {
    const values = rowOf(owner, index < first.length ? first[index] : second[index - first.length])
    if (values.length !== width) throw refused(owner, `all rows must have ${width} numbers`, `a row of ${values.length}`)
    for (let column = 0; column < width; column++) {
      const value = values[column]
      if (typeof value !== 'number' || !(Math.abs(value) <= largest)) throw refused(owner, `rows must be of finite numbers, of at most ${largest}`, String(value))
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
