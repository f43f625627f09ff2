/** Which arm is best, by integration instead of draws: exact shares, without a seed. */

/** A belief about an arm's mean reward. */
export interface Posterior {
  density(x: number): number
  cumulative(x: number): number
  quantile(p: number): number
}

/** Where segments end, in each belief's own quantiles: a belief is smooth between them, however narrow it is beside the others. */
const marks = [1e-9, 1e-6, 1e-4, 0.005, 0.05, 0.2, 0.5, 0.8, 0.95, 0.995, 1 - 1e-4, 1 - 1e-6, 1 - 1e-9]
/** Gauss–Legendre with eight points on [−1, 1], for the positive half. */
const nodes = [0.1834346424956498, 0.525532409916329, 0.7966664774136267, 0.9602898564975363]
const widths = [0.362683783378362, 0.3137066458778873, 0.2223810344533745, 0.1012285362903763]

/**
 * P(i is the largest) = ∫ fᵢ(x) ∏ⱼ≠ᵢ Fⱼ(x) dx for each of several independent beliefs, on one grid for all.
 *
 * Gauss–Legendre between the quantiles of all beliefs; to about 1e-6, held to SciPy. They are divided by their sum, which is 1 up to that.
 */
export const probabilityBest = (beliefs: readonly Posterior[]): number[] => {
  const ends = [...new Set(beliefs.flatMap((belief) => marks.map((p) => belief.quantile(p))))].sort((a, b) => a - b)
  const found = beliefs.map(() => 0)
  const densities = beliefs.map(() => 0)
  const cumulatives = beliefs.map(() => 0)
  const add = (x: number, width: number): void => {
    beliefs.forEach((belief, index) => {
      densities[index] = belief.density(x)
      cumulatives[index] = belief.cumulative(x)
    })
    for (let index = 0; index < beliefs.length; index += 1) {
      let product = (densities[index] as number) * width
      for (let other = 0; other < beliefs.length; other += 1) if (other !== index) product *= cumulatives[other] as number
      found[index] = (found[index] as number) + product
    }
  }
  for (let segment = 1; segment < ends.length; segment += 1) {
    const from = ends[segment - 1] as number
    const half = ((ends[segment] as number) - from) / 2
    nodes.forEach((node, index) => {
      for (const sign of [-1, 1]) add(from + half * (1 + sign * node), half * (widths[index] as number))
    })
  }
  const sum = found.reduce((total, share) => total + share, 0)
  return found.map((share) => share / sum)
}
