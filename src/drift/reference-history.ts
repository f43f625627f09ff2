import { InvalidOptionError, OutriggerError } from '../core/errors.js'
import { functionOption, numberOption, optionsObject, requiredFunction } from '../core/options.js'
import { checksumOf, isRecord, isWhole } from './saved-json.js'
import { featureStatistics, type FeatureSpread, type FeatureStatistics, type Spread } from './_feature-test.js'
import { featureTable, sum, type SpecialCell } from './_feature-table.js'
import { refused } from './_profile-file.js'
import { featureSpread } from './_window-spread.js'
import type { FeatureRow, FeatureValue } from './feature-cells.js'
import { LiveProfile, type LiveProfileState } from './live-profile.js'
import { ReferenceProfile } from './reference-profile.js'
import { seasonOption, type Season } from './season.js'

/** How a history is built. */
export interface ReferenceHistoryOptions<R> {
  /** When a row was: milliseconds since 1970, never before the row before it. */
  readonly at: (row: R, index: number) => number
  /** Rows per window, as of the `driftMonitor` that will use the history (its `windowRows` times `keep`). @default 10000 */
  readonly windowRows?: number
  /** What the time of a row stands for; rows are compared with those of the same season. @default one season for all */
  readonly season?: Season
  /** The features of a row. @default the row itself */
  readonly features?: (row: R, index: number) => FeatureRow
  /** The output for a row, if the reference has one. */
  readonly output?: (row: R, index: number) => FeatureValue
  /** The score for a row, likewise. */
  readonly score?: (row: R, index: number) => FeatureValue
}

/** A history as plain data. */
export interface ReferenceHistoryFile {
  readonly format: 'outrigger-reference-history'
  readonly version: 1
  readonly reference: string
  readonly windowRows: number
  readonly windows: number
  readonly seasons: readonly (readonly [string, LiveProfileState])[]
  readonly spreads: readonly SpreadFile[]
  readonly checksum: string
}

interface SpreadFile {
  readonly cells: Spread | null
  readonly ranks: Spread | null
  readonly special: readonly (readonly [SpecialCell, Spread])[]
}

/** Rows per season. */
export type SeasonRows = ReadonlyMap<string, number>

/** How the reference is distributed over the seasons, and how much its windows differ from each other. Immutable. */
export class ReferenceHistory {
  readonly reference: ReferenceProfile
  readonly windowRows: number
  /** How many windows were compared with the rest of the reference. */
  readonly windows: number
  /** The reference's rows by season. */
  readonly seasons: ReadonlyMap<string, LiveProfile>
  /** @internal by feature */
  readonly spreads: readonly FeatureSpread[]
  /** The season of a moment; `driftMonitor` uses it for live rows, unless it is given another. */
  readonly seasonOf: (at: number) => string

  /** @internal */
  constructor(parts: Pick<ReferenceHistory, 'reference' | 'windowRows' | 'windows' | 'seasons' | 'spreads' | 'seasonOf'>) {
    this.reference = parts.reference
    this.windowRows = parts.windowRows
    this.windows = parts.windows
    this.seasons = parts.seasons
    this.spreads = parts.spreads
    this.seasonOf = parts.seasonOf
  }

  /** The history as plain data; `parseReferenceHistory` reads it back. */
  toJSON(): ReferenceHistoryFile {
    const spreads = this.spreads.map(({ cells, ranks, special }): SpreadFile => ({ cells: cells ?? null, ranks: ranks ?? null, special: [...special] }))
    const content = { format: 'outrigger-reference-history', version: 1, reference: this.reference.checksum, windowRows: this.windowRows, windows: this.windows, seasons: [...this.seasons].map(([season, profile]) => [season, profile.toJSON()] as const), spreads } as const
    return { ...content, checksum: checksumOf(content) }
  }
}

const owner = 'a reference history'
const minimumWindows = 10
const maximumWindows = 256
/** What the windows that are compared may take in memory, as long as there are four times as many as are needed. */
const maximumBytes = 128e6
const maximumSeasons = 1000

/** A window's rows by season. */
type SeasonProfiles = Map<string, LiveProfile>

