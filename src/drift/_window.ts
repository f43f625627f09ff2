import { LiveProfile } from './live-profile.js'
import type { ReferenceProfile } from './reference-profile.js'

/** Live counts over the last full windows, and the one that is filling. All sums are exact, so sliding loses nothing. */
export class SlidingProfile {
  readonly #reference: ReferenceProfile
  readonly #keep: number
  #full: LiveProfile[] = []
  #sum: LiveProfile
  #open: LiveProfile

  constructor(reference: ReferenceProfile, keep: number) {
    this.#reference = reference
    this.#keep = keep
    this.#sum = new LiveProfile(reference)
    this.#open = new LiveProfile(reference)
  }

  /** The window that is filling. */
  get open(): LiveProfile {
    return this.#open
  }

  /** The sum over the full windows. */
  get full(): LiveProfile {
    return this.#sum
  }

  /** Starts the next window; the oldest leaves when there are more than are kept. */
  slide(): void {
    this.#sum.merge(this.#open)
    this.#full.push(this.#open)
    const oldest = this.#full.length > this.#keep ? this.#full.shift() : undefined
    if (oldest !== undefined) {
      this.#sum.subtract(oldest)
      oldest.reset()
    }
    this.#open = oldest ?? new LiveProfile(this.#reference)
  }

  /** A copy of all that is kept, full or filling. */
  all(): LiveProfile {
    const copy = new LiveProfile(this.#reference)
    copy.merge(this.#sum)
    copy.merge(this.#open)
    return copy
  }

  /** The windows, oldest first, the filling one last. */
  windows(): readonly LiveProfile[] {
    return [...this.#full, this.#open]
  }

  /** Replaces everything; the last one is the filling window. */
  replace(windows: readonly LiveProfile[]): void {
    this.#open = windows[windows.length - 1] ?? new LiveProfile(this.#reference)
    this.#full = windows.slice(0, -1).slice(-this.#keep)
    this.#sum = new LiveProfile(this.#reference)
    for (const window of this.#full) this.#sum.merge(window)
  }
}
