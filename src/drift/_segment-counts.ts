import { InvalidOptionError, OutriggerError } from '../core/errors.js'
import { LiveProfile } from './live-profile.js'
import type { ReferenceProfile } from './reference-profile.js'
import { SlicedProfile } from './sliced-profile.js'

/** Counts by segment; `null` is for the segments without counts of their own. */
export type SegmentCounts = SlicedProfile | ReadonlyMap<string | null, LiveProfile>

/** The same segments in both periods. */
export interface SegmentPeriods {
  /** The reference's rows by segment. They may be a sample. */
  readonly before: SegmentCounts
  /** The present's rows by segment. */
  readonly after: SegmentCounts
}

/** One segment in both periods; an empty profile where it has no rows. */
export interface SegmentPair {
  readonly segment: string | null
  readonly before: LiveProfile
  readonly after: LiveProfile
}

/** The segments of both periods side by side, in the order of their names. */
export const segmentPairs = (name: string, periods: SegmentPeriods, reference: ReferenceProfile): SegmentPair[] => {
  const [before, after] = [countsOf(name, 'before', periods?.before, reference), countsOf(name, 'after', periods?.after, reference)]
  const all = new Set([...before.keys(), ...after.keys()])
  const names = [...all].sort((x, y) => (x === y ? 0 : x === null ? 1 : y === null ? -1 : x < y ? -1 : 1))
  // What has counts of its own in one period only is part of the others' rows in the other: told apart it would look like a change.
  for (const [period, counts, other] of [['before', before, after], ['after', after, before]] as const) {
    if ((counts.get(null)?.rows ?? 0) === 0) continue
    const lost = names.find((segment) => segment !== null && !counts.has(segment) && other.has(segment))
    if (lost !== undefined) throw new OutriggerError('ERR_OUTRIGGER_INVALID_INPUT', `Cannot find root causes as \`segments.${name}\` must have counts of the same segments in both periods (name them in \`segments\` of both SlicedProfiles): current value is ${JSON.stringify(lost)}, among the others in \`${period}\``)
  }
  const empty = new LiveProfile(reference)
  return names.map((segment) => ({ segment, before: before.get(segment) ?? empty, after: after.get(segment) ?? empty }))
}

const countsOf = (name: string, period: string, counts: unknown, reference: ReferenceProfile): ReadonlyMap<string | null, LiveProfile> => {
  const belongs = (to: string): void => {
    if (to !== reference.checksum) throw new OutriggerError('ERR_OUTRIGGER_PROFILE', `Cannot compare as \`segments.${name}.${period}\` must belong to reference ${reference.checksum}: current value is ${to}`)
  }
  if (counts instanceof SlicedProfile) {
    belongs(counts.reference.checksum)
    return new Map([...counts.segments, null].map((segment): [string | null, LiveProfile] => [segment, counts.window({ segment })]))
  }
  if (!(counts instanceof Map) || ![...counts].every(([segment, live]) => (segment === null || typeof segment === 'string') && live instanceof LiveProfile)) {
    throw new InvalidOptionError(`Cannot find root causes as \`segments.${name}.${period}\` must be a SlicedProfile or a Map of LiveProfiles by segment: current value is ${typeof counts}`)
  }
  for (const live of (counts as Map<string | null, LiveProfile>).values()) belongs(live.reference.checksum)
  return counts as Map<string | null, LiveProfile>
}
