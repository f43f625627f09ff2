/** The breaker once more, in the plainest way: whole histories instead of a ring, objects instead of numbers. */
import type { BreakerRule, BreakerState } from '../../src/policy/breaker.js'

/** A stretch of time in which the breaker was in one state; also the permit of the calls that were let in then. */
export interface Era {
  readonly state: BreakerState
  readonly openedAt: number
  readonly history: boolean[]
  running: number
  succeeded: number
  lastProbeAt: number
}

const era = (state: BreakerState, openedAt = 0): Era => ({ state, openedAt, history: [], running: 0, succeeded: 0, lastProbeAt: 0 })

export class NaiveBreaker {
  readonly changes: BreakerState[] = []
  current: Era = era('closed')
  readonly #rule: BreakerRule

  constructor(rule: BreakerRule) {
    this.#rule = rule
  }

  get recent(): boolean[] {
    return this.current.history.slice(-this.#rule.windowSize)
  }

  acquire(now: number): Era | undefined {
    const { openForMs, probes } = this.#rule
    if (this.current.state === 'closed') return this.current
    if (this.current.state === 'open') {
      if (now - this.current.openedAt < openForMs) return undefined
      this.#enter(era('half-open'))
    } else if (this.current.running > 0 && now - this.current.lastProbeAt >= openForMs) this.current = era('half-open')
    if (this.current.running + this.current.succeeded >= probes) return undefined
    this.current.running += 1
    this.current.lastProbeAt = now
    return this.current
  }

  settle(permit: Era, outcome: 'ok' | 'failure' | 'ignored', now: number): void {
    if (permit !== this.current) return
    if (permit.state === 'half-open') {
      permit.running -= 1
      if (outcome === 'failure') this.#enter(era('open', now))
      if (outcome !== 'ok') return
      permit.succeeded += 1
      if (permit.succeeded === this.#rule.probes) this.#enter(era('closed'))
      return
    }
    if (outcome !== 'ignored') this.settleRun(permit, [outcome], now)
  }

  settleRun(permit: Era, outcomes: readonly ('ok' | 'failure')[], now: number): void {
    if (permit !== this.current) return
    if (permit.state === 'half-open') {
      this.settle(permit, outcomes.includes('failure') ? 'failure' : outcomes.length > 0 ? 'ok' : 'ignored', now)
      return
    }
    permit.history.push(...outcomes.map((outcome) => outcome === 'failure'))
    const { recent } = this
    const failures = recent.filter(Boolean).length
    if (outcomes.includes('failure') && recent.length >= this.#rule.minimumCalls && failures / recent.length >= this.#rule.failureRate) this.#enter(era('open', now))
  }

  #enter(next: Era): void {
    this.current = next
    this.changes.push(next.state)
  }
}
