import { InvalidOptionError, OptionRangeError, OutriggerError } from '../core/errors.js'
import { functionOption, numberOption, optionsObject } from '../core/options.js'
import { categoricalCells } from './_categorical-cells.js'
import { CellCounter } from './_cell-counter.js'
import { numericCells } from './_numeric-cells.js'
import { contentOf, profileFileOf, type ReferenceProfileFile } from './_profile-file.js'
import { checksumOf } from './_checksum.js'
import { sampleRows, type RowSample } from './_row-sample.js'
import type { FeatureCells, FeatureKind, FeatureRow, FeatureValue } from './feature-cells.js'

/** The name under which a profile holds the model's output. */
export const outputFeature = '@output'

/** What a reference profile knows of one feature: its cells, and how many training rows fell into each. */
export type FeatureProfile = FeatureCells & {
  /** Rows by cell: the feature's own cells, then missing, NaN, +∞, −∞ and wrong type. */
  readonly counts: Float64Array
  /** Rows by half-octave of |x|; empty for a categorical feature. */
  readonly magnitudes: Float64Array
}

/** How a reference profile is built. */
export interface ReferenceProfileOptions<R extends FeatureRow = FeatureRow> {
  /** Names of the features. Needed for rows that are arrays of numbers. @default every key of the records */
  readonly features?: readonly string[]
  /** Sets the kind of features for which the guess (mostly numbers → numeric, else categorical) is wrong: codes and ids. */
  readonly kinds?: Readonly<Record<string, FeatureKind>>
  /** The model's output for a training row, to watch outputs as well. */
  readonly output?: (row: R, index: number) => FeatureValue
  /** About how many cells a numeric feature gets; 4 to 256. @default 64 */
  readonly cells?: number
  /** How many categories of a feature are counted by name; 1 to 1000. @default 100 */
  readonly categories?: number
  /** Fewer rows are refused; 20 and up. @default 100 */
  readonly minimumRows?: number
  /** From how many rows the cells are learnt; more rows are sampled. @default 50000 */
  readonly sampleRows?: number
}

/** The training data, as counts: what {@link referenceProfile} makes and `driftMonitor` compares with. Immutable. */
export class ReferenceProfile {
  /** Input features in the order of the rows' numbers, then the output if there is one. */
  readonly features: readonly FeatureProfile[]
  /** How many rows were counted. */
  readonly rows: number
  /** SHA-256 of the content; live counts carry it, so that they are never compared with another profile. */
  readonly checksum: string

  /** @internal */
  constructor(features: readonly FeatureProfile[], rows: number) {
    this.features = features
    this.rows = rows
    this.checksum = checksumOf(contentOf(features, rows))
  }

  /** The profile as plain data for `JSON.stringify`; `parseReferenceProfile` reads it back, exactly. */
  toJSON(): ReferenceProfileFile {
    return profileFileOf(this)
  }
}

const known = ['features', 'kinds', 'output', 'cells', 'categories', 'minimumRows', 'sampleRows'] as const
const owner = 'a reference profile'
const maximumFeatures = 4096

/**
 * Builds the reference profile of training rows, the side of the comparison that stays.
 *
 * **Numeric** features get quantile cells (no outlier squeezes them; a heavy value is a cell of its own) and a cell below
 * and above all that was seen; **categorical** ones a cell per frequent category, one for the other categories seen, one for
 * the unseen. Missing (`null`, `undefined`, absent), `NaN`, +∞, −∞ and a wrong type are five more cells of every feature, so
 * that "half the column went missing" is drift like any other.
 *
 * Rows that can be iterated again (an array) are read twice: cells are learnt from a sample of `sampleRows`, then all
 * rows are counted. A generator is read once and its sample is what is counted. Memory is bounded by the sample either way.
 * The same rows always give the same profile.
 *
 * The profile holds the names of frequent categories and quantiles of numbers: leave out features that are personal data.
 *
 * @param rows - records, or arrays of numbers together with `features`
 * @throws ERR_OUTRIGGER_TOO_FEW_ROWS below `minimumRows`
 * @throws ERR_OUTRIGGER_PROFILE if a feature holds nothing that can be counted (objects, functions), or there are over 4096
 * @throws ERR_OUTRIGGER_INVALID_INPUT if a row is no record, or an array of another length than `features`
 * @throws ERR_OUTRIGGER_INVALID_OPTION for an option out of its range
 *
 * @example
 * ```ts
 * import { parseReferenceProfile, referenceProfile } from 'outrigger/drift'
 * const rows = Array.from({ length: 1000 }, (_, i) => ({ age: 20 + (i % 50), plan: i % 3 === 0 ? 'free' : 'paid' }))
 * const reference = referenceProfile(rows)
 * assert.deepEqual(reference.features.map(({ name, kind }) => `${name}: ${kind}`), ['age: numeric', 'plan: categorical'])
 * const saved = JSON.stringify(reference)
 * assert.equal(parseReferenceProfile(saved).checksum, reference.checksum)
 * ```
 */