/**
 * Learns from the reference rows, in the order of their time, how they are distributed in each season and how much windows differ that
 * nothing happened to.
 *
 * Rows of one hour, one client or one storm are more alike than a test of independent rows expects, so that every window looks like drift to it. Here each
 * window of the reference is compared with all the others, and what comes out is what a live window's statistics are held against: its mean
 * (first-order correction of Rao and Scott) and its variance (second-order). With `season`, a window is compared with what the reference
 * had in the same seasons, in the window's own proportions.
 *
 * It needs ten windows at least, and more are better: give it weeks. At most 256 are compared (every second, fourth… of more), fewer if their counts would
 * take over 128 MB. A feature that these rows do not hold (an output without `output`) is judged as if there were no history.
 *
 * @param reference - built from these rows, or from rows like them
 * @throws ERR_OUTRIGGER_TOO_FEW_ROWS for fewer than ten windows that share their seasons with others
 * @throws ERR_OUTRIGGER_INVALID_INPUT if a row is none, or before the one before it; ERR_OUTRIGGER_PROFILE for over 1000 seasons
 * @throws ERR_OUTRIGGER_INVALID_OPTION
 *
 * Source: Rao and Scott, JASA 76 (1981) and Annals of Statistics 12 (1984).
 *
 * @example
 * ```ts
 * import { parseReferenceHistory, referenceHistory, referenceProfile } from 'outrigger/drift'
 * const rows = Array.from({ length: 5000 }, (_, i) => ({ km: (i * 37) % 900, time: i * 60_000 }))
 * const reference = referenceProfile(rows, { features: ['km'] })
 * const history = referenceHistory(reference, rows, { at: (row) => row.time, windowRows: 250, season: 'hour-of-day' })
 * assert.equal(history.windows, 20)
 * assert.equal(history.seasons.size, 24)
 * assert.equal(parseReferenceHistory(reference, JSON.stringify(history), { season: 'hour-of-day' }).windows, 20)
 * ```
 */
export const referenceHistory = <R extends FeatureRow>(reference: ReferenceProfile, rows: Iterable<R>, options: ReferenceHistoryOptions<R>): ReferenceHistory => {
  optionsObject(owner, options, ['at', 'windowRows', 'season', 'features', 'output', 'score'])
  if (!(reference instanceof ReferenceProfile)) throw new InvalidOptionError(`Cannot create ${owner} as \`reference\` must be a ReferenceProfile: current value is ${typeof reference}`)
  const { at, windowRows = 10_000, season, features, output, score } = options
  requiredFunction(owner, 'at', at)
  functionOption(owner, 'features', features)
  functionOption(owner, 'output', output)
  functionOption(owner, 'score', score)
  numberOption(owner, 'windowRows', windowRows, { min: 20, integer: true })
  const seasonOf = seasonOption(owner, season)
  const seasons: SeasonProfiles = new Map()
  const bytesPerProfile = reference.features.reduce((sum, { counts, magnitudes }) => sum + counts.byteLength + magnitudes.byteLength, 0)
  let kept: SeasonProfiles[] = []
  let every = 1
  let count = 0
  let window: SeasonProfiles = new Map()
  const close = (): void => {
    for (const [key, profile] of window) profileOf(seasons, key, reference).merge(profile)
    if (seasons.size > maximumSeasons) throw new OutriggerError('ERR_OUTRIGGER_PROFILE', `Cannot build ${owner} as there may be at most ${maximumSeasons} seasons: current value is ${seasons.size}`)
    if (count % every === 0) kept.push(window)
    count += 1
    const bytes = kept.reduce((sum, parts) => sum + parts.size, 0) * bytesPerProfile
    if (kept.length > maximumWindows || (bytes > maximumBytes && kept.length > 4 * minimumWindows)) {
      every *= 2
      kept = kept.filter((_, index) => index % 2 === 0)
    }
    window = new Map()
  }
  let index = 0
  let last = -Infinity
  for (const row of rows) {
    const time = at(row, index)
    if (!(time >= last) || time === Infinity) throw new OutriggerError('ERR_OUTRIGGER_INVALID_INPUT', `Cannot build ${owner} as rows must be in the order of their time: current value is ${String(time)} at row ${index}, after ${last}`)
    last = time
    const profile = profileOf(window, seasonOf(time), reference)
    profile.count(features === undefined ? row : features(row, index))
    if (output !== undefined) profile.countOutput(output(row, index))
    if (score !== undefined) profile.countScore(score(row, index))
    index += 1
    if (index % windowRows === 0) close()
  }
  // What is left is no whole window, but belongs to its seasons.
  for (const [key, profile] of window) profileOf(seasons, key, reference).merge(profile)

  const statistics: FeatureStatistics[][] = []
  for (const part of kept) {
    const tables = tablesWithout(reference, seasons, part)
    if (tables !== undefined) statistics.push(tables)
  }
  if (statistics.length < minimumWindows) {
    throw new OutriggerError('ERR_OUTRIGGER_TOO_FEW_ROWS', `Cannot build ${owner} as it needs at least ${minimumWindows} windows of ${windowRows} rows whose seasons other windows have too: current value is ${statistics.length} of ${count}`)
  }
  const spreads = reference.features.map((_, feature) => featureSpread(statistics.map((window) => window[feature] as FeatureStatistics)))
  return new ReferenceHistory({ reference, windowRows, windows: statistics.length, seasons, spreads, seasonOf })
}

const profileOf = (profiles: SeasonProfiles, key: string, reference: ReferenceProfile): LiveProfile => {
  let profile = profiles.get(key)
  if (profile === undefined) profiles.set(key, (profile = new LiveProfile(reference)))
  return profile
}

