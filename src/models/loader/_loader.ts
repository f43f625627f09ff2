/** The loader's doing: from a reference to a live version. What it promises stands at `ModelLoader`. */
import { hasCode, OutriggerError } from '../../core/errors.js'
import { EventHub } from '../../core/events.js'
import type { ModelIdentity } from '../../core/identity.js'
import { ownStream, type Random } from '../../core/random.js'
import type { Runtime } from '../../core/runtime.js'
import type { StageSchema } from '../../core/stage.js'
import { checkTarget } from '../manifest/names.js'
import type { ModelVersion } from '../store/model-store.js'
import { Changes, type Change } from './_changes.js'
import type { LoadedVersion } from './_loaded-version.js'
import type { LoaderStageHost } from './_loader-stage.js'
import type { LoaderSettings } from './_loader-settings.js'
import type { Resident, Tenant } from './_pool.js'
import { Reporter, subjectOf } from './_reporter.js'
import { Shelf } from './_shelf.js'
import { withinLimit } from './_time-limit.js'
import { Tries } from './_tries.js'
import { quarantinedError, VersionLoader } from './_version-loader.js'
import { WaitingRoom } from './_waiting-room.js'
import { Watch, type WatchPace } from './_watch.js'
import type { LoadedVersionInfo } from './model-loader.js'
import { persistenceOf } from './persistence.js'
import { Quarantine, type QuarantinedVersion } from './quarantine.js'

export class Loader<I, O> implements LoaderStageHost<I, O>, Tenant {
  readonly owner: object = {}
  readonly events: EventHub = new EventHub()
  readonly unloaded: ModelIdentity
  readonly room: WaitingRoom | undefined
  readonly #settings: LoaderSettings<I, O>
  readonly #reporter: Reporter
  readonly #random: Random
  readonly #changes: Changes
  readonly #shelf: Shelf<I, O>
  readonly #quarantine: Quarantine
  readonly #loads: VersionLoader<I, O>
  readonly #closing = new AbortController()
  #target: string
  /** What was live last: loaded again where the one that took its place did not pass. */
  #lastLive: ModelVersion | undefined
  /** It was unloaded, and nobody has wanted it since. */
  #isAsleep = false
  /** The pool took the live version's room: the next call loads it again. */
  #isEvicted = false
  #queued: { readonly change: Change; readonly done: Promise<ModelIdentity> } | undefined
  #isPeeking = false
  #first: Promise<ModelIdentity> | undefined
  #watch: Watch | undefined

  constructor(settings: LoaderSettings<I, O>) {
    const { name, follow, runtime, drainMs, keepWarm, unavailable } = settings
    this.#settings = settings
    this.#target = follow
    this.unloaded = Object.freeze({ name, version: '0', digest: undefined })
    this.#random = ownStream(runtime.random, 'model-loader')
    this.#reporter = new Reporter(this.events, runtime.clock)
    this.#changes = new Changes(runtime.clock)
    this.#shelf = new Shelf({ clock: runtime.clock, reporter: this.#reporter, events: this.events, newId: () => runtime.newId(), drainMs, keepWarm })
    this.#quarantine = new Quarantine('modelLoader', settings.quarantined)
    this.room = unavailable === undefined ? undefined : new WaitingRoom(runtime.clock, unavailable)
    this.#loads = new VersionLoader({ owner: this.owner, settings, reporter: this.#reporter, shelf: this.#shelf, changes: this.#changes, quarantine: this.#quarantine, random: this.#random, signal: this.#closing.signal })
    settings.pool?.enter(this)
  }

  // ---- what it is

  get live(): LoadedVersion<I, O> | undefined {
    return this.#shelf.live
  }

  get isClosed(): boolean {
    return this.#closing.signal.aborted
  }

  get following(): string {
    return `${this.#settings.name}@${this.#target}`
  }

  get gap(): string {
    return this.#shelf.gap
  }

  get runtime(): Runtime {
    return this.#settings.runtime
  }

  get schema(): StageSchema {
    return this.#settings.schema
  }

  get loaded(): readonly LoadedVersionInfo[] {
    return this.#shelf.all.map(({ identity, life, leases, bytes, description }) => ({ identity, state: life.state as LoadedVersionInfo['state'], since: life.since, leases, bytes, description }))
  }

