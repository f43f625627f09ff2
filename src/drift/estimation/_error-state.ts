import { InvalidOptionError, OutriggerError } from '../../core/errors.js'
import { numberOption, optionsObject } from '../../core/options.js'
import { seededRandom } from '../../core/random.js'
import { blockErrors, type BlockErrors } from './_block-errors.js'
import type { ErrorEstimatorOptions, LabelledPrediction } from './error-estimator.js'
import { growLossTree, leafOf, type LossTree } from './_loss-tree.js'
import { isRecord } from '../saved-json.js'
import { opened, refused, sealed } from './_saved.js'

/** What may tell how far off a prediction is. `null` and `undefined` are missing. */
export type ErrorFeatures = Readonly<Record<string, number | string | boolean | null | undefined>>

/** An estimator as JSON. */
export interface ErrorEstimatorState {
  readonly format: 'outrigger-error-estimator'
  readonly version: 1
  readonly options: { readonly leaves: number; readonly confidence: number; readonly minimumRows: number; readonly seed: number | string }
  /** Features in order; those with categories have the rank of each. */
  readonly features: readonly { readonly name: string; readonly ranks: Readonly<Record<string, number>> | null }[]
  readonly tree: LossTree
  /** Per leaf: rows, mean and variance of the absolute error, mean and variance of the squared error. */
  readonly losses: readonly (readonly [number, number, number, number, number])[]
  /** The lowest and the highest prediction. */
  readonly range: readonly [number, number]
  /** How blocks differ: `null` without blocks. */
  readonly blocks: BlockErrors | null
  readonly checksum: string
}

const owner = 'an error estimator'
const optionNames = ['reference', 'leaves', 'confidence', 'minimumRows', 'seed', 'state'] as const
const bad = (why: string, value: unknown): OutriggerError => new OutriggerError('ERR_OUTRIGGER_INVALID_INPUT', `Cannot estimate errors as ${why}: current value is ${String(value)}`)
const few = (what: string, value: number): OutriggerError => new OutriggerError('ERR_OUTRIGGER_TOO_FEW_ROWS', `Cannot create ${owner} as ${what}: current value is ${value}`)

/** The state of an estimator: of its reference rows, or the saved one, checked. */
export const errorState = (options: ErrorEstimatorOptions): ErrorEstimatorState => {
  optionsObject(owner, options, optionNames)
  if (options.state === undefined) return fitted(options)
  for (const name of optionNames) if (name !== 'state' && options[name] !== undefined) throw new InvalidOptionError(`Cannot create ${owner} as \`${name}\` must be left out beside \`state\`, which has its own: current value is given`)
  return readState(options.state)
}

const checkedOptions = (given: Readonly<Record<string, unknown>>): ErrorEstimatorState['options'] => {
  const { leaves = 32, confidence = 0.95, minimumRows = 100, seed = 1 } = given
  if (typeof seed !== 'string') numberOption(owner, 'seed', seed)
  return {
    leaves: numberOption(owner, 'leaves', leaves, { min: 1, max: 1000, integer: true }),
    confidence: numberOption(owner, 'confidence', confidence, { min: 0.5, max: 0.999 }),
    minimumRows: numberOption(owner, 'minimumRows', minimumRows, { min: 1, integer: true }),
    seed: seed as number | string,
  }
}

const areNumbers = (value: unknown, length: number, least = -Infinity): value is number[] => Array.isArray(value) && value.length === length && value.every((item) => Number.isFinite(item) && item >= least)

const readState = (saved: unknown): ErrorEstimatorState => {
  const { options, features, tree, losses, range, blocks } = opened(owner, 'outrigger-error-estimator', saved)
  if (!isRecord(options) || ['leaves', 'confidence', 'minimumRows', 'seed'].some((name) => !Object.hasOwn(options, name))) throw refused(owner, 'it must have its options', options)
  try {
    checkedOptions(options)
  } catch (cause) {
    throw refused(owner, `its options must be such: ${(cause as Error).message}`, options)
  }
  const areRanks = (ranks: unknown): boolean => ranks === null || (isRecord(ranks) && Object.values(ranks).every((rank) => Number.isSafeInteger(rank) && (rank as number) >= 0))
  if (!Array.isArray(features) || !features.every((feature) => isRecord(feature) && typeof feature['name'] === 'string' && areRanks(feature['ranks']))) throw refused(owner, 'its features must be names with ranks or null', features)
  if (!Array.isArray(losses) || losses.length === 0 || losses.length > (options['leaves'] as number) || !losses.every((loss) => areNumbers(loss, 5, 0) && Number.isInteger(loss[0]) && (loss[0] as number) >= 2)) throw refused(owner, 'its losses must be five numbers for each leaf', losses)
  checkTree(tree, losses.length, features.length + 1)
  if (!areNumbers(range, 2) || (range[0] as number) > (range[1] as number)) throw refused(owner, 'its range must be two numbers in order', range)
  if (blocks !== null && !(isRecord(blocks) && areNumbers([blocks['count'], blocks['absolute'], blocks['squared']], 3, 0) && Number.isInteger(blocks['count']) && (blocks['count'] as number) >= leastBlocks)) throw refused(owner, 'its blocks must be a count and two spreads, or null', blocks)
  return saved as ErrorEstimatorState
}

