/** What is kept of predictions, and of what was said of them later: the records that sinks hold and sources give. */
import type { PredictionRecord } from '../core/record.js'

/** Why a prediction was kept: `head` by the hash of its id; the others always. */
export type SampleReason = 'head' | 'error' | 'fallback' | 'slow' | 'low-confidence' | 'drifted' | 'wanted'

/** What every stored record has. */
interface Stored {
  /** The version of the format. */
  readonly v: 1
  /** Milliseconds since 1970. */
  readonly at: number
  /** How long it is kept is said for each class. */
  readonly class: string
}

/** A prediction: its {@link PredictionRecord}, and what the writer added. */
export interface StoredPrediction extends Omit<PredictionRecord, 'v'>, Stored {
  readonly kind: 'prediction'
  /** The keyed hash of the call's key: the same for the same key, while the secret is the same. */
  readonly subject: string | undefined
  /** Keyed hashes of the fields tagged `key`. */
  readonly keyed: Readonly<Record<string, string>> | undefined
  /** With which probability such a prediction is kept: count it `1 / probability` times. */
  readonly sample: { readonly reason: SampleReason; readonly probability: number }
}

/** The truth about a prediction, which came later. */
export interface StoredLabel extends Stored {
  readonly kind: 'label'
  /** The id of the prediction. */
  readonly id: string
  readonly value: unknown
}

/** A decision of somebody that replaced an answer. */
export interface StoredOverride extends Stored {
  readonly kind: 'override'
  /** The id of the prediction. */
  readonly id: string
  readonly actor: string
  readonly reason: string
  readonly before: unknown
  readonly after: unknown
}

/** A change of state: a breaker opened, a version went live, a drift was raised. */
export interface StoredChange extends Stored {
  readonly kind: 'change'
  readonly id: string
  readonly layer: string
  readonly subject: string
  readonly from: string
  readonly to: string
  readonly reason: string
}

export type StoredRecord = StoredPrediction | StoredLabel | StoredOverride | StoredChange

/** Which records are wanted. Parts that are left out want all. */
export interface RecordFilter {
  /** The first time, in milliseconds since 1970. */
  readonly from?: number | undefined
  /** The time before which they end. */
  readonly to?: number | undefined
  readonly kinds?: readonly StoredRecord['kind'][] | undefined
  readonly ids?: readonly string[] | undefined
  readonly where?: ((record: StoredRecord) => boolean) | undefined
}

/** Where stored records are read from: roughly in the order in which they were written. */
export interface RecordSource {
  read(filter?: RecordFilter): AsyncIterable<StoredRecord>
}

/** Why a value is no record that can be read, or `undefined`: it may come from another version, or from a file that others made. A prediction may be without its `kind`. */
export const reasonUnread = (value: object): string | undefined => {
  const { v, kind = 'prediction', id, at, identity, durations, variants } = value as { readonly [K in keyof StoredPrediction]?: StoredPrediction[K] | null } & { readonly kind?: string }
  if (v !== 1) return 'it is of another format'
  if (typeof id !== 'string' || typeof at !== 'number') return 'it is no whole record'
  return kind === 'prediction' && (typeof identity?.version !== 'string' || typeof durations?.totalMs !== 'number' || !Array.isArray(variants)) ? 'it is no whole record' : undefined
}
