/** The loader's doing: one change at a time, from a reference to a live version. What it promises stands at `ModelLoader`. */
import type { Timer } from '../../core/clock.js'
import { hasCode, OutriggerError } from '../../core/errors.js'
import { EventHub } from '../../core/events.js'
import type { ModelIdentity } from '../../core/identity.js'
import { numberOption, optionsObject } from '../../core/options.js'
import type { Runtime } from '../../core/runtime.js'
import type { StageSchema } from '../../core/stage.js'
import { loadVersion, type LoaderSettings } from './_load-version.js'
import type { LoadedVersion } from './_loaded-version.js'
import type { LoaderStageHost } from './_loader-stage.js'
import { Refusal } from './gate.js'
import type { LoadedVersionInfo } from './model-loader.js'
import { checkTarget } from '../manifest/names.js'
import type { ModelVersion } from '../store/model-store.js'

const layer = 'model-loader'
/** So many refused versions are remembered; the oldest are forgotten. */
const maxRefused = 100

export class Loader<I, O> implements LoaderStageHost<I, O> {
  readonly owner: object = {}
  readonly events: EventHub = new EventHub()
  readonly unloaded: ModelIdentity
  readonly #settings: LoaderSettings<I, O>
  readonly #draining = new Map<LoadedVersion<I, O>, { readonly work: Promise<void>; readonly timer: Timer | undefined }>()
  readonly #refused = new Map<string, OutriggerError>()
  #live: LoadedVersion<I, O> | undefined
  #target: string
  #closed = false
  /** Changes run one after the other. */
  #changes: Promise<unknown> = Promise.resolve()
  #first: Promise<ModelIdentity> | undefined
  #queued: Promise<ModelIdentity> | undefined
  #stopWatch: (() => void) | undefined

  constructor(settings: LoaderSettings<I, O>) {
    this.#settings = settings
    this.#target = settings.follow
    this.unloaded = Object.freeze({ name: settings.name, version: '0', digest: undefined })
  }

  get live(): LoadedVersion<I, O> | undefined {
    return this.#live
  }

  get isClosed(): boolean {
    return this.#closed
  }

  get following(): string {
    return `${this.#settings.name}@${this.#target}`
  }

  get runtime(): Runtime {
    return this.#settings.runtime
  }

  get schema(): StageSchema {
    return this.#settings.schema
  }

  get loaded(): readonly LoadedVersionInfo[] {
    const versions = this.#live === undefined ? [] : [this.#live]
    return [...versions, ...this.#draining.keys()].map(({ identity, state, leases }) => ({ identity, state, leases }))
  }

  // ---- changes

  async whenReady(): Promise<ModelIdentity> {
    if (this.#live !== undefined) return this.#live.identity
    this.#first ??= this.refresh().finally(() => { this.#first = undefined })
    return await this.#first
  }

  /** Those who ask while a change runs share the one that follows it: it looks where the alias points by then. */
  refresh(): Promise<ModelIdentity> {
    return (this.#queued ??= this.#enqueue(() => {
      this.#queued = undefined
      return this.#follow(this.#target, true)
    }))
  }

