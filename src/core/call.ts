/**
 * One prediction in flight: {@link Call}.
 *
 * A call carries what layers need to know (key, deadline, signal, what it is bound to) and what they note on the way
 * (source, rung, attempts). It is made at the entry, and everything in it that is seldom used is made when first used.
 */
import type { Source, CallNotes, TraceContext, VariantChoice } from './call-notes.js'
import type { SharedCallOptions } from './call-options.js'
import type { ModelIdentity } from './identity.js'
import type { Runtime } from './runtime.js'

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
    return this.#part(this)
  }

  /**
   * The call of work that serves several callers, or outlives this one: same key and binding, an id, annotations and
   * a signal of its own. Nothing of this call's signal, deadline or async context goes with it; whether it may be
   * repeated, and whether it is only compared, does.
   */
  detach(): Call {
    const call = this.#part(undefined)
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

  #part(parent: Call | undefined): Call {
    const part = new Call(this.runtime, this.options, this.key, undefined, parent, this.#retained())
    part.startedAt = this.startedAt
    part.isShadow = this.isShadow
    part.isLastResort = this.isLastResort
    if (this.notes?.variants !== undefined) part.notes = { variants: [...this.notes.variants] }
    return part
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
    if (mine === undefined || theirs === undefined) {
      this.notes = theirs ?? mine
      return
    }
    this.notes = { ...mine, ...theirs }
    if (mine.queueMs !== undefined && theirs.queueMs !== undefined) this.notes.queueMs = mine.queueMs + theirs.queueMs
    // Variants need no joining: a fork begins with those of its call.
    for (const list of ['links', 'marks', 'checkpoints', 'watchers'] as const) {
      if (mine[list] !== undefined && theirs[list] !== undefined) this.notes[list] = [...mine[list], ...theirs[list]] as never
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

/** How long somebody still waits, in milliseconds; `Infinity` without a deadline, which reads no clock. */
export const leftUntil = (deadline: number, { clock }: Runtime): number => (deadline === Infinity ? Infinity : Math.max(0, deadline - clock.now()))
