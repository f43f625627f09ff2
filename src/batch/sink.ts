/** Where the answers of a scoring job go. */
import { InvalidOptionError } from '../core/errors.js'
import type { JobContext } from './_job-files.js'

/** An open sink. Its methods are called one at a time. */
export interface RowWriter<W> {
  /** What `write` takes for a row. It throws when the row cannot be written as it is: then that row fails alone. */
  encode(row: W): unknown
  write(encoded: readonly unknown[]): Promise<void>
  /** Makes what was written durable, and says where to come back to. */
  sync(): Promise<number>
  /** The output is whole: it gets its name. */
  finish(): Promise<void>
  /** Lets go of what is held; called last, whatever happened. `keep`: the job will be resumed. */
  close(keep: boolean): Promise<void>
}

/**
 * Where rows go.
 *
 * Make one with `jsonlFile`, `csvFile` or `parquetFile`; an array collects the rows, and a function is called with the rows
 * of each batch, in order.
 */
export interface RowSink<W> {
  describe(): string
  /** Why a job cannot come back to it, or `undefined`. */
  readonly forgets?: string | undefined
  /** Opens it anew, or takes it back to where it was. */
  open(job: JobContext, at: number | undefined): Promise<RowWriter<W>>
  /** Ends what a crash left between the last write and the name of an output of so many bytes. */
  recover?(job: JobContext, at: number): Promise<void>
}

/** An array that takes rows, and others beside them. */
export interface RowArray<W> {
  readonly length: number
  readonly push: (...rows: W[]) => number
}

/** What `scoreBatch` writes to. */
export type Sink<W> = RowSink<W> | W[] | RowArray<W> | ((rows: readonly W[]) => unknown)

const nothing = async (): Promise<void> => {}

/** Any sink as a {@link RowSink}. */
export const sinkOf = <W>(owner: string, sink: Sink<W>): RowSink<W> => {
  if (Array.isArray(sink)) return callSink('an array', async (rows) => rows.forEach((row) => void sink.push(row)), 'an array does not outlive its process')
  if (typeof sink === 'function') return callSink('a function', async (rows) => void (await sink(rows)), undefined)
  if (typeof sink === 'object' && sink !== null && 'open' in sink && typeof sink.open === 'function') return sink
  throw new InvalidOptionError(`Cannot create ${owner} as its sink must be an array, a function or a file: current value is of type ${sink === null ? 'null' : typeof sink}`)
}

const callSink = <W>(name: string, take: (rows: readonly W[]) => Promise<void>, forgets: string | undefined): RowSink<W> => ({
  describe: () => name,
  forgets,
  open: async () => ({
    encode: (row) => row,
    write: async (rows) => {
      if (rows.length > 0) await take(rows as W[])
    },
    sync: async () => 0,
    finish: nothing,
    close: nothing,
  }),
})
