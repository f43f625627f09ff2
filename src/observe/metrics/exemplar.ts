import type { PredictionRecord } from '../../core/record.js'

/** One call that fell into a bucket: the way from a number to the prediction behind it. */
export interface Exemplar {
  /** At most 128 characters with their names: what OpenMetrics allows. */
  readonly labels: Readonly<Record<string, string>>
  readonly value: number
  /** When, in milliseconds since 1970. */
  readonly at: number
}

const most = 128
/** Some readers do not know escapes in exemplars, or other scripts: an id that needs them is left out. */
const isPlain = /^[!#-[\]-~]+$/

/** The exemplar of a record: its prediction, and its trace if it has one. */
export const exemplarOf = (record: PredictionRecord, value: number): Exemplar => {
  const { trace } = record
  const labels: Record<string, string> = {}
  let left = most
  const tell = (name: string, text: string): void => {
    const length = name.length + text.length
    if (length > left || !isPlain.test(text)) return
    labels[name] = text
    left -= length
  }
  if (trace !== undefined) {
    tell('trace_id', trace.traceId)
    tell('span_id', trace.spanId)
  }
  tell('prediction_id', record.id)
  return { labels, value, at: record.at }
}
