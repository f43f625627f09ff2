/** Makes the record of a call when it settles, and hands it to those who asked. */
import type { Call } from './call.js'
import { isError, outcomeOf } from './errors.js'
import { maskBy } from './masking.js'
import type { PredictionRecord } from './record.js'
import { isRowFailure, type Row } from './rows.js'
import type { Stage } from './stage.js'

export class Scribe<I, O> {
  readonly #stage: Stage<I, O>
  readonly #maskInput: ReturnType<typeof maskBy> | undefined
  readonly #maskOutput: ReturnType<typeof maskBy> | undefined

  constructor(stage: Stage<I, O>) {
    this.#stage = stage
    this.#maskInput = stage.schema.input === undefined ? undefined : maskBy(stage.schema.input)
    this.#maskOutput = stage.schema.output === undefined ? undefined : maskBy(stage.schema.output)
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
      marks: notes?.marks === undefined ? none : Object.freeze([...notes.marks]),
      cache: notes?.cache,
      variants: notes?.variants === undefined ? none : Object.freeze([...notes.variants]),
      durations: Object.freeze({ totalMs: clock.now() - call.startedAt, modelMs: notes?.modelMs, queueMs: notes?.queueMs }),
      batch: batch ?? (notes?.batch === undefined ? undefined : Object.freeze(notes.batch)),
      isShadow: call.isShadow,
      tags: call.options?.tags,
      links: notes?.links === undefined ? none : Object.freeze([...notes.links]),
      input: this.#maskInput?.(input),
      output: failed ? undefined : this.#maskOutput?.(row),
    })
    const { events } = this.#stage
    for (const watcher of notes?.watchers ?? none) {
      try {
        watcher(record)
      } catch (thrown) {
        events.emit({ type: 'notice', layer: 'record', message: 'A layer that watches records threw.', error: thrown, at: record.at })
      }
    }
    if (events.wantsPredictions) events.publish(record, () => record.at)
    return record
  }
}

const none: readonly never[] = Object.freeze([])
