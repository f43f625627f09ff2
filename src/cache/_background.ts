/** Work that nobody waits for: how much of it may run, and when it had better not. */
import { outcomeOf } from '../core/errors.js'
import type { BudgetMeter } from '../policy/extra-work-budget.js'

/** After a rejection no refresh begins for so long, and after a failure none of the same key. */
const pauseMs = 1000
/** So many keys are remembered as failing; the oldest leave first. */
const mostPauses = 1000

/** A bounded number of places for rows in the background, within a budget. Pure: it is told the time. */
export class Background {
  readonly #concurrency: number
  readonly #meter: BudgetMeter | undefined
  #running = 0
  #pausedUntil = -Infinity
  readonly #pauses = new Map<string | number, number>()

  constructor(concurrency: number, meter: BudgetMeter | undefined) {
    this.#concurrency = concurrency
    this.#meter = meter
  }

  /** Takes a place for one row, if there is one. */
  take(lookup: string | number, now: number): boolean {
    if (this.#running >= this.#concurrency || now < this.#pausedUntil) return false
    const pausedUntil = this.#pauses.size === 0 ? undefined : this.#pauses.get(lookup)
    if (pausedUntil !== undefined) {
      if (now < pausedUntil) return false
      this.#pauses.delete(lookup)
    }
    if (this.#meter?.spend(1, now) === false) return false
    this.#running += 1
    return true
  }

  giveBack(): void {
    this.#running -= 1
  }

  /** What is inside failed. While it turns callers away, work that nobody waits for would make that worse. */
  failed(lookup: string | number, error: unknown, now: number): void {
    const outcome = outcomeOf(error)
    if (outcome === 'aborted') return
    if (outcome === 'rejected') {
      this.#pausedUntil = now + pauseMs
      return
    }
    this.#pauses.delete(lookup)
    this.#pauses.set(lookup, now + pauseMs)
    if (this.#pauses.size > mostPauses) this.#pauses.delete(this.#pauses.keys().next().value as string | number)
  }
}
