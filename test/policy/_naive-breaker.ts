/** The breaker once more, in the plainest way: whole histories instead of rings, objects instead of numbers, every rule where it applies. */
import type { BreakerRule, BreakerState } from '../../src/policy/breaker.js'

/** A stretch of time in which the breaker was in one state; also the permit of the calls that were let in then. */
export interface Era {
  readonly state: BreakerState
  readonly share: number | undefined
  readonly ended: ('ok' | 'bad')[]
  running: number
  lastProbeAt: number
}

interface Past {
  readonly bucket: number
  readonly failed: boolean
  readonly slow: boolean
}

const era = (state: BreakerState, share?: number): Era => ({ state, share, ended: [], running: 0, lastProbeAt: 0 })

export class NaiveBreaker {
  readonly changes: string[] = []
  current: Era = era('closed')
  wouldHaveOpened = 0
  #rest: BreakerState = 'closed'
  #history: Past[] = []
  #newest = 0
  #failuresInARow = 0
  #openedAt = 0
  #openMs = 0
  #openings = 0
  #closedAt = -Infinity
  readonly #rule: BreakerRule
  readonly #windowMs: number | undefined
  readonly #draw: () => number

  constructor(rule: BreakerRule, windowMs: number | undefined, draw: () => number) {
    this.#rule = rule
    this.#windowMs = windowMs
    this.#draw = draw
  }

  get recent(): { readonly calls: number; readonly failures: number; readonly slow: number } {
    const seen = this.#windowMs === undefined ? this.#history.slice(-this.#rule.window.most) : this.#history.filter(({ bucket }) => bucket > this.#newest - 10)
    return { calls: seen.length, failures: seen.filter(({ failed }) => failed).length, slow: seen.filter(({ slow }) => slow).length }
  }

  acquire(now: number): Era | undefined {
    if (this.current.state === this.#rest) return this.current
    if (this.current.state === 'isolated') return undefined
    if (this.current.state === 'open') {
      if (this.leftMs(now) > 0) return undefined
      this.#enter(era('half-open'))
    } else if (this.current.running > 0) {
      if (now < this.current.lastProbeAt) this.current.lastProbeAt = now
      const due = this.current.lastProbeAt + this.#rule.probeTimeoutMs
      if (now >= due) {
        this.#open(due)
        return this.acquire(now)
      }
    }
    const { share } = this.current
    if (this.current.running + this.current.ended.length >= (share === undefined ? this.#rule.probes : this.#rule.rampCalls)) return undefined
    if (share !== undefined && this.#draw() >= share) return undefined
    this.current.running += 1
    this.current.lastProbeAt = now
    return this.current
  }

  leftMs(now: number): number {
    if (this.current.state !== 'open') return 0
    if (now < this.#openedAt) this.#openedAt = now
    return Math.max(0, this.#openedAt + this.#openMs - now)
  }

  record(permit: Era, failures: number, successes: number, slow: boolean, now: number): void {
    if (permit !== this.current) return
    if (permit.state === 'half-open') {
      permit.running -= 1
      if (failures + successes > 0) this.#probed(permit, failures > 0 || slow, now)
      return
    }
    if (failures + successes === 0) return
    this.#failuresInARow = successes > 0 ? 0 : this.#failuresInARow + 1
    this.#look(now)
    for (let row = 1; row <= failures + successes; row += 1) {
      const share = failures / (failures + successes)
      this.#history.push({ bucket: this.#newest, failed: Math.floor(row * share + 1e-9) > Math.floor((row - 1) * share + 1e-9), slow })
    }
    if (failures > 0 || slow) this.#judge(now)
  }

  trip(now: number): void {
    if (this.current.state === 'open') this.#openedAt = now
    else if (this.current.state !== 'isolated') this.#open(now)
  }

  isolate(): void {
    this.#enter(era('isolated'))
  }

  release(): void {
    if (this.current.state === 'isolated') this.#enter(era(this.#rest === 'closed' ? 'half-open' : 'metrics-only'))
  }

  reset(isMetricsOnly: boolean): void {
    this.#rest = isMetricsOnly ? 'metrics-only' : 'closed'
    this.#openings = 0
    this.#closedAt = -Infinity
    if (this.current.state !== 'isolated') this.#relax()
  }

  /** Where the time window stands. */
  #look(now: number): void {
    if (this.#windowMs === undefined) return
    const bucket = Math.floor(now / (this.#windowMs / 10))
    if (Math.abs(bucket - this.#newest) >= 10) {
      this.#history = []
      this.#newest = bucket
    } else this.#newest = Math.max(this.#newest, bucket)
  }

  #judge(now: number): void {
    const { minimumCalls, failureRate, slowRate, consecutiveFailures } = this.#rule
    const { calls, failures, slow } = this.recent
    const shows = calls >= minimumCalls && (failures / calls >= failureRate || slow / calls >= slowRate)
    if (shows || this.#failuresInARow >= consecutiveFailures) this.#open(now)
  }

  #probed(probe: Era, isBad: boolean, now: number): void {
    const { probes, ramp, rampCalls, failureRate, consecutiveFailures } = this.#rule
    probe.ended.push(isBad ? 'bad' : 'ok')
    const bad = probe.ended.filter((outcome) => outcome === 'bad').length
    if (probe.share === undefined ? bad > 0 : bad > 0 && (bad / rampCalls >= failureRate || bad >= consecutiveFailures || bad === rampCalls)) return this.#open(now)
    if (probe.ended.length < (probe.share === undefined ? probes : rampCalls)) return
    const next = ramp[probe.share === undefined ? 0 : ramp.indexOf(probe.share) + 1]
    if (next !== undefined) return this.#enter(era('half-open', next))
    this.#closedAt = now
    this.#relax()
  }

  #open(at: number): void {
    const { openForMs, maxOpenForMs, jitter } = this.#rule
    if (this.current.state === 'metrics-only') {
      if (this.wouldHaveOpened > 0 && at >= this.#openedAt && at < this.#openedAt + openForMs) return
      this.#openedAt = at
      this.wouldHaveOpened += 1
      this.#enter(era('metrics-only'))
      return
    }
    if (this.current.state === 'closed' && at - this.#closedAt >= this.#openMs) this.#openings = 0
    this.#openMs = Math.min(maxOpenForMs, openForMs * 2 ** this.#openings)
    if (jitter > 0) this.#openMs *= 1 - jitter * this.#draw()
    this.#openings += 1
    this.#openedAt = at
    this.#enter(era('open'))
  }

  #relax(): void {
    this.#history = []
    this.#failuresInARow = 0
    this.#enter(era(this.#rest))
  }

  #enter(next: Era): void {
    this.current = next
    this.changes.push(next.state)
  }
}
