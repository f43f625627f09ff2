/** One run: what it asks of what is inside, what it is padded with, and which of its rows make it fail. */
import { BatchCall } from '../core/batch-call.js'
import type { Call } from '../core/call.js'
import { copyPlain } from '../core/copy.js'
import { OutriggerError, rejection } from '../core/errors.js'
import type { LayerHost } from '../core/layer.js'
import { failRows, isRowFailure, pick, RowFailure, type Row } from '../core/rows.js'
import type { Stage } from '../core/stage.js'
import { discardStream, isStream } from '../core/streams.js'
import type { BudgetMeter } from '../policy/extra-work-budget.js'
import { isolate } from './_isolate.js'

/** The options that are about a run. */
export interface RunnerSettings<I> {
  readonly fixedSize: number | undefined
  readonly pad: 'repeat' | false | ((inputs: readonly I[]) => I)
  readonly bisect: boolean
  readonly copy: boolean
}

/** Runs rows together. It does not reject: failures are values. */
export class Runner<I, O> {
  readonly #inside: Stage<I, O>
  readonly #host: LayerHost
  readonly #settings: RunnerSettings<I>
  readonly #meter: BudgetMeter
  #bisections = 0

  constructor(inside: Stage<I, O>, host: LayerHost, settings: RunnerSettings<I>, meter: BudgetMeter) {
    this.#inside = inside
    this.#host = host
    this.#settings = settings
    this.#meter = meter
  }

  /** Rows asked for again to find the one that makes a run fail. */
  get bisections(): number {
    return this.#bisections
  }

  /** Rows that travel together; padded where the model wants a fixed number of them. */
  together(inputs: readonly I[], calls: readonly Call[]): Promise<Row<O>[]> {
    const { fixedSize = inputs.length } = this.#settings
    return fixedSize === inputs.length ? this.#ask(inputs, calls) : this.#padded(inputs, calls, fixedSize)
  }

  async #padded(inputs: readonly I[], calls: readonly Call[], fixedSize: number): Promise<Row<O>[]> {
    const { length } = inputs
    if (this.#settings.pad === false) return failRows(length, tooFew(length, fixedSize))
    const filler = this.#filler(inputs)
    const padding = Array.from({ length: fixedSize - length }, () => (calls[0] as Call).fork())
    try {
      const rows = await this.#ask([...inputs, ...padding.map(() => filler)], [...calls, ...padding])
      return rows.slice(0, length)
    } finally {
      for (const call of padding) call.end()
    }
  }

  /** Whether rows have failed, and may be asked for again. */
  mayIsolate(rows: readonly Row<O>[], calls: readonly Call[]): boolean {
    return this.#settings.bisect && (calls[0] as Call).isIdempotent && rows.some(isRowFailure)
  }

  /** Asks again for rows that failed together, to find those that make them fail. Writes into `rows`. */
  async isolate(rows: Row<O>[], inputs: readonly I[], calls: readonly Call[]): Promise<void> {
    const { clock } = this.#host
    await isolate(rows, {
      ask: (indices) => {
        this.#bisections += indices.length
        for (const index of indices) (calls[index] as Call).mark('isolated')
        return this.together(pick(inputs, indices), pick(calls, indices))
      },
      stillWanted: (indices) => {
        const now = clock.now()
        return indices.filter((index) => {
          const { isAborted, deadline } = calls[index] as Call
          return !isAborted && deadline > now
        })
      },
      mayAsk: (count) => this.#meter.spend(count, clock.now()),
    })
  }

  /** What the model gets for an input: the same, or a copy. */
  inputOf(input: I): I {
    if (!this.#settings.copy) return input
    try {
      return copyPlain(input, notPlain)
    } catch {
      return input
    }
  }

  async #ask(inputs: readonly I[], calls: readonly Call[]): Promise<Row<O>[]> {
    let rows: Row<O>[]
    try {
      rows = await this.#inside.many(inputs, new BatchCall(this.#inside.runtime, calls))
    } catch (error) {
      return failRows(inputs.length, error)
    }
    return withoutStreams(rows)
  }

  #filler(inputs: readonly I[]): I {
    const { pad } = this.#settings
    if (typeof pad === 'function') {
      try {
        return pad(inputs)
      } catch (error) {
        this.#host.emit({ type: 'notice', message: '`pad` threw; the last row is repeated.', error })
      }
    }
    return inputs.at(-1) as I
  }
}

const tooFew = (rows: number, needed: number): OutriggerError =>
  rejection('ERR_OUTRIGGER_INVALID_INPUT', `Cannot run the batch as the model takes exactly ${needed} rows and \`pad\` is off: current value is ${rows}`, { rows, needed })

const refusedStream = (stream: AsyncIterable<unknown>): OutriggerError => {
  discardStream(stream)
  return new OutriggerError('ERR_OUTRIGGER_INVALID_OPTION', 'Cannot batch a model whose outputs are streams: take `microBatched` away from it')
}

/** The output, or a failure in the place of a stream, which is ended. */
export const withoutStream = <O>(row: Row<O>): Row<O> => (isStream(row) ? new RowFailure(refusedStream(row)) : row)

/** The same of many rows. Writes into `rows`. */
export const withoutStreams = <O>(rows: Row<O>[]): Row<O>[] => {
  for (let index = 0; index < rows.length; index += 1) {
    const row = rows[index] as Row<O>
    if (isStream(row)) rows[index] = withoutStream(row)
  }
  return rows
}

const notPlain = (what: string): never => {
  throw new TypeError(what)
}