  async use(target: string | number): Promise<ModelIdentity> {
    const wanted = checkTarget(target)
    return await this.#enqueue(async () => {
      const identity = await this.#follow(wanted, true)
      this.#target = wanted
      return identity
    })
  }

  async #enqueue(change: () => Promise<ModelIdentity>): Promise<ModelIdentity> {
    const result = this.#changes.then(async () => {
      if (this.#closed) throw new OutriggerError('ERR_OUTRIGGER_CLOSED', `Cannot load a version of ${this.#settings.name} as the loader is closed`)
      return await change()
    })
    this.#changes = result.catch(() => {})
    return await result
  }

  async #follow(target: string, again: boolean): Promise<ModelIdentity> {
    const version = await this.#settings.store.resolve(`${this.#settings.name}@${target}`)
    if (this.#live?.version.digest === version.digest) return this.#live.identity
    const refused = again ? undefined : this.#refused.get(version.digest)
    if (refused !== undefined) throw refused
    const candidate = await this.#load(version)
    if (this.#closed) {
      await candidate.dispose(this.#watcher(candidate))
      throw new OutriggerError('ERR_OUTRIGGER_CLOSED', `Cannot make ${version.name}@${version.version} live as the loader was closed`)
    }
    this.#refused.delete(version.digest)
    this.#swap(candidate)
    return candidate.identity
  }

  #swap(next: LoadedVersion<I, O>): void {
    const previous = this.#live
    next.state = 'live'
    this.#live = next // the swap
    next.stage.events.forwardTo(this.events)
    this.#emit(next.version, 'ready', 'live', previous === undefined ? 'the first version' : `in the place of version ${previous.identity.version}`)
    if (previous !== undefined) this.#retire(previous, `version ${next.identity.version} took its place`)
  }

  #retire(version: LoadedVersion<I, O>, reason: string): void {
    const { clock } = this.runtime
    this.#emit(version.version, 'live', 'draining', reason, { leases: version.leases })
    let timer: Timer | undefined
    const deadline = new Promise<void>((resolve) => {
      if (version.leases === 0) return
      timer = clock.setTimeout(resolve, this.#settings.drainMs)
      timer.unref() // nobody waits for it, unless the loader closes
    })
    const work = version.retire(deadline, this.#watcher(version)).then(() => {
      if (timer !== undefined) clock.clearTimeout(timer)
      this.#draining.delete(version)
      this.#emit(version.version, 'draining', 'disposed', 'nobody uses it any more')
    })
    this.#draining.set(version, { work, timer })
  }

  // ---- loading

  async #load(version: ModelVersion): Promise<LoadedVersion<I, O>> {
    this.#emit(version, 'found', 'loading', `${this.following} points to it`)
    const closers: (() => unknown)[] = []
    const outcome = await loadVersion<I, O>(this.#settings, this.owner, version, closers)
    if (!(outcome instanceof Refusal)) {
      this.#emit(version, 'loading', 'ready', 'it passed the gate')
      return outcome
    }
    const { stage, reason, cause } = outcome
    const name = `${version.name}@${version.version}`
    for (const close of closers) {
      try {
        await close()
      } catch (error) {
        this.#notice(`Closing the refused version ${name} failed.`, error)
      }
    }
    const error = new OutriggerError('ERR_OUTRIGGER_MODEL_REFUSED', `Cannot make ${name} live as it did not pass the gate (${stage}): ${reason}`, { model: version.name, version: version.version, digest: version.digest, stage, reason, cause })
    this.#refused.delete(version.digest)
    this.#refused.set(version.digest, error)
    for (const oldest of this.#refused.keys()) if (this.#refused.size > maxRefused) this.#refused.delete(oldest)
    this.#emit(version, 'loading', 'refused', reason, { stage, error })
    throw error
  }

  // ---- watching

  watch(options: { readonly everyMs: number }): () => void {
    optionsObject('a watch', options, ['everyMs'])
    const everyMs = numberOption('a watch', 'everyMs', options.everyMs, { min: 1 })
    this.#stopWatch?.()
    const { clock } = this.runtime
    let stopped = false
    let timer: Timer | undefined
    const next = (): void => {
      if (stopped || this.#closed) return
      timer = clock.setTimeout(() => void look(), everyMs)
      timer.unref()
    }
    const look = async (): Promise<void> => {
      try {
        await this.#enqueue(() => this.#follow(this.#target, false))
      } catch (error) {
        // A refusal was told when it happened.
        const told = hasCode(error, 'ERR_OUTRIGGER_MODEL_REFUSED') || hasCode(error, 'ERR_OUTRIGGER_CLOSED')
        if (!told) this.#notice(`Looking for a new version of ${this.following} failed.`, error)
      }
      next()
    }
    const stop = (): void => {
      stopped = true
      if (timer !== undefined) clock.clearTimeout(timer)
    }
    this.#stopWatch = stop
    next()
    return stop
  }

  async close(): Promise<void> {
    this.#closed = true
    this.#stopWatch?.()
    await this.#changes
    const live = this.#live
    this.#live = undefined
    if (live !== undefined) this.#retire(live, 'the loader closes')
    const draining = [...this.#draining]
    for (const [version, { timer }] of draining) {
      timer?.ref()
      version.hurry()
    }
    await Promise.all(draining.map(([, { work }]) => work))
  }

  // ---- telling

  #watcher(version: LoadedVersion<I, O>): { onOverdue(leases: number): void; onCloseError(error: unknown): void } {
    const name = `${version.version.name}@${version.version.version}`
    return {
      onOverdue: (leases) => this.#notice(`Calls still hold ${name}, ${this.#settings.drainMs} ms after it was replaced.`, undefined, { subject: name, digest: version.version.digest, leases }),
      onCloseError: (error) => this.#notice(`Closing ${name} failed.`, error),
    }
  }

  #emit(version: ModelVersion, from: string, to: string, reason: string, data: Readonly<Record<string, unknown>> = {}): void {
    this.events.emit({ type: 'state', layer, subject: `${version.name}@${version.version}`, from, to, reason, at: this.runtime.clock.wall(), data: { digest: version.digest, ...data } })
  }

  #notice(message: string, error: unknown, data?: Readonly<Record<string, unknown>>): void {
    this.events.emit({ type: 'notice', layer, message, at: this.runtime.clock.wall(), ...(error === undefined ? {} : { error }), ...(data === undefined ? {} : { data }) })
  }
}
