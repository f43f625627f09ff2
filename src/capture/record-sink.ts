/** Where captured records go. */
import { numberOption, requiredFunction, optionsObject, stringOption } from '../core/options.js'
import type { CapturedLine } from './captured-line.js'

/** How much a sink wants to be told at a time. */
export interface SinkBatch {
  /** A batch is handed over when its lines have so many characters, or… @default 262_144 */
  readonly maxBytes?: number
  /** …when its first line has waited so long, in milliseconds. What a process loses that is killed is younger. @default 250 */
  readonly maxMs?: number
}

/** How a sink says what no batch failed of: a segment that could not be sealed. */
export type SinkNotice = (message: string, error: unknown) => void

/**
 * Takes captured records. One batch at a time: the next one comes when the promise has settled. If it rejects, the same array is told
 * again, so that a line may come twice: `line.key` tells. All sinks pass `recordSinkConformance` of `outrigger/testing`.
 */
export interface RecordSink {
  /** For counts and notices. */
  readonly name: string
  readonly batch?: SinkBatch
  /** Called once, before anything else. */
  listen?(tell: SinkNotice): void
  /** Keeps the lines for good before it resolves. */
  write(lines: readonly CapturedLine[]): Promise<void> | void
  /** After the last batch. */
  close?(): Promise<void> | void
}

/** Options of {@link functionSink}. */
export interface FunctionSinkOptions extends SinkBatch {
  /** @default 'function' */
  readonly name?: string
}

/** The checked sizes of a batch. */
export const sinkBatch = (owner: string, { maxBytes = 262_144, maxMs = 250 }: SinkBatch = {}): Required<SinkBatch> => ({
  maxBytes: numberOption(owner, 'maxBytes', maxBytes, { min: 1 }),
  maxMs: numberOption(owner, 'maxMs', maxMs, { min: 0 }),
})

/**
 * A sink that is a function: for a queue, a log, a test. It is told again what it rejected, or threw at.
 *
 * @throws `ERR_OUTRIGGER_INVALID_OPTION`
 * @example
 * ```ts
 * import { predictor } from 'outrigger'
 * import { capture, functionSink } from 'outrigger/capture'
 * const texts: string[] = []
 * const captured = capture({ sink: functionSink((lines) => void texts.push(...lines.map(({ text }) => text))) })
 * const predict = predictor((km: number) => km * 1.6)
 * predict.observe(captured.observer)
 * await predict(5, { id: 'trip-1' })
 * await captured.close()
 * assert.match(texts[0]!, /"id":"trip-1"/)
 * ```
 */
export const functionSink = (write: RecordSink['write'], options: FunctionSinkOptions = {}): RecordSink => {
  const owner = 'a function sink'
  requiredFunction(owner, 'write', write)
  optionsObject(owner, options, ['name', 'maxBytes', 'maxMs'])
  return { name: stringOption(owner, 'name', options.name ?? 'function'), batch: sinkBatch(owner, options), write }
}
