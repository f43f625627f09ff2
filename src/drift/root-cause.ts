import { InvalidOptionError, OutriggerError } from '../core/errors.js'
import { numberOption, optionsObject } from '../core/options.js'
import { holm } from '../stats/holm.js'
import { splitFeature, splitMix, type DivergencePart, type FeatureSplit, type MixSplit } from './_divergence-split.js'
import { featureGroups } from './_feature-groups.js'
import { rankedCauses, type RootCause } from './_ranked-causes.js'
import { segmentPairs, type SegmentPeriods } from './_segment-counts.js'
import type { FeatureRow } from './feature-cells.js'
import { LiveProfile } from './live-profile.js'
import { ReferenceProfile } from './reference-profile.js'

/** What {@link rootCause} splits by, and when it calls a part a cause. */
export interface RootCauseOptions {
  /** Ways to cut the rows, by name: `{ origin: { before, after } }`, each with the counts of both periods by segment. @default none */
  readonly segments?: Readonly<Record<string, SegmentPeriods>>
  /** Only these features, such as `['@label']`: fewer are fewer chances of a false cause. @default all of the profile */
  readonly features?: readonly string[]
  /** Rows of the reference, of which 5000 are looked at: which features go together. @default each is alone */
  readonly rows?: Iterable<FeatureRow>
  /** The probability of any cause at all on unchanged data; (0, 0.5]. @default 0.05 */
  readonly alpha?: number
  /** The least Jensen–Shannon distance, of a feature, of a feature within a segment, or of the mix, of which causes are told; [0, 1]. @default 0.05 */
  readonly tolerance?: number
  /** Fewer rows in either period (of a segment: in it) are split, but not tested; 20 and up. @default 100 */
  readonly minimumRows?: number
  /** The most causes that are told. @default 10 */
  readonly top?: number
}

/** What {@link rootCause} found. */
export interface RootCauseReport {
  /** The significant parts that matter, the one with most bits above chance first. */
  readonly causes: readonly RootCause[]
  /** Every feature's split, the one with most bits above chance first. */
  readonly features: readonly FeatureSplit[]
  /** The change of each mix of segments. */
  readonly mixes: readonly MixSplit[]
  /** Features that go together, by those `rows`. */
  readonly groups: readonly (readonly string[])[]
}

const owner = 'a root cause report'
const known = ['segments', 'features', 'rows', 'alpha', 'tolerance', 'minimumRows', 'top'] as const

/**
 * What a drift is made of: the divergence of each feature, split over its cells and over segments, without a rest; pure.
 *
 * The divergence is I(period; cell) = G / (2 N ln 2), in bits per row: what a row's cell says of the period it is from. It is the sum of its
 * cells' parts, and with segments I(period; segment, cell) = I(period; segment) + Σ over segments of what changed within: the **mix**
 * (segments come in other shares) and the **inside** of each are told apart exactly. From each part is taken what chance shows on
 * average. `causes` are parts that are significant after Holm's correction over all parts, in what reaches `tolerance`.
 *
 * It names where a change sits, not why, and no cause outside of what is counted. Rows are taken as independent.
 * About .1 to .2 ms per feature, and .03 to .1 ms per feature and segment (10 to 100 features, 10 and 50 segments, a busy core).
 *
 * @throws ERR_OUTRIGGER_PROFILE if counts belong to another reference
 * @throws ERR_OUTRIGGER_INVALID_INPUT if the two periods' segments are not the same ones, or one of `rows` is no row
 * @throws ERR_OUTRIGGER_INVALID_OPTION for an option that is none, or out of its range
 *
 * Source: Kullback, Information Theory and Statistics (1959), ch. 8, for the split; Holm (1979).
 *
 * @example
 * ```ts
 * import { LiveProfile, referenceProfile, rootCause } from 'outrigger/drift'
 * const reference = referenceProfile(Array.from({ length: 5000 }, (_, i) => ({ km: i % 1000, city: ['Oslo', 'Rome'][i % 2] })))
 * const live = new LiveProfile(reference)
 * for (let i = 0; i < 1000; i++) live.count({ km: (i * 7) % 1000, city: i % 10 === 0 ? null : ['Oslo', 'Rome'][i % 2] })
 * const [first] = rootCause(reference, live).causes
 * assert.equal(first?.text, 'city missing: 0 % → 10 %, 95 % of the divergence of city')
 * ```
 */
