/** One run that somebody waits for, from the queue to its answer. */
import { abortErrorOf } from '../../core/model.js'
import { onAbortOf } from '../../core/signals.js'
import type { TensorCall } from '../engines/engine.js'
import type { FromIsolate, ToIsolate } from './_protocol.js'

/** What is to be run: how it is said, and how the answer is read. */
export interface Work<T> {
  /** Made anew for each attempt. @throws if the inputs cannot be sent */
  message(id: number): { readonly message: ToIsolate; readonly transfer: ArrayBuffer[] }
  /** @throws what the run failed with */
  answer(message: FromIsolate): T
  /** Whether the inputs are still there after they were sent. */
  readonly mayRepeat: boolean
}

/** Settles once. Its caller may leave early; the run goes on then, and its answer is dropped. */
export class Job<T = unknown> {
  readonly work: Work<T>
  readonly promise: Promise<T>
  readonly #call: TensorCall
  /** Whether it was in a crash already. */
  replayed = false
  #settled = false
  #resolve!: (answer: T) => void
  #reject!: (error: unknown) => void
  #unlisten: (() => void) | undefined

  constructor(work: Work<T>, call: TensorCall, onLeft: (job: Job<T>) => void) {
    this.work = work
    this.#call = call
    this.promise = new Promise<T>((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
    })
    const { signal } = call
    if (signal.aborted) this.fail(abortErrorOf(signal.reason))
    else this.#unlisten = onAbortOf(signal, () => {
      if (this.#settled) return
      this.fail(abortErrorOf(signal.reason))
      onLeft(this)
    })
  }

  /** Whether nobody waits any more. */
  get isSettled(): boolean {
    return this.#settled
  }

  /** Whether it may be run again after a crash. */
  get mayReplay(): boolean {
    return !this.#settled && !this.replayed && this.work.mayRepeat && this.#call.isIdempotent
  }

  /** The answer of the isolate, read. */
  take(message: FromIsolate): void {
    if (this.#settled) return
    let answer: T
    try {
      answer = this.work.answer(message)
    } catch (error) {
      this.fail(error)
      return
    }
    this.#end()
    this.#resolve(answer)
  }

  fail(error: unknown): void {
    if (this.#settled) return
    this.#end()
    this.#reject(error)
  }

  #end(): void {
    this.#settled = true
    this.#unlisten?.()
    this.#unlisten = undefined
  }
}