/** A saved tree has each leaf once, in order, and no other. */
const checkTree = (tree: unknown, leaves: number, columns: number): void => {
  let next = 0
  const open: unknown[] = [tree]
  while (open.length > 0) {
    const node = open.pop()
    if (node === next) {
      next += 1
      continue
    }
    if (!isRecord(node) || !Number.isInteger(node['column']) || (node['column'] as number) < 0 || (node['column'] as number) >= columns || !Number.isFinite(node['at'])) throw refused(owner, 'its tree must be of splits and leaves in order', node)
    open.push(node['high'], node['low'])
  }
  if (next !== leaves) throw refused(owner, `its tree must have ${leaves} leaves`, next)
}

/** A row as numbers: the prediction, then each feature; what is missing or a category never seen is NaN. */
export const columnsOf = (features: ErrorEstimatorState['features'], prediction: number, given: ErrorFeatures): number[] => {
  if (typeof prediction !== 'number' || !Number.isFinite(prediction)) throw bad('a prediction must be a finite number', prediction)
  if (typeof given !== 'object' || given === null) throw bad('features must be an object of values by name', given)
  return [
    prediction,
    ...features.map(({ name, ranks }) => {
      const value = given[name]
      if (value === undefined || value === null) return NaN
      if (typeof value === 'object' || typeof value === 'function') throw bad(`the feature ${name} must be a number, a string, a boolean or null`, value)
      if (ranks !== null) return Object.hasOwn(ranks, String(value)) ? (ranks[String(value)] as number) : NaN
      if (typeof value !== 'number') throw bad(`the feature ${name} must be a number, as in the reference`, value)
      return value
    }),
  ]
}

const leastBlocks = 8

const fitted = (given: ErrorEstimatorOptions): ErrorEstimatorState => {
  const options = checkedOptions({ ...given })
  const { reference } = given
  if (!Array.isArray(reference)) throw new InvalidOptionError(`Cannot create ${owner} as \`reference\` must be an array of labelled predictions: current value is ${String(reference)}`)
  const rows = reference as readonly LabelledPrediction[]
  if (rows.length < 200) throw few('the reference must have at least 200 rows', rows.length)
  const random = seededRandom(options.seed).substream('halves')
  const hasBlocks = rows[0]?.block !== undefined
  const errors = rows.map((row) => {
    if (typeof row !== 'object' || row === null) throw bad('a row of the reference must be an object', row)
    const { prediction, label, block } = row
    if (!Number.isFinite(label)) throw bad('a label must be a finite number', label)
    if ((block !== undefined) !== hasBlocks) throw bad('all rows must have a block, or none', block)
    return Math.abs(label - prediction)
  })
  const isGrown = rows.map(() => random.next() < 0.5)
  const names = [...new Set(rows.flatMap((row) => Object.keys(row.features ?? {})))].sort()
  const features = names.map((name) => {
    const isNumeric = rows.every(({ features: own }) => own?.[name] === undefined || own[name] === null || typeof own[name] === 'number')
    return { name, ranks: isNumeric ? null : ranksOf(rows, errors, isGrown, name) }
  })
  const columns = rows.map((row) => columnsOf(features, row.prediction, row.features ?? {}))
  const half = [...rows.keys()].filter((row) => isGrown[row])
  const grown = growLossTree(half.map((row) => columns[row] as number[]), half.map((row) => errors[row] as number), options.leaves, 50)
  const sums = Array.from({ length: grown.leaves }, () => [0, 0, 0, 0, 0] as [number, number, number, number, number])
  const measured = [...rows.keys()].filter((row) => !isGrown[row]).map((row) => ({ leaf: leafOf(grown.tree, columns[row] as number[]), error: errors[row] as number, block: rows[row]?.block }))
  for (const { leaf: index, error } of measured) {
    const leaf = sums[index] as [number, number, number, number, number]
    ;[1, error, error ** 2, error ** 2, error ** 4].forEach((term, at) => (leaf[at] = (leaf[at] as number) + term))
  }
  const losses = sums.map(([n, absolute, absolute2, squared, squared2]) => {
    if (n < 2) throw few('each leaf must have two rows to measure', n)
    const variance = (sum: number, squares: number): number => Math.max(0, squares - (sum * sum) / n) / (n - 1)
    return [n, absolute / n, variance(absolute, absolute2), squared / n, variance(squared, squared2)] as const
  })
  const blocks = hasBlocks ? blockErrors(measured, losses) : null
  if (blocks !== null && blocks.count < leastBlocks) throw few(`the reference must have at least ${leastBlocks} blocks`, blocks.count)
  const predictions = rows.map(({ prediction }) => prediction)
  const range = [predictions.reduce((a, b) => Math.min(a, b)), predictions.reduce((a, b) => Math.max(a, b))] as const
  return sealed({ format: 'outrigger-error-estimator', version: 1, options, features, tree: grown.tree, losses, range, blocks } as const)
}

/** The 100 most frequent categories, in the order of their mean error: for one number to predict, no other order of them splits better (Fisher, 1958). */
const ranksOf = (rows: readonly LabelledPrediction[], errors: readonly number[], isGrown: readonly boolean[], name: string): Record<string, number> => {
  const found = new Map<string, { n: number; sum: number }>()
  rows.forEach((row, index) => {
    const value = row.features?.[name]
    if (!isGrown[index] || value === undefined || value === null) return
    const own = found.get(String(value)) ?? { n: 0, sum: 0 }
    found.set(String(value), { n: own.n + 1, sum: own.sum + (errors[index] as number) })
  })
  const frequent = [...found].sort((a, b) => b[1].n - a[1].n || (a[0] < b[0] ? -1 : 1)).slice(0, 100)
  return Object.fromEntries(frequent.sort((a, b) => a[1].sum / a[1].n - b[1].sum / b[1].n).map(([category], rank) => [category, rank]))
}
