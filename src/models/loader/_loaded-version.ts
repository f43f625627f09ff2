/** One loaded version: its stage, who uses it, and its way out. */
import type { BatchCall } from '../../core/batch-call.js'
import type { Binding, Call } from '../../core/call.js'
import { OutriggerError } from '../../core/errors.js'
import type { ModelIdentity } from '../../core/identity.js'
import { showIdentity } from '../../core/identity.js'
import { failRows, type Row } from '../../core/rows.js'
import type { Stage } from '../../core/stage.js'
import { isStream, untilEnd } from '../../core/streams.js'
import type { EngineDescription } from '../engines/engine.js'
import type { ModelVersion } from '../store/model-store.js'
import type { Resident } from './_pool.js'
import { subjectOf } from './_reporter.js'
import type { VersionLife } from './_version-life.js'
import { Leases } from './lease.js'

/** Leases that were ever taken, of all versions: an order in time that costs no clock. */
let uses = 0

/** What a loaded version is made of. */
export interface LoadedParts<I, O> {
  /** What the bindings of its loader carry. */
  readonly owner: object
  readonly life: VersionLife
  readonly identity: ModelIdentity
  readonly stage: Stage<I, O>
  /** What to close when it goes. */
  readonly closers: readonly (() => unknown)[]
  readonly description: EngineDescription
}

/** What somebody wants to hear of a version on its way out. */
export interface VersionWatcher {
  /** At the drain deadline leases were still held, and so many calls and runs were in the model. */
  onOverdue(leases: number, inModel: number): void
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
export class LoadedVersion<I, O> implements Binding, Resident {
  readonly owner: object
  readonly version: ModelVersion
  readonly life: VersionLife
  readonly identity: ModelIdentity
  readonly stage: Stage<I, O>
  readonly description: EngineDescription
  /** What it holds in memory: as its engine measured, else as large as its files. */
  readonly bytes: number
  /** Grows with every lease of any version: what was used longest ago has the smallest. */
  lastUse: number
  readonly #closers: readonly (() => unknown)[]
  readonly #leases = new Leases()
  /** Calls and runs that are in the model now. */
  #running = 0
  #sealed = false
  #hurried = false
  #onIdle: (() => void) | undefined
  #onRevived: (() => void) | undefined

  constructor({ owner, life, identity, stage, closers, description }: LoadedParts<I, O>) {
    this.owner = owner
    this.life = life
    this.version = life.version
    this.identity = identity
    this.stage = stage
    this.description = description
    this.bytes = description.bytes ?? fileBytesOf(life.version)
    this.#closers = closers
    this.lastUse = uses += 1
  }

  get subject(): string {
    return subjectOf(this.version)
  }

  get isLive(): boolean {
    return this.life.state === 'live'
  }

  get leases(): number {
    return this.#leases.held
  }

  retain(): void {
    this.#leases.acquire()
    this.lastUse = uses += 1
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
   * Waits for its leases or the deadline, then disposes it. It must be `draining` already.
   *
   * @param deadline - resolves at the drain deadline
   * @returns whether it was disposed; not if it was revived meanwhile
   */
  async retire(deadline: Promise<void>, watcher: VersionWatcher): Promise<boolean> {
    let isRevived = false
    const revived = new Promise<void>((resolve) => {
      this.#onRevived = () => {
        isRevived = true
        resolve()
      }
    })
    await Promise.race([this.#leases.retire(), deadline, revived])
    // Also if the deadline came first and it was taken back before this line.
    if (isRevived) return false
    this.#onRevived = undefined
    if (!this.#leases.isOver) {
      watcher.onOverdue(this.#leases.held, this.#running)
      this.#sealed = true
      if (this.#running > 0 && !this.#hurried) await new Promise<void>((resolve) => { this.#onIdle = resolve })
    }
    await this.dispose(watcher)
    return true
  }

  /** Whether it drains, and may still be taken back. */
  get isRevivable(): boolean {
    return this.#onRevived !== undefined && !this.#leases.isOver
  }

  /** Takes it back while it drains: it takes leases as before. Only while {@link isRevivable}. */
  revive(): void {
    this.#leases.resume()
    this.#onRevived?.()
    this.#onRevived = undefined
  }

  /** The loader itself closes: nobody waits past the deadline, not even for what is in the model. */
  hurry(): void {
    this.#hurried = true
    this.#onIdle?.()
  }

  /** Closes what was made for it, once, whatever one of them throws. */
  async dispose(watcher: Pick<VersionWatcher, 'onCloseError'>): Promise<void> {
    this.#sealed = true
    await closeAll(this.#closers, watcher)
  }
}

/** Closes what was made for a version, whatever one of them throws. */
export const closeAll = async (closers: readonly (() => unknown)[], { onCloseError }: Pick<VersionWatcher, 'onCloseError'>): Promise<void> => {
  for (const close of closers) {
    try {
      await close()
    } catch (error) {
      onCloseError(error)
    }
  }
}

/** How large the files of a version are: an estimate of what it holds before its engine has said more. */
export const fileBytesOf = ({ manifest }: ModelVersion): number => manifest.files.reduce((sum, { bytes }) => sum + bytes, 0)
