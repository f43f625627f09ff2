import { isWhole } from './saved-json.js'
import type { DriftState } from './drift-verdict.js'

/** When verdicts become pages. */
export interface PageRules {
  /** Windows in a row that must drift before drift is raised. */
  readonly confirm: number
  /** Windows in a row that must not, before it is cleared. */
  readonly calm: number
  /** After drift was raised, it is not raised again for so long. */
  readonly coolDownMs: number
}

/** Its state as plain data. */
export interface PageState {
  readonly isRaised: boolean
  readonly drifted: number
  readonly calm: number
  /** Since drift was raised last, when the state was taken; `null` if it never was. */
  readonly sinceRaisedMs: number | null
}

/** Whether it is what `export` gives. */
export const isPageState = (state: unknown): state is PageState => {
  const { isRaised, drifted, calm, sinceRaisedMs } = (state ?? {}) as Partial<PageState>
  return typeof isRaised === 'boolean' && isWhole(drifted) && isWhole(calm) && (sinceRaisedMs === null || Number.isFinite(sinceRaisedMs))
}

/** Raises and clears drift by the verdicts of one window after the other. */
export class PageControl {
  readonly #rules: PageRules
  #isRaised = false
  #drifted = 0
  #calm = 0
  #raisedAt: number | undefined

  constructor(rules: PageRules) {
    this.#rules = rules
  }

  /** What stands after one more window. */
  next(verdict: DriftState, now: number): DriftState {
    const { confirm, calm, coolDownMs } = this.#rules
    if (verdict === 'drifted') {
      this.#drifted += 1
      this.#calm = 0
      const isCool = this.#raisedAt === undefined || now - this.#raisedAt >= coolDownMs
      if (!this.#isRaised && this.#drifted >= confirm && isCool) {
        this.#isRaised = true
        this.#raisedAt = now
      }
    } else if (verdict === 'ok') {
      this.#drifted = 0
      this.#calm += 1
      if (this.#calm >= calm) this.#isRaised = false
    }
    if (this.#isRaised) return 'drifted'
    return verdict === 'drifted' ? 'ok' : verdict
  }

  /** Nothing was seen, and nothing is raised; the cool-down goes on. */
  reset(): void {
    this.#isRaised = false
    this.#drifted = 0
    this.#calm = 0
  }

  export(now: number): PageState {
    return { isRaised: this.#isRaised, drifted: this.#drifted, calm: this.#calm, sinceRaisedMs: this.#raisedAt === undefined ? null : now - this.#raisedAt }
  }

  restore({ isRaised, drifted, calm, sinceRaisedMs }: PageState, now: number): void {
    this.#isRaised = isRaised
    this.#drifted = drifted
    this.#calm = calm
    this.#raisedAt = sinceRaisedMs === null ? undefined : now - sinceRaisedMs
  }
}
