/** Whether hedging pays for a model. Pure: it is told what happened, and knows no clock. */

/** So much of a call before its promise is the model computing on this thread: a second attempt would only wait for the first. */
const busyShare = 0.5
/** Fewer than one hedge in ten that answers first is work for nothing. */
const winShare = 0.1
/** So many calls, or hedges, before a verdict. */
const enough = 20
const restAtFirst = 1000
const restAtMost = 64_000

/** Why it is off. */
export type HedgeVerdict = 'the model computes on this thread' | 'hedges did not answer earlier'

/**
 * On until it sees that hedging does not pay; then off for 1000 calls, and for twice as long after each further time.
 * Every operation is O(1).
 */
export class HedgeSwitch {
  readonly #onChange: (reason: HedgeVerdict | 'it tries again') => void
  #busyMs = 0
  #totalMs = 0
  #calls = 0
  #decided = 0
  #won = 0
  /** Calls that are left until it tries again; 0 while it is on. */
  #resting = 0
  #rest = restAtFirst

  constructor(onChange: (reason: HedgeVerdict | 'it tries again') => void) {
    this.#onChange = onChange
  }

  get isOn(): boolean {
    return this.#resting === 0
  }

  /** A call comes; says whether it may be hedged. */
  admits(): boolean {
    if (this.#resting === 0) return true
    this.#resting -= 1
    if (this.#resting > 0) return false
    this.#onChange('it tries again')
    return true
  }

  /** A call was answered after `totalMs`, of which `busyMs` had passed when its promise was there. */
  answered(busyMs: number, totalMs: number): void {
    if (!this.isOn) return
    this.#calls += 1
    this.#busyMs += busyMs
    this.#totalMs += totalMs
    if (this.#calls < enough) return
    if (this.#totalMs > 0 && this.#busyMs / this.#totalMs > busyShare) this.#turnOff('the model computes on this thread')
    this.#calls /= 2
    this.#busyMs /= 2
    this.#totalMs /= 2
  }

  /** It is known whether a hedge answered before the attempt that it was to overtake. */
  decided(won: boolean): void {
    if (!this.isOn) return
    this.#decided += 1
    if (won) this.#won += 1
    if (this.#decided < enough) return
    if (this.#won / this.#decided < winShare) this.#turnOff('hedges did not answer earlier')
    else this.#rest = restAtFirst
    this.#decided /= 2
    this.#won /= 2
  }

  #turnOff(reason: HedgeVerdict): void {
    this.#resting = this.#rest
    this.#rest = Math.min(restAtMost, 2 * this.#rest)
    this.#calls = this.#busyMs = this.#totalMs = this.#decided = this.#won = 0
    this.#onChange(reason)
  }
}
