import { seededRandom, type Random } from 'outrigger'
import { describe, expect, test } from 'vitest'
import { BatchSize } from '../../src/batch/_batch-size.js'
import { RunTimes } from '../../src/batch/_run-times.js'
import { bestStatic, congested, linear, noisy, rowByRow, saturating, tiled, type Engine } from './_engines.js'

/** Runs of sizes between 1 and `most`. */
const observeMixed = (times: RunTimes, engine: Engine, runs: number, random: Random, most = 64): void => {
  for (let run = 0; run < runs; run += 1) {
    const rows = 1 + random.integer(most)
    times.observe(rows, engine(rows))
  }
}

describe('RunTimes', () => {
  test('RunTimes finds both parts of a straight line exactly', () => {
    const times = new RunTimes()
    observeMixed(times, linear, 50, seededRandom(1))
    expect(times.fixedMs).toBeCloseTo(5, 2)
    expect(times.perRowMs).toBeCloseTo(0.1, 3)
    expect(times.of(100)).toBeCloseTo(15, 2)
  })

  test('RunTimes finds them through noise of 15 % and pauses, and knows how noisy it is', () => {
    for (let seed = 0; seed < 20; seed += 1) {
      const random = seededRandom(seed)
      const times = new RunTimes()
      observeMixed(times, noisy(linear, random), 400, random)
      expect(Math.abs(times.of(32) / linear(32) - 1)).toBeLessThan(0.2)
      expect(Math.abs(times.fixedMs / 5 - 1)).toBeLessThan(0.25)
      expect(times.spread).toBeGreaterThan(0.1)
      expect(times.spread).toBeLessThan(0.35)
    }
  })

  test('RunTimes is not moved far by one pause of a hundred times', () => {
    const times = new RunTimes()
    observeMixed(times, linear, 100, seededRandom(2))
    const before = times.of(32)
    times.observe(32, 100 * before)
    expect(times.of(32) / before).toBeLessThan(1.1)
  })

  test('RunTimes follows an engine that becomes three times slower within ten runs, and one that drifts', () => {
    const random = seededRandom(3)
    const times = new RunTimes()
    observeMixed(times, linear, 100, random)
    observeMixed(times, (rows) => 3 * linear(rows), 10, random)
    expect(Math.abs(times.of(32) / (3 * linear(32)) - 1)).toBeLessThan(0.1)
    let factor = 3
    for (let run = 0; run < 300; run += 1) {
      factor *= 1.005
      const rows = 1 + random.integer(64)
      times.observe(rows, factor * linear(rows))
    }
    expect(Math.abs(times.of(32) / (factor * linear(32)) - 1)).toBeLessThan(0.1)
  })

  test('RunTimes keeps what it knows of the parts while all runs are of one size, and grows unsure of them', () => {
    const random = seededRandom(4)
    const times = new RunTimes()
    observeMixed(times, noisy(linear, random), 200, random)
    const before = { fixed: times.fixedMs, error: times.fixedError }
    const engine = noisy(linear, random)
    for (let run = 0; run < 300; run += 1) times.observe(20, engine(20))
    expect(Math.abs(times.fixedMs / before.fixed - 1)).toBeLessThan(0.3)
    expect(times.fixedError).toBeGreaterThan(before.error)
    expect(Math.abs(times.of(20) / linear(20) - 1)).toBeLessThan(0.15)
  })

  test('RunTimes is taught nothing by a clock that stands still, jumps back, or jumps for ever', () => {
    const times = new RunTimes()
    for (const ms of [0, -5, Number.NaN, Infinity]) times.observe(4, ms)
    expect([times.runs, times.fixedMs, times.of(10)]).toEqual([0, 0, 0])
    observeMixed(times, linear, 50, seededRandom(5))
    for (const ms of [-1e9, 0, 1e12, Number.NaN]) times.observe(4, ms)
    expect(times.of(4) / linear(4)).toBeLessThan(1.5)
  })
})

/** Rows per millisecond over the last half of many runs of an engine that has always more to do than fits. */
const throughput = (size: BatchSize, engine: Engine, observed: Engine, random: Random): number => {
  let rows = 0
  let ms = 0
  for (let run = 0; run < 600; run += 1) {
    // One run in four is smaller, as when traffic is low for a moment.
    const isSmall = run % 4 === 0
    const count = Math.min(size.size, isSmall ? 1 + random.integer(40) : Infinity)
    size.observe(count, observed(count))
    if (run < 300 || isSmall) continue
    rows += count
    ms += engine(count)
  }
  return rows / ms
}