export const referenceProfile = <R extends FeatureRow>(rows: Iterable<R>, options: ReferenceProfileOptions<R> = {}): ReferenceProfile => {
  optionsObject(owner, options, known)
  const { output, minimumRows = 100 } = options
  numberOption(owner, 'minimumRows', minimumRows, { min: 20, integer: true })
  numberOption(owner, 'cells', options.cells ?? 64, { min: 4, max: 256, integer: true })
  numberOption(owner, 'categories', options.categories ?? 100, { min: 1, max: 1000, integer: true })
  functionOption(owner, 'output', output)
  const sample = sampleRows(rows, numberOption(owner, 'sampleRows', options.sampleRows ?? 50_000, { min: 1000, integer: true }))
  if (sample.seen < minimumRows) {
    throw new OutriggerError('ERR_OUTRIGGER_TOO_FEW_ROWS', `Cannot build a reference profile as it needs at least ${minimumRows} rows: current value is ${sample.seen} rows`)
  }
  const cells = learnCells(sample, options)
  const counter = new CellCounter(cells)
  let counted = 0
  const count = (row: R, index: number): void => {
    counter.countRow(row)
    if (output !== undefined) counter.countOutput(output(row, index))
    counted += 1
  }
  if (!sample.isComplete && canRepeat(rows)) {
    let index = 0
    for (const row of rows) count(row, index++)
  } else for (const { row, index } of sample.rows) count(row, index)
  const features = cells.map((feature, index): FeatureProfile => ({ ...feature, counts: counter.cells(index).slice(), magnitudes: counter.magnitudes(index).slice() }))
  return new ReferenceProfile(features, counted)
}

/** A generator's iterator is itself; a collection makes a new one. */
const canRepeat = (rows: Iterable<unknown>): boolean => Array.isArray(rows) || (rows[Symbol.iterator]() as unknown) !== rows

const learnCells = <R extends FeatureRow>(sample: RowSample<R>, options: ReferenceProfileOptions<R>): FeatureCells[] => {
  const { output, kinds = {}, cells = 64, categories = 100 } = options
  const names = options.features ?? namesOf(sample)
  if (names.length === 0 || new Set(names).size !== names.length || names.includes(outputFeature)) {
    throw new InvalidOptionError(`Cannot create ${owner} as \`features\` must be different names, and not \`${outputFeature}\`: current value is [${names.slice(0, 20).join(', ')}]`)
  }
  for (const name of Object.keys(kinds)) {
    if (!names.includes(name) && name !== outputFeature) throw new InvalidOptionError(`Cannot create ${owner} as \`kinds\` may only name features: current value is ${JSON.stringify(name)}`)
    if (kinds[name] !== 'numeric' && kinds[name] !== 'categorical') throw new OptionRangeError(`Cannot create ${owner} as \`kinds.${name}\` must be 'numeric' or 'categorical': current value is ${String(kinds[name])}`)
  }
  const learn = (name: string, role: 'input' | 'output', values: readonly unknown[]): FeatureCells => {
    const kind = Object.hasOwn(kinds, name) ? (kinds[name] as FeatureKind) : kindOf(name, values)
    if (kind === 'categorical') return { name, role, kind, ...categoricalCells(values, categories) }
    return { name, role, kind, ...numericCells(Float64Array.from(values.filter((value): value is number => Number.isFinite(value))).sort(), cells) }
  }
  const learnt = names.map((name, position) => learn(name, 'input', sample.rows.map(({ row }) => valueOf(row, name, position))))
  if (output !== undefined) learnt.push(learn(outputFeature, 'output', sample.rows.map(({ row, index }) => output(row, index))))
  return learnt
}

const namesOf = <R extends FeatureRow>(sample: RowSample<R>): string[] => {
  const names = new Set<string>()
  for (const { row } of sample.rows) {
    if (typeof row !== 'object' || row === null || Array.isArray(row) || ArrayBuffer.isView(row)) {
      throw new InvalidOptionError(`Cannot create ${owner} as rows that are no records need \`features\`, their names in order: current value is undefined`)
    }
    for (const name of Object.keys(row)) names.add(name)
    if (names.size > maximumFeatures) {
      throw new OutriggerError('ERR_OUTRIGGER_PROFILE', `Cannot build a reference profile as it holds at most ${maximumFeatures} features (name some in \`features\`): current value is more`)
    }
  }
  return [...names]
}

const valueOf = (row: FeatureRow, name: string, position: number): unknown =>
  Array.isArray(row) || ArrayBuffer.isView(row) ? (row as ArrayLike<unknown>)[position] : name in Object.prototype && !Object.hasOwn(row, name) ? undefined : (row as Readonly<Record<string, unknown>>)[name]

const kindOf = (name: string, values: readonly unknown[]): FeatureKind => {
  let numbers = 0
  let words = 0
  let others = 0
  for (const value of values) {
    if (typeof value === 'number') numbers += 1
    else if (typeof value === 'string' || typeof value === 'boolean') words += 1
    else if (value !== undefined && value !== null) others += 1
  }
  if (numbers + words === 0 && others > 0) {
    throw new OutriggerError('ERR_OUTRIGGER_PROFILE', `Cannot build a reference profile as feature ${JSON.stringify(name)} must hold numbers, strings or booleans: current value is ${others} values of other types`)
  }
  return numbers > 0 && numbers >= words ? 'numeric' : 'categorical'
}
