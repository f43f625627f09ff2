import { OutriggerError } from '../../core/errors.js'
import { numberOption } from '../../core/options.js'
import { seededRandom, type Random } from '../../core/random.js'

/** Rows of numbers of one length, such as embeddings. */
export type EmbeddingSample = readonly ArrayLike<number>[]

/** How many rows are compared at most. */
export interface EmbeddingOptions {
  /** Of each sample; of more, so many are drawn. */
  readonly maximumRows?: number
}

/** Columns are mixed down to so many by random signs, which keeps distances to about a tenth. */
const mostColumns = 64

/** Both samples, checked, drawn to the maximum and mixed to at most 64 columns; a coded error for what are no rows. */
export const embeddingSamples = (owner: string, samples: readonly [EmbeddingSample, EmbeddingSample], options: { readonly maximumRows: number; readonly seed: number | string; readonly mix?: boolean }): [Float64Array[], Float64Array[]] => {
  numberOption(owner, 'maximumRows', options.maximumRows, { min: 40, max: 20_000, integer: true })
  const random = seededRandom(options.seed)
  const refuse = (constraint: string, value: unknown): never => {
    throw new OutriggerError('ERR_OUTRIGGER_INVALID_INPUT', `Cannot compute ${owner} as ${constraint}: current value is ${String(value)}`)
  }
  let width: number | undefined
  const checked = samples.map((sample, side) => {
    if (!Array.isArray(sample)) refuse('a sample must be an array of rows', sample)
    return drawn(sample, options.maximumRows, random.substream(`rows ${side}`)).map((row) => {
      if (typeof row !== 'object' || row === null || !(row.length > 0)) refuse('a row must be an array of numbers', row)
      width ??= row.length
      if (row.length !== width) refuse(`all rows must have ${width} numbers`, `a row of ${row.length}`)
      for (let column = 0; column < width; column++) if (typeof row[column] !== 'number' || !Number.isFinite(row[column])) refuse('rows must be of finite numbers', row[column])
      return Float64Array.from(row)
    })
  }) as [Float64Array[], Float64Array[]]
  if (options.mix !== true || width === undefined || width <= mostColumns) return checked
  const draw = random.substream('signs')
  const signs = Array.from({ length: mostColumns }, () => Float64Array.from({ length: width as number }, () => (draw.next() < 0.5 ? -1 : 1)))
  return checked.map((rows) => rows.map((row) => Float64Array.from(signs, (sign) => dot(sign, row)))) as [Float64Array[], Float64Array[]]
}

/**
 * The seed with 64 bits of the rows' values: by the seed alone all windows of one size would be dealt the very same shuffles, and false alarms would be more or fewer
 * than `alpha` for good, as the seed has it.
 */
export const seedOfRows = (seed: number | string, samples: readonly (readonly Float64Array[])[]): string => {
  let [one, other] = [0, 0]
  for (const rows of samples) {
    for (const row of rows) {
      for (const word of new Uint32Array(row.buffer, row.byteOffset, row.length * 2)) {
        one = Math.imul(one ^ word, 0x9e3779b1)
        one ^= one >>> 15
        other = Math.imul(other + word + 1, 0x85ebca6b)
        other ^= other >>> 13
      }
    }
  }
  return `${seed}/${one >>> 0}/${other >>> 0}`
}

/** The sum of products. */
export const dot = (one: Float64Array, other: Float64Array): number => {
  let sum = 0
  for (let column = 0; column < one.length; column++) sum += (one[column] as number) * (other[column] as number)
  return sum
}

/** So many of the rows, in random order; all of them, in their own, if there are no more. */
export const drawn = <T>(rows: readonly T[], most: number, random: Random): readonly T[] => {
  if (rows.length <= most) return rows
  const order = [...rows]
  for (let index = 0; index < most; index++) {
    const other = index + random.integer(order.length - index)
    ;[order[index], order[other]] = [order[other] as T, order[index] as T]
  }
  return order.slice(0, most)
}

/** How far from the median of its column a value counts, in robust standard deviations. */
const reach = 4

/** Columns about their pooled median, cut at 4 robust deviations, so that no outlier decides; in units of that deviation if asked for. Constant columns are 0. */
export const robustColumns = (rows: readonly Float64Array[], inUnits: boolean): Float64Array[] => {
  const result = rows.map((row) => new Float64Array(row.length))
  for (let column = 0; column < (rows[0] as Float64Array).length; column++) {
    const sorted = Float64Array.from(rows, (row) => row[column] as number).sort()
    const at = (share: number): number => sorted[Math.round(share * (sorted.length - 1))] as number
    const centre = at(0.5)
    const deviation = (at(0.75) - at(0.25)) / 1.349 || (at(0.95) - at(0.05)) / 3.29 || at(1) - at(0)
    if (!(deviation > 0)) continue
    rows.forEach((row, index) => {
      const units = Math.max(-reach, Math.min(reach, ((row[column] as number) - centre) / deviation))
      ;(result[index] as Float64Array)[column] = inUnits ? units : units * deviation
    })
  }
  return result
}
