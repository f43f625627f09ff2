import { InvalidOptionError, OutriggerError } from '../core/errors.js'
import { murmur3 } from '../core/hash.js'
import { numberOption, optionsObject } from '../core/options.js'
import { find, finderOf, FoundCells, type CellFinder, type Place } from './_cell-finder.js'
import { checksumOf, isRecord, isWhole } from './saved-json.js'
import { refused } from './_profile-file.js'
import { ProfileSlice, type ProfileSliceState } from './_profile-slice.js'
import type { FeatureRow, FeatureValue } from './feature-cells.js'
import { LiveProfile } from './live-profile.js'
import { ReferenceProfile } from './reference-profile.js'

/** Options of {@link SlicedProfile}. */
export interface SlicedProfileOptions {
  /** How long a slice of time is. @default an hour */
  readonly sliceMs?: number
  /** How many slices are kept; 1 to 10 000. @default 24 */
  readonly slices?: number
  /** Segments that always have counts of their own. @default none */
  readonly segments?: readonly string[]
  /** How many segments have counts of their own; 0 to 10 000. All others share those of one more. @default 100 */
  readonly maximumSegments?: number
}

/** Where a row belongs. */
export interface SlicePlace {
  /** When it came, in milliseconds since 1970. */
  readonly at: number
  /** The airport, the client, the country. @default the shared one */
  readonly segment?: string
}

/** Which slices: those that overlap [from, to), of one segment or of all. */
export interface SliceWindow {
  readonly from?: number
  readonly to?: number
  /** `null`: the segments without counts of their own, together. @default all */
  readonly segment?: string | null
}

/** A sliced profile as plain data. */
export interface SlicedProfileState {
  readonly format: 'outrigger-sliced-profile'
  readonly version: 1
  readonly checksum: string
  readonly reference: string
  readonly sliceMs: number
  readonly slices: number
  readonly segments: readonly string[]
  readonly maximumSegments: number
  readonly named: readonly string[]
  readonly newest: number | null
  readonly expired: number
  readonly parts: readonly ProfileSliceState[]
}

const owner = 'a sliced profile'
const byText = (x: string, y: string): number => (x < y ? -1 : x > y ? 1 : 0)

/**
 * Live counts by slice of time and by segment, in bounded memory: the last `slices` slices, at most `maximumSegments` segments and one for the rest.
 *
 * Any window of them is an exact sum. What many workers counted merges to the byte to what one would have, in any order. For that, which
 * segments have counts of their own must not depend on who came first: `segments` always do, then those with the smallest hashes of all that were
 * ever seen; one that loses its place is added to the shared one. Name those that matter.
 *
 * Time comes with the rows. A slice leaves when a row comes that is `slices` later; a row for a slice that left is not counted, but told in `late`. Trust
 * no clocks but your own: one row from the far future makes all others late.
 *
 * Memory: 4 bytes per cell, under 1 KB per numeric feature with 64 cells, for each slice of each segment that has rows.
 *
 * @example
 * ```ts
 * import { driftVerdict, referenceProfile, SlicedProfile } from 'outrigger/drift'
 * const reference = referenceProfile(Array.from({ length: 2000 }, (_, i) => ({ km: i % 500 })))
 * const live = new SlicedProfile(reference, { segments: ['ATL'] })
 * const hour = 3_600_000
 * for (let i = 0; i < 1000; i++) live.count({ km: i % 2 === 0 ? i % 500 : null }, { at: 9 * hour + i, segment: i % 2 === 0 ? 'ORD' : 'ATL' })
 * assert.equal(driftVerdict(reference, live.window({ from: 9 * hour, segment: 'ATL' })).features[0]?.findings[0]?.kind, 'missing')
 * live.count({ km: 1 }, { at: 33 * hour }) // the next day
 * assert.equal(live.window().rows, 1)
 * ```
 */