export const rootCause = (reference: ReferenceProfile, live: LiveProfile, options: RootCauseOptions = {}): RootCauseReport => {
  optionsObject(owner, options, known)
  const { segments = {}, features: chosen, rows, alpha = 0.05, tolerance = 0.05, minimumRows = 100, top = 10 } = options
  numberOption(owner, 'alpha', alpha, { min: 0, max: 0.5, exclusive: true })
  numberOption(owner, 'tolerance', tolerance, { min: 0, max: 1 })
  numberOption(owner, 'minimumRows', minimumRows, { min: 20, integer: true })
  numberOption(owner, 'top', top, { min: 0, integer: true })
  if (!(reference instanceof ReferenceProfile) || !(live instanceof LiveProfile)) {
    throw new InvalidOptionError(`Cannot create ${owner} as it needs a ReferenceProfile and a LiveProfile: current value is ${typeof reference} and ${typeof live}`)
  }
  if (live.reference.checksum !== reference.checksum) {
    throw new OutriggerError('ERR_OUTRIGGER_PROFILE', `Cannot compare as the live counts must belong to reference ${reference.checksum}: current value is ${live.reference.checksum}`)
  }
  if (typeof segments !== 'object' || segments === null || Array.isArray(segments)) throw new InvalidOptionError(`Cannot create ${owner} as \`segments\` must be an object of segmentations by name: current value is ${String(segments)}`)
  if (rows !== undefined && typeof rows?.[Symbol.iterator] !== 'function') throw new InvalidOptionError(`Cannot create ${owner} as \`rows\` must be rows of the reference: current value is ${typeof rows}`)
  const names = reference.features.map(({ name }) => name)
  if (chosen !== undefined && !(Array.isArray(chosen) && chosen.every((name) => names.includes(name)))) throw new InvalidOptionError(`Cannot create ${owner} as \`features\` must be some of the profile's (${names.slice(0, 10).join(', ')}${names.length > 10 ? ', …' : ''}): current value is ${JSON.stringify(chosen)}`)

  const segmentations = Object.entries(segments).map(([by, periods]) => ({ by, pairs: segmentPairs(by, periods, reference) }))
  const mixes = segmentations.map((segmentation) => splitMix(segmentation, minimumRows))
  const features = reference.features.flatMap((feature, index) => (chosen?.includes(feature.name) === false ? [] : [splitFeature(feature, index, live, segmentations, minimumRows)]))
  adjust([...mixes.flatMap(({ parts }) => parts), ...features.flatMap(({ cells, bySegment }) => [...cells, ...bySegment.flatMap(({ parts }) => parts)])])

  const firsts = rows === undefined ? reference.features.map((_, index) => index) : featureGroups(reference, rows)
  const members = new Map<number, string[]>()
  firsts.forEach((first, index) => members.set(first, [...(members.get(first) ?? []), names[index] as string]))
  const groupOf = new Map(names.map((name, index) => [name, names[firsts[index] as number] as string]))
  const excess = ({ bits, chance }: FeatureSplit): number => bits - chance
  const moved = new Map(features.map((split) => [split.feature, excess(split)]))
  for (const feature of reference.features) {
    // A pair changes with each of its two: it goes with the one that changed more.
    if (feature.kind !== 'categorical' || feature.role !== 'pair' || feature.of === undefined) continue
    const [one, other] = feature.of
    groupOf.set(feature.name, groupOf.get((moved.get(one) ?? 0) >= (moved.get(other) ?? 0) ? one : other) ?? feature.name)
  }
  return {
    causes: rankedCauses(features, mixes, groupOf, { alpha, tolerance, top }),
    features: features.sort((x, y) => excess(y) - excess(x) || (x.feature < y.feature ? -1 : 1)),
    mixes,
    groups: [...members.values()].filter(({ length }) => length > 1),
  }
}

/** Holm over all parts that were tested, in place. */
const adjust = (parts: readonly DivergencePart[]): void => {
  const adjusted = holm(parts.map(({ pValue }) => pValue))
  parts.forEach((part, index) => Object.assign(part, { adjustedPValue: adjusted[index] }))
}
