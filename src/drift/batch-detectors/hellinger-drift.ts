import { hellinger } from '../../stats/hellinger.js'
import { readBatchOptions, type BatchVerdict } from './batch-detector.js'
import { divergenceVerdict, shuffledDivergence, symmetricSlopes } from './_divergence-drift.js'
import type { DivergenceDriftOptions } from './jensen-shannon-drift.js'
import { sampleCells, type Sample } from './sample-cells.js'

const name = 'a Hellinger detector'

/**
 * Hellinger: how far the shares of categories, or of numbers in cells, lie apart; of these distances the one that weighs rare cells most.
 *
 * The effect is √(H² − its mean over shuffles) with H² = ½ Σ (√p − √q)², from 0 to 1. p, interval and cells as for {@link jensenShannonDrift}; `tolerance` .05 (a shift
 * of a normal mean by .14 standard deviations), `detect` .15. `rowsNeeded` takes H² as (1/n + 1/m)/8 of noncentral chi-square.
 *
 * **Misleads**: with many rare cells much of what it shows is noise, so its power falls behind {@link jensenShannonDrift}'s.
 *
 * Source: Le Cam, Asymptotic Methods in Statistical Decision Theory (1986), chapter 4; Simpson, JASA 84 (1989), for tests by it.
 *
 * @throws ERR_OUTRIGGER_INVALID_INPUT for values or counts that are none, or samples of two kinds
 * @throws ERR_OUTRIGGER_INVALID_OPTION for an option out of its range
 * @example
 * ```ts
 * import { hellingerDrift } from 'outrigger/drift'
 * const { state, effect } = hellingerDrift({ counts: [500, 500, 0] }, { counts: [180, 190, 30] })
 * assert.ok(state === 'drifted' && effect.low > 0.1 && effect.high < 0.3)
 * ```
 */
export const hellingerDrift = (reference: Sample, live: Sample, options: DivergenceDriftOptions = {}): BatchVerdict => {
  const read = readBatchOptions({ name, tolerance: 0.05, detect: 0.15, most: 1, permutations: 999 }, options, ['cells', 'ordered'])
  const cells = sampleCells(name, [reference, live], options)
  const of = { measure: 'hellinger-distance', slopes, order: 2, noise: 1 / 8, degreesOfFreedom: cells.reference.length - 1, most: 1 } as const
  return divergenceVerdict(of, cells, shuffledDivergence((before, after) => hellinger(before, after) ** 2, cells, read), read)
}

const slopes = symmetricSlopes((own, other) => -Math.sqrt(other / own) / 2)
