import { InvalidOptionError, OutriggerError } from '../core/errors.js'
import { numberOption, optionsObject } from '../core/options.js'
import { holm } from '../stats/holm.js'
import { findingsOf, type Finding } from './_findings.js'
import { featureTable } from './_feature-table.js'
import { featureTest } from './_feature-test.js'
import { movedCells, type CellChange } from './_moved-cells.js'
import type { FeatureKind, FeatureRole } from './feature-cells.js'
import { LiveProfile } from './live-profile.js'
import { expectedCounts, type ReferenceHistory, type SeasonRows } from './reference-history.js'
import type { ReferenceProfile } from './reference-profile.js'

/** How a feature or a window stands. `too-few-rows` is not `ok`: it says nothing. */
export type DriftState = 'ok' | 'drifted' | 'too-few-rows'

/** When a difference is called drift. */
export interface DriftVerdictOptions {
  /** The probability of any false alarm in one verdict on unchanged data, over all features together; (0, 0.5]. @default 0.05 */
  readonly alpha?: number
  /** The least Jensen–Shannon distance (base 2, chance taken off) that is worth an alarm; [0, 1]. @default 0.05 */
  readonly tolerance?: number
  /** With fewer live rows there is no verdict; 20 and up. @default 200 */
  readonly minimumRows?: number
  /** How many of the cells that moved most are told per feature. @default 3 */
  readonly top?: number
}

/** What a verdict compares with beyond the reference's counts. */
export interface DriftContext {
  /** How the reference's windows differ among themselves, and its seasons. */
  readonly history?: ReferenceHistory
  /** The live rows by the history's seasons; without, they are compared with all of the reference. */
  readonly seasonRows?: SeasonRows
}

/** What is said of one feature. */
export interface FeatureVerdict {
  readonly feature: string
  readonly role: FeatureRole
  readonly kind: FeatureKind
  readonly state: DriftState
  /** Live rows of this feature. */
  readonly rows: number
  /** How much changed, whatever the number of rows. `NaN` without rows. */
  readonly effect: { readonly measure: 'jensen-shannon-distance'; readonly value: number }
  /** Of the two-sample test of this feature alone. `NaN` if it was not tested. */
  readonly pValue: number
  /** After Holm's correction over the features. */
  readonly adjustedPValue: number
  /** Share of missing values then and now, in [0, 1]. */
  readonly missing: { readonly before: number; readonly after: number }
  /** The cells whose share changed most, then and now. */
  readonly moved: readonly CellChange[]
  /** What the drift is, named; empty unless `drifted`. */
  readonly findings: readonly Finding[]
}

/** The verdict on a window: ranked features, the worst first. */
export interface DriftVerdict {
  readonly state: DriftState
  /** Live rows. */
  readonly rows: number
  /** How many live rows a verdict needs. */
  readonly rowsNeeded: number
  readonly referenceRows: number
  readonly alpha: number
  readonly tolerance: number
  readonly features: readonly FeatureVerdict[]
}

const known = ['alpha', 'tolerance', 'minimumRows', 'top', 'history', 'seasonRows'] as const

/** The options with their defaults, checked. */
export const verdictOptions = (owner: string, options: DriftVerdictOptions): Required<DriftVerdictOptions> => {
  const { alpha = 0.05, tolerance = 0.05, minimumRows = 200, top = 3 } = options
  numberOption(owner, 'alpha', alpha, { min: 0, max: 0.5, exclusive: true })
  numberOption(owner, 'tolerance', tolerance, { min: 0, max: 1 })
  numberOption(owner, 'minimumRows', minimumRows, { min: 20, integer: true })
  numberOption(owner, 'top', top, { min: 0, integer: true })
  return { alpha, tolerance, minimumRows, top }
}

