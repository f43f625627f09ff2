/** How often the intervals of the detectors of embeddings hold the effect, and how often `rowsNeeded` rows find one of size `detect`. */
import { seededRandom } from '../../../src/core/random.js'
import { drawn, robustColumns } from '../../../src/drift/batch-detectors/embedding-sample.js'
import { reconstructionError } from '../../../src/drift/batch-detectors/_reconstruction-error.js'
import { domainClassifierDrift, mmdDrift, pcaReconstructionDrift, type BatchVerdict } from '../../../src/drift/index.js'
import { auc } from '../../../src/stats/auc.js'
import { mmd } from '../../../src/stats/mmd.js'
import { seeded } from '../_seeded.js'
import { embeddings, share } from './_settings.js'

export type EmbeddingDetector = 'mmdDrift' | 'domainClassifierDrift' | 'pcaReconstructionDrift'
type Rows = Float32Array[]

export interface EmbeddingSetting {
  readonly shift?: number
  readonly spread?: number
  readonly reference: number
  readonly live: number
  readonly runs: number
}

const verdict = (detector: EmbeddingDetector, before: Rows, after: Rows, seed: number): BatchVerdict =>
  detector === 'mmdDrift' ? mmdDrift(before, after, { permutations: 39, seed }) : detector === 'domainClassifierDrift' ? domainClassifierDrift(before, after, { permutations: 39, seed }) : pcaReconstructionDrift(before, after, { seed })

const samples = ({ shift, spread, reference, live }: EmbeddingSetting, seed: number): [Rows, Rows] => {
  const random = seeded(seed)
  return [embeddings()(random, reference), embeddings(shift, spread)(random, live)]
}

/** The mean effect over samples of these sizes; of MMD² before the root is taken, which has no bias. */
export const meanEffect = (detector: EmbeddingDetector, setting: EmbeddingSetting): number => {
  let sum = 0
  for (let run = 1; run <= setting.runs; run++) {
    const [before, after] = samples(setting, run * 104_729)
    sum += detector === 'mmdDrift' ? mmd(before, after, { permutations: 0 }).statistic : verdict(detector, before, after, run).effect.value
  }
  return detector === 'mmdDrift' ? Math.sqrt(Math.max(0, sum / setting.runs)) : sum / setting.runs
}

/** Cliff's δ of the components that a run finds, over many fresh rows. */
const deltaOfComponents = (before: Rows, after: Rows, seed: number, fresh: readonly [Rows, Rows]): number => {
  const n = before.length
  const rows = [...before, ...after].map((row) => Float64Array.from(row))
  const robust = robustColumns(rows, false)
  const fitted = new Set(drawn(before.map((_, row) => row), n - 1, seededRandom(seed).substream('halves')).slice(0, n >> 1))
  // What was taken off each column: the median over rows of the difference, as few values are cut.
  const centre = Float64Array.from(before[0] as Float32Array, (_, column) => rows.map((row, index) => (row[column] as number) - ((robust[index] as Float64Array)[column] as number)).sort((a, b) => a - b)[rows.length >> 1] as number)
  const errorOf = reconstructionError(robust.filter((_, row) => fitted.has(row)), 0.8)
  const errors = fresh.flat().map((row) => errorOf(Float64Array.from(row, (value, column) => value - (centre[column] as number))))
  return 2 * auc(Float64Array.from(errors), Uint8Array.from(errors, (_, row) => (row < fresh[0].length ? 0 : 1))) - 1
}

/** The share of runs whose 95 % interval holds the effect: the mean one, and with PCA that of the components found. */
export const coverage = (detector: EmbeddingDetector, setting: EmbeddingSetting): number => {
  const fresh = detector === 'pcaReconstructionDrift' ? samples({ ...setting, reference: 4000, live: 4000 }, 5) : undefined
  const isUnmoved = (setting.shift ?? 0) === 0
  // A change of spread moves no AUC.
  const mean = fresh !== undefined ? NaN : isUnmoved && detector === 'domainClassifierDrift' ? 0.5 : isUnmoved && (setting.spread ?? 1) === 1 ? 0 : meanEffect(detector, setting)
  return share(setting.runs, (_, run) => {
    const [before, after] = samples(setting, run * 7919)
    const { low, high } = verdict(detector, before, after, run).effect
    const effect = fresh === undefined ? mean : deltaOfComponents(before, after, run, fresh)
    return low <= effect && effect <= high
  })
}

/** The share of runs that are `drifted` with these live rows. */
export const found = (detector: EmbeddingDetector, setting: EmbeddingSetting): number => share(setting.runs, (_, run) => verdict(detector, ...samples(setting, run * 7919), run).state === 'drifted')

/** The live rows that the detector asks for beside a reference of so many. */
export const rowsNeeded = (detector: EmbeddingDetector, reference: number): number => verdict(detector, ...samples({ reference, live: 100, runs: 1 }, 1), 1).rowsNeeded
