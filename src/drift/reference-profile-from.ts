import { InvalidOptionError } from '../core/errors.js'
import { functionOption } from '../core/options.js'
import type { FeatureRow } from './feature-cells.js'
import { builderFor, ReferenceProfile, samplerFor, type ReferenceProfileOptions } from './reference-profile.js'

/** How far a reference profile is. */
export interface ReferenceProfileProgress {
  /** The first pass learns the cells from a sample, the second one counts. A source that can be read once has one pass. */
  readonly pass: 1 | 2
  /** Rows read in this pass. */
  readonly rows: number
}

/** Options of {@link referenceProfileFrom}. */
export interface ReferenceProfileFromOptions<R extends FeatureRow = FeatureRow> extends ReferenceProfileOptions<R> {
  /** Called every 10 000 rows, and at the end of a pass. What it throws ends the work. */
  readonly onProgress?: (progress: ReferenceProfileProgress) => void
}

/** Rows that come over time: a stream, or a function that opens it anew each time. */
export type RowStream<R> = AsyncIterable<R> | Iterable<R> | (() => AsyncIterable<R> | Iterable<R>)

const progressRows = 10_000

/**
 * Builds a reference profile of rows that come over time, in bounded memory: a query, a file, a stream.
 *
 * A stream is read once: cells are learnt from `sampleRows` of its rows, evenly drawn, and these are what is counted (all rows, if there are no
 * more). A function that opens the stream is called twice if there are more, and all rows are counted; it must give the same rows again. The same rows
 * give the same profile as `referenceProfile`.
 *
 * @throws as `referenceProfile` does, and whatever the stream rejects with
 * @example
 * ```ts
 * import { referenceProfile, referenceProfileFrom } from 'outrigger/drift'
 * async function* rows() {
 *   for (let i = 0; i < 5000; i++) yield { km: i % 700, from: ['ATL', 'ORD'][i % 2] }
 * }
 * const seen: string[] = []
 * const reference = await referenceProfileFrom(rows, { sampleRows: 1000, onProgress: ({ pass, rows }) => seen.push(`${pass}: ${rows}`) })
 * assert.deepEqual([reference.rows, seen], [5000, ['1: 5000', '2: 5000']])
 * ```
 */
export const referenceProfileFrom = async <R extends FeatureRow>(source: RowStream<R>, options: ReferenceProfileFromOptions<R> = {}): Promise<ReferenceProfile> => {
  const { onProgress, ...rest } = options
  functionOption('a reference profile', 'onProgress', onProgress)
  const isRepeatable = typeof source === 'function'
  if (!isRepeatable && !(typeof source === 'object' && source !== null && (Symbol.asyncIterator in source || Symbol.iterator in source))) {
    throw new InvalidOptionError(`Cannot create a reference profile as its rows must be an iterable, an async iterable, or a function that gives one: current value is ${source === null ? 'null' : typeof source}`)
  }
  const read = async (pass: 1 | 2, take: (row: R) => void): Promise<void> => {
    let rows = 0
    for await (const row of isRepeatable ? source() : source) {
      take(row)
      rows += 1
      if (rows % progressRows === 0) onProgress?.({ pass, rows })
    }
    if (rows % progressRows !== 0 || rows === 0) onProgress?.({ pass, rows })
  }
  const sampler = samplerFor<R>(rest, Array.isArray(source))
  await read(1, (row) => sampler.add(row))
  const builder = builderFor(sampler, rest)
  const sample = sampler.sample()
  if (isRepeatable && !sample.isComplete) {
    let index = 0
    await read(2, (row) => builder.count(row, index++))
  } else for (const { row, index } of sample.rows) builder.count(row, index)
  return new ReferenceProfile(builder.features(), builder.rows)
}
