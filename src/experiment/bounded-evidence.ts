import type { ScoreSums } from './score-sums.js'

const bets = Array.from({ length: 18 }, (_, k) => 0.9 / 1.6 ** k)
const costs = bets.map((bet) => -Math.log1p(-bet) - bet)
const logs = new Float64Array(bets.length)

/**
 * ln of the e-value that the difference of bounded values is beyond `bound` in the direction of `sign`: exact at every look and any number of units.
 *
 * The mean over bets λ of exp(λs − ψ(λ)q), with s and q the sums of scores and of their squares in units of the largest score, and ψ(λ) = −ln(1 − λ) − λ.
 *
 * Source: Fan, Grama and Liu (2015), lemma 4.1; Howard et al. (2021), arXiv 1810.08240 (empirical Bernstein).
 */
export const boundedEvidence = (sums: ScoreSums, { sign, bound, range }: { readonly sign: 1 | -1; readonly bound: number; readonly range: number }): number => {
  // The weights w(1 − w) are at most 1/4.
  const largest = range + Math.abs(bound) / 4
  const sum = (sign * sums.excess(bound)) / largest
  const squares = sums.excessSquares(bound) / (largest * largest)
  let most = -Infinity
  for (let at = 0; at < bets.length; at += 1) {
    const log = (bets[at] as number) * sum - (costs[at] as number) * squares
    logs[at] = log
    if (log > most) most = log
  }
  let total = 0
  for (let at = 0; at < bets.length; at += 1) total += Math.exp((logs[at] as number) - most)
  return most + Math.log(total / bets.length)
}
