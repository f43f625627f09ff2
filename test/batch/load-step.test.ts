import type { NeutralLayer } from 'outrigger'
import { microBatched } from 'outrigger/batch'
import { fakeClock } from 'outrigger/testing'
import { describe, expect, test } from 'vitest'
import { goodput, loadStep, quantile } from './_load-step.js'

/** An engine of 8 ms and 0.1 ms a row: alone it does 0.12 rows a millisecond, in runs of 256 about 7.6. */
const serviceMs = (rows: number): number => 8 + 0.1 * rows
const OBJECTIVE_MS = 60
const STEP_MS = 2000

/** A ten-fold step up to so many arrivals a millisecond, in virtual time. */
const step = async (layer: NeutralLayer, perMs: number) => {
  const clock = fakeClock()
  const work = loadStep({ clock, layer, serviceMs, phases: [{ perMs: perMs / 10, ms: 1000 }, { perMs, ms: STEP_MS }], seed: 5 })
  let isDone = false
  void work.then(() => (isDone = true))
  while (!isDone) await clock.advance(100)
  const [before, after] = await work
  return { before: quantile(before!.latencies, 0.99), after: quantile(after!.latencies, 0.99), goodput: goodput(after!, OBJECTIVE_MS, STEP_MS), failed: after!.failed, timers: clock.pending }
}

describe('a ten-fold load step', () => {
  test.each([2, 6])('microBatched holds the p99 objective at %d rows a millisecond, with the throughput of the best fixed size', async (perMs) => {
    const learned = await step(microBatched({ objectiveMs: OBJECTIVE_MS }), perMs)
    const fixed = []
    for (const maxSize of [32, 64, 128, 256]) fixed.push(await step(microBatched({ adaptive: false, maxSize }), perMs))
    const best = Math.max(...fixed.filter(({ after }) => after <= OBJECTIVE_MS).map((result) => result.goodput))
    expect(learned.before).toBeLessThanOrEqual(OBJECTIVE_MS)
    expect(learned.after).toBeLessThanOrEqual(OBJECTIVE_MS)
    expect(learned.goodput).toBeGreaterThanOrEqual(0.9 * best)
    expect([learned.failed, learned.timers]).toEqual([0, 0])
    // The rates can tell: at the higher one small runs drown.
    if (perMs === 6) expect(Math.min(...fixed.map((result) => result.goodput))).toBeLessThan(0.2 * best)
  })
})
