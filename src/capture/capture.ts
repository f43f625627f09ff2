import type { Clock } from '../core/clock.js'
import type { Observer } from '../core/events.js'
import type { MaskableSchema } from '../core/masking.js'
import type { Random } from '../core/random.js'
import type { PredictionRecord } from '../core/record.js'
import type { Backoff } from '../policy/backoff.js'
import type { SinkCounts } from './_outlet.js'
import type { RecordSink } from './record-sink.js'
import type { SamplingOptions } from './sampling.js'
import type { StoredRecord } from './stored-record.js'
import { Writer } from './_writer.js'

/** Options of {@link capture}. */
export interface CaptureOptions {
  /** Where records go; several are independent of each other. They are closed with the capture. */
  readonly sink: RecordSink | readonly RecordSink[]
  /** Which predictions are kept. @default all */
  readonly sampling?: SamplingOptions
  /** The secret of keyed hashes, of 16 bytes at least. Without it the call's key and fields tagged `key` go nowhere at all. */
  readonly secret?: string | Uint8Array
  /** The retention class of a record: small letters, digits, `-` and `_`. @default 'standard' */
  readonly classOf?: (kind: StoredRecord['kind'], record: PredictionRecord | undefined) => string
  /** Which fields of labels and overrides are kept where these are records or lists. @default plain values only */
  readonly values?: MaskableSchema
  /** Layers whose reasons are kept though the library does not write them all itself: those of yours, or `model-loader`, `drift-monitor`, `isolation`. @default none */
  readonly texts?: readonly string[]
  /** So many records wait for the writer; a further one is dropped with a count. @default 65_536 */
  readonly maxPending?: number
  /** So many characters wait for a sink; what does not fit is dropped with a count. @default 64 Mi */
  readonly maxPendingBytes?: number
  /** The writer works for so long before it lets others run, in milliseconds. @default 1 */
  readonly sliceMs?: number
  /** A batch that a sink refuses is told again so often… @default 5 */
  readonly retries?: number
  /** …with these waits. @default 100 ms doubling to 10 s, full jitter */
  readonly backoff?: Partial<Backoff>
  /** @default the machine's */
  readonly clock?: Clock
  /** @default seeded by the system */
  readonly random?: Random
}

/** What became of what was told so far. `offered` = `kept` + `sampledOut` + `dropped` + `waiting`. */
export interface CaptureCounts {
  /** Predictions, labels, overrides and changes that were told. */
  readonly offered: number
  /** Those that were handed to the sinks. */
  readonly kept: number
  /** Predictions that the sampling let go. */
  readonly sampledOut: number
  /** Those for which there was no room, or that came after `close`. */
  readonly dropped: number
  /** Those that wait for the writer. */
  readonly waiting: number
  readonly sinks: readonly SinkCounts[]
}

/** A decision that replaced an answer. */
export interface Override {
  /** The id of the prediction. */
  readonly id: string
  readonly actor: string
  readonly reason: string
  readonly before: unknown
  readonly after: unknown
  /** In milliseconds since 1970. */
  readonly at: number
}

/** Keeps the records of a predictor. */
export interface Capture {
  /** Pass this to `predictor.observe`. It only puts the record in a queue. */
  readonly observer: Observer
  /** Keeps the truth about a prediction, as a record of its own. */
  label(id: string, value: unknown, at: number): void
  /** Keeps a decision that replaced an answer, as a record of its own. */
  override(override: Override): void
  readonly counts: CaptureCounts
  /** Resolves when everything that was told so far is kept, or lost with a count. */
  flush(): Promise<void>
  /** Hands over what waits, closes the sinks, and takes nothing more. What is not through by the deadline (10 s) is lost with a count. */
  close(options?: { readonly deadlineMs?: number }): Promise<void>
}

/**
 * Keeps predictions, labels, overrides and changes of state in sinks: masked where they were made, sampled, hashed and serialised by a
 * writer that works in short turns of the event loop. The caller's thread only pushes.
 *
 * Nothing blocks: what does not fit is dropped and counted. Sinks are told at least once; each line has a key that tells repeats.
 *
 * @throws `ERR_OUTRIGGER_INVALID_OPTION`
 * @example
 * ```ts
 * import { predictor } from 'outrigger'
 * import { capture, functionSink } from 'outrigger/capture'
 * import { defineSchema } from 'outrigger/schema'
 * const rows: { id: string; input?: object }[] = []
 * const captured = capture({ sink: functionSink((lines) => void rows.push(...lines.map(({ text }) => JSON.parse(text)))) })
 * const input = defineSchema({ km: { type: 'number' }, passenger: { type: 'string', tags: ['pii'] } })
 * const predict = predictor((row: { km: number; passenger: string }) => row.km > 500, { input })
 * predict.observe(captured.observer)
 * await predict({ km: 700, passenger: 'Ada' }, { id: 'trip-1' })
 * captured.label('trip-1', true, 1_006_819_200_000)
 * await captured.close()
 * assert.deepEqual(rows.map(({ id, input }) => [id, input]), [['trip-1', { km: 700 }], ['trip-1', undefined]])
 * ```
 */
export const capture = (options: CaptureOptions): Capture => new Writer(options)
