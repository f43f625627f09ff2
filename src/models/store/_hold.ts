/** Something in use, until it is released or its time is over. */
import type { Timer } from '../../core/clock.js'
import type { Claims } from './_claims.js'
import { holdsFolder } from './_layout.js'

/** How long a hold lasts unless it is renewed, which it is by itself at a third of that. */
export const defaultHoldMs = 600_000

/** A hold; see `_claims.ts` for what it is good for. It counts from its first `renew`. */
export class Hold {
  readonly #claims: Claims
  readonly #things: readonly string[]
  readonly #ttlMs: number
  readonly #by: string | null
  #keys: readonly string[] = []
  #until = -Infinity
  #lapses = 0
  #timer: Timer | undefined
  #isReleased = false
  #error: unknown

  constructor(claims: Claims, things: readonly string[], ttlMs: number = defaultHoldMs, by: string | null = null) {
    this.#claims = claims
    this.#things = things
    this.#ttlMs = ttlMs
    this.#by = by
  }

  /** Whether it counts, and will for a third of its time. */
  get isLive(): boolean {
    return !this.#isReleased && this.#claims.clock.wall() < this.#until - this.#ttlMs / 3
  }

  /** How often its time was over before it was renewed: what it names may have been removed then. */
  get lapses(): number {
    return this.#lapses
  }

  /** Why the last renewal failed, if it did. */
  get error(): unknown {
    return this.#error
  }

  /** Makes it count for its whole time from now on. When this has settled, nobody is removing what it names. */
  async renew(): Promise<void> {
    this.#stopTimer()
    const until = this.#claims.clock.wall() + this.#ttlMs
    const key = await this.#claims.write(holdsFolder, until, this.#things, this.#by, false)
    // The one before stays until the next renewal, as a listing that is under way may miss what is made while it runs.
    const old = this.#keys.slice(1)
    this.#keys = [key, ...this.#keys.slice(0, 1)]
    if (this.#isReleased) return await this.release()
    for (const outlived of old) await this.#claims.depot.remove(outlived)
    if (this.#claims.clock.wall() >= this.#until) {
      this.#lapses += 1
      await this.#claims.whileCollected(this.#things)
    }
    this.#until = until
    this.#error = undefined
    this.#startTimer()
  }

  async release(): Promise<void> {
    this.#isReleased = true
    this.#stopTimer()
    const keys = this.#keys
    this.#keys = []
    for (const key of keys) await this.#claims.depot.remove(key)
  }

  #startTimer(): void {
    if (this.#isReleased) return
    this.#timer = this.#claims.clock.setTimeout(() => {
      this.renew().catch((error: unknown) => {
        this.#error = error
        this.#startTimer()
      })
    }, Math.ceil(this.#ttlMs / 3))
    this.#timer.unref()
  }

  #stopTimer(): void {
    if (this.#timer !== undefined) this.#claims.clock.clearTimeout(this.#timer)
    this.#timer = undefined
  }
}
