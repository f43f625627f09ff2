/** Where the rows of a scoring job come from. */
import { InvalidOptionError } from '../core/errors.js'
import { isStream } from '../core/streams.js'
import type { JobContext } from './_job-files.js'

/** A row that cannot be read: it goes to the dead letters, and the job goes on. */
export class UnreadableRow {
  readonly error: unknown
  /** What stands there. */
  readonly text: string | undefined

  constructor(error: unknown, text: string | undefined) {
    this.error = error
    this.text = text
  }
}

/** Rows that travel together. */
export interface RowPage<I> {
  readonly rows: readonly (I | UnreadableRow)[]
  /** Where to go on after them. */
  readonly next: number
}

/** A part of a source. */
export interface SourcePart {
  readonly from: number
  readonly to: number
  readonly rows: number
}

/**
 * Rows that can be read from any place on. A place is a number that the source counts from 0: bytes of a file, or rows.
 *
 * Make one with `jsonlFile`, `csvFile` or `parquetFile`; an array, an iterable and an async iterable are taken as they are.
 */
export interface RowSource<I> {
  describe(): string
  /** Tells this input from another: a checkpoint is only taken up with the same. */
  fingerprint(job: JobContext): Promise<string>
  /** How far it goes, if that is known without reading it. */
  extent(job: JobContext): Promise<{ readonly total: number; readonly unit: 'bytes' | 'rows' } | undefined>
  /** The rows from one place up to another, in pages of at most `job.pageRows`. */
  read(job: JobContext, from: number, to: number): AsyncIterable<RowPage<I>>
  /** Parts of at most so many rows, in order; `undefined` if it can only be read from its beginning. */
  split?(job: JobContext, rows: number): AsyncIterable<SourcePart>
}

/** What `scoreBatch` reads from. */
export type Source<I> = RowSource<I> | Iterable<I> | AsyncIterable<I>

/** Any source as a {@link RowSource}. */
export const sourceOf = <I>(owner: string, source: Source<I>): RowSource<I> => {
  if (typeof source === 'object' && source !== null) {
    if ('read' in source && 'fingerprint' in source) return source
    if (Array.isArray(source)) return arraySource(source as readonly I[])
    if (isStream(source) || Symbol.iterator in source) return iterableSource(source as Iterable<I> | AsyncIterable<I>)
  }
  throw new InvalidOptionError(`Cannot create ${owner} as its source must be an array, an iterable, an async iterable or a file: current value is of type ${source === null ? 'null' : typeof source}`)
}

const arraySource = <I>(rows: readonly I[]): RowSource<I> => ({
  describe: () => `an array of ${rows.length}`,
  fingerprint: async () => `an array of ${rows.length}`,
  extent: async () => ({ total: rows.length, unit: 'rows' }),
  read: async function* (job, from, to) {
    const end = Math.min(to, rows.length)
    for (let next = from; next < end;) {
      const start = next
      next = Math.min(end, start + job.pageRows)
      yield { rows: rows.slice(start, next), next }
    }
  },
  split: (_job, size) => rangeParts(rows.length, size),
})

/** Parts of a source that counts in rows. */
export async function* rangeParts(total: number, size: number): AsyncGenerator<SourcePart> {
  for (let from = 0; from < total; from += size) {
    const to = Math.min(total, from + size)
    yield { from, to, rows: to - from }
  }
}

/** It cannot be read twice, so that going on means to pass over what is done. */
const iterableSource = <I>(rows: Iterable<I> | AsyncIterable<I>): RowSource<I> => ({
  describe: () => 'an iterable',
  fingerprint: async () => 'an iterable',
  extent: async () => undefined,
  read: async function* (job, from) {
    let page: I[] = []
    let count = 0
    for await (const row of rows) {
      count += 1
      if (count <= from) continue
      page.push(row)
      if (page.length < job.pageRows) continue
      yield { rows: page, next: count }
      page = []
    }
    if (page.length > 0) yield { rows: page, next: count }
  },
})
