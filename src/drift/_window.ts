import { isRecord, isWhole } from './saved-json.js'
import { refused } from './_profile-file.js'
import { LiveProfile, type LiveProfileState } from './live-profile.js'
import type { ReferenceProfile } from './reference-profile.js'

/** A window, and its rows by season. */
export interface SeasonedWindow {
  readonly profile: LiveProfile
  readonly seasons: Map<string, number>
}

/**
 * A window as it was saved.
 * @throws ERR_OUTRIGGER_PROFILE if it is none, or belongs to another reference
 */
export const readWindow = (reference: ReferenceProfile, saved: unknown): SeasonedWindow => {
  if (!isRecord(saved) || !isRecord(saved['profile']) || !Array.isArray(saved['seasons']) || !saved['seasons'].every((entry) => Array.isArray(entry) && typeof entry[0] === 'string' && isWhole(entry[1]))) {
    throw refused('a window must have a profile, and rows by season', typeof saved)
  }
  return { profile: new LiveProfile(reference, saved['profile'] as unknown as LiveProfileState), seasons: new Map(saved['seasons'] as [string, number][]) }
}

/** Live counts over the last full windows, and the one that is filling. All sums are exact, so sliding loses nothing. */
export class SlidingProfile {
  readonly #reference: ReferenceProfile
  readonly #keep: number
  #full: SeasonedWindow[] = []
  #sum: LiveProfile
  #open: SeasonedWindow

  constructor(reference: ReferenceProfile, keep: number) {
    this.#reference = reference
    this.#keep = keep
    this.#sum = new LiveProfile(reference)
    this.#open = this.#fresh()
  }

  /** The counts of the window that is filling. */
  get open(): LiveProfile {
    return this.#open.profile
  }

  /** Notes of which season the row is that was just counted. */
  noteSeason(season: string): void {
    const { seasons } = this.#open
    seasons.set(season, (seasons.get(season) ?? 0) + 1)
  }

  /** The sum over the full windows. */
  get full(): LiveProfile {
    return this.#sum
  }

  /** Rows of the full windows by season, and of the filling one on request. */
  seasonRows(withOpen: boolean): Map<string, number> {
    const rows = new Map<string, number>()
    for (const { seasons } of withOpen ? this.windows() : this.#full) for (const [season, count] of seasons) rows.set(season, (rows.get(season) ?? 0) + count)
    return rows
  }

  /** Starts the next window; the oldest leaves when there are more than are kept. */
  slide(): void {
    this.#sum.merge(this.#open.profile)
    this.#full.push(this.#open)
    const oldest = this.#full.length > this.#keep ? this.#full.shift() : undefined
    if (oldest !== undefined) {
      this.#sum.subtract(oldest.profile)
      oldest.profile.reset()
      oldest.seasons.clear()
    }
    this.#open = oldest ?? this.#fresh()
  }

  /** A copy of all that is kept, full or filling. */
  all(): LiveProfile {
    const copy = new LiveProfile(this.#reference)
    copy.merge(this.#sum)
    copy.merge(this.#open.profile)
    return copy
  }

  /** The windows, oldest first, the filling one last. */
  windows(): readonly SeasonedWindow[] {
    return [...this.#full, this.#open]
  }

  /** Replaces everything; the last one is the filling window. */
  replace(windows: readonly SeasonedWindow[]): void {
    this.#open = windows[windows.length - 1] ?? this.#fresh()
    this.#full = windows.slice(0, -1).slice(-this.#keep)
    this.#sum = new LiveProfile(this.#reference)
    for (const { profile } of this.#full) this.#sum.merge(profile)
  }

  #fresh(): SeasonedWindow {
    return { profile: new LiveProfile(this.#reference), seasons: new Map() }
  }
}