/** The statistics of one window against all the others; `undefined` if one of its seasons has no others. */
const tablesWithout = (reference: ReferenceProfile, seasons: SeasonProfiles, part: SeasonProfiles): FeatureStatistics[] | undefined => {
  const whole = new LiveProfile(reference)
  const rows = new Map<string, number>()
  const rest: SeasonProfiles = new Map()
  for (const [key, profile] of part) {
    whole.merge(profile)
    rows.set(key, profile.rows)
    const others = new LiveProfile(reference)
    others.merge(seasons.get(key) as LiveProfile)
    others.subtract(profile)
    if (others.rows === 0) return undefined
    rest.set(key, others)
  }
  return reference.features.map((feature, index) => featureStatistics(featureTable(feature, whole.cells(index), whole.magnitudes(index), expectedCounts(rest, rows, index))))
}

/**
 * What the reference leads to expect of a feature in a window with so many rows of each season: shares by season in the window's
 * proportions, as counts of as many rows as such a mixture is worth, 1 / Σ w² / n. `undefined` if no season is known.
 */
export const expectedCounts = (seasons: ReadonlyMap<string, LiveProfile>, rows: SeasonRows, feature: number): Float64Array | undefined => {
  const parts: { readonly cells: Float64Array; readonly n: number; readonly rows: number }[] = []
  for (const [key, count] of rows) {
    const cells = seasons.get(key)?.cells(feature)
    if (cells === undefined || count === 0) continue
    const n = sum(cells)
    if (n > 0) parts.push({ cells, n, rows: count })
  }
  const [first] = parts
  if (first === undefined) return undefined
  if (parts.length === 1) return first.cells
  const all = parts.reduce((total, part) => total + part.rows, 0)
  const worth = 1 / parts.reduce((total, { n, rows: own }) => total + (own / all) ** 2 / n, 0)
  const expected = new Float64Array(first.cells.length)
  for (const { cells, n, rows: own } of parts) {
    const weight = ((own / all) * worth) / n
    for (let cell = 0; cell < cells.length; cell++) expected[cell] = (expected[cell] as number) + weight * (cells[cell] as number)
  }
  return expected
}

/**
 * Reads a history that was saved as JSON, for the reference that it belongs to.
 *
 * @param options - the `season` that it was built with, which no file can hold
 * @throws ERR_OUTRIGGER_PROFILE if it is none, was changed, or belongs to another reference
 */
export const parseReferenceHistory = (reference: ReferenceProfile, saved: string | object, options: { readonly season?: Season } = {}): ReferenceHistory => {
  optionsObject(owner, options, ['season'])
  const seasonOf = seasonOption(owner, options.season)
  let file: unknown = saved
  try {
    if (typeof saved === 'string') file = JSON.parse(saved)
  } catch (cause) {
    throw refused('a history must be JSON (it may be cut short)', saved, cause)
  }
  if (!isRecord(file) || file['format'] !== 'outrigger-reference-history' || file['version'] !== 1) throw refused('a history must have `format` "outrigger-reference-history" and `version` 1', isRecord(file) ? file['version'] : file)
  const { checksum, ...content } = file
  if (checksumOf(content) !== checksum) throw refused('the checksum of a history must be that of its content (it was changed or cut after it was saved)', checksum)
  if (content['reference'] !== reference.checksum) throw refused(`a history must belong to reference ${reference.checksum}`, content['reference'])
  const { windowRows, windows, seasons, spreads } = content as unknown as ReferenceHistoryFile
  if (!isWhole(windowRows) || !isWhole(windows) || !Array.isArray(seasons) || !seasons.every(isEntry)) throw refused('a history must have its windows and seasons', windowRows)
  if (!Array.isArray(spreads) || spreads.length !== reference.features.length || !spreads.every(isSpreadFile)) throw refused('a history must have a spread for each feature', spreads)
  return new ReferenceHistory({
    reference,
    windowRows,
    windows,
    seasons: new Map(seasons.map(([season, profile]) => [season, new LiveProfile(reference, profile)])),
    spreads: spreads.map(({ cells, ranks, special }: SpreadFile) => ({ cells: cells ?? undefined, ranks: ranks ?? undefined, special: new Map(special) })),
    seasonOf,
  })
}

const isEntry = (entry: unknown): boolean => Array.isArray(entry) && entry.length === 2 && typeof entry[0] === 'string'
const isSpread = (spread: unknown): boolean => isRecord(spread) && (['mean', 'freedom', 'windows'] as const).every((part) => Number.isFinite(spread[part]) && (spread[part] as number) > 0)
const isSpreadFile = ({ cells, ranks, special }: SpreadFile): boolean => [cells, ranks].every((spread) => spread === null || isSpread(spread)) && Array.isArray(special) && special.every((entry: unknown) => isEntry(entry) && isSpread((entry as unknown[])[1]))
