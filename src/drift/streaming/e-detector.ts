import type { DetectorState, StreamDetector } from './stream-detector.js'

/** What kind of change a bet is on. */
export type Change = 'higher' | 'lower' | 'wider' | 'narrower'

/** How far a detector is from an alarm, and what it would be about. */
export interface Evidence {
  /** The e-detector's sum. Without a change it exceeds the number of values seen with an expectation of 0: it is a bet that pays nothing. */
  readonly value: number
  /** The sum that is an alarm. */
  readonly needed: number
  /** What the best bet is on. */
  readonly change: Change
  /** How many of the last values are, most likely, from after the change. */
  readonly since: number
  /** Of these values: the mean (of a rate), the shift in standard deviations (`higher`, `lower`), or the spread as a multiple. */
  readonly size: number
}

/** A streaming detector that also says how sure it is. */
export interface EDetector extends StreamDetector {
  readonly evidence: Evidence
}

/** Options that all e-detectors have. */
export interface GuaranteeOptions {
  /** Values without a change for which `risk` is stated. @default 10000 */
  readonly run?: number
  /** Largest share of such runs that may alarm; the mean run length is at least run / risk. In (0, 1). @default 0.05 */
  readonly risk?: number
  /** The state of another one, to go on from; its options and reference need not be given again. */
  readonly state?: DetectorState
}

/** Bets on one kind of change of some size. */
export interface Bet {
  readonly change: Change
  readonly weight: number
}

/** What the bets have won so far. One entry per bet in each list. */
export interface Bets {
  /** Values of the reference and of the stream, and what each bet would have paid for them: the price of a bet is their mean. */
  rows: number
  payments: number[]
  /** Shiryaev–Roberts: the sum over all moments at which the change may have been. */
  sums: number[]
  /** CUSUM: the same at the best moment, how many values ago that was, and the sum of a statistic of these values. */
  best: number[]
  since: number[]
  statistics: number[]
}

/** Bets that have not begun, at prices from the reference. */
export const freshBets = (rows: number, payments: readonly number[]): Bets => {
  const zeros = (): number[] => new Array<number>(payments.length).fill(0)
  return { rows, payments: [...payments], sums: zeros(), best: zeros(), since: zeros(), statistics: zeros() }
}

/**
 * Lets every bet be paid for one value, and gives the weighted sum.
 *
 * A bet that pays t(x) is bought at the price t̄, the mean payment over the reference and all values before x. So R ← (R + 1) t(x) / t̄, where 1 is a
 * new bet that the change is now; then the price learns from x.
 *
 * @param paid - what each bet pays for the value
 * @param statistic - what each bet's size is the mean of
 */
export const payBets = (bets: Bets, weights: Float64Array, paid: Float64Array, statistic: Float64Array): number => {
  const { payments, sums, best, since, statistics, rows } = bets
  let total = 0
  for (let bet = 0; bet < weights.length; bet++) {
    const payment = paid[bet] as number
    const price = payments[bet] as number
    const factor = (payment * rows) / price
    payments[bet] = price + payment
    const sum = ((sums[bet] as number) + 1) * factor
    sums[bet] = sum
    total += (weights[bet] as number) * sum
    const former = best[bet] as number
    if (former > 1) {
      best[bet] = former * factor
      since[bet] = (since[bet] as number) + 1
      statistics[bet] = (statistics[bet] as number) + (statistic[bet] as number)
    } else {
      best[bet] = factor
      since[bet] = 1
      statistics[bet] = statistic[bet] as number
    }
  }
  bets.rows = rows + 1
  return total
}

/** The evidence as it stands. */
export const evidenceOf = (bets: Bets, list: readonly Bet[], needed: number): Evidence => {
  let leader = 0
  let value = 0
  list.forEach(({ weight }, bet) => {
    value += weight * (bets.sums[bet] as number)
    if (weight * (bets.best[bet] as number) > (list[leader] as Bet).weight * (bets.best[leader] as number)) leader = bet
  })
  const { change } = list[leader] as Bet
  const since = bets.since[leader] as number
  const mean = since === 0 ? NaN : (bets.statistics[leader] as number) / since
  return { value, needed, change, since, size: change === 'wider' || change === 'narrower' ? Math.sqrt(mean) : mean }
}
