/** A server with so many workers and one queue (M/M/c, or with fixed service times), and clients who come at random, as a simulation of events. */
import type { Random } from 'outrigger'
import type { ConcurrencyLimit } from 'outrigger/policy'

export interface SimulationOptions {
  readonly limit: Pick<ConcurrencyLimit, 'limit' | 'succeed' | 'drop'>
  readonly random: Random
  /** Until when, in milliseconds. */
  readonly untilMs: number
  /** Workers at a time. */
  readonly workers: (now: number) => number
  /** Mean service time at a time, in milliseconds. */
  readonly serviceMs: (now: number) => number
  /** Arrivals per millisecond at a time. */
  readonly rate: (now: number) => number
  /** Clients give up after this, and the limiter is told; the server works on. @default never */
  readonly timeoutMs?: number
  /** Exponential service times, or ones that differ by a tenth. @default 'exponential' */
  readonly service?: 'exponential' | 'steady'
}

export interface Simulated {
  /** The limit, sampled every 100 ms. */
  readonly limits: { readonly at: number; readonly limit: number }[]
  readonly done: { readonly at: number; readonly latencyMs: number }[]
  readonly rejected: number
}

export const simulate = ({ limit, random, untilMs, workers, serviceMs, rate, timeoutMs = Infinity, service = 'exponential' }: SimulationOptions): Simulated => {
  const exponential = (mean: number): number => -mean * Math.log(1 - random.next())
  const waiting: { readonly startedAt: number }[] = []
  /** End times of what is served, unsorted; there are never many. */
  let serving: { readonly endsAt: number; readonly startedAt: number }[] = []
  let inFlight = 0
  let rejected = 0
  let arrival = exponential(1 / rate(0))
  let sampleAt = 0
  const limits: { at: number; limit: number }[] = []
  const done: { at: number; latencyMs: number }[] = []
  const serve = (now: number): void => {
    while (serving.length < workers(now) && waiting.length > 0) {
      const { startedAt } = waiting.shift() as { startedAt: number }
      const mean = serviceMs(now)
      serving.push({ startedAt, endsAt: now + (service === 'exponential' ? exponential(mean) : mean * (0.9 + 0.2 * random.next())) })
    }
  }
  for (;;) {
    let next = serving[0]
    for (const one of serving) if (one.endsAt < (next as typeof one).endsAt) next = one
    const now = Math.min(arrival, next?.endsAt ?? Infinity)
    if (now > untilMs) return { limits, done, rejected }
    for (; sampleAt <= now; sampleAt += 100) limits.push({ at: sampleAt, limit: limit.limit })
    if (now === arrival) {
      arrival = now + exponential(1 / rate(now))
      if (inFlight < limit.limit) {
        inFlight += 1
        waiting.push({ startedAt: now })
      } else rejected += 1
    } else {
      serving = serving.filter((one) => one !== next)
      const { startedAt } = next as { startedAt: number }
      const latencyMs = now - startedAt
      if (latencyMs > timeoutMs) limit.drop(now, inFlight)
      else {
        limit.succeed({ rows: 1, startedAt, endedAt: now, inFlight })
        done.push({ at: now, latencyMs })
      }
      inFlight -= 1
    }
    serve(now)
  }
}

export const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length
export const quantile = (values: readonly number[], q: number): number => [...values].sort((a, b) => a - b)[Math.min(values.length - 1, Math.floor(q * values.length))] as number
