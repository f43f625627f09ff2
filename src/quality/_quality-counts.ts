import type { QualityFinding } from './validation-policy.js'

/** What became of rows. Each row is in one of the six; a row with several findings in the worst of them. */
export interface QualityCounts {
  readonly rows: number
  readonly clean: number
  /** Went on as they came, with a note. */
  readonly flagged: number
  /** Went on with a value clipped or imputed. */
  readonly repaired: number
  readonly fallback: number
  readonly rejected: number
  /** How often each rule was broken, as `missing km`, `check arrival after departure`. At most 10 000 names, as some may be callers' own keys; after these, by rule, as `schema (others)`. */
  readonly by: Readonly<Record<string, number>>
}

/** A window of rows that has ended. */
export interface QualityWindow {
  readonly rows: number
  readonly dirty: number
  readonly by: Readonly<Record<string, number>>
}

type Fate = 'clean' | 'flagged' | 'repaired' | 'fallback' | 'rejected'
const fateOf = { flagged: 'flagged', clipped: 'repaired', imputed: 'repaired', fallback: 'fallback', rejected: 'rejected' } as const
const fates: readonly Fate[] = ['clean', 'flagged', 'repaired', 'fallback', 'rejected']

/** A Standard Schema names a field by the caller's own key, of which there is no end. */
const maximumNames = 10_000

/** Counts findings in all and by windows of so many rows. */
export class QualityCounter {
  readonly #windowRows: number
  readonly #fates: Record<Fate, number> = { clean: 0, flagged: 0, repaired: 0, fallback: 0, rejected: 0 }
  readonly #by = new Map<string, number>()
  readonly #before = new Map<string, number>()
  #inWindow = 0
  #dirty = 0

  constructor(windowRows: number) {
    this.#windowRows = windowRows
  }

  /** Counts one row; gives the window that it ends, if it does. */
  add(findings: readonly QualityFinding[]): QualityWindow | undefined {
    let worst = 0
    for (const { rule, subject, action } of findings) {
      let name = `${rule} ${subject}`
      if (this.#by.size >= maximumNames && !this.#by.has(name)) name = `${rule} (others)`
      this.#by.set(name, (this.#by.get(name) ?? 0) + 1)
      worst = Math.max(worst, fates.indexOf(fateOf[action]))
    }
    this.#fates[fates[worst] as Fate] += 1
    this.#inWindow += 1
    if (worst > 0) this.#dirty += 1
    return this.#inWindow < this.#windowRows ? undefined : this.#slide()
  }

  get counts(): QualityCounts {
    return { rows: fates.reduce((sum, fate) => sum + this.#fates[fate], 0), ...this.#fates, by: Object.fromEntries(this.#by) }
  }

  #slide(): QualityWindow {
    const by: Record<string, number> = {}
    for (const [name, count] of this.#by) {
      const now = count - (this.#before.get(name) ?? 0)
      if (now > 0) by[name] = now
      this.#before.set(name, count)
    }
    const window = { rows: this.#inWindow, dirty: this.#dirty, by }
    this.#inWindow = 0
    this.#dirty = 0
    return window
  }
}