  /** What the pool may ask for: not what a change is about to replace. */
  get residents(): readonly LoadedVersion<I, O>[] {
    const isIdle = this.#changes.current === undefined && !this.#changes.isPressed
    return isIdle && this.live !== undefined ? [this.live, ...this.#shelf.warm] : this.#shelf.warm
  }

  /** Whether nothing is live only until somebody calls. */
  get isOnDemand(): boolean {
    return this.#isEvicted && this.live === undefined && !this.isClosed
  }

  get quarantined(): readonly QuarantinedVersion[] {
    return this.#quarantine.all
  }

  // ---- changes

  async whenReady(): Promise<ModelIdentity> {
    if (this.live !== undefined) return this.live.identity
    this.#first ??= this.refresh().finally(() => { this.#first = undefined })
    return await this.#first
  }

  async refresh(again = false): Promise<ModelIdentity> {
    this.#isAsleep = false
    return await this.#follow(true, again)
  }

  async use(target: string | number): Promise<ModelIdentity> {
    const wanted = checkTarget(target)
    this.#isAsleep = false
    const change = this.#changes.ask('use', true)
    const applied = this.#changes.current === undefined ? undefined : await this.#atOnce(change, wanted)
    return applied ?? (await this.#run(change, () => this.#go(change, wanted, true)))
  }

  async unload(): Promise<void> {
    const change = this.#changes.ask('unload', true)
    await this.#run(change, async () => {
      this.#changes.takeEffect(change, `unload ${this.#settings.name}`)
      this.#isAsleep = true
      this.#isEvicted = false
      this.#shelf.takeDown('it was unloaded')
      this.#shelf.evict(this.#shelf.warm.length, 'all was unloaded')
      await this.#shelf.drained()
    })
  }

  async letGo(resident: Resident, reason: string): Promise<void> {
    if (resident === this.live) this.#isAsleep = this.#isEvicted = true
    await this.#shelf.letGo(resident as LoadedVersion<I, O>, reason)
  }

