/** Makes the record of a call when it settles, and hands it to those who asked. */
import type { Call } from './call.js'
import { isError, outcomeOf } from './errors.js'
import { keepGuarded } from './guarded.js'
import { keysBy, maskBy, schemaId } from './masking.js'
import type { PredictionRecord } from './record.js'
import { isRowFailure, type Row } from './rows.js'
import type { Stage } from './stage.js'

export class Scribe<I, O> {
  readonly #stage: Stage<I, O>
  readonly #maskInput: ReturnType<typeof maskBy> | undefined
  readonly #maskOutput: ReturnType<typeof maskBy> | undefined
  readonly #keysOfInput: ReturnType<typeof keysBy> | undefined
  readonly #schema: PredictionRecord['schema']

  constructor(stage: Stage<I, O>) {
    this.#stage = stage
    const { input, output } = stage.schema
    this.#maskInput = input && maskBy(input)
    this.#maskOutput = output && maskBy(output)
    this.#keysOfInput = input && keysBy(input)
    this.#schema = (input ?? output) && Object.freeze({ input: input && schemaId(input), output: output && schemaId(output) })
  }

  /** The record of a call that entered while somebody observed; `undefined` for any other. */
  settle(call: Call, input: I, row: Row<O>, batch: PredictionRecord['batch']): PredictionRecord | undefined {
    if (call.startedAt === undefined) return undefined
    const { clock } = this.#stage.runtime
    const failed = isRowFailure(row)
    const { notes } = call
    const error = failed ? row.error : undefined
    const code = isError(error) && 'code' in error && typeof error.code === 'string' ? error.code : undefined
    const record: PredictionRecord = Object.freeze({
      v: 1,
      id: call.id,
      at: clock.wall(),
      identity: notes?.identity ?? this.#stage.served(call),
      outcome: failed ? outcomeOf(error) : 'ok',
      source: failed ? undefined : call.source,
      error: failed ? Object.freeze({ name: isError(error) ? error.name : typeof error, code }) : undefined,
      attempts: call.attempts,
      rung: failed ? undefined : notes?.rung,
      members: failed ? undefined : notes?.members,
      marks: frozen(notes?.marks),
      cache: notes?.cache,
      variants: frozen(notes?.variants),
      durations: Object.freeze({ totalMs: clock.now() - call.startedAt, modelMs: notes?.modelMs, queueMs: notes?.queueMs }),
      batch: Object.freeze(batch ?? notes?.batch),
      isShadow: call.isShadow,
      trace: notes?.trace,
      tags: call.options?.tags,
      links: frozen(notes?.links),
      schema: this.#schema,
      checkpoints: frozen(notes?.checkpoints),
      input: this.#maskInput?.(input),
      output: failed ? undefined : this.#maskOutput?.(row),
    })
    keepGuarded(record, call.key, () => this.#keysOfInput?.(input))
    const { events } = this.#stage
    for (const watcher of notes?.watchers ?? none) {
      try {
        watcher(record)
      } catch (thrown) {
        events.emit({ type: 'notice', layer: 'record', message: 'A layer threw.', error: thrown, at: record.at })
      }
    }
    if (events.wantsPredictions) events.publish(record, () => record.at)
    return record
  }
}

const none: readonly never[] = Object.freeze([])

const frozen = <T>(list: readonly T[] | undefined): readonly T[] => (list === undefined ? none : Object.freeze([...list]))