describe('BatchSize', () => {
  const engines: readonly (readonly [string, Engine, number])[] = [['linear', linear, 0.9], ['saturating', saturating, 0.9], ['tiled', tiled, 0.85], ['congested', congested, 0.8]]

  test.each(engines)('BatchSize reaches the throughput of the best fixed size: %s', (_name, engine, share) => {
    for (let seed = 0; seed < 5; seed += 1) {
      const quiet = throughput(new BatchSize({ maxSize: 256, objectiveMs: undefined, concurrency: 1 }), engine, engine, seededRandom(seed))
      expect(quiet / bestStatic(engine, 256)).toBeGreaterThan(share)
      const random = seededRandom(seed)
      const loud = throughput(new BatchSize({ maxSize: 256, objectiveMs: undefined, concurrency: 1 }), engine, noisy(engine, random), random)
      expect(loud / bestStatic(engine, 256)).toBeGreaterThan(share - 0.05)
    }
  })

  test.each(engines)('BatchSize keeps its runs within half the objective, and there reaches the throughput of the best fixed size: %s', (_name, engine, share) => {
    const size = new BatchSize({ maxSize: 256, objectiveMs: 60, concurrency: 1 })
    expect(throughput(size, engine, engine, seededRandom(1)) / bestStatic(engine, 256, 30)).toBeGreaterThan(share)
    expect(engine(size.size)).toBeLessThanOrEqual(30 * 1.05)
  })

  test('BatchSize begins small under an objective, and doubles at most', () => {
    const size = new BatchSize({ maxSize: 256, objectiveMs: 1000, concurrency: 1 })
    const sizes: number[] = []
    for (let run = 0; run < 8; run += 1) {
      sizes.push(size.size)
      size.observe(size.size, linear(size.size))
    }
    expect(sizes.slice(0, 6)).toEqual([4, 8, 16, 32, 64, 128])
  })

  test('BatchSize shrinks under an objective when the engine becomes slower, and grows when it recovers', () => {
    const random = seededRandom(6)
    const size = new BatchSize({ maxSize: 256, objectiveMs: 60, concurrency: 1 })
    const settle = (engine: Engine): number => {
      throughput(size, engine, engine, random)
      return size.size
    }
    const [before, slow, after] = [settle(linear), settle((rows) => 3 * linear(rows)), settle(linear)]
    expect(3 * linear(slow)).toBeLessThanOrEqual(30 * 1.05)
    expect(slow).toBeLessThan(before / 2)
    expect(Math.abs(after / before - 1)).toBeLessThan(0.1)
  })

  test('BatchSize takes what drains the queue soonest when more wait than the objective can serve', () => {
    const size = new BatchSize({ maxSize: 256, objectiveMs: 20, concurrency: 1 })
    throughput(size, linear, linear, seededRandom(7))
    expect(linear(size.size)).toBeLessThanOrEqual(10 * 1.05)
    expect(size.limit(size.size)).toBe(size.size)
    expect(size.limit(5000)).toBeGreaterThan(1.5 * size.size)
  })

  test('BatchSize says when one row alone takes longer than the objective, and then goes for throughput', () => {
    const size = new BatchSize({ maxSize: 256, objectiveMs: 8, concurrency: 1 })
    throughput(size, linear, linear, seededRandom(8))
    expect(size.isObjectiveLost).toBe(true)
    expect(size.size).toBeGreaterThan(100)
  })

  test('BatchSize lets a run take longer when several go on at once, as nobody waits for a whole one', () => {
    const sizeOf = (concurrency: number): number => {
      const size = new BatchSize({ maxSize: 1024, objectiveMs: 30, concurrency })
      throughput(size, linear, linear, seededRandom(9))
      return size.size
    }
    expect(linear(sizeOf(1))).toBeLessThan(15.5)
    expect(linear(sizeOf(4))).toBeGreaterThan(18)
  })

  test('BatchSize finds that batching does not pay for an engine that goes row by row, and that it does for others', () => {
    const verdictOf = (engine: Engine, isNoisy: boolean): string | undefined => {
      const random = seededRandom(10)
      const size = new BatchSize({ maxSize: 256, objectiveMs: undefined, concurrency: 1 })
      throughput(size, engine, isNoisy ? noisy(engine, random) : engine, random)
      return size.verdict
    }
    for (const isNoisy of [false, true]) {
      expect(verdictOf(rowByRow, isNoisy)).toBe('direct')
      expect(verdictOf((rows) => 0.0005 + 0.0001 * rows, isNoisy)).toBe('direct')
      for (const engine of [linear, saturating, tiled]) expect(verdictOf(engine, isNoisy)).toBe('batching')
    }
  })

  test('BatchSize gives no verdict on runs of one row, which do not tell the parts', () => {
    const size = new BatchSize({ maxSize: 256, objectiveMs: undefined, concurrency: 1 })
    for (let run = 0; run < 1000; run += 1) size.observe(1, 0.3)
    expect(size.verdict).toBe(undefined)
  })

  test('BatchSize keeps to its maximum whatever it is told', () => {
    const random = seededRandom(11)
    for (const objectiveMs of [undefined, 5, 500]) {
      const size = new BatchSize({ maxSize: 17, objectiveMs, concurrency: 2 })
      for (let run = 0; run < 2000; run += 1) {
        size.observe(1 + random.integer(17), [0, -1, Number.NaN, 1e9, 1e-9, random.next() * 10][random.integer(6)] as number)
        for (const waiting of [0, 1, 17, 1e6]) {
          expect(size.limit(waiting)).toBeGreaterThanOrEqual(1)
          expect(size.limit(waiting)).toBeLessThanOrEqual(17)
          expect(Number.isInteger(size.limit(waiting))).toBe(true)
        }
      }
    }
  })
})
