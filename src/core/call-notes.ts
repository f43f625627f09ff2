/** What is noted on a call on its way, for its record. */
import type { ModelIdentity } from './identity.js'
import type { Checkpoint, PredictionRecord } from './record.js'

/** Where an answer came from. */
export type Source = 'model' | 'cache' | 'stale' | 'fallback' | 'coalesced'

/** The variant that a router chose for a call. */
export interface VariantChoice {
  readonly split: string
  readonly variant: string
  /**
   * `assigned` by the hash, `sticky` by what was kept of an earlier call, `external` by a flag system. `forced` for a tester, and
   * `default` for a unit that is not in the experiment: leave these two out of statistics.
   */
  readonly reason: 'assigned' | 'sticky' | 'external' | 'forced' | 'default'
  /** The probability with which a unit that is in the experiment gets this variant, in (0, 1]; 1 if forced or by default; NaN if a flag system did not say. */
  readonly propensity: number
  /** The weights it was chosen under, counted from 1: statistics are made for each epoch of its own. */
  readonly epoch: number
  /** When that epoch began, in milliseconds since 1970. */
  readonly since: number
  /** Which unit it was, as 53 bits of a hash that is another one in each split; only where there is a unit. */
  readonly unit?: number
}

/** The rung of a fallback chain, or the stage of a cascade, that answered. */
export interface RungChoice {
  /** 0 for the model itself, 1 for the first rung after it. */
  readonly index: number
  readonly name: string
}

/** Who answered of several that were asked at once. */
export interface MembersNote {
  /** How many were asked. */
  readonly of: number
  readonly answered: number
  /** Those without an answer, with the code of their error; those that were not waited for have `ERR_OUTRIGGER_ABORTED`. */
  readonly missing: readonly { readonly name: string; readonly code: string | undefined }[]
}

/** What a cache did for a call. */
export interface CacheNote {
  /** `stale`: past its time, or of an older version. `refused`: a refusal that was kept. `miss`: asked of what is inside. */
  readonly status: 'hit' | 'stale' | 'refused' | 'coalesced' | 'miss'
  /** How old the answer was, in milliseconds, where the cache knows. */
  readonly ageMs?: number
  /** Whether near-equal inputs share an answer. */
  readonly isQuantised?: true
}

/** Headers of W3C Trace Context, by which what a request leads to belongs to the trace of a call. */
export interface TraceContext {
  readonly traceparent: string
  readonly tracestate?: string
}

/** What few calls carry. */
export interface CallNotes {
  rung?: RungChoice
  members?: MembersNote
  cache?: CacheNote
  variants?: VariantChoice[]
  /** Who served it, when not what the stack is bound to. */
  identity?: ModelIdentity
  /** Ids of the shared work this call waited for. */
  links?: string[]
  modelMs?: number
  queueMs?: number
  /** When the model was asked last, and when the first wait began, on the runtime's clock. */
  modelAt?: number
  queueAt?: number
  /** See {@link Call.mark}. */
  marks?: string[]
  /** The span that is open for it. */
  trace?: NonNullable<PredictionRecord['trace']>
  /** The same span, as those hear of it who are asked for the call. */
  traceContext?: TraceContext
  /** The span of the call that this one works for, which it is no part of. */
  follows?: TraceContext | undefined
  /** What passed on the way. */
  checkpoints?: Checkpoint[]
  /** The run that a layer let this call share with others. */
  batch?: PredictionRecord['batch']
  /** Called once with the record when the call settles. */
  watchers?: ((record: PredictionRecord) => void)[]
}
