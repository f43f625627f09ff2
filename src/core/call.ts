/**
 * One prediction in flight: {@link Call}; and the rows of one run: {@link BatchCall}.
 *
 * A call carries what layers need to know (key, deadline, signal, what it is bound to) and what they note on the way
 * (source, rung, attempts). It is made at the entry, and everything in it that is seldom used is made when first used.
 */
import type { ModelIdentity } from './identity.js'
import type { Checkpoint, PredictionRecord } from './record.js'
import type { Runtime } from './runtime.js'

/** Where an answer came from. */
export type Source = 'model' | 'cache' | 'stale' | 'fallback' | 'coalesced'

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

/** What a call is bound to by a loader or a router, held until the work has ended. */
export interface Binding {
  /** The loader or router that made it. */
  readonly owner: object
  readonly identity: ModelIdentity
  /** The variant, where a router made it. */
  readonly choice?: VariantChoice
  retain(): void
  release(): void
}

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

/** Hears once that a call is aborted. An object and not a function, so that a row or a call can listen itself, without a closure. */
export interface AbortListener {
  aborted(reason: unknown): void
}

interface Cancellation {
  aborted: boolean
  reason: unknown
  /** Mostly there is one, or none. */
  listeners: AbortListener | Set<AbortListener> | undefined
  controller: AbortController | undefined
  /** Whether a fork listens to its call. */
  isLinked: boolean
}

/** What the model sees of its call. */
export interface ModelCall {
  /** Fires when nobody wants the answer any more. Made when first read; reading costs about 2.5 µs. */
  readonly signal: AbortSignal
  readonly key: string | undefined
  readonly id: string
  /** The time on the runtime's clock after which nobody waits, or `Infinity`. */
  readonly deadline: number
  /** How long somebody still waits, in milliseconds, at least 0: what to tell a remote model. `Infinity` when there is no deadline, which reads no clock. */
  remainingMs(): number
  /** Whether the answer is only compared, never used: fence off side effects. */
  readonly isShadow: boolean
  /** Whether the model may be asked twice for the answer: false if a caller said `idempotent: false`. */
  readonly isIdempotent: boolean
  /** Headers for a request that is made for the answer; `undefined` while nobody traces. */
  readonly traceContext?: TraceContext | undefined
}

/** One prediction in flight. */
export class Call implements ModelCall, AbortListener {
  readonly runtime: Runtime
  readonly options: SharedCallOptions | undefined
  readonly key: string | undefined
  isShadow = false
  /** Whether nobody is left to answer in its place: a circuit breaker lets it through. */
  isLastResort = false
  source: Source = 'model'
  /** How often the model was asked. */
  attempts = 0
  /** The time it entered, on the runtime's clock, or `undefined` when nothing observes. */
  startedAt: number | undefined = undefined
  /** The same for a layer that counts without a record. */
  meteredAt: number | undefined = undefined
  notes: CallNotes | undefined = undefined
  /** Only set on a fork: the call it is an attempt of. */
  readonly #parent: Call | undefined
  #id: string | undefined
  #bindings: Binding[] | undefined
  #cancellation: Cancellation | undefined = undefined
  #deadline: number | undefined = undefined

  constructor(runtime: Runtime, options: SharedCallOptions | undefined, key: string | undefined, id: string | undefined, parent?: Call, bindings?: Binding[]) {
    this.runtime = runtime
    this.options = options
    this.key = key
    this.#id = id
    this.#parent = parent
    this.#bindings = bindings
  }

  /** The prediction's id; made when first read. */
  get id(): string {
    return this.#parent === undefined ? (this.#id ??= this.runtime.newId()) : this.#parent.id
  }

  /** The time on the runtime's clock after which nobody waits, or `Infinity`. An attempt's is never later than its call's. */
  get deadline(): number {
    const own = this.#deadline ?? Infinity
    return this.#parent === undefined ? own : Math.min(own, this.#parent.deadline)
  }

  set deadline(at: number) {
    this.#deadline = at
  }

  remainingMs(): number {
    return leftUntil(this.deadline, this.runtime)
  }

  /** Higher goes first, and is shed last. */
  get priority(): number {
    return this.options?.priority ?? 0
  }

  /** Whether it belongs to a scoring job, for which nobody waits. */
  get isBatchWork(): boolean {
    return this.options?.workload === 'batch'
  }

  /** Whether the model may be asked twice for one answer. */
  get isIdempotent(): boolean {
    return this.options?.idempotent !== false
  }

  /** The span that is open for it, as headers. */
  get traceContext(): TraceContext | undefined {
    return this.notes?.traceContext ?? this.#parent?.traceContext
  }

  // ---- what it is bound to

  /** What this loader or router bound the call to. */
  boundBy<B extends Binding>(owner: object): B | undefined {
    const bindings = this.#bindings
    if (bindings === undefined) return undefined
    for (const binding of bindings) if (binding.owner === owner) return binding as B
    return undefined
  }

