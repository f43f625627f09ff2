import fc from 'fast-check'
import { seededRandom } from 'outrigger'
import { AimdLimit, GradientLimit, type ConcurrencyLimit } from 'outrigger/policy'
import { describe, expect, test } from 'vitest'
import { mean, quantile, simulate, type Simulated } from './_queueing.js'

const gradient = (changes: object = {}): GradientLimit => new GradientLimit({ initial: 20, min: 1, max: 1000, windowMs: 500, tolerance: 1.5, smoothing: 0.2, ...changes })
const aimd = (changes: object = {}): AimdLimit => new AimdLimit({ initial: 20, min: 1, max: 1000, windowMs: 500, latencyMs: 250, latencyMsPerRow: 0, backoff: 0.9, ...changes })

const limitsIn = ({ limits }: Simulated, from: number, to: number): number => mean(limits.filter(({ at }) => at >= from && at < to).map(({ limit }) => limit))
const latenciesIn = ({ done }: Simulated, from: number, to: number): number[] => done.filter(({ at }) => at >= from && at < to).map(({ latencyMs }) => latencyMs)

/** A window of calls that all took equally long. */
const feed = (limit: ConcurrencyLimit, from: number, latencyMs: number, options: { readonly rows?: number; readonly inFlight?: number; readonly calls?: number } = {}): void => {
  const { rows = 1, inFlight = limit.limit, calls = 20 } = options
  for (let call = 0; call < calls; call += 1) limit.succeed({ rows, startedAt: from + (call * 500) / calls, endedAt: from + (call * 500) / calls + latencyMs, inFlight })
}

describe('a server with C workers and a queue, at three times its capacity', () => {
  const serviceMs = 50
  for (const workers of [5, 20, 80]) {
    for (const service of ['exponential', 'steady'] as const) {
      test(`GradientLimit settles between C and 2.5 C of ${workers} workers with ${service} service times, at full throughput and bounded latency`, () => {
        for (const seed of [1, 2]) {
          const run = simulate({ limit: gradient(), random: seededRandom(seed), untilMs: 120_000, workers: () => workers, serviceMs: () => serviceMs, rate: () => (3 * workers) / serviceMs, service })
          const latencies = latenciesIn(run, 60_000, 120_000)
          const settled = limitsIn(run, 60_000, 120_000) / workers
          expect(settled).toBeGreaterThan(1)
          expect(settled).toBeLessThan(2.5)
          expect(latencies.length / (60_000 * (workers / serviceMs))).toBeGreaterThan(0.96)
          expect(mean(latencies) / serviceMs).toBeLessThan(2.5)
        }
      }, 20_000)
    }
  }

  test('a fixed large limit collapses there: nobody is answered within ten service times, while both adaptive limits answer nearly all they admit', () => {
    const options = { untilMs: 120_000, workers: () => 20, serviceMs: () => serviceMs, rate: () => (3 * 20) / serviceMs }
    const inTime = (limit: Pick<ConcurrencyLimit, 'limit' | 'succeed' | 'drop'>): number => {
      const latencies = latenciesIn(simulate({ ...options, limit, random: seededRandom(1) }), 60_000, 120_000)
      return latencies.filter((latencyMs) => latencyMs <= 10 * serviceMs).length / (60_000 * (20 / serviceMs))
    }
    expect(inTime({ limit: 1000, succeed: () => {}, drop: () => {} })).toBe(0)
    expect(inTime(gradient())).toBeGreaterThan(0.95)
    expect(inTime(aimd())).toBeGreaterThan(0.95)
  })

  test('AimdLimit holds the latency that it is given', () => {
    const run = simulate({ limit: aimd({ latencyMs: 100 }), random: seededRandom(1), untilMs: 120_000, workers: () => 20, serviceMs: () => serviceMs, rate: () => (3 * 20) / serviceMs, service: 'steady' })
    const latencies = latenciesIn(run, 60_000, 120_000)
    expect(quantile(latencies, 0.9)).toBeLessThanOrEqual(105)
    expect(latencies.length / (60_000 * (20 / serviceMs))).toBeGreaterThan(0.97)
  })

  test('AimdLimit holds back a server whose clients time out, though no late call is ever measured', () => {
    const run = simulate({ limit: aimd({ latencyMs: Infinity, initial: 900 }), random: seededRandom(1), untilMs: 200_000, workers: () => 20, serviceMs: () => serviceMs, rate: () => (3 * 20) / serviceMs, service: 'steady', timeoutMs: 200 })
    expect(latenciesIn(run, 100_000, 200_000).length / (100_000 * (20 / serviceMs))).toBeGreaterThan(0.9)
    expect(limitsIn(run, 100_000, 200_000)).toBeLessThan(100)
  })
})

