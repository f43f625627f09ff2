/**
 * The inside of a predictor: what layers are made of and what `pipe` strings together.
 *
 * A stage never rejects from `many`; failures of rows are values there. Users meet stages only through `layer()`.
 */
import type { BatchCall } from './batch-call.js'
import type { Call } from './call.js'
import type { EventHub } from './events.js'
import type { Guard } from './fuse.js'
import type { ModelIdentity } from './identity.js'
import type { MaskableSchema } from './masking.js'
import type { Row } from './rows.js'
import type { Runtime } from './runtime.js'

/** What is declared about inputs and outputs at one point of a stack. */
export interface StageSchema {
  readonly input?: MaskableSchema | undefined
  readonly output?: MaskableSchema | undefined
}

/** A stage that another one leads to. */
export interface Branch {
  /** What it is to the outer one: `''` for what it wraps, else the name of a rung or variant. */
  readonly label: string
  readonly stage: AnyStage
}

/** What `pipe` looks at to warn of an order that hurts. */
export interface StageTraits {
  /** Answers in the place of a failure, so that what is farther out does not see it. */
  readonly hidesFailures?: boolean
  /** Asks the model again. */
  readonly retries?: boolean
  /** Its own filter decides what is retried, so that it may retry a rejection. */
  readonly mayRetryRejections?: boolean
  /** Opens when the model fails. */
  readonly countsFailures?: boolean
  /** Asks what is inside even when the caller has left. */
  readonly label?: string
  /** A model without a batch form: a batch is as many single calls. */
  readonly rowByRow?: boolean
  /** Answers from what it keeps, at once. */
  readonly answersAtOnce?: boolean
}

/** See {@link Stage.oneUntilEnd}. `ended` is called once, before the promise settles. */
export type OneUntilEnd<I, O> = (input: I, call: Call, ended: (call: Call) => void) => Promise<O>

export interface Stage<I, O> {
  readonly kind: string
  /** One line for `describe()`. */
  describe(): string
  readonly branches: readonly Branch[]
  readonly traits: StageTraits
  readonly runtime: Runtime
  readonly events: EventHub
  readonly schema: StageSchema
  /** Whether it wants the record of each call that passes. */
  readonly needsRecord: boolean
  /** The live identity. */
  readonly identity: ModelIdentity
  one(input: I, call: Call): Promise<O>
  /** The guards that `one` consists of, and what they guard, when it can be fused with guards around it. */
  readonly fusible?: { readonly guards: readonly Guard<I, O>[]; readonly core: (input: I, call: Call) => Promise<O> } | undefined
  /**
   * The same as `one` for a layer that makes the caller's promise itself: it says when the work of the call has ended, so that
   * the entry needs no promise of its own around it. Fails with Errors only, and gives no streams.
   */
  readonly oneUntilEnd?: OneUntilEnd<I, O> | undefined
  many(inputs: readonly I[], batch: BatchCall): Promise<Row<O>[]>
  /** Resolves version and variant and takes the leases, synchronously at the entry. */
  readonly bind: ((call: Call, input: I) => void) | undefined
  /** Whether `bind` looks at the input, and not only at the call. */
  readonly bindsByInput?: boolean | undefined
  /** The identity that the call is bound to here. */
  served(call: Call): ModelIdentity
  /** What a cache key must hold apart from the input: the bound digest and variant. */
  scope(call: Call): string
  ready(): boolean
  /** Closes what this stage itself holds, not what it wraps. */
  close(): Promise<void> | void
}

// oxlint-disable-next-line no-explicit-any -- A tree of stages of any types; only their shape is read.
export type AnyStage = Stage<any, any>

/** Where a predictor carries its stage. Registered, so that two copies of the package know each other's. */
export const STAGE: unique symbol = Symbol.for('outrigger.stage.1') as never

/** Whether a stage says anew each time if it needs records, as a loader does by the version that is live. Most say it once, which costs calls nothing. */
export const saysAnew = (stage: AnyStage): boolean => Object.getOwnPropertyDescriptor(stage, 'needsRecord')?.get !== undefined
