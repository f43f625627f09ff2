import { InvalidOptionError, OutriggerError } from '../../core/errors.js'
import { numberOption, optionsObject } from '../../core/options.js'
import { seededRandom } from '../../core/random.js'
import { isIsotonicBetter, type LabelledCells } from './_calibration.js'
import { isRecord } from '../saved-json.js'
import { areCounts, opened, refused, sealed } from './_saved.js'
import { cellOf, firstPositiveCell, scoreCells } from './_score-cells.js'
import type { LabelledScore, PerformanceEstimatorOptions, PerformanceEstimatorState } from './performance-estimator.js'

const owner = 'a performance estimator'
const optionNames = ['reference', 'threshold', 'scoreOf', 'confidence', 'minimumRows', 'cells', 'maps', 'seed', 'state'] as const
const folds = 5

/** The state of an estimator: of its reference rows, or the saved one, checked. */
export const estimatorState = (options: PerformanceEstimatorOptions): PerformanceEstimatorState => {
  optionsObject(owner, options, optionNames)
  return options.state === undefined ? fitted(options) : readState(options)
}

const checkedOptions = (given: Readonly<Record<string, unknown>>): PerformanceEstimatorState['options'] => {
  const { threshold = 0.5, scoreOf = 'positive', confidence = 0.95, minimumRows = 100, cells = 64, maps = 200, seed = 1 } = given
  if (scoreOf !== 'positive' && scoreOf !== 'top-class') throw new InvalidOptionError(`Cannot create ${owner} as \`scoreOf\` must be 'positive' or 'top-class': current value is ${String(scoreOf)}`)
  if (typeof seed !== 'string') numberOption(owner, 'seed', seed)
  return {
    threshold: numberOption(owner, 'threshold', threshold),
    scoreOf,
    confidence: numberOption(owner, 'confidence', confidence, { min: 0.5, max: 0.999 }),
    minimumRows: numberOption(owner, 'minimumRows', minimumRows, { min: 1, integer: true }),
    cells: numberOption(owner, 'cells', cells, { min: 2, max: 1000, integer: true }),
    maps: numberOption(owner, 'maps', maps, { min: 20, max: 10_000, integer: true }),
    seed: seed as number | string,
  }
}

/** Rows as counts: the state of an estimator that was not saved yet. */
const fitted = (given: PerformanceEstimatorOptions): PerformanceEstimatorState => {
  const options = checkedOptions({ ...given })
  const { reference } = given
  if (!Array.isArray(reference)) throw new InvalidOptionError(`Cannot create ${owner} as \`reference\` must be an array of labelled scores: current value is ${String(reference)}`)
  const rows = reference as readonly LabelledScore[]
  const hasBlocks = rows[0]?.block !== undefined
  const bad = (why: string, row: number, value: unknown): OutriggerError => new OutriggerError('ERR_OUTRIGGER_INVALID_INPUT', `Cannot create ${owner} as ${why}: current value is ${String(value)} in row ${row}`)
  rows.forEach((row, index) => {
    if (typeof row !== 'object' || row === null) throw bad('a row of the reference must be an object', index, row)
    const { score, label, block } = row
    if (typeof score !== 'number' || !Number.isFinite(score)) throw bad('a score must be a finite number', index, score)
    if (label !== true && label !== false && label !== 0 && label !== 1) throw bad('a label must be 0, 1, true or false', index, label)
    if ((block !== undefined) !== hasBlocks) throw bad('all rows must have a block, or none', index, block)
  })
  const positives = rows.reduce((total, { label }) => total + Number(label), 0)
  const few = (what: string, value: number): OutriggerError => new OutriggerError('ERR_OUTRIGGER_TOO_FEW_ROWS', `Cannot create ${owner} as the reference must have ${what}: current value is ${value}`)
  if (rows.length < 100) throw few('at least 100 rows', rows.length)
  if (positives === 0 || positives === rows.length) throw few('rows of both labels', positives)

  const cells = scoreCells(rows.map(({ score }) => score), options.cells, options.scoreOf === 'top-class' ? -Infinity : options.threshold)
  const { edges } = cells
  const length = edges.length + 1
  const empty = (): LabelledCells => ({ positive: new Float64Array(length), negative: new Float64Array(length) })
  const blocks = new Map<unknown, LabelledCells>()
  const held = Array.from({ length: folds }, empty)
  const foldOf = new Map<unknown, number>()
  const random = seededRandom(options.seed).substream('folds')
  const sums = new Float64Array(length)
  const counts = new Float64Array(length)
  for (const { score, label, block } of rows) {
    const cell = cellOf(cells, score)
    if (!blocks.has(block)) {
      if (blocks.size === 2000) throw new InvalidOptionError(`Cannot create ${owner} as its reference must have at most 2000 blocks: current value is more`)
      blocks.set(block, empty())
      foldOf.set(block, random.integer(folds))
    }
    const fold = hasBlocks ? (foldOf.get(block) as number) : random.integer(folds)
    for (const into of [blocks.get(block) as LabelledCells, held[fold] as LabelledCells]) {
      const side = Number(label) === 1 ? into.positive : into.negative
      side[cell] = (side[cell] as number) + 1
    }
    sums[cell] = (sums[cell] as number) + score
    counts[cell] = (counts[cell] as number) + 1
  }
  if (hasBlocks && blocks.size < 8) throw few('at least 8 blocks', blocks.size)
  const scores = [...counts].map((count, cell) => (count === 0 ? null : (sums[cell] as number) / count))
  const areProbabilities = rows.every(({ score }) => score >= 0 && score <= 1)
  const isIsotonic = !areProbabilities || isIsotonicBetter(held, Float64Array.from(scores, (score) => score ?? 0), firstPositiveCell(cells))
  return sealed({ format: 'outrigger-performance-estimator', version: 1, options, edges: [...edges], scores, areProbabilities, isIsotonic, blocks: [...blocks.values()].map(({ positive, negative }) => [[...positive], [...negative]] as const) })
}

const readState = (given: PerformanceEstimatorOptions): PerformanceEstimatorState => {
  for (const name of optionNames) if (name !== 'state' && given[name] !== undefined) throw new InvalidOptionError(`Cannot create ${owner} as \`${name}\` must be left out beside \`state\`, which has its own: current value is ${String(given[name])}`)
  const content = opened(owner, 'outrigger-performance-estimator', given.state)
  const { edges, scores, blocks, options } = content
  const isList = (list: unknown, test: (item: unknown) => boolean): list is unknown[] => Array.isArray(list) && list.every(test)
  if (!isRecord(options)) throw refused(owner, 'it must have its options', options)
  checkedOptions(options)
  if (!isList(edges, Number.isFinite)) throw refused(owner, 'its edges must be numbers', edges)
  const length = edges.length + 1
  if (!isList(scores, (score) => score === null || Number.isFinite(score)) || scores.length !== length) throw refused(owner, `its scores must be ${length} numbers`, scores)
  if (typeof content['areProbabilities'] !== 'boolean' || typeof content['isIsotonic'] !== 'boolean') throw refused(owner, 'it must say whether its scores are probabilities, and its map isotonic', content['isIsotonic'])
  if (!isList(blocks, (pair) => isList(pair, (counts) => areCounts(counts, length)) && pair.length === 2) || blocks.length === 0) throw refused(owner, `its blocks must be pairs of ${length} counts`, blocks)
  return given.state as PerformanceEstimatorState
}
