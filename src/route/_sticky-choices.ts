/** What a split knows of earlier choices: a bounded map beside a store that may be slow, down or wrong. */
import type { VariantChoice } from '../core/call-notes.js'
import type { Clock, Timer } from '../core/clock.js'
import { membersOption, numberOption, optionsObject } from '../core/options.js'
import { TwoGenerations, type StickyStore } from './sticky-store.js'

/** How a split keeps units in their variant when its weights change. */
export interface StickyOptions {
  /** `memoryStickyStore`, `redisStickyStore`, or one of yours. */
  readonly store: StickyStore
  /** How long a choice is kept after it was last claimed, in milliseconds; this process claims again after half of it. @default 30 days */
  readonly ttlMs?: number
  /** The longest time that a call waits for the store; then the hash decides. @default 25 */
  readonly timeoutMs?: number
  /** Units that this process remembers; others are asked for again. @default 100_000 */
  readonly max?: number
  /** Claims at once; calls beyond are decided by the hash. @default 1000 */
  readonly concurrency?: number
}

/** What became of claims. */
export interface StickyCounts {
  /** Answered by the store. */
  readonly claimed: number
  /** Of those, how many had a choice that was made before, here or elsewhere. */
  readonly kept: number
  /** The store rejected, or gave something that is no choice. */
  readonly failed: number
  /** The store took longer than `timeoutMs`. */
  readonly late: number
  /** Not asked: too many at once, or the store has just failed three times. */
  readonly skipped: number
  /** Calls whose kept variant has no weight any more, or does not exist: decided by the hash. */
  readonly outdated: number
}

/** A store that failed so often in a row is not asked for a while. */
const failuresBeforePause = 3
const pauseMs = 1000

export class StickyChoices {
  readonly counts = { claimed: 0, kept: 0, failed: 0, late: 0, skipped: 0, outdated: 0 }
  readonly concurrency: number
  readonly #store: StickyStore
  readonly #ttlMs: number
  readonly #timeoutMs: number
  readonly #clock: Clock
  readonly #known: TwoGenerations<{ readonly choice: VariantChoice; readonly until: number }>
  readonly #asking = new Map<string, Promise<void>>()
  /** Many units share a choice: one object for all. */
  readonly #choices = new Map<string, VariantChoice>()
  #failures = 0
  #pausedUntil = -Infinity

  constructor(options: StickyOptions, clock: Clock) {
    const owner = 'the sticky choices of a split'
    optionsObject(owner, options, ['store', 'ttlMs', 'timeoutMs', 'max', 'concurrency'])
    this.#store = membersOption(owner, 'store', options.store, ['claim'])
    this.#ttlMs = numberOption(owner, 'ttlMs', options.ttlMs ?? 30 * 86_400_000, { min: 1 })
    this.#timeoutMs = numberOption(owner, 'timeoutMs', options.timeoutMs ?? 25, { min: 0, exclusive: true })
    this.#known = new TwoGenerations(numberOption(owner, 'max', options.max ?? 100_000, { min: 2, integer: true }))
    this.concurrency = numberOption(owner, 'concurrency', options.concurrency ?? 1000, { min: 1, integer: true })
    this.#clock = clock
  }

  /** What is known here of a unit. */
  get(unit: string): VariantChoice | undefined {
    const known = this.#known.get(unit)
    return known === undefined || known.until <= this.#clock.now() ? undefined : known.choice
  }

  /** Asks the store what stands for a unit, and claims this choice for it if nothing does. Never rejects; resolves in time, whatever the store does. */
  claim(unit: string, key: string, choice: VariantChoice): Promise<void> {
    const asking = this.#asking.get(unit)
    if (asking !== undefined) return asking
    // Of a store that failed one claim at a time says whether it is back.
    if (this.#asking.size >= (this.#failures < failuresBeforePause ? this.concurrency : 1) || this.#clock.now() < this.#pausedUntil) {
      this.counts.skipped += 1
      return Promise.resolve()
    }
    const claimed = this.#inTime(unit, key, choice).then(() => void this.#asking.delete(unit))
    this.#asking.set(unit, claimed)
    return claimed
  }

  #inTime(unit: string, key: string, choice: VariantChoice): Promise<void> {
    return new Promise((resolve) => {
      let timer: Timer | undefined = this.#clock.setTimeout(() => {
        timer = undefined
        this.counts.late += 1
        this.#failed()
        resolve()
      }, this.#timeoutMs)
      const isInTime = (): boolean => {
        if (timer === undefined) return false
        this.#clock.clearTimeout(timer)
        timer = undefined
        return true
      }
      this.#ask(unit, key, choice).then(
        () => {
          if (isInTime()) this.#failures = 0
          resolve()
        },
        () => {
          if (isInTime()) {
            this.counts.failed += 1
            this.#failed()
          }
          resolve()
        },
      )
    })
  }

  async #ask(unit: string, key: string, choice: VariantChoice): Promise<void> {
    const mine = JSON.stringify([choice.variant, choice.propensity, choice.epoch, choice.since])
    const stands = await this.#store.claim(key, mine, this.#ttlMs)
    const kept = this.#read(choice.split, stands)
    this.counts.claimed += 1
    if (stands !== mine) this.counts.kept += 1
    // Also one that came too late for its call: the next call knows it.
    this.#known.set(unit, { choice: kept, until: this.#clock.now() + this.#ttlMs / 2 })
  }

  #read(split: string, text: string): VariantChoice {
    const known = this.#choices.get(text)
    if (known !== undefined) return known
    const [variant, propensity, epoch, since] = JSON.parse(text) as unknown[]
    if (typeof variant !== 'string' || typeof propensity !== 'number' || !(propensity > 0 && propensity <= 1) || typeof epoch !== 'number' || typeof since !== 'number') throw new TypeError('no choice')
    const choice: VariantChoice = Object.freeze({ split, variant, reason: 'sticky', propensity, epoch, since })
    if (this.#choices.size >= 1000) this.#choices.clear()
    this.#choices.set(text, choice)
    return choice
  }

  #failed(): void {
    this.#failures += 1
    if (this.#failures >= failuresBeforePause) this.#pausedUntil = this.#clock.now() + pauseMs
  }
}
