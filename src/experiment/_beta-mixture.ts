import { incompleteBetaLower, incompleteBetaUpper, type BetaShape } from '../stats/incomplete-beta.js'
import { logGamma } from '../stats/log-gamma.js'
import type { Side } from './sequential-interval.js'

const logBeta = (a: number, b: number): number => logGamma(a) + logGamma(b) - logGamma(a + b)
const part = (factor: number, count: number): number => (count === 0 ? 0 : factor * count)

/** Hits and misses of something whose chance is in question. */
export interface Hits {
  readonly hits: number
  readonly misses: number
}

/**
 * The logarithm of the evidence against the chance `p`: of a Beta mixture over all chances (`both`), over those above p (`lower`: against "p or less"),
 * or below it (`upper`). Each is a martingale at p, and at most that on p's other side.
 */
export const logBetaMixture = ({ hits, misses }: Hits, { a, b }: BetaShape, p: number, side: Side): number => {
  if ((p === 0 && hits > 0) || (p === 1 && misses > 0)) return side === (p === 0 ? 'upper' : 'lower') ? -Infinity : Infinity
  const whole = logBeta(a + hits, b + misses) - logBeta(a, b) - part(Math.log(p), hits) - part(Math.log1p(-p), misses)
  if (side === 'both') return whole
  const tail = side === 'lower' ? incompleteBetaUpper : incompleteBetaLower
  const prior = tail(p, { a, b })
  // No chance lies beyond.
  if (prior === 0) return 0
  return whole + Math.log(tail(p, { a: a + hits, b: b + misses })) - Math.log(prior)
}

/** Where `log` falls below `limit` between `from`, where it is above, and `to`, where it is below: the side of `from`, so that the bound is wide and not narrow. */
export const crossing = (from: number, to: number, limit: number, log: (at: number) => number): number => {
  let [above, below] = [from, to]
  for (let step = 0; step < 100 && Math.abs(above - below) > 1e-12 * Math.max(Math.abs(above), Math.abs(below)); step++) {
    const middle = (above + below) / 2
    if (log(middle) >= limit) above = middle
    else below = middle
  }
  return above
}
