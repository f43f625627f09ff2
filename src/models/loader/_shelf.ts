/** The versions that are in memory: the live one, previous ones that are kept warm, and those on their way out. */
import type { Clock, Timer } from '../../core/clock.js'
import type { EventHub } from '../../core/events.js'
import type { LoadedVersion, VersionWatcher } from './_loaded-version.js'
import { subjectOf, type Reporter } from './_reporter.js'

/** What a shelf is told once. */
export interface ShelfSettings {
  readonly clock: Clock
  readonly reporter: Reporter
  /** What versions say is heard here too, once they are live. */
  readonly events: EventHub
  /** A text that nobody ever made. */
  readonly newId: () => string
  readonly drainMs: number
  readonly keepWarm: number
}

interface Drain {
  /** Ends when the version is disposed, or taken back. */
  readonly work: Promise<void>
  readonly deadline: Promise<void>
  readonly timer: Timer | undefined
}

export class Shelf<I, O> {
  readonly #settings: ShelfSettings
  /** The least recently live first. */
  #warm: readonly LoadedVersion<I, O>[] = []
  readonly #draining = new Map<LoadedVersion<I, O>, Drain>()
  /** The version that new calls are bound to. */
  live: LoadedVersion<I, O> | undefined
  #gap: string

  constructor(settings: ShelfSettings) {
    this.#settings = settings
    this.#gap = settings.newId()
  }

  /** What a cache key holds while nothing is live: another text each time, so that nobody ever finds an answer under it. */
  get gap(): string {
    return `nothing live ${this.#gap}`
  }

  get warm(): readonly LoadedVersion<I, O>[] {
    return this.#warm
  }

  get draining(): readonly LoadedVersion<I, O>[] {
    return [...this.#draining.keys()]
  }

  /** All that is in memory: the live one, the warm ones from the latest on, then those that drain. */
  get all(): readonly LoadedVersion<I, O>[] {
    return [...(this.live === undefined ? [] : [this.live]), ...this.#warm.toReversed(), ...this.#draining.keys()]
  }

  /** A version that could be live at once. */
  find(isMeant: (version: LoadedVersion<I, O>) => boolean): LoadedVersion<I, O> | undefined {
    return this.all.find((version) => isMeant(version) && (!this.#draining.has(version) || version.isRevivable))
  }

  /** Makes a version live that is not: new, warm, or about to go. The one before is kept warm, or drains. */
  makeLive(next: LoadedVersion<I, O>): void {
    const previous = this.live
    const drain = this.#draining.get(next)
    if (drain !== undefined) {
      next.revive()
      this.#forget(next, drain)
    }
    this.#warm = this.#warm.filter((version) => version !== next)
    this.live = next // the swap
    next.stage.events.forwardTo(this.#settings.events)
    next.life.go('live', previous === undefined ? 'no version was live' : `in the place of version ${previous.identity.version}`)
    if (previous === undefined) return
    const reason = `version ${next.identity.version} took its place`
    if (this.#settings.keepWarm === 0) {
      this.#retire(previous, reason)
      return
    }
    previous.life.go('ready', `${reason}; it is kept warm`)
    this.#warm = [...this.#warm, previous]
    this.evict(this.#warm.length - this.#settings.keepWarm, 'more recent ones are kept warm')
  }

  /** Takes the live version down: there is none then. */
  takeDown(reason: string): void {
    const { live } = this
    this.live = undefined
    this.#gap = this.#settings.newId()
    if (live !== undefined) this.#retire(live, reason)
  }

  /** Lets one go that is live or warm. Ends when it is disposed, or was taken back. */
  async letGo(version: LoadedVersion<I, O>, reason: string): Promise<void> {
    if (version === this.live) this.takeDown(reason)
    else if (this.#warm.includes(version)) {
      this.#warm = this.#warm.filter((other) => other !== version)
      this.#retire(version, reason)
    }
    await this.#draining.get(version)?.work
  }

  /** Lets warm versions go, the least recently live first. */
  evict(count: number, reason: string): void {
    for (const version of this.#warm.slice(0, Math.max(0, count))) this.#retire(version, reason)
    this.#warm = this.#warm.slice(Math.max(0, count))
  }

  #retire(version: LoadedVersion<I, O>, reason: string): void {
    const { clock, drainMs } = this.#settings
    version.life.go('draining', reason, { leases: version.leases })
    let timer: Timer | undefined
    const deadline = new Promise<void>((resolve) => {
      if (version.leases === 0) return
      timer = clock.setTimeout(resolve, drainMs)
      timer.unref() // nobody waits for it, unless the loader closes
    })
    const drain: Drain = { timer, deadline, work: version.retire(deadline, this.#watcher(version)).then((isDisposed) => {
      if (this.#draining.get(version) === drain) this.#forget(version, drain)
      if (isDisposed) version.life.go('disposed', 'nobody uses it any more')
    }) }
    this.#draining.set(version, drain)
  }

  #forget(version: LoadedVersion<I, O>, { timer }: Drain): void {
    if (timer !== undefined) this.#settings.clock.clearTimeout(timer)
    this.#draining.delete(version)
  }

  /** Resolves when what drains now is gone, or its deadline has passed. */
  async drained(): Promise<void> {
    await Promise.all([...this.#draining.values()].map(({ work, deadline }) => Promise.race([work, deadline])))
  }

  /** Lets everything go, and waits for it, but not past the drain deadline. */
  async close(): Promise<void> {
    this.takeDown('the loader closes')
    this.evict(this.#warm.length, 'the loader closes')
    const draining = [...this.#draining]
    for (const [version, { timer }] of draining) {
      timer?.ref()
      version.hurry()
    }
    await Promise.all(draining.map(([, { work }]) => work))
  }

  #watcher(version: LoadedVersion<I, O>): VersionWatcher {
    const { reporter, drainMs } = this.#settings
    const subject = subjectOf(version.version)
    return {
      onOverdue: (leases, inModel) => reporter.notice(`Calls still hold ${subject}, ${drainMs} ms after it was replaced.`, undefined, { subject, digest: version.version.digest, leases, inModel }),
      onCloseError: (error) => reporter.notice(`Closing ${subject} failed.`, error),
    }
  }
}
