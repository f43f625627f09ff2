import { jensenShannonDivergence } from '../../stats/jensen-shannon.js'
import { readBatchOptions, type BatchVerdict, type ShuffledDetectorOptions } from './batch-detector.js'
import { divergenceVerdict, shuffledDivergence, symmetricSlopes } from './_divergence-drift.js'
import { sampleCells, type CellOptions, type Sample } from './sample-cells.js'

/** Options of the detectors that compare shares of cells by a distance. */
export interface DivergenceDriftOptions extends ShuffledDetectorOptions, CellOptions {}

const name = 'a Jensen-Shannon detector'

/**
 * Jensen–Shannon: how far the shares of categories, or of numbers in cells, lie apart; also in cells that are nearly empty.
 *
 * The effect is the distance in base 2, √(JSD − its mean over shuffles), from 0 to 1. p by shuffling rows between the samples: exact at any size, for any number of cells.
 * Interval: noncentral chi-square with the shuffles' mean and variance, widened to the delta method's. `tolerance` .05 (a shift of a normal mean by .12 standard
 * deviations), `detect` .15. `rowsNeeded` takes JSD as (1/n + 1/m)/(8 ln 2) of noncentral chi-square. Some ms for 30 cells and 999 shuffles.
 *
 * **Misleads**: numbers are compared by cell; a shift inside a cell is not seen, and the number of cells (2 · rows^0.4 of the smaller sample, 4 to 32) matters.
 *
 * Source: J. Lin, IEEE Transactions on Information Theory 37 (1991); Endres and Schindelin, IEEE Transactions on Information Theory 49 (2003).
 *
 * @throws ERR_OUTRIGGER_INVALID_INPUT for values or counts that are none, or samples of two kinds
 * @throws ERR_OUTRIGGER_INVALID_OPTION for an option out of its range
 * @example
 * ```ts
 * import { jensenShannonDrift } from 'outrigger/drift'
 * const reference = Array.from({ length: 3000 }, (_, i) => ['card', 'cash', 'cheque'][i % 3] as string)
 * const live = Array.from({ length: 600 }, (_, i) => (i % 20 === 0 ? 'voucher' : reference[i] as string))
 * const { state, effect, pValue } = jensenShannonDrift(reference, live)
 * assert.ok(state === 'drifted' && pValue === 0.001 && effect.low > 0.1)
 * ```
 */
export const jensenShannonDrift = (reference: Sample, live: Sample, options: DivergenceDriftOptions = {}): BatchVerdict => {
  const read = readBatchOptions({ name, tolerance: 0.05, detect: 0.15, most: 1, permutations: 999 }, options, ['cells', 'ordered'])
  const cells = sampleCells(name, [reference, live], options)
  const of = { measure: 'jensen-shannon-distance', slopes, order: 2, noise: 1 / (8 * Math.LN2), degreesOfFreedom: cells.reference.length - 1, most: 1 } as const
  return divergenceVerdict(of, cells, shuffledDivergence(jensenShannonDivergence, cells, read), read)
}

const slopes = symmetricSlopes((own, other) => Math.log2((2 * own) / (own + other)) / 2)