/**
 * Whether what a service saw differs from its reference, feature by feature; pure.
 *
 * A feature has `drifted` when **both** hold: a two-sample chi-square test of homogeneity over its cells (which takes the
 * reference as the sample it is, with exact tests for cells that are nearly empty) is significant after Holm's correction over all
 * features; and the effect, the Jensen–Shannon distance with chance taken off, reaches `tolerance`. So neither few rows
 * nor very many raise an alarm over nothing. Missing values, `NaN`, infinities, a wrong type, unseen categories and numbers out
 * of range are cells of the same test.
 *
 * `alpha` is for one verdict; `driftMonitor` bounds many. Rows are taken as independent, so that bursts of like rows (one client, one hour) look
 * like drift, unless a {@link referenceHistory} says how much windows differ anyway.
 * 50 to 90 µs per numeric feature.
 *
 * @throws ERR_OUTRIGGER_PROFILE if the live counts belong to another reference
 * @throws ERR_OUTRIGGER_INVALID_OPTION for an option out of its range
 *
 * Source: Pearson (1911) for the test; Holm (1979); Lin (1991) for the distance; Rao and Scott (1981, 1984) for histories. Why not by distance or p-value alone: docs/drift-monitor.md.
 *
 * @example
 * ```ts
 * import { driftVerdict, LiveProfile, referenceProfile } from 'outrigger/drift'
 * const reference = referenceProfile(Array.from({ length: 5000 }, (_, i) => ({ km: i % 1000, city: ['Oslo', 'Rome'][i % 2] })))
 * const live = new LiveProfile(reference)
 * for (let i = 0; i < 1000; i++) live.count({ km: (i * 7) % 1000, city: i % 20 === 0 ? null : ['Oslo', 'Rome'][i % 2] })
 * const verdict = driftVerdict(reference, live)
 * assert.equal(verdict.state, 'drifted')
 * assert.deepEqual(verdict.features.map(({ feature, state }) => `${feature} ${state}`), ['city drifted', 'km ok'])
 * assert.equal(verdict.features[0]?.findings[0]?.kind, 'missing')
 * ```
 */
export const driftVerdict = (reference: ReferenceProfile, live: LiveProfile, options: DriftVerdictOptions & DriftContext = {}): DriftVerdict => {
  optionsObject('a drift verdict', options, known)
  return judged(reference, live, verdictOptions('a drift verdict', options), options)
}

/** A verdict with options that were checked; `alpha` may be 0 here, which finds nothing. */
export const judged = (reference: ReferenceProfile, live: LiveProfile, { alpha, tolerance, minimumRows, top }: Required<DriftVerdictOptions>, { history, seasonRows }: DriftContext): DriftVerdict => {
  if (!(live instanceof LiveProfile)) throw new InvalidOptionError(`Cannot create a drift verdict as \`live\` must be a LiveProfile: current value is ${typeof live}`)
  if (live.reference.checksum !== reference.checksum) {
    throw new OutriggerError('ERR_OUTRIGGER_PROFILE', `Cannot compare as the live counts must belong to reference ${reference.checksum}: current value is ${live.reference.checksum}`)
  }
  if (history !== undefined && history.reference.checksum !== reference.checksum) {
    throw new OutriggerError('ERR_OUTRIGGER_PROFILE', `Cannot compare as the history must belong to reference ${reference.checksum}: current value is ${history.reference.checksum}`)
  }
  const expected = (index: number): Float64Array | undefined => (history === undefined || seasonRows === undefined ? undefined : expectedCounts(history.seasons, seasonRows, index))
  const tables = reference.features.map((feature, index) => featureTable(feature, live.cells(index), live.magnitudes(index), expected(index)))
  const tests = tables.map((table, index) => (table.m >= minimumRows && table.n > 0 ? featureTest(table, history?.spreads[index]) : undefined))
  const adjusted = holm(tests.map((test) => test?.pValue ?? NaN))
  const features = tables.map((table, index): FeatureVerdict => {
    const { feature, n, m } = table
    const test = tests[index]
    const missing = table.special.get('missing') ?? { before: 0, after: 0 }
    const adjustedPValue = adjusted[index] as number
    const state = test === undefined ? 'too-few-rows' : adjustedPValue <= alpha && test.distance >= tolerance ? 'drifted' : 'ok'
    return {
      feature: feature.name,
      role: feature.role,
      kind: feature.kind,
      state,
      rows: m,
      effect: { measure: 'jensen-shannon-distance', value: test?.distance ?? NaN },
      pValue: test?.pValue ?? NaN,
      adjustedPValue,
      missing: { before: missing.before / n, after: missing.after / m },
      moved: test === undefined ? [] : movedCells(table, top),
      findings: test !== undefined && state === 'drifted' ? findingsOf(table, test, alpha / (10 * tables.length)) : [],
    }
  })
  const rank = (verdict: FeatureVerdict): number => (verdict.state === 'drifted' ? 2 : verdict.state === 'ok' ? 0 : -2) + (verdict.effect.value || 0)
  features.sort((a, b) => rank(b) - rank(a) || (a.feature < b.feature ? -1 : 1))
  const state = features.some((verdict) => verdict.state === 'drifted') ? 'drifted' : live.rows < minimumRows ? 'too-few-rows' : 'ok'
  return { state, rows: live.rows, rowsNeeded: minimumRows, referenceRows: reference.rows, alpha, tolerance, features }
}
