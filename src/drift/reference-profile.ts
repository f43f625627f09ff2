import { InvalidOptionError, OutriggerError } from '../core/errors.js'
import { functionOption, numberOption, optionsObject } from '../core/options.js'
import type { DDSketch } from '../stats/ddsketch.js'
import type { FeatureMoments } from './_moments.js'
import { ProfileBuilder } from './_profile-builder.js'
import { contentOf, profileFileOf, type ReferenceProfileFile } from './_profile-file.js'
import { checksumOf } from './saved-json.js'
import { RowSampler } from './_row-sample.js'
import type { FeatureCells, FeatureKind, FeatureRow, FeatureValue } from './feature-cells.js'

/** The name under which a profile holds the model's output. */
export const outputFeature = '@output'
/** The name under which it holds the truth about a row, where it is known. */
export const labelFeature = '@label'
/** The name under which it holds a score, such as the model's confidence. */
export const scoreFeature = '@score'

/** What a reference profile knows of one feature: its cells, and how many training rows fell into each. */
export type FeatureProfile = FeatureCells & {
  /** Rows by cell: the feature's own cells, then missing, NaN, +∞, −∞ and wrong type. */
  readonly counts: Float64Array
  /** Rows by half-octave of |x|; empty for a categorical feature. */
  readonly magnitudes: Float64Array
  /** Of the finite values; `NaN` without any, and for a categorical feature. */
  readonly min: number
  readonly max: number
  /** Of the finite values; `undefined` for a categorical feature. */
  readonly moments: FeatureMoments | undefined
  /** Quantiles of the finite values within 2 % of themselves, also far out, where a cell is wide; `undefined` for a categorical feature, and in files from before there were any. Not to be added to. */
  readonly sketch: DDSketch | undefined
  /** @internal the exact sums behind the moments */
  readonly sums: Float64Array
}

/** How a reference profile is built. */
export interface ReferenceProfileOptions<R extends FeatureRow = FeatureRow> {
  /** Names of the features. Needed for rows that are arrays of numbers. @default every key of the records */
  readonly features?: readonly string[]
  /** Sets the kind of features for which the guess (mostly numbers → numeric, else categorical) is wrong: codes and ids. */
  readonly kinds?: Readonly<Record<string, FeatureKind>>
  /** The model's output for a training row, to watch outputs as well. */
  readonly output?: (row: R, index: number) => FeatureValue
  /** The truth about a training row, to watch labels as they come in (`LiveProfile.countLabel`). */
  readonly label?: (row: R, index: number) => FeatureValue
  /** A score of a training row, such as the model's confidence (`LiveProfile.countScore`). */
  readonly score?: (row: R, index: number) => FeatureValue
  /** Pairs of features whose combinations are counted too, as a category of its own: `[['origin', 'dest']]`. */
  readonly pairs?: readonly (readonly [string, string])[]
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

const known = ['features', 'kinds', 'output', 'label', 'score', 'pairs', 'cells', 'categories', 'minimumRows', 'sampleRows'] as const
const owner = 'a reference profile'

/** A sampler for these options, which it checks. @param owned - whether rows stay as they are */
export const samplerFor = <R extends FeatureRow>(options: ReferenceProfileOptions<R>, owned: boolean): RowSampler<R> => {
  optionsObject(owner, options, known)
  numberOption(owner, 'minimumRows', options.minimumRows ?? 100, { min: 20, integer: true })
  numberOption(owner, 'cells', options.cells ?? 64, { min: 4, max: 256, integer: true })
  numberOption(owner, 'categories', options.categories ?? 100, { min: 1, max: 1000, integer: true })
  for (const name of ['output', 'label', 'score'] as const) functionOption(owner, name, options[name])
  if (options.pairs !== undefined && !(Array.isArray(options.pairs) && options.pairs.every((pair) => Array.isArray(pair) && pair.length === 2))) {
    throw new InvalidOptionError(`Cannot create ${owner} as \`pairs\` must be an array of pairs of names: current value is ${JSON.stringify(options.pairs)}`)
  }
  return new RowSampler(numberOption(owner, 'sampleRows', options.sampleRows ?? 50_000, { min: 1000, integer: true }), owned)
}

/** A builder with the cells that the sampled rows give. */
export const builderFor = <R extends FeatureRow>(sampler: RowSampler<R>, options: ReferenceProfileOptions<R>): ProfileBuilder<R> => {
  const { minimumRows = 100 } = options
  if (sampler.seen < minimumRows) {
    throw new OutriggerError('ERR_OUTRIGGER_TOO_FEW_ROWS', `Cannot build a reference profile as it needs at least ${minimumRows} rows: current value is ${sampler.seen} rows`)
  }
  return new ProfileBuilder(sampler.sample(), options)
}

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
  // The rows of an array stay.
  const sampler = samplerFor(options, Array.isArray(rows))
  for (const row of rows) sampler.add(row)
  const builder = builderFor(sampler, options)
  const sample = sampler.sample()
  if (!sample.isComplete && canRepeat(rows)) {
    let index = 0
    for (const row of rows) builder.count(row, index++)
  } else for (const { row, index } of sample.rows) builder.count(row, index)
  return new ReferenceProfile(builder.features(), builder.rows)
}

/** A generator's iterator is itself; a collection makes a new one. */
const canRepeat = (rows: Iterable<unknown>): boolean => Array.isArray(rows) || (rows[Symbol.iterator]() as unknown) !== rows
