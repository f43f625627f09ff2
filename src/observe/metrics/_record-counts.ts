/** Records → metrics. */
import type { PredictionRecord } from '../../core/record.js'
import { exemplarOf } from './exemplar.js'
import type { Ending, PredictionCounts } from './_prediction-counts.js'

/** The rows of a caller's batch as they settle, one after the other in one turn. */
interface OpenBatch {
  readonly id: string
  readonly first: PredictionRecord
  ending: Ending
  failed: PredictionRecord | undefined
}

/** How a row ended, as its record says. */
const endingOf = ({ variants, outcome, source, error }: PredictionRecord): Ending => ({ variant: variants[0]?.variant, outcome, source, error: error === undefined ? undefined : (error.code ?? error.name) })

/** What two rows of a run have in common. */
export const sharedEnding = (one: Ending, other: Ending): Ending => ({
  variant: one.variant === other.variant ? one.variant : undefined,
  outcome: one.outcome === other.outcome ? one.outcome : undefined,
  source: one.source === other.source ? one.source : undefined,
  error: one.error === other.error ? one.error : undefined,
})

/** The duration of a run is told with what all its rows share; if any failed, with the first failure for outcome. */
export const runEnding = (shared: Ending, failed: Ending | undefined): Ending => (failed === undefined ? shared : { ...shared, outcome: failed.outcome, source: undefined, error: failed.error })

export class RecordCounts {
  readonly #counts: PredictionCounts
  #open: OpenBatch | undefined

  constructor(counts: PredictionCounts) {
    this.#counts = counts
  }

  count(record: PredictionRecord): void {
    // What only listens was not asked for.
    if (record.isShadow) return
    const { identity, attempts, marks, cache, rung, durations, batch, links } = record
    const version = this.#counts.of(identity)
    const ending = endingOf(record)
    version.ended(ending).requests.add()
    if (attempts > 0) version.attempts.add(attempts)
    for (const mark of marks) this.#counts.marks.add(1, { 'ml.model.name': identity.name, 'ml.mark': mark.split(':', 1)[0] })
    if (cache !== undefined) version.lookedUp(cache.status)
    version.noted(rung, durations.queueMs)
    // A micro-batching layer's run is linked to; its rows are calls of their own.
    const isOwnCall = batch === undefined || links.includes(batch.id)
    if (batch?.index === 0) version.ranRows(batch.size)
    if (durations.modelMs !== undefined && (batch === undefined || batch.index === 0)) version.wasIn(durations.modelMs)
    if (isOwnCall) {
      this.#record(record, ending)
      return
    }
    if (this.#open?.id !== batch.id) this.#open = { id: batch.id, first: record, ending, failed: undefined }
    const open = this.#open
    open.ending = sharedEnding(open.ending, ending)
    if (record.outcome !== 'ok') open.failed ??= record
    if (batch.index < batch.size - 1) return
    this.#open = undefined
    this.#record(open.failed ?? open.first, runEnding(open.ending, open.failed === undefined ? undefined : endingOf(open.failed)))
  }

  #record(record: PredictionRecord, ending: Ending): void {
    const seconds = Math.max(0, record.durations.totalMs) / 1000
    this.#counts.of(record.identity).ended(ending).duration.record(seconds, exemplarOf(record, seconds))
  }
}
