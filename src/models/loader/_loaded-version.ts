/** One loaded version: its stage, who uses it, and its way out. */
import type { BatchCall, Binding, Call } from '../../core/call.js'
import { OutriggerError } from '../../core/errors.js'
import type { ModelIdentity } from '../../core/identity.js'
import { showIdentity } from '../../core/identity.js'
import { failRows, type Row } from '../../core/rows.js'
import type { Stage } from '../../core/stage.js'
import { isStream, untilEnd } from '../../core/streams.js'
import { Leases } from './lease.js'
import type { ModelVersion } from '../store/model-store.js'

/** Where a loaded version stands. */
export type VersionState = 'ready' | 'live' | 'draining' | 'disposed'

/** What the loader wants to hear of a version on its way out. */
export interface VersionWatcher {
  /** Leases were still held at the drain deadline. */
  onOverdue(leases: number): void
  /** What closes it threw. */
  onCloseError(error: unknown): void
}

/**
 * A loaded version. It is the binding of the calls that it serves, so that binding a call makes no object.
 *
 * It is disposed when its last lease ends. At the drain deadline it is sealed: who still holds a lease but is not in
 * the model gets an error from then on, and it is disposed as soon as nobody is in the model. So no call ever meets a
 * disposed model.
 */
export class LoadedVersion<I, O> implements Binding {
  readonly owner: object
  readonly version: ModelVersion
  readonly identity: ModelIdentity
  readonly stage: Stage<I, O>
  state: VersionState = 'ready'
  readonly #closers: readonly (() => unknown)[]
  readonly #leases = new Leases()
  /** Calls and runs that are in the model now. */
  #running = 0
  #sealed = false
  #hurried = false
  #onIdle: (() => void) | undefined

  constructor(owner: object, version: ModelVersion, identity: ModelIdentity, stage: Stage<I, O>, closers: readonly (() => unknown)[]) {
    this.owner = owner
    this.version = version
    this.identity = identity
    this.stage = stage
    this.#closers = closers
  }

  get leases(): number {
    return this.#leases.held
  }

  retain(): void {
    this.#leases.acquire()
  }

  release(): void {
    this.#leases.release()
  }

  async one(input: I, call: Call): Promise<O> {
    if (this.#sealed) throw this.#sealedError()
    this.#running += 1
    let output: O
    try {
      output = await this.stage.one(input, call)
    } catch (error) {
      this.#leave()
      throw error
    }
    if (isStream(output)) return untilEnd(output, () => this.#leave())
    this.#leave()
    return output
  }

  async many(inputs: readonly I[], batch: BatchCall): Promise<Row<O>[]> {
    if (this.#sealed) return failRows(inputs.length, this.#sealedError())
    this.#running += 1
    try {
      return await this.stage.many(inputs, batch)
    } finally {
      this.#leave()
    }
  }

  #leave(): void {
    this.#running -= 1
    if (this.#running === 0) this.#onIdle?.()
  }

  #sealedError(): OutriggerError {
    return new OutriggerError('ERR_OUTRIGGER_CLOSED', `Cannot predict with ${showIdentity(this.identity)} as it was replaced and its drain deadline has passed: current value is a retired version`, { identity: this.identity })
  }

  /**
   * Takes it out of service: waits for the leases or the deadline, then disposes it.
   *
   * @param deadline - resolves at the drain deadline
   */
  async retire(deadline: Promise<void>, watcher: VersionWatcher): Promise<void> {
    this.state = 'draining'
    const drained = this.#leases.retire()
    await Promise.race([drained, deadline])
    if (!this.#leases.isOver) {
      watcher.onOverdue(this.#leases.held)
      this.#sealed = true
      if (this.#running > 0 && !this.#hurried) await new Promise<void>((resolve) => { this.#onIdle = resolve })
    }
    await this.dispose(watcher)
  }

  /** The loader itself closes: nobody waits past the deadline, not even for what is in the model. */
  hurry(): void {
    this.#hurried = true
    this.#onIdle?.()
  }

  /** Closes what was made for it, once, whatever one of them throws. */
  async dispose(watcher: Pick<VersionWatcher, 'onCloseError'>): Promise<void> {
    this.#sealed = true
    this.state = 'disposed'
    for (const close of this.#closers) {
      try {
        await close()
      } catch (error) {
        watcher.onCloseError(error)
      }
    }
  }
}
