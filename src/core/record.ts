/** What is known about a call afterwards: the only source of metrics, spans, capture and audit. */
import type { CacheNote, MembersNote, RungChoice, Source, VariantChoice } from './call-notes.js'
import type { Outcome } from './errors.js'
import type { ModelIdentity } from './identity.js'
import type { Masked } from './masking.js'

/** What passed at a place in the stack that says so. */
export interface Checkpoint {
  readonly name: string
  /** `input`: what went in there; `output`: what came out. */
  readonly side: 'input' | 'output'
  readonly value: Masked
}

/** One record per row, made when the call settles, and only when somebody asked. It is frozen. */
export interface PredictionRecord {
  readonly v: 1
  readonly id: string
  /** When the call settled, in milliseconds since 1970. */
  readonly at: number
  /** The model that answered; when none did, the one the call was bound to. */
  readonly identity: ModelIdentity
  /** How the call ended. */
  readonly outcome: Outcome
  /** Where the answer came from; `undefined` when there is none. */
  readonly source: Source | undefined
  /** The error's name and code. Its message is left out: it may repeat the input. */
  readonly error: { readonly name: string; readonly code: string | undefined } | undefined
  /** How often a model was asked; 0 when the answer came from a cache or the call was rejected before. */
  readonly attempts: number
  /** The rung of the fallback chain, or the stage of the cascade, that answered. */
  readonly rung: RungChoice | undefined
  /** Who of an ensemble answered. */
  readonly members: MembersNote | undefined
  /** What else happened on the way, in order, each a fixed word: `hedge-answered`, `retry-refused`… */
  readonly marks: readonly string[]
  /** What a cache in the stack did; the outermost, where there are several. */
  readonly cache: CacheNote | undefined
  /** The variants that routers chose, outermost first. */
  readonly variants: readonly VariantChoice[]
  readonly durations: {
    /** From the entry to the answer, in milliseconds. */
    readonly totalMs: number
    /** In the model; for a row of a batch, of the whole run. */
    readonly modelMs: number | undefined
    /** Waiting for a permit, for tokens, or for a run to begin. */
    readonly queueMs: number | undefined
  }
  /** The batch that the row came in, or the run that a micro-batching layer made it part of. */
  readonly batch: { readonly id: string; readonly size: number; readonly index: number } | undefined
  /** Whether the answer was only compared, never used. */
  readonly isShadow: boolean
  /** The span of the call, where it has one (W3C trace context). */
  readonly trace: { readonly traceId: string; readonly spanId: string } | undefined
  readonly tags: Readonly<Record<string, string>> | undefined
  /** Ids of work that this call shared with others. */
  readonly links: readonly string[]
  /** Ids of the declared schemas: 16 hexadecimal digits each, equal where the fields are. */
  readonly schema: { readonly input: string | undefined; readonly output: string | undefined } | undefined
  /** What passed on the way, in order. */
  readonly checkpoints: readonly Checkpoint[]
  /** The allowed fields of the input, when the stack declares a schema for it. */
  readonly input: Masked | undefined
  /** The allowed fields of the output, when the stack declares a schema for it. */
  readonly output: Masked | undefined
}
