import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { PredictionRecord } from 'outrigger'
import { quantileOf, TimeBuckets } from '../../src/serve/_time-buckets.js'

const record = (at: number, totalMs: number, more: Partial<PredictionRecord> = {}): PredictionRecord => ({ at, outcome: 'ok', source: 'model', durations: { totalMs }, ...more }) as PredictionRecord

describe('TimeBuckets', () => {
  it('counts what the records of its window say, whatever the gaps', () => {
    const event = fc.record({ gap: fc.oneof(fc.integer({ min: 0, max: 3000 }), fc.integer({ min: 0, max: 60_000 })), kind: fc.constantFrom('ok', 'failed', 'fallback', 'stale'), ms: fc.double({ min: 0.01, max: 5000, noNaN: true }) })
    fc.assert(
      fc.property(fc.array(event, { maxLength: 60 }), fc.constantFrom(1, 3, 4), fc.integer({ min: 0, max: 30_000 }), (events, coarse, silence) => {
        const buckets = new TimeBuckets(1000, 12, coarse)
        const records: PredictionRecord[] = []
        let at = 1_000_000_000
        for (const { gap, kind, ms } of events) {
          at += gap
          const one = record(at, ms, kind === 'failed' ? { outcome: 'error', source: undefined } : { source: kind === 'ok' ? 'model' : (kind as 'fallback' | 'stale') })
          buckets.add(one, () => at)
          records.push(one)
        }
        const now = at + silence
        buckets.goTo(now)
        const first = (Math.floor(now / 1000) - 11) * 1000
        const inside = events.length === 0 ? [] : records.filter((one) => one.at >= first)
        const sums = buckets.sum()
        expect(sums.rows).toBe(inside.length)
        expect(sums.failed).toBe(inside.filter(({ outcome }) => outcome !== 'ok').length)
        expect(sums.degraded).toBe(inside.filter(({ source }) => source === 'fallback' || source === 'stale').length)
        const { rows, failed, from } = buckets.series()
        if (events.length > 0) expect(from).toBe(first)
        rows.forEach((count, step) => {
          const here = inside.filter((one) => Math.floor(one.at / 1000) === Math.floor(first / 1000) + step)
          expect(count).toBe(here.length)
          expect(failed[step]).toBe(here.filter(({ outcome }) => outcome !== 'ok').length)
        })
        // Latencies that are kept by several steps may be of a few steps more than the window.
        const [least, most] = [records.filter((one) => one.at >= first), records.filter((one) => one.at >= first - coarse * 1000 - coarse * 1000)]
        for (const share of [0.5, 0.99]) {
          const quantile = share === 0.5 ? sums.p50 : sums.p99
          if (coarse === 1 && least.length > 0) {
            const sorted = least.map(({ durations }) => durations.totalMs).sort((a, b) => a - b)
            const exact = sorted[Math.ceil(share * sorted.length) - 1] as number
            expect(Math.abs((quantile as number) / exact - 1)).toBeLessThan(0.03)
          } else if (most.length === 0) expect(quantile).toBeNull()
        }
      }),
      { seed: 5, numRuns: 300 },
    )
  })

  it('goes on after a clock that was ahead: a record of a later time is of now, and a clock that is set back begins anew', () => {
    const buckets = new TimeBuckets(1000, 10)
    buckets.add(record(50_000, 1), () => 50_000)
    buckets.add(record(90_000, 1), () => 50_500)
    expect(buckets.series()).toMatchObject({ from: 41_000, rows: [0, 0, 0, 0, 0, 0, 0, 0, 0, 2] })
    buckets.add(record(90_000, 1), () => 90_000)
    buckets.add(record(51_000, 1), () => 51_000)
    buckets.add(record(52_000, 1), () => 52_000)
    expect(buckets.series()).toMatchObject({ from: 43_000, rows: [0, 0, 0, 0, 0, 0, 0, 0, 1, 1] })
    expect(buckets.sum()).toMatchObject({ rows: 2 })
  })

  it('leaves out what is older than all that it has', () => {
    const buckets = new TimeBuckets(1000, 10)
    const now = (): number => 50_000
    buckets.add(record(50_000, 1), now)
    buckets.add(record(41_000, 1), now)
    buckets.add(record(40_999, 1), now)
    expect(buckets.sum().rows).toBe(2)
    expect(buckets.series().rows).toEqual([1, 0, 0, 0, 0, 0, 0, 0, 0, 1])
  })

  it('keeps latencies of any size in a cell', () => {
    const buckets = new TimeBuckets(1000, 2)
    for (const ms of [0, -1, 1e-9, 1e12, Number.NaN]) buckets.add(record(1000, ms), () => 1000)
    expect(buckets.sum().rows).toBe(5)
    expect(quantileOf(new Uint32Array(400), 0.5)).toBeNull()
  })
})