  /** Whether somebody wants to know how long it waits. */
  get isTimed(): boolean {
    return (this.startedAt ?? this.meteredAt) !== undefined || this.#parent?.isTimed === true
  }

  /** The variant of the outermost router, also where nobody notes it. */
  get variant(): string | undefined {
    return this.#bindings?.find(({ choice }) => choice)?.choice?.variant
  }

  /** Binds the call; the binding is released when its work has ended. The caller has retained it already. */
  bindTo(binding: Binding): void {
    if (this.#bindings === undefined) this.#bindings = [binding]
    else this.#bindings.push(binding)
  }

  /** Ends the work of this call: gives its leases back. Called once, by who made the call. */
  end(): void {
    const bindings = this.#bindings
    if (bindings !== undefined) {
      this.#bindings = undefined
      for (const binding of bindings) binding.release()
    }
    if (this.#cancellation?.isLinked === true) this.#parent?.unlisten(this)
  }

  #retained(): Binding[] | undefined {
    const bindings = this.#bindings
    if (bindings === undefined) return undefined
    for (const binding of bindings) binding.retain()
    return bindings.slice()
  }

  // ---- parts

  /**
   * An attempt of this call that may be given up: aborting it does not abort the call, and what it notes after being
   * given up is lost. It holds leases of its own until `end()`.
   */
  fork(): Call {
    const fork = new Call(this.runtime, this.options, this.key, undefined, this, this.#bindings === undefined ? undefined : this.#retained())
    fork.startedAt = this.startedAt
    fork.isShadow = this.isShadow
    fork.isLastResort = this.isLastResort
    if (this.notes?.variants !== undefined) fork.notes = { variants: [...this.notes.variants] }
    return fork
  }

  /**
   * The call of work that serves several callers, or outlives this one: same key and binding, an id, annotations and
   * a signal of its own. Nothing of this call's signal, deadline or async context goes with it; whether it may be
   * repeated, and whether it is only compared, does.
   */
  detach(): Call {
    const call = new Call(this.runtime, this.options, this.key, undefined, undefined, this.#retained())
    call.startedAt = this.startedAt
    call.isShadow = this.isShadow
    call.isLastResort = this.isLastResort
    if (this.notes?.variants !== undefined) call.notes = { variants: [...this.notes.variants] }
    this.#leads(call)
    return call
  }

  /**
   * The call of a candidate that only listens: it shares the id, so that a label finds both, and nothing else that is
   * bound or held; the candidate binds for itself.
   */
  shadow(): Call {
    const call = new Call(this.runtime, undefined, this.key, this.id)
    call.isShadow = true
    this.#leads(call)
    return call
  }

  #leads(call: Call): void {
    const { traceContext } = this
    if (traceContext !== undefined) call.note().follows = traceContext
  }

  /** Takes over what a fork noted, when its answer is used. */
  adopt(fork: Call): void {
    this.source = fork.source
    this.attempts += fork.attempts
    const { notes: mine } = this
    const { notes: theirs } = fork
    if (theirs === undefined) return
    this.notes = mine === undefined ? theirs : { ...mine, ...theirs }
    if (mine?.queueMs !== undefined && theirs.queueMs !== undefined) this.notes.queueMs = mine.queueMs + theirs.queueMs
    // Variants need no joining: a fork begins with those of its call.
    for (const list of ['links', 'marks', 'checkpoints', 'watchers'] as const) {
      if (mine?.[list] !== undefined && theirs[list] !== undefined) this.notes[list] = [...mine[list], ...theirs[list]] as never
    }
  }

  /** The notes, made when first written. */
  note(): CallNotes {
    return (this.notes ??= {})
  }

  /** Says in the record that it has waited; several waits add up. */
  waited(ms: number): void {
    const notes = this.note()
    notes.queueAt ??= this.runtime.clock.now() - ms
    notes.queueMs = (notes.queueMs ?? 0) + ms
  }

  /** Says in the record that something happened on the way: one of a few fixed words, such as `hedge-answered`. Costs nothing while nobody observes. */
  mark(what: string): void {
    if (this.startedAt !== undefined) (this.note().marks ??= []).push(what)
  }

  // ---- cancellation

  /** Whether nobody wants the answer any more. */
  get isAborted(): boolean {
    return this.#cancellation?.aborted === true || (this.#parent !== undefined && this.#parent.isAborted)
  }

  /** Why it was aborted. */
  get abortReason(): unknown {
    return this.#cancellation?.aborted === true ? this.#cancellation.reason : this.#parent?.abortReason
  }

  /** Tells the model, and everybody who waits, that nobody wants the answer any more. */
  abort(reason: unknown): void {
    const state = this.#cancel()
    if (state.aborted) return
    state.aborted = true
    state.reason = reason
    const { listeners } = state
    state.listeners = undefined
    if (listeners instanceof Set) for (const listener of listeners) listener.aborted(reason)
    else listeners?.aborted(reason)
    state.controller?.abort(reason)
  }

  /** A fork hears this of its call. */
  aborted(reason: unknown): void {
    this.abort(reason)
  }

  /** Lets an object hear when the call is aborted, at once if it is already. It listens until `unlisten`, and costs little more than a field. */
  listen(listener: AbortListener): void {
    if (this.isAborted) {
      listener.aborted(this.abortReason)
      return
    }
    const state = this.#cancel()
    this.#link(state)
    const { listeners } = state
    if (listeners === undefined) state.listeners = listener
    else if (listeners instanceof Set) listeners.add(listener)
    else if (listeners !== listener) state.listeners = new Set([listeners, listener])
  }

  /** Takes a listener away. */
  unlisten(listener: AbortListener): void {
    const state = this.#cancellation
    if (state?.listeners instanceof Set) state.listeners.delete(listener)
    else if (state?.listeners === listener) state.listeners = undefined
  }

  /** Calls back when the call is aborted, at once if it is already. Returns what takes the listener away again. */
  onAbort(listener: (reason: unknown) => void): () => void {
    const heard: AbortListener = { aborted: listener }
    this.listen(heard)
    return () => this.unlisten(heard)
  }

  get signal(): AbortSignal {
    const state = this.#cancel()
    if (state.controller === undefined) {
      state.controller = new AbortController()
      if (this.isAborted) state.controller.abort(this.abortReason)
      else this.#link(state)
    }
    return state.controller.signal
  }

  #cancel(): Cancellation {
    return (this.#cancellation ??= { aborted: false, reason: undefined, listeners: undefined, controller: undefined, isLinked: false })
  }

  #link(state: Cancellation): void {
    if (this.#parent === undefined || state.isLinked) return
    state.isLinked = true
    this.#parent.listen(this)
  }
}

const leftUntil = (deadline: number, { clock }: Runtime): number => (deadline === Infinity ? Infinity : Math.max(0, deadline - clock.now()))

/** What a model's `predictBatch` sees of its run. */
export interface ModelBatchCall {
  /** Fires when nobody wants any row of the run any more. */
  readonly signal: AbortSignal
  /** The calls of the rows, in order. */
  readonly rows: readonly ModelCall[]
  /** The latest deadline of the rows, or `Infinity`. */
  readonly deadline: number
  /** How long somebody still waits for a row, in milliseconds. See {@link ModelCall.remainingMs}. */
  remainingMs(): number
  readonly isShadow: boolean
  /** Whether the run may be made twice for its answers. See {@link ModelCall.isIdempotent}. */
  readonly isIdempotent: boolean
  /** See {@link ModelCall.traceContext}; `undefined` too where the rows are of several traces. */
  readonly traceContext?: TraceContext | undefined
}

/** The calls of the rows that travel together. It has no state of its own: it is aborted when all its rows are. */
export class BatchCall implements ModelBatchCall {
  readonly rows: readonly Call[]
  readonly runtime: Runtime
  #controller: AbortController | undefined = undefined

  constructor(runtime: Runtime, rows: readonly Call[]) {
    this.runtime = runtime
    this.rows = rows
  }

  get size(): number {
    return this.rows.length
  }

  get deadline(): number {
    let latest = -Infinity
    for (const row of this.rows) if (row.deadline > latest) latest = row.deadline
    return latest
  }

  remainingMs(): number {
    return leftUntil(this.deadline, this.runtime)
  }

  get isShadow(): boolean {
    return this.rows[0]?.isShadow === true
  }

  get isIdempotent(): boolean {
    return this.rows[0]?.isIdempotent !== false
  }

  get traceContext(): TraceContext | undefined {
    const context = this.rows[0]?.traceContext
    return this.rows.every((row) => row.traceContext === context) ? context : undefined
  }

  get isAborted(): boolean {
    for (const row of this.rows) if (!row.isAborted) return false
    return this.rows.length > 0
  }

  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      const controller = (this.#controller = new AbortController())
      let waiting = this.rows.length
      for (const row of this.rows) {
        row.onAbort((reason) => {
          waiting -= 1
          if (waiting === 0) controller.abort(reason)
        })
      }
    }
    return this.#controller.signal
  }

  /** The calls of some of the rows. */
  pick(indices: readonly number[]): BatchCall {
    return new BatchCall(this.runtime, indices.map((index) => this.rows[index] as Call))
  }

  /** An attempt of the run that may be given up. See {@link Call.fork}. */
  fork(): BatchCall {
    return new BatchCall(this.runtime, this.rows.map((row) => row.fork()))
  }

  /** Takes over what a fork noted, row by row. */
  adopt(fork: BatchCall): void {
    for (let index = 0; index < this.rows.length; index += 1) (this.rows[index] as Call).adopt(fork.rows[index] as Call)
  }

  abort(reason: unknown): void {
    for (const row of this.rows) row.abort(reason)
  }

  /** Ends the work of every row. */
  end(): void {
    for (const row of this.rows) row.end()
  }
}
