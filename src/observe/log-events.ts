/** Events of a predictor as lines of a structural logger: {@link logEvents}. */
import { InvalidOptionError } from '../core/errors.js'
import { membersOption, numberOption, optionsObject } from '../core/options.js'
import type { Predictor } from '../core/predictor.js'
import type { PredictionRecord } from '../core/record.js'
import { noticeLine, predictionLine, stateLine, type LogLine } from './_log-line.js'
import { activeTrace } from './_open-telemetry.js'

/** A structural logger: pino's, or `console`. */
export interface EventLogger {
  info(fields: object, message: string): unknown
  warn(fields: object, message: string): unknown
}

/** Options of {@link logEvents}. */
export interface LogEventsOptions {
  readonly logger: EventLogger
  /** Which predictions have a line of their own: `errors`, those without an answer. @default 'none' */
  readonly predictions?: 'none' | 'errors' | ((record: PredictionRecord) => boolean)
  /** Whether such a line has the fields of input and output that the schema allows. @default false */
  readonly fields?: boolean
  /** Layers whose free texts are logged too, where the library does not write them all itself: those of yours, or `model-loader`, `drift-monitor`, `isolation`. @default none */
  readonly texts?: readonly string[]
  /** Lines of predictions and notices in a second; what is more is counted, and told by a line. State changes always have theirs. @default 100 */
  readonly maxPerSecond?: number
}

const owner = 'a log of events'

/**
 * Logs what happens in a stack: one line per state change and notice, and none per call unless asked for.
 *
 * A line has the model's identity (of a prediction, the one that answered), the prediction's id where it is about one, and `trace_id` and `span_id`: of a prediction those of its span,
 * of other events those of the OpenTelemetry span that was active. State changes for the worse, notices and failed predictions are warnings, all else is `info`.
 * Errors are told by name and code, and of an event's data only numbers and booleans: nothing that a model or a caller wrote enters a line, unless by `fields`, masked, or `texts`.
 *
 * @returns what ends it
 * @throws `ERR_OUTRIGGER_INVALID_OPTION`
 * @example
 * ```ts
 * import { circuitBreaker, pipe } from 'outrigger'
 * import { logEvents } from 'outrigger/observe'
 * const lines: string[] = []
 * const log = (_: object, message: string) => lines.push(message)
 * const predict = pipe((_: number): number => { throw new Error('down') }, circuitBreaker({ consecutiveFailures: 2 }))
 * const stop = logEvents(predict, { logger: { info: log, warn: log } })
 * for (let x = 0; x < 5; x += 1) await predict(x).catch(() => {})
 * assert.deepEqual(lines, ['circuit-breaker model: closed → open'])
 * stop()
 * ```
 */
export const logEvents = (predictor: Pick<Predictor<never, unknown>, 'observe' | 'identity'>, options: LogEventsOptions): (() => void) => {
  membersOption(owner, 'predictor', predictor, ['observe'])
  optionsObject(owner, options, ['logger', 'predictions', 'fields', 'texts', 'maxPerSecond'])
  const { logger, predictions = 'none', fields = false, texts = [] } = options
  membersOption(owner, 'logger', logger, ['info', 'warn'])
  const maxPerSecond = numberOption(owner, 'maxPerSecond', options.maxPerSecond ?? 100, { min: 1, infinite: true })
  if (predictions !== 'none' && predictions !== 'errors' && typeof predictions !== 'function') throw new InvalidOptionError(`Cannot create ${owner} as \`predictions\` must be 'none', 'errors' or a function: current value is ${String(predictions)}`)
  if (!Array.isArray(texts)) throw new InvalidOptionError(`Cannot create ${owner} as \`texts\` must be a list of layers: current value is ${String(texts)}`)
  const wants = typeof predictions === 'function' ? predictions : ({ outcome }: PredictionRecord) => outcome !== 'ok'
  const trusted = new Set(texts)
  let second = 0
  let lines = 0
  let leftOut = 0

  const write = ({ level, fields, message }: LogLine, isActive: boolean): void => {
    const trace = isActive ? activeTrace() : undefined
    logger[level](trace === undefined ? fields : { ...fields, trace_id: trace.traceId, span_id: trace.spanId }, message)
  }
  const tellLeftOut = (): void => {
    const lines = leftOut
    leftOut = 0
    if (lines > 0) logger.warn({ event: 'left-out', lines, model: predictor.identity }, `${lines} lines of a log were left out`)
  }
  /** Whether there is room for one more in the second that it belongs to. */
  const mayWrite = (at: number): boolean => {
    const now = Math.floor(at / 1000)
    if (now !== second) {
      second = now
      lines = 0
      tellLeftOut()
    }
    if (lines >= maxPerSecond) {
      leftOut += 1
      return false
    }
    lines += 1
    return true
  }

  const stop = predictor.observe(
    (event) => {
      if (event.type === 'state') write(stateLine(event, predictor.identity, trusted), true)
      else if (event.type === 'notice') {
        if (mayWrite(event.at)) write(noticeLine(event, predictor.identity, trusted), true)
      } else if (!event.record.isShadow && wants(event.record) && mayWrite(event.record.at)) write(predictionLine(event.record, fields), false)
    },
    { predictions: predictions !== 'none' },
  )
  return () => {
    stop()
    tellLeftOut()
  }
}

