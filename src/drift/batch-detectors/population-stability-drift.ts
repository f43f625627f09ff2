import { populationStability } from '../../stats/population-stability.js'
import { readBatchOptions, type BatchVerdict } from './batch-detector.js'
import { divergenceVerdict, shuffledDivergence, symmetricSlopes } from './_divergence-drift.js'
import type { DivergenceDriftOptions } from './jensen-shannon-drift.js'
import { sampleCells, type Sample } from './sample-cells.js'

const name = 'a PSI detector'

/**
 * The population stability index (PSI), for who has to report it: here with a p-value, an interval, and chance taken off.
 *
 * Σ (q − p) ln(q / p) less its mean over shuffles; 0 and up. **Empty cells**: half a row is added to every cell of both samples; cells that are empty in both are left out.
 * Numbers are counted into ten cells of equally many pooled rows, so that an outlier is one row of the last cell. p and interval as for {@link jensenShannonDrift}.
 * By custom below .1 is stable and above .25 shifted: these are `tolerance` and `detect`. `rowsNeeded` takes PSI as 1/n + 1/m times noncentral chi-square.
 *
 * **Misleads**: .1 is much for categories and little for a rare one; the index of a new category depends on the half row.
 *
 * Source: Yurdakul, Statistical Properties of Population Stability Index (2018), chapter 3; Jeffreys (1946) for the half.
 *
 * @throws ERR_OUTRIGGER_INVALID_INPUT for values or counts that are none, or samples of two kinds
 * @throws ERR_OUTRIGGER_INVALID_OPTION for an option out of its range
 * @example
 * ```ts
 * import { populationStabilityDrift } from 'outrigger/drift'
 * const scores = Array.from({ length: 2000 }, (_, i) => i / 2000)
 * const { state, effect } = populationStabilityDrift(scores, scores.map((score) => score ** 2))
 * assert.ok(state === 'drifted' && effect.low > 0.25)
 * ```
 */
export const populationStabilityDrift = (reference: Sample, live: Sample, options: DivergenceDriftOptions = {}): BatchVerdict => {
  const read = readBatchOptions({ name, tolerance: 0.1, detect: 0.25, most: Infinity, permutations: 999 }, options, ['cells', 'ordered'])
  const cells = sampleCells(name, [reference, live], { cells: 10, ...options })
  const half = (own: number, rows: number): number => own + 0.5 / rows
  // The derivative is taken at the shares that the half rows make, which are never 0.
  const slopes: ReturnType<typeof symmetricSlopes> = (p, q) => symmetricSlopes((own, other) => Math.log(own / other) + 1 - other / own)(p.map((share) => half(share, cells.n)), q.map((share) => half(share, cells.m)))
  const of = { measure: 'population-stability-index', slopes, order: 1, noise: 1, degreesOfFreedom: cells.reference.length - 1, most: Infinity } as const
  return divergenceVerdict(of, cells, shuffledDivergence(populationStability, cells, read), read)
}
