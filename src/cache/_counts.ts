/** What a cache did so far, in rows where nothing else is said. */
export interface CacheCounts {
  /** Answered from the store, within the answer's time. */
  readonly hits: number
  /** Sent on, as nothing could be used. */
  readonly misses: number
  /** Waited for work that another row had started. */
  readonly coalesced: number
  /** Answered from the store past the answer's time, or with an older version's answer. */
  readonly stale: number
  /** Refused from the store. */
  readonly negative: number
  /** Refreshed in the background. */
  readonly refreshed: number
  readonly refreshFailed: number
  /** Not refreshed although it was due: too many at once, no budget left, or the model was rejecting. */
  readonly refreshSkipped: number
  /** Passed by the cache, as the `key` function threw or gave no plain data. */
  readonly unkeyed: number
  /** Answers that were not kept, as `ttlMs` or `tags` threw or gave what makes no sense. */
  readonly unkept: number
  /** Answers in the stores, where they know. */
  readonly entries: number
  /** Answers that the memory store pushed out. */
  readonly evictions: number
  /** What a store gave that was no entry; each was a miss. */
  readonly garbage: number
  /** Operations of a store that failed. */
  readonly storeErrors: number
  /** Operations of a store that took longer than its limit. */
  readonly storeTimeouts: number
  /** Operations that were spared a store that is down. */
  readonly storeSkipped: number
  readonly audit: AuditCounts
}

/** What became of the audit. */
export interface AuditCounts {
  /** Hits that were compared with the live model. */
  readonly checked: number
  /** Of those, how many differed. */
  readonly disagreed: number
  /** The live model failed. */
  readonly failed: number
  /** Not checked although it was drawn: too many at once, or no budget left. */
  readonly skipped: number
}

/** The counts that only grow, of one cache. */
export type Counters = { -readonly [name in Exclude<keyof CacheCounts, 'entries' | 'audit'>]: number } & { readonly audit: { -readonly [name in keyof AuditCounts]: number } }

export const newCounters = (): Counters => ({ hits: 0, misses: 0, coalesced: 0, stale: 0, negative: 0, refreshed: 0, refreshFailed: 0, refreshSkipped: 0, unkeyed: 0, unkept: 0, evictions: 0, garbage: 0, storeErrors: 0, storeTimeouts: 0, storeSkipped: 0, audit: { checked: 0, disagreed: 0, failed: 0, skipped: 0 } })
