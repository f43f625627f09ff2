/** One alert: when it is told, and when it is told that it is over. Pure. */

/** The alert as plain data. */
export interface BurnAlertState {
  /** Since when the budget burns; `null` while it does not. */
  readonly since: number | null
  /** Whether somebody was told, and not yet told that it is over. */
  readonly isTold: boolean
  /** When somebody was told last that it burns. */
  readonly toldAt: number | null
}

/** How often people are told. */
export interface BurnAlertPolicy {
  readonly coolDownMs: number
  readonly repeatMs: number
}

/** What is to be told now, and since when it burns, or burned. */
export interface BurnAlertNews {
  readonly kind: 'firing' | 'repeat' | 'resolved'
  readonly since: number
}

export class BurnAlert {
  readonly #policy: BurnAlertPolicy
  #since: number | null = null
  #isTold = false
  #toldAt: number | null = null

  constructor(policy: BurnAlertPolicy, saved?: BurnAlertState) {
    this.#policy = policy
    if (saved !== undefined) ({ since: this.#since, isTold: this.#isTold, toldAt: this.#toldAt } = saved)
  }

  /** Since when it burns. */
  get since(): number | null {
    return this.#since
  }

  get isTold(): boolean {
    return this.#isTold
  }

  /** @param isCovered - whether a graver alert of the same objective is told, which says enough */
  next(isBurning: boolean, isCovered: boolean, at: number): BurnAlertNews | undefined {
    const { coolDownMs, repeatMs } = this.#policy
    // The clock may have been set back since.
    const since = Math.min(this.#since ?? at, at)
    const isLongAgo = (ms: number): boolean => this.#toldAt === null || at < this.#toldAt || at - this.#toldAt >= ms
    if (!isBurning) {
      const wasTold = this.#isTold
      this.#since = null
      this.#isTold = false
      return wasTold ? { kind: 'resolved', since } : undefined
    }
    this.#since = since
    const isDue = this.#isTold ? isLongAgo(repeatMs) : !isCovered && isLongAgo(coolDownMs)
    if (!isDue) return undefined
    const kind = this.#isTold ? 'repeat' : 'firing'
    this.#isTold = true
    this.#toldAt = at
    return { kind, since }
  }

  toJSON(): BurnAlertState {
    return { since: this.#since, isTold: this.#isTold, toldAt: this.#toldAt }
  }
}