describe('a server that changes', () => {
  const rate = (): number => 3 * (40 / 50)
  test('GradientLimit follows when half of the workers go, and when twice as many come, within 30 s', () => {
    const workers = (now: number): number => (now < 60_000 ? 20 : now < 120_000 ? 10 : 40)
    const run = simulate({ limit: gradient(), random: seededRandom(2), untilMs: 180_000, workers, serviceMs: () => 50, rate })
    for (const [from, to, now] of [[30_000, 60_000, 20], [90_000, 120_000, 10], [150_000, 180_000, 40]] as const) {
      const settled = limitsIn(run, from, to) / now
      expect(settled).toBeGreaterThan(1)
      expect(settled).toBeLessThan(2.3)
    }
  })

  test('GradientLimit learns a new baseline when every call takes four times as long, instead of starving the model', () => {
    const run = simulate({ limit: gradient(), random: seededRandom(2), untilMs: 180_000, workers: () => 20, serviceMs: (now) => (now < 60_000 ? 50 : 200), rate })
    expect(latenciesIn(run, 120_000, 180_000).length / (60_000 * (20 / 200))).toBeGreaterThan(0.85)
  })
})

describe.each([['GradientLimit', gradient], ['AimdLimit', aimd]] as const)('%s', (_name, make) => {
  test('does not grow while less than half of it is used', () => {
    const limit = make()
    for (let window = 0; window < 50; window += 1) feed(limit, window * 500, 10, { inFlight: 9 })
    expect(limit.limit).toBe(20)
    for (let window = 50; window < 60; window += 1) feed(limit, window * 500, 10, { inFlight: 12 })
    expect(limit.limit).toBeGreaterThan(20)
  })

  test('does not shrink by drops either while less than half of it is used, nor by single ones', () => {
    const limit = make()
    for (let at = 0; at < 20_000; at += 20) limit.drop(at, 5)
    expect(limit.limit).toBe(20)
    for (let window = 40; window < 60; window += 1) {
      limit.drop(window * 500, 20)
      feed(limit, window * 500, 10)
    }
    expect(limit.limit).toBeGreaterThanOrEqual(20)
    for (let at = 30_000; at < 40_000; at += 20) limit.drop(at, 20)
    expect(limit.limit).toBeLessThan(10)
  })

  test('shrinks once per window while it is pressed', () => {
    const limit = make()
    for (let window = 0; window < 4; window += 1) {
      limit.press()
      limit.press()
      feed(limit, window * 500, 10, { inFlight: 20, calls: 26 })
    }
    expect(limit.reason).toBe('the event loop is late')
    expect(limit.limit).toBeGreaterThanOrEqual(Math.floor(20 * 0.9 ** 4))
    expect(limit.limit).toBeLessThan(20)
  })

  test('stays whole and within its bounds, whatever it hears', () => {
    fc.assert(
      fc.property(fc.array(fc.record({ what: fc.constantFrom('late', 'quick', 'drop', 'press', 'restore'), inFlight: fc.nat(50), rows: fc.constantFrom(1, 7, 100_000), step: fc.nat(2000) }), { maxLength: 300 }), (steps) => {
        const limit = make({ min: 3, max: 40, windowMs: 10 })
        let now = 0
        for (const { what, inFlight, rows, step } of steps) {
          if (what === 'drop') limit.drop(now, inFlight)
          else if (what === 'press') limit.press()
          else if (what === 'restore') limit.restore({ ...limit.export(), limit: inFlight })
          else limit.succeed({ rows, startedAt: now, endedAt: (now += what === 'late' ? step : 0), inFlight })
          expect(Number.isInteger(limit.limit) && limit.limit >= 3 && limit.limit <= 40).toBe(true)
        }
      }),
    )
  })

  test('goes on from what was saved', () => {
    const [first, second] = [make(), make()]
    for (let window = 0; window < 30; window += 1) feed(first, window * 500, 10)
    second.restore(JSON.parse(JSON.stringify(first.export())))
    expect([second.limit, second.export()]).toEqual([first.limit, first.export()])
    for (let window = 30; window < 35; window += 1) feed(second, window * 500, 1000)
    expect(second.limit).toBeLessThan(first.limit)
  })
})

test('GradientLimit compares a run with runs of its size: large batches among single calls are no queue', () => {
  const limit = gradient()
  for (let window = 0; window < 30; window += 1) {
    feed(limit, window * 500, 10, { calls: 10 })
    feed(limit, window * 500, 900, { calls: 11, rows: 100 })
  }
  expect(limit.limit).toBeGreaterThan(40)
  expect(limit.export().baselineMs.filter((ms) => ms > 0)).toEqual([10, 900])
})
