/** How much work beyond the callers' own a service allows itself. Pure but for the clock that it is given. */
import { numberOption, optionsObject } from '../core/options.js'

/** Options of {@link extraWorkBudget}. */
export interface ExtraWorkBudgetOptions {
  /** Extra work per row that callers asked for; 0.1 is one in ten. @default 0.1 */
  readonly ratio?: number
  /** So many extra rows a second are allowed whatever the traffic, so that a quiet service can retry too. @default 1 */
  readonly minimumPerSecond?: number
  /** The most that is saved up for a bad moment, in rows. @default 100 */
  readonly burst?: number
}

/** What a layer holds: it says what callers ask for, and asks before it does more than that. */
export interface BudgetMeter {
  /** Callers asked for so many rows. Costs an addition. */
  seen(rows: number): void
  /** Whether so many rows of extra work may be done now; if so they are spent. */
  spend(rows: number, now: number): boolean
}

/** What became of the budget. */
export interface BudgetCounts {
  /** Rows of extra work that were allowed. */
  readonly spent: number
  /** Rows of extra work that were refused. */
  readonly refused: number
  /** Rows that could be spent as of the last question. */
  readonly left: number
}

/** One budget, to be given to several layers. */
export interface ExtraWorkBudget {
  readonly counts: BudgetCounts
  /** A meter for one layer. Several layers see the same callers; the one that sees most says how many there are. */
  meter(): BudgetMeter
}

/**
 * One budget of extra work for retries, hedges, shadows, refreshes and audits, so that a bad day does not multiply itself.
 *
 * A token bucket: each row that a caller asks for adds `ratio`, time adds `minimumPerSecond`, no more than `burst` is
 * saved, and each row of extra work takes 1. It begins full. Source: the retry throttling of gRPC (proposal A6) and
 * Finagle's `RetryBudget`, here for every kind of extra work. O(1) per question; counting a caller's row reads no clock.
 *
 * @throws `ERR_OUTRIGGER_INVALID_OPTION`
 * @example
 * ```ts
 * import { extraWorkBudget } from 'outrigger/policy'
 * const budget = extraWorkBudget({ ratio: 0.5, minimumPerSecond: 0, burst: 1 })
 * const meter = budget.meter()
 * assert.equal(meter.spend(1, 0), true) // what was saved up
 * assert.equal(meter.spend(1, 0), false)
 * meter.seen(2)
 * assert.equal(meter.spend(1, 0), true)
 * ```
 */
export const extraWorkBudget = (options: ExtraWorkBudgetOptions = {}): ExtraWorkBudget => {
  optionsObject('an extra-work budget', options, ['ratio', 'minimumPerSecond', 'burst'])
  const ratio = numberOption('an extra-work budget', 'ratio', options.ratio ?? 0.1, { min: 0 })
  const minimumPerSecond = numberOption('an extra-work budget', 'minimumPerSecond', options.minimumPerSecond ?? 1, { min: 0 })
  const burst = numberOption('an extra-work budget', 'burst', options.burst ?? 100, { min: 1 })
  let tokens = burst
  let spent = 0
  let refused = 0
  /** Rows seen by the meter that has seen most, and how many of them have been turned into tokens. */
  let most = 0
  let turned = 0
  let refilledAt: number | undefined

  return {
    get counts() {
      return { spent, refused, left: Math.floor(tokens) }
    },
    meter: () => {
      let rowsSeen = 0
      return {
        seen: (rows) => {
          rowsSeen += rows
          if (rowsSeen > most) most = rowsSeen
        },
        spend: (rows, now) => {
          // A clock that stands still or jumps back adds nothing.
          const elapsedMs = refilledAt === undefined ? 0 : Math.max(0, now - refilledAt)
          refilledAt = now
          tokens = Math.min(burst, tokens + (most - turned) * ratio + (elapsedMs * minimumPerSecond) / 1000)
          turned = most
          if (tokens < rows) {
            refused += rows
            return false
          }
          tokens -= rows
          spent += rows
          return true
        },
      }
    },
  }
}
