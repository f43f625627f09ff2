/** A breaker that can be worked by hand, only counts if wished, and is carried over to another process. Pure. */
import { Breaker, rejected } from './breaker.js'

/** What can be saved and restored. Plain JSON. */
export interface BreakerSnapshot {
  readonly state: 'closed' | 'open' | 'half-open'
  /** Milliseconds of the open time that were left when it was taken. */
  readonly openLeftMs: number
  /** How often it opened without a healthy time between. */
  readonly openings: number
  /** What kind of window it is, and what is in it. */
  readonly kind: string
  readonly window: readonly number[]
}

/** The same state machine with two states more: `isolated` and `metrics-only`. */
export class ControlledBreaker extends Breaker {
  #isMetricsOnly = false
  #wouldHaveOpened = 0

  /** How often it would have opened while it only counted. */
  get wouldHaveOpened(): number {
    return this.#wouldHaveOpened
  }

  /** Opens it, or lets its open time begin anew: somebody outside knows that the model is unwell. */
  trip(reason: string, now: number): void {
    if (this.current === 'open') this.openedAt = now
    else if (this.current !== 'isolated') this.open(now, reason)
  }

  /** Rejects everything until {@link release}. */
  isolate(reason: string): void {
    this.become('isolated', reason)
  }

  /** Ends the isolation: what comes next are probes. */
  release(): void {
    if (this.current === 'isolated') this.become(this.#isMetricsOnly ? 'metrics-only' : 'half-open', 'its isolation ended')
  }

  /** Starts afresh, and only counts from now on, or acts; an isolation stays. */
  reset(reason: string, isMetricsOnly: boolean = this.#isMetricsOnly): void {
    this.#isMetricsOnly = isMetricsOnly
    this.openings = 0
    this.closedAt = -Infinity
    if (this.current !== 'isolated') this.relax(isMetricsOnly ? 'metrics-only' : 'closed', reason)
  }

  override acquire(now: () => number, isGolden?: boolean): number {
    if (this.current === 'isolated') return rejected
    return this.current === 'metrics-only' ? this.period : super.acquire(now, isGolden)
  }

  protected override open(at: number, reason: string): void {
    if (this.current !== 'metrics-only') {
      super.open(at, reason)
      return
    }
    // One outage is many outcomes; it counts as often as a breaker would have opened.
    const since = at - this.openedAt
    if (this.#wouldHaveOpened > 0 && since >= 0 && since < this.rule.openForMs) return
    this.openedAt = at
    this.#wouldHaveOpened += 1
    this.become('metrics-only', `it would have opened, as ${reason}`)
  }

  export(now: number): BreakerSnapshot {
    const { current } = this
    return {
      state: current === 'open' || current === 'half-open' ? current : current === 'isolated' ? 'half-open' : 'closed',
      openLeftMs: this.retryAfterMs(now),
      openings: this.openings,
      kind: this.rule.window.name,
      window: this.window.export(now),
    }
  }

  /** Takes over a snapshot; a half-open breaker starts its probes anew, and a window of another kind is left behind. */
  restore(snapshot: BreakerSnapshot, now: number): void {
    this.window.clear()
    if (snapshot.kind === this.rule.window.name) this.window.restore(snapshot.window, now)
    this.run = 0
    this.openings = snapshot.openings
    this.openedAt = now
    this.openMs = snapshot.openLeftMs
    if (this.current !== 'isolated' && !this.#isMetricsOnly && this.current !== snapshot.state) this.become(snapshot.state, 'it was restored')
  }
}
