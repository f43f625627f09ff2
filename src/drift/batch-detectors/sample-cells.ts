import { InvalidOptionError, OutriggerError } from '../../core/errors.js'
import { numberOption } from '../../core/options.js'
import { mergedCounts, mergeSparseCells } from '../../stats/merge-cells.js'
import { pooledValues } from '../../stats/pooled-values.js'
import { totals } from '../../stats/totals.js'

/** Rows that are counted already, over cells that both samples share. */
export interface CountedSample {
  readonly counts: ArrayLike<number>
}
/** A category; `null` is one of its own. */
export type Category = string | boolean | null
/** One sample: finite numbers, or categories, or counts. Both samples must be of one kind. */
export type Sample = ArrayLike<number> | readonly Category[] | CountedSample

/** How numbers get cells. */
export interface CellOptions {
  /** About how many cells numbers are counted into, with equally many pooled rows each. */
  readonly cells?: number
  /** Whether counts are over cells that have an order. @default false */
  readonly ordered?: boolean
}

/** Two samples over the same cells. */
export interface SampleCells {
  readonly reference: readonly number[]
  readonly live: readonly number[]
  readonly n: number
  readonly m: number
  readonly ordered: boolean
}

const refuse = (owner: string, constraint: string, value: unknown): never => {
  throw new OutriggerError('ERR_OUTRIGGER_INVALID_INPUT', `Cannot compute ${owner} as ${constraint}: current value is ${typeof value === 'string' ? JSON.stringify(value) : String(value)}`)
}

const isCounted = (sample: Sample): sample is CountedSample => 'counts' in sample

const isList = (value: unknown): boolean => typeof value === 'object' && value !== null && 'length' in value

const checkedSample = (owner: string, sample: unknown): void => {
  if (typeof sample !== 'object' || sample === null || !('counts' in sample || 'length' in sample)) refuse(owner, 'a sample must be an array of values, or { counts }', sample)
  const counts = (sample as { readonly counts?: unknown }).counts
  if ('counts' in (sample as object) && !isList(counts)) refuse(owner, '`counts` must be an array of counts', counts)
}

/** Numbers as they are, or a coded error for what is no array of numbers; finite ones are asked for where they are sorted. */
export const numbersOf = (owner: string, sample: unknown): ArrayLike<number> => {
  checkedSample(owner, sample)
  if (isCounted(sample as Sample)) refuse(owner, 'both samples must be of one kind, values or counts', '{ counts }')
  return sample as ArrayLike<number>
}

/** Both as counts, if they are; a coded error if only one is. */
export const countsOf = (owner: string, reference: Sample, live: Sample): Pick<SampleCells, 'reference' | 'live' | 'n' | 'm'> | undefined => {
  checkedSample(owner, reference)
  checkedSample(owner, live)
  if (isCounted(reference) !== isCounted(live)) refuse(owner, 'both samples must be of one kind, values or counts', isCounted(live) ? 'a reference of values' : 'a reference of counts')
  if (!isCounted(reference) || !isCounted(live)) return undefined
  const { n, m } = totals(owner, reference.counts, live.counts)
  for (const counts of [reference.counts, live.counts]) for (let cell = 0; cell < counts.length; cell++) if (!Number.isInteger(counts[cell])) refuse(owner, 'counts must be whole numbers', counts[cell])
  return { reference: Array.from(reference.counts), live: Array.from(live.counts), n, m }
}

/** Both samples over common cells, chosen from the pooled rows alone: blind to which sample a row is of, so that shuffles of rows are fair. */
export const sampleCells = (owner: string, samples: readonly [reference: Sample, live: Sample], { cells, ordered = false }: CellOptions): SampleCells => {
  if (cells !== undefined) numberOption(owner, 'cells', cells, { min: 2, max: 1000, integer: true })
  if (typeof ordered !== 'boolean') throw new InvalidOptionError(`Cannot create ${owner} as \`ordered\` must be true or false: current value is ${String(ordered)}`)
  const [reference, live] = samples
  const counted = countsOf(owner, reference, live)
  if (counted !== undefined) return { ...counted, ordered }
  const [before, after] = [reference as ArrayLike<unknown>, live as ArrayLike<unknown>]
  const first = before.length > 0 ? before[0] : after[0]
  return typeof first === 'number' || first === undefined ? ofNumbers(owner, [before, after] as [ArrayLike<number>, ArrayLike<number>], cells) : ofCategories(owner, before, after)
}

const ofNumbers = (owner: string, samples: readonly [ArrayLike<number>, ArrayLike<number>], cells: number | undefined): SampleCells => {
  const [n, m] = [samples[0].length, samples[1].length]
  const smaller = Math.min(n, m) || Math.max(n, m)
  const filled = samples.filter((sample) => sample.length > 0)
  if (filled.length === 0) return { reference: [], live: [], n, m, ordered: true }
  const pooled = pooledValues(owner, filled).counts
  const empty = new Uint32Array(pooled[0]?.length ?? 0)
  const before = n > 0 ? (pooled[0] as Uint32Array) : empty
  const after = m > 0 ? (pooled[filled.length - 1] as Uint32Array) : empty
  const groups = mergeSparseCells(before, after, { ordered: true, minimumExpected: 0, maximumCells: cells ?? Math.min(32, Math.max(4, Math.round(2 * smaller ** 0.4))) })
  return { reference: mergedCounts(before, groups), live: mergedCounts(after, groups), n, m, ordered: true }
}

const ofCategories = (owner: string, before: ArrayLike<unknown>, after: ArrayLike<unknown>): SampleCells => {
  const numbers = new Map<unknown, number>()
  const sides = [before, after].map((sample) => {
    const counts: number[] = []
    for (let row = 0; row < sample.length; row++) {
      const value = sample[row]
      if (typeof value !== 'string' && typeof value !== 'boolean' && value !== null) refuse(owner, 'categories must be strings, booleans or null', value)
      const cell = numbers.get(value) ?? numbers.size
      numbers.set(value, cell)
      counts[cell] = (counts[cell] ?? 0) + 1
    }
    return counts
  })
  const [reference, live] = sides.map((counts) => Array.from({ length: numbers.size }, (_, cell) => counts[cell] ?? 0)) as [number[], number[]]
  return { reference, live, n: before.length, m: after.length, ordered: false }
}