export class SlicedProfile {
  readonly reference: ReferenceProfile
  readonly sliceMs: number
  readonly slices: number
  readonly maximumSegments: number
  readonly #fixed: ReadonlySet<string>
  readonly #finder: CellFinder
  readonly #found: FoundCells
  readonly #named = new Set<string>()
  readonly #kept = new Map<number, Map<string | null, ProfileSlice>>()
  /** What the last row was counted in: rows of one hour and one airport come together. */
  #last: { readonly slice: number; readonly segment: string | undefined; readonly counts: ProfileSlice } | undefined
  #newest = -Infinity
  #expired = 0
  #late = 0

  /**
   * @param options - or what `toJSON` of another gave, possibly in another process
   * @throws ERR_OUTRIGGER_INVALID_OPTION for an option out of its range
   * @throws ERR_OUTRIGGER_PROFILE if a state is none, was changed, or belongs to another reference
   */
  constructor(reference: ReferenceProfile, options: SlicedProfileOptions | SlicedProfileState = {}) {
    if (!(reference instanceof ReferenceProfile)) throw new InvalidOptionError(`Cannot create ${owner} as \`reference\` must be a ReferenceProfile (read a saved one with parseReferenceProfile): current value is ${typeof reference}`)
    const isState = typeof options === 'object' && options !== null && 'format' in options
    if (isState) this.#check(options, reference)
    else optionsObject(owner, options, ['sliceMs', 'slices', 'segments', 'maximumSegments'])
    const { sliceMs = 3_600_000, slices = 24, segments = [], maximumSegments = 100 } = options
    this.reference = reference
    this.sliceMs = numberOption(owner, 'sliceMs', sliceMs, { min: 1, integer: true })
    this.slices = numberOption(owner, 'slices', slices, { min: 1, max: 10_000, integer: true })
    this.maximumSegments = numberOption(owner, 'maximumSegments', maximumSegments, { min: 0, max: 10_000, integer: true })
    if (!Array.isArray(segments) || !segments.every((segment) => typeof segment === 'string') || segments.length > maximumSegments) {
      throw new InvalidOptionError(`Cannot create ${owner} as \`segments\` must be at most ${maximumSegments} strings: current value is ${Array.isArray(segments) ? `${segments.length} values` : typeof segments}`)
    }
    this.#fixed = new Set([...segments].sort(byText))
    for (const segment of this.#fixed) this.#named.add(segment)
    this.#finder = finderOf(reference.features)
    this.#found = new FoundCells(reference.features.length)
    if (isState) this.#restore(options)
  }

  /** Rows that came for a slice that had left, since this object was made. Not part of the state. */
  get late(): number {
    return this.#late
  }

  /** Rows that are not in the window any more, the late ones included. */
  get expired(): number {
    return this.#expired
  }

  /** The segments that have counts of their own, in order. */
  get segments(): string[] {
    return [...this.#named].sort(byText)
  }

  /** How much memory the counts take now. */
  get bytes(): number {
    let bytes = 0
    for (const parts of this.#kept.values()) for (const part of parts.values()) bytes += part.bytes
    return bytes
  }

  /**
   * Counts one row.
   * @throws ERR_OUTRIGGER_INVALID_INPUT if it is no row, or `at` no time. Nothing of it is counted then.
   */
  count(row: FeatureRow, place: SlicePlace): void {
    this.#finder.findRow(row, this.#found)
    const part = this.#part(place)
    if (part === undefined) {
      this.#late += 1
      this.#expired += 1
      return
    }
    part.add(this.#finder.rowPlaces, this.#found)
    part.rows += 1
  }

  /** Counts one output of the model, in the slice of its row. Does nothing if the reference has no output, or the slice has left. */
  countOutput(output: FeatureValue, place: SlicePlace): void {
    this.#countExtra(this.#finder.output, output, place)
  }

  /** Counts the truth about a row; likewise. */
  countLabel(label: FeatureValue, place: SlicePlace): void {
    this.#countExtra(this.#finder.label, label, place)
  }

  /** Counts a score; likewise. */
  countScore(score: FeatureValue, place: SlicePlace): void {
    this.#countExtra(this.#finder.score, score, place)
  }

  /** The sum over the slices that overlap a window, as a profile of its own. @throws ERR_OUTRIGGER_INVALID_INPUT for a segment whose rows may be among those of others */
  window(window: SliceWindow = {}): LiveProfile {
    const sum = new LiveProfile(this.reference)
    for (const part of this.#parts(window)) sum.absorb(part.tally, part.rows)
    return sum
  }

  /** The least and the greatest finite value of the reference's feature number `feature` in a window; `NaN` without any. */
  extremes(feature: number, window: SliceWindow = {}): { readonly min: number; readonly max: number } {
    const place = this.#finder.places[feature]
    let [min, max] = [Infinity, -Infinity]
    if (place?.isNumeric === true) {
      for (const { extremes } of this.#parts(window)) {
        min = Math.min(min, extremes[2 * place.numeric] as number)
        max = Math.max(max, extremes[2 * place.numeric + 1] as number)
      }
    }
    return min <= max ? { min, max } : { min: NaN, max: NaN }
  }

  /** Lets time pass without a row: slices that are too old at this time leave. */
  advance(at: number): void {
    const slice = this.#sliceOf(at)
    if (slice > this.#newest) this.#advance(slice)
  }

  /**
   * Adds the counts of another one: of another worker, or of the same one before a restart.
   * @throws ERR_OUTRIGGER_PROFILE if it has another reference or other options. Nothing changes then.
   */
  merge(other: SlicedProfile): void {
    if (other === this) throw new OutriggerError('ERR_OUTRIGGER_INVALID_INPUT', 'Cannot merge a sliced profile as it must be another one: current value is the same')
    const [mine, theirs] = [this.#identity, other.#identity]
    if (mine !== theirs) throw new OutriggerError('ERR_OUTRIGGER_PROFILE', `Cannot merge sliced profiles as both must have the same reference and options, ${mine}: current value is ${theirs}`)
    if (other.#newest > this.#newest) this.#advance(other.#newest)
    for (const segment of other.#named) this.#name(segment)
    this.#expired += other.#expired
    for (const [slice, parts] of other.#kept) {
      for (const [segment, part] of parts) {
        if (slice <= this.#newest - this.slices) this.#expired += part.rows
        else this.#at(slice, segment !== null && this.#named.has(segment) ? segment : null).merge(part)
      }
    }
  }

  /** The state: the same text for the same rows, in whatever order and parts they came. */
  toJSON(): SlicedProfileState {
    const { sliceMs, slices, maximumSegments } = this
    const parts = [...this.#kept].sort(([x], [y]) => x - y).flatMap(([slice, of]) =>
      [...of].sort(([x], [y]) => (x === null ? -1 : y === null ? 1 : byText(x, y))).map(([segment, part]) => part.toJSON(slice, segment)))
    const content = { format: 'outrigger-sliced-profile', version: 1, reference: this.reference.checksum, sliceMs, slices, segments: [...this.#fixed], maximumSegments, named: this.segments, newest: Number.isFinite(this.#newest) ? this.#newest : null, expired: this.#expired, parts } as const
    return { ...content, checksum: checksumOf(content) }
  }

  get #identity(): string {
    return JSON.stringify([this.reference.checksum, this.sliceMs, this.slices, this.maximumSegments, ...this.#fixed])
  }

  #sliceOf(at: number): number {
    const slice = Math.floor(at / this.sliceMs)
    if (!Number.isSafeInteger(slice)) throw new OutriggerError('ERR_OUTRIGGER_INVALID_INPUT', `Cannot count into a slice as \`at\` must be a time in milliseconds: current value is ${String(at)}`)
    return slice
  }

  /** Where to count; `undefined` if the slice has left. */
  #part({ at, segment }: SlicePlace): ProfileSlice | undefined {
    const slice = this.#sliceOf(at)
    const last = this.#last
    if (last !== undefined && last.slice === slice && last.segment === segment) return last.counts
    if (slice > this.#newest) this.#advance(slice)
    // Also of a late row: which segments have a name must not depend on when their rows come.
    if (segment !== undefined) this.#name(segment)
    if (slice <= this.#newest - this.slices) return undefined
    const counts = this.#at(slice, segment !== undefined && this.#named.has(segment) ? segment : null)
    this.#last = { slice, segment, counts }
    return counts
  }

  #at(slice: number, segment: string | null): ProfileSlice {
    let parts = this.#kept.get(slice)
    if (parts === undefined) this.#kept.set(slice, (parts = new Map()))
    let part = parts.get(segment)
    if (part === undefined) parts.set(segment, (part = new ProfileSlice(this.#finder)))
    return part
  }

  #advance(newest: number): void {
    this.#newest = newest
    this.#last = undefined
    for (const [slice, parts] of this.#kept) {
      if (slice > newest - this.slices) continue
      for (const part of parts.values()) this.#expired += part.rows
      this.#kept.delete(slice)
    }
  }

  /** Gives a segment counts of its own, if it is among those that have them; one may lose its own for it. */
  #name(segment: string): void {
    if (this.#named.has(segment)) return
    this.#named.add(segment)
    if (this.#named.size <= this.maximumSegments) return
    let lost: string | undefined
    for (const name of this.#named) if (!this.#fixed.has(name) && (lost === undefined || isAfter(name, lost))) lost = name
    this.#named.delete(lost as string)
    if (lost === segment) return
    this.#last = undefined
    for (const [slice, parts] of this.#kept) {
      const part = parts.get(lost as string)
      if (part === undefined) continue
      parts.delete(lost as string)
      this.#at(slice, null).merge(part)
    }
  }

  #parts({ from = -Infinity, to = Infinity, segment }: SliceWindow): ProfileSlice[] {
    if (typeof segment === 'string' && !this.#named.has(segment) && this.#named.size >= this.maximumSegments) {
      throw new OutriggerError('ERR_OUTRIGGER_INVALID_INPUT', `Cannot take a window as its segment must have counts of its own (name it in \`segments\`): current value is ${JSON.stringify(segment)}`)
    }
    const chosen: ProfileSlice[] = []
    for (const [slice, parts] of this.#kept) {
      if ((slice + 1) * this.sliceMs <= from || slice * this.sliceMs >= to) continue
      for (const [name, part] of parts) if (segment === undefined || name === segment) chosen.push(part)
    }
    return chosen
  }

  #countExtra(places: readonly Place[], value: FeatureValue, place: SlicePlace): void {
    if (places.length === 0) return
    const part = this.#part(place)
    if (part === undefined) return
    find(places[0] as Place, value, this.#found, 0)
    part.add(places, this.#found)
  }

  #check(state: SlicedProfileState, reference: ReferenceProfile): void {
    const { checksum, ...content } = state
    if (content.format !== 'outrigger-sliced-profile' || content.version !== 1) throw refused('a sliced profile must have `format` "outrigger-sliced-profile" and `version` 1', content.version)
    if (content.reference !== reference.checksum) throw refused(`the sliced counts must belong to reference ${reference.checksum}`, content.reference)
    if (checksumOf(content) !== checksum) throw refused('its checksum must be that of its content (it was changed or cut after it was saved)', checksum)
  }

  #restore({ named, newest, expired, parts }: SlicedProfileState): void {
    if (!Array.isArray(named) || named.length > this.maximumSegments || !named.every((name) => typeof name === 'string')) throw refused('its named segments must be strings', named)
    if (!isWhole(expired) || !(newest === null || Number.isSafeInteger(newest)) || !Array.isArray(parts)) throw refused('it must have its slices', newest)
    for (const name of named) this.#named.add(name)
    this.#newest = newest ?? -Infinity
    this.#expired = expired
    for (const part of parts as readonly unknown[]) {
      if (!isRecord(part) || !Number.isSafeInteger(part['slice'])) throw refused('a slice must have a number', part)
      const { slice, segment } = part as unknown as ProfileSliceState
      if (!(slice <= this.#newest && slice > this.#newest - this.slices) || !(segment === null || this.#named.has(segment))) throw refused('a slice must be among those that are kept', slice)
      this.#at(slice, segment).restore(part)
    }
  }
}

/** By hash, then by name: which segment gives way to the other, whoever came first. */
const isAfter = (x: string, y: string): boolean => {
  const [a, b] = [murmur3(x), murmur3(y)]
  return a > b || (a === b && x > y)
}
