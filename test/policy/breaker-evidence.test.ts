import { seededRandom } from 'outrigger'
import { describe, expect, test } from 'vitest'
import { runThatShows, showsRate } from '../../src/policy/breaker-evidence.js'
import { CallWindow } from '../../src/policy/breaker-window.js'
import { Breaker, rejected, type BreakerRule } from '../../src/policy/breaker.js'

describe('showsRate', () => {
  const choose = (n: number, k: number): number => (k === 0 ? 1 : (choose(n, k - 1) * (n - k + 1)) / k)
  /** The exact probability that a judge takes a model that fails exactly that often for one that fails more often. */
  const wrong = (judge: (bad: number, calls: number) => boolean, threshold: number, calls: number): number => {
    let probability = 0
    for (let bad = 0; bad <= calls; bad += 1) if (judge(bad, calls)) probability += choose(calls, bad) * threshold ** bad * (1 - threshold) ** (calls - bad)
    return probability
  }

  test('keeps its promise for every number of calls and every threshold', () => {
    for (const threshold of [0.01, 0.02, 0.05, 0.1, 0.3, 0.5, 0.8]) {
      for (let calls = 1; calls <= 60; calls += 1) {
        // 1e-9: with one failure of one call at 1 % it is exactly the promise.
        for (const confidence of [0.9, 0.99]) expect(wrong((bad, of) => showsRate(bad, of, threshold, confidence), threshold, calls), `${calls} calls at ${threshold}`).toBeLessThanOrEqual(1 - confidence + 1e-9)
      }
    }
  })

  test("keeps it where Wilson's bound does not", () => {
    const wilson = (bad: number, calls: number): boolean => {
      const [z, rate] = [2.326348, bad / calls]
      return (rate + (z * z) / 2 / calls - z * Math.sqrt((rate * (1 - rate)) / calls + (z * z) / 4 / calls / calls)) / (1 + (z * z) / calls) > 0.05
    }
    expect(Math.max(...Array.from({ length: 60 }, (_, calls) => wrong(wilson, 0.05, calls + 1)))).toBeGreaterThan(0.09)
  })

  test('finds what is there: with 100 calls, 66 failures show a rate above a half, and 65 do not', () => {
    expect([showsRate(65, 100, 0.5, 0.99), showsRate(66, 100, 0.5, 0.99)]).toEqual([false, true])
    expect([showsRate(6, 6, 0.5, 0.99), showsRate(7, 7, 0.5, 0.99)]).toEqual([false, true])
  })

  test('takes the plain rate without a confidence, and never finds a rate above 1, above Infinity, or of no calls', () => {
    expect([showsRate(1, 2, 0.5, 0), showsRate(49, 100, 0.5, 0), showsRate(5, 5, 1, 0)]).toEqual([true, false, true])
    for (const confidence of [0, 0.99]) expect([showsRate(9, 9, Infinity, confidence), showsRate(0, 0, 0.5, confidence)]).toEqual([false, false])
    expect(showsRate(1e6, 1e6, 1, 0.99)).toBe(false)
  })
})

test('runThatShows gives a run that a model at the rate shows with the square of what confidence leaves', () => {
  expect([runThatShows(0.5, 0.99), runThatShows(0.1, 0.99), runThatShows(1, 0.99)]).toEqual([14, 4, Infinity])
  expect(0.5 ** 14).toBeLessThan(1e-4)
})

describe('a breaker by its default rule, by simulation', () => {
  const rule = (changed: Partial<BreakerRule>): BreakerRule => ({
    failureRate: 0.5, slowRate: Infinity, confidence: 0.99, minimumCalls: 1, consecutiveFailures: runThatShows(0.5, 0.99),
    window: { name: '100 calls', most: 100, create: () => new CallWindow(100) },
    openForMs: 1000, maxOpenForMs: 1000, jitter: 0, probes: 1, probeTimeoutMs: 1000, ramp: [], rampCalls: 10, probesApart: false, ...changed,
  })
  const raw = { confidence: 0, consecutiveFailures: Infinity }

  /** Opens at most once per service; services are restarted after `calls` calls, so that most judgements are made on few. */
  const openings = (changed: Partial<BreakerRule>, errorRate: number, services: number, calls: number): number => {
    const random = seededRandom(`healthy ${errorRate}`)
    let opened = 0
    for (let service = 0; service < services; service += 1) {
      const breaker = new Breaker(rule(changed), () => 0, ({ to }) => (opened += Number(to === 'open')))
      for (let call = 0; call < calls && breaker.state === 'closed'; call += 1) {
        const failed = random.next() < errorRate
        breaker.record(breaker.acquire(() => 0), Number(failed), Number(!failed), false, () => 0)
      }
    }
    return opened
  }

  test('it hardly ever opens on a healthy model with few calls, where the plain rate flaps', () => {
    // 20 000 fresh services of 10 calls each. At 10 % seven of seven have a probability of 1e-7.
    expect(openings({}, 0.1, 20_000, 10)).toBe(0)
    // At 20 % it is 1.3e-5, and 0.26 openings are expected; four have a probability below 2e-4.
    expect(openings({}, 0.2, 20_000, 10)).toBeLessThan(4)
    // The plain rate after 5 calls: P(three or more of 5 at 20 %) = 0.058 alone, and it looks again after every failure.
    expect(openings({ ...raw, minimumCalls: 5 }, 0.2, 20_000, 10)).toBeGreaterThan(1000)
  })

  test('it hardly ever opens on a healthy model over a long time', () => {
    expect(openings({}, 0.1, 1, 500_000)).toBe(0)
    expect(openings({}, 0.2, 1, 500_000)).toBe(0)
  })

  /** Calls that it takes to open once the model fails at this rate, after so many healthy ones. */
  const callsToOpen = (errorRate: number, healthyBefore: number): number[] =>
    Array.from({ length: 500 }, (_, service) => {
      const random = seededRandom(`outage ${service}`)
      const breaker = new Breaker(rule({}), () => 0, () => {})
      for (let call = 0; call < healthyBefore; call += 1) breaker.record(breaker.acquire(() => 0), 0, 1, false, () => 0)
      let calls = 0
      while (breaker.state === 'closed') {
        const failed = random.next() < errorRate
        const permit = breaker.acquire(() => 0)
        expect(permit).not.toBe(rejected)
        breaker.record(permit, Number(failed), Number(!failed), false, () => 0)
        calls += 1
      }
      return calls
    }).sort((a, b) => a - b)

  test('it catches an outage within seven calls when there were none before, and within fourteen when there were many', () => {
    expect(callsToOpen(1, 0)[499]).toBe(7)
    expect(callsToOpen(1, 1000)[499]).toBe(14)
    // Nine of ten fail: half of the services have opened after 20 calls with an empty window.
    expect(callsToOpen(0.9, 0)[250]).toBeLessThan(20)
    expect(callsToOpen(0.9, 1000)[250]).toBeLessThan(50)
  })
})
