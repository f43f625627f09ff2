/** What a caller may say of a call, or of a batch. */

/** Options that a single call and a batch share. */
export interface SharedCallOptions {
  /** Aborts the call. It reaches the model; the caller's promise rejects at once. */
  readonly signal?: AbortSignal | undefined
  /** The longest time the caller waits, in milliseconds. */
  readonly timeoutMs?: number | undefined
  /** Higher goes first where calls queue, and is shed last. @default 0 */
  readonly priority?: number | undefined
  /**
   * What the call is for: `online` while somebody waits, `batch` for a scoring job. A job's rows are shed first, and do
   * not push the answers of online callers out of a cache. @default 'online'
   */
  readonly workload?: 'online' | 'batch' | undefined
  /** Whether the model may be asked twice for one answer. @default true */
  readonly idempotent?: boolean | undefined
  /** Free, bounded labels for records. Do not put personal data here. */
  readonly tags?: Readonly<Record<string, string>> | undefined
}

/** Options of a single call. */
export interface CallOptions extends SharedCallOptions {
  /** What routing sticks to, and what limits and micro-batching may tell callers apart by: a user, a device, a trip. */
  readonly key?: string | undefined
  /** The prediction's id, for labels that come later; a UUIDv7 is made when somebody asks and none is given. */
  readonly id?: string | undefined
}

/** Options of a batch: the shared ones, and one key, id and signal per row. */
export interface BatchOptions extends SharedCallOptions {
  readonly keys?: readonly (string | undefined)[] | undefined
  readonly ids?: readonly (string | undefined)[] | undefined
  readonly signals?: readonly (AbortSignal | undefined)[] | undefined
}
