/** What breaks an estimate without labels, and how a part of the labels mends it: seeded, and asserted within three standard errors. */
import { describe, expect, test } from 'vitest'
import { performanceEstimator } from '../../../src/drift/estimation/performance-estimator.js'
import { seeded } from '../_seeded.js'
import { fewerPositives, nominal, show, simulate, thresholdMetrics, truth, world } from './_worlds.js'

describe('what breaks an estimate without labels, and how labels mend it', () => {
  test('concept drift: the precision is off, and no interval says so; of 20 % of the labels it holds', () => {
    const drifted = { after: world({ odds: -0.7 }) }
    const [without, corrected] = [simulate(drifted), simulate(drifted, 0.2)]
    console.log('concept drift', show(without), '\n with labels', show(corrected))
    expect(without.precision.held).toBeLessThan(0.05)
    expect(without.precision.error).toBeGreaterThan(0.1)
    for (const metric of [...thresholdMetrics, 'brier'] as const) expect(corrected[metric].held, metric).toBeGreaterThanOrEqual(nominal)
  }, 30_000)

  test('a prevalence that falls to a half breaks it as well', () => {
    const drifted = { after: fewerPositives(world(), 0.4) }
    const [without, corrected] = [simulate(drifted), simulate(drifted, 0.2)]
    console.log('prevalence', show(without), '\n with labels', show(corrected))
    expect(without.precision.held).toBeLessThan(0.5)
    for (const metric of [...thresholdMetrics, 'brier'] as const) expect(corrected[metric].held, metric).toBeGreaterThanOrEqual(nominal)
  }, 30_000)

  test('labels that are a choice by correctness, and no random part, mislead the correction', () => {
    let held = 0
    for (let run = 1; run <= 60; run++) {
      const random = seeded(run * 104_729)
      const draw = world()
      const estimator = performanceEstimator({ reference: Array.from({ length: 2000 }, () => draw(random)), maps: 20 })
      const window = estimator.window()
      const rows = Array.from({ length: 2000 }, () => draw(random))
      for (const { score, label } of rows) {
        window.count(score)
        // Complaints come from those who were answered wrongly.
        if (random.uniform() < (score >= 0.5 === (label === 1) ? 0.1 : 0.4)) window.label(score, label)
      }
      const { accuracy } = estimator.corrected(window)
      held += Number(accuracy.low <= truth(rows).accuracy && truth(rows).accuracy <= accuracy.high)
    }
    expect(held).toBeLessThan(6)
  }, 30_000)

  test('nothing changed, 20 % of the labels; rare positives too', () => {
    const tally = simulate({}, 0.2)
    const rare = simulate({ before: world({ mean: -3 }), m: 2000 }, 0.2)
    console.log('labels', show(tally), '\n rare', show(rare))
    for (const metric of [...thresholdMetrics, 'brier'] as const) {
      expect(tally[metric].held, metric).toBeGreaterThanOrEqual(nominal)
      expect(rare[metric].held, `${metric}, rare`).toBeGreaterThanOrEqual(nominal)
    }
  }, 30_000)
})