  refuse({ name, version, digest }: Pick<QuarantinedVersion, 'name' | 'version' | 'digest'>, reason: string): boolean {
    if (this.#quarantine.get(digest) !== undefined) return false
    this.#quarantine.add({ name, version, digest, stage: 'traffic', reason, at: this.#settings.runtime.clock.wall() })
    this.#reporter.state(subjectOf({ name, version }), 'live', 'quarantined', reason, { digest, stage: 'traffic' })
    return true
  }

  release(digest: string): boolean {
    const known = this.#quarantine.get(digest)
    if (known === undefined) return false
    this.#quarantine.release(digest)
    const { name, version, at: _at, ...data } = known
    this.#reporter.state(subjectOf({ name, version }), 'quarantined', 'discovered', 'it was released', data)
    return true
  }

  /** Those who ask while a change runs share the one that follows it: it looks where the alias points by then. */
  async #follow(isAwaited: boolean, again: boolean): Promise<ModelIdentity> {
    const change = this.#changes.ask('follow', isAwaited)
    if (this.#changes.current?.kind === 'follow' && !this.#isPeeking) {
      // It may have moved back to what is in memory, while what it pointed to is still being loaded.
      this.#isPeeking = true
      const applied = await this.#atOnce(change, this.#target).finally(() => { this.#isPeeking = false })
      if (applied !== undefined) return applied
    }
    if (again) return await this.#run(change, () => this.#go(change, this.#target, true))
    if (this.#queued === undefined) {
      this.#queued = { change, done: this.#run(change, () => {
        this.#queued = undefined
        return this.#go(change, this.#target, false)
      }) }
    } else this.#changes.join(this.#queued.change, change)
    return await this.#queued.done
  }

  async #run<T>(change: Change, work: () => Promise<T>): Promise<T> {
    const result = this.#changes.run(change, async () => {
      this.#refuseClosed()
      try {
        return await work()
      } catch (error) {
        // Nobody waits for a version that does not come.
        if (this.live === undefined && !this.#changes.isPressed) this.room?.empty({ how: 'failed', error })
        throw error
      }
    })
    try {
      return await result
    } finally {
      this.#settings.pool?.changed() // no change is under way: its live version may go
    }
  }

  #refuseClosed(): void {
    if (this.isClosed) throw this.#closing.signal.reason
  }

  /** While another change is still loading: what is in memory is live at once. */
  async #atOnce(change: Change, target: string): Promise<ModelIdentity | undefined> {
    try {
      const found = this.#inMemory(target) ?? this.#held((await this.#ask(target)).digest)
      if (found === undefined || this.isClosed) return undefined
      return this.#makeLive(change, target, found)
    } catch (error) {
      // Whatever it is, it is said when its turn comes.
      if (hasCode(error, 'ERR_OUTRIGGER_ABORTED')) throw error
      return undefined
    }
  }

  /** From a reference to a live version. */
  async #go(change: Change, target: string, again: boolean): Promise<ModelIdentity> {
    const known = this.#inMemory(target)
    if (known !== undefined) return this.#makeLive(change, target, known)
    const version = await this.#resolve(target)
    this.#changes.refuseLate(change, `make ${subjectOf(version)} live`)
    const held = this.#held(version.digest)
    if (held !== undefined) return this.#makeLive(change, target, held)
    const refused = again ? undefined : this.#quarantine.get(version.digest)
    try {
      if (refused !== undefined) throw quarantinedError(refused)
      return await this.#bring(change, target, version, `${this.#settings.name}@${target} points to it`)
    } catch (error) {
      await this.#restore(change, version)
      throw error
    }
  }

  /** A version of this number or digest never changes, so nobody need be asked for it. */
  #inMemory(target: string): LoadedVersion<I, O> | undefined {
    return this.#shelf.find(({ identity }) => identity.version === target || identity.digest === target)
  }

  #held(digest: string): LoadedVersion<I, O> | undefined {
    return this.#shelf.find(({ version }) => version.digest === digest)
  }

  async #resolve(target: string): Promise<ModelVersion> {
    const reference = `${this.#settings.name}@${target}`
    const tries = new Tries(this.#settings, this.#random, this.#changes)
    for (;;) {
      try {
        return await this.#ask(target)
      } catch (error) {
        this.#refuseClosed()
        const mayRetry = persistenceOf(error) !== 'permanent' && (await tries.again((retry, delayMs) => {
          this.#reporter.notice(`Resolving ${reference} failed for now; it is tried again in ${Math.round(delayMs)} ms.`, error, { subject: reference, retry, retries: this.#settings.retries, delayMs })
        }))
        if (!mayRetry) throw error
      }
    }
  }

  async #ask(target: string): Promise<ModelVersion> {
    const { store, name, runtime: { clock }, loadTimeoutMs } = this.#settings
    const reference = `${name}@${target}`
    return await withinLimit({ clock, ms: loadTimeoutMs, step: `resolve ${reference}`, signal: this.#closing.signal }, (given) => store.resolve(reference, { signal: given }))
  }

  async #bring(change: Change, target: string, version: ModelVersion, why: string): Promise<ModelIdentity> {
    const candidate = await this.#loads.load(version, change, why, this.#lastLive)
    if (!this.isClosed && !this.#changes.isLate(change)) return this.#makeLive(change, target, candidate)
    candidate.life.go('disposed', this.isClosed ? 'the loader closes' : 'a change that was asked for later came first')
    await candidate.dispose({ onCloseError: (error) => this.#reporter.notice(`Closing ${subjectOf(version)}, which was not used, failed.`, error) })
    this.#refuseClosed()
    this.#changes.refuseLate(change, `make ${subjectOf(version)} live`)
    throw new Error('Cannot come here as a change is late or not: a mistake in the loader')
  }

  #makeLive(change: Change, target: string, version: LoadedVersion<I, O>): ModelIdentity {
    this.#changes.takeEffect(change, `make ${subjectOf(version.version)} live`)
    if (change.kind === 'use') this.#target = target
    if (this.live !== version) this.#shelf.makeLive(version)
    this.#lastLive = version.version
    this.#isAsleep = this.#isEvicted = false
    this.room?.empty({ how: 'live' })
    return version.identity
  }

  /** What took the place of the live version did not pass, and there was no room for both: the one before comes back. */
  async #restore(change: Change, failed: ModelVersion): Promise<void> {
    const last = this.#lastLive
    if (this.live !== undefined || last === undefined || last.digest === failed.digest || this.isClosed || this.#changes.isLate(change)) return
    const held = this.#held(last.digest)
    if (held === undefined && this.#quarantine.get(last.digest) !== undefined) return
    try {
      if (held === undefined) await this.#bring(change, this.#target, last, `${subjectOf(failed)} did not pass, and this was live before`)
      else this.#makeLive(change, this.#target, held)
    } catch (error) {
      this.#reporter.notice(`Loading ${subjectOf(last)} again, which was live before, failed.`, error, { subject: subjectOf(last), digest: last.digest })
    }
  }

  // ---- watching

  watch(pace: WatchPace): () => void {
    this.#watch?.stop()
    const watch = (this.#watch = new Watch(this.runtime.clock, this.#random, pace, () => this.#look()))
    return () => watch.stop()
  }

  notify(): void {
    void this.#look()
  }

  /** Says whether it could look. */
  async #look(): Promise<boolean> {
    if (this.#isAsleep || this.isClosed) return true
    try {
      await this.#follow(false, false)
      return true
    } catch (error) {
      if (hasCode(error, 'ERR_OUTRIGGER_MODEL_REFUSED') || hasCode(error, 'ERR_OUTRIGGER_CLOSED') || hasCode(error, 'ERR_OUTRIGGER_ABORTED')) return true
      // That one was told by its events.
      if (!hasCode(error, 'ERR_OUTRIGGER_MODEL_UNAVAILABLE')) this.#reporter.notice(`Looking for a new version of ${this.following} failed.`, error)
      return false
    }
  }

  /** A call waits for a version. If nobody brings one, somebody has to. */
  wanted(): void {
    const current = this.#changes.current?.kind
    if (current === undefined || current === 'unload') this.whenReady().catch(() => {}) // those who wait are told
  }

  async close(): Promise<void> {
    const error = new OutriggerError('ERR_OUTRIGGER_CLOSED', `Cannot go on as the loader of ${this.following} is closed`)
    this.#closing.abort(error)
    this.#watch?.stop()
    this.room?.close(error)
    await this.#changes.close()
    this.#settings.pool?.leave(this)
    await this.#shelf.close()
  }
}
