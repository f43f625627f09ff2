import { OutriggerError } from '../core/errors.js'
import type { FeatureProfile, ReferenceProfile } from '../drift/reference-profile.js'
import { normalQuantile } from '../stats/normal.js'

/** What a reference profile says of one feature, as single values. */
export interface FittedValues {
  /** Of a numeric feature; `undefined` of any other. */
  readonly mean: number | undefined
  readonly median: number | undefined
  /** The most frequent value; of a number without one, the middle of the narrowest dense cell. */
  readonly mode: number | string | boolean | undefined
  /** The value that a share `p` of the reference lies below, for p in [0, 1]; `NaN` where there are no numbers. @throws ERR_OUTRIGGER_INVALID_INPUT for any other p */
  readonly quantile: (p: number) => number
  /** Standard deviations below and above the median, were each half that of a normal distribution; 0 if a side cannot be told. */
  readonly scales: readonly [below: number, above: number]
}

interface Mass {
  readonly from: number
  readonly to: number
  readonly count: number
}

/** The shares of which the distance from the median gives a scale: the first that is not 0. */
const shares = [0.25, 0.1, 0.05, 0.01, 0.001]

/**
 * Reads mean, median, mode and quantiles of a feature from a profile: the mean from its moments, the others from its cells.
 *
 * Point masses count as what they are; inside any other cell values are taken as spread evenly, so that an error is at most the width of a
 * cell. The outermost cells hold nothing that the reference saw; rows there count at its edge. O(cells), once.
 *
 * The scale of a side is |Q(p) − median| / |z(p)|, at p = 0.25 and 0.75: the median absolute deviation of each side by itself, so that a
 * long tail on one side does not hide outliers on the other. If that is 0 (over half the values are one), p goes outwards to 0.001.
 *
 * @returns `undefined` if the profile has no such feature, or it saw no value
 *
 * Source: Rousseeuw and Croux, JASA 88 (1993), for the deviation from the median.
 */
export const fittedValues = (reference: ReferenceProfile, feature: string): FittedValues | undefined => {
  const profile = reference.features.find(({ name }) => name === feature)
  if (profile === undefined) return undefined
  if (profile.kind === 'categorical') return fittedCategory(profile)
  const masses = massesOf(profile)
  const total = masses.reduce((sum, { count }) => sum + count, 0)
  if (total === 0) return undefined
  const quantile = (p: number): number => {
    if (typeof p !== 'number' || !(p >= 0 && p <= 1)) throw new OutriggerError('ERR_OUTRIGGER_INVALID_INPUT', `Cannot read a quantile of ${feature} as \`p\` must be a number in [0, 1]: current value is ${String(p)}`)
    let rest = p * total
    for (const { from, to, count } of masses) {
      if (rest <= count) return from + (to - from) * (rest / count)
      rest -= count
    }
    return (masses.at(-1) as Mass).to
  }
  const median = quantile(0.5)
  const scaleTo = (side: (share: number) => number): number => {
    for (const share of shares) {
      const distance = Math.abs(quantile(side(share)) - median)
      if (distance > 0) return distance / -normalQuantile(share)
    }
    return 0
  }
  return {
    mean: meanOf(profile, masses, total),
    median,
    mode: modeOf(masses),
    quantile,
    scales: [scaleTo((share) => share), scaleTo((share) => 1 - share)],
  }
}

const massesOf = ({ edges, points, counts }: FeatureProfile & { readonly kind: 'numeric' }): Mass[] => {
  const masses: Mass[] = []
  for (let cell = 0; cell <= edges.length; cell += 1) {
    const count = counts[cell] as number
    if (count === 0 || edges.length === 0) continue
    const point = points.get(cell)
    const from = point ?? (edges[Math.max(0, cell - 1)] as number)
    const to = point ?? (edges[Math.min(cell, edges.length - 1)] as number)
    masses.push({ from, to, count })
  }
  return masses
}

/** Exact, unless values lie too far out to be summed. */
const meanOf = ({ moments }: FeatureProfile, masses: readonly Mass[], total: number): number =>
  moments !== undefined && moments.beyond === 0 && moments.count > 0 ? moments.mean : masses.reduce((sum, { from, to, count }) => sum + (from / 2 + to / 2) * (count / total), 0)

const modeOf = (masses: readonly Mass[]): number => {
  const points = masses.filter(({ from, to }) => from === to)
  const most = (list: readonly Mass[], weight: (mass: Mass) => number): Mass => list.reduce((best, mass) => (weight(mass) > weight(best) ? mass : best))
  const best = points.length > 0 ? most(points, ({ count }) => count) : most(masses, ({ from, to, count }) => count / (to - from))
  return best.from / 2 + best.to / 2
}

const fittedCategory = ({ categories, types }: FeatureProfile & { readonly kind: 'categorical' }): FittedValues | undefined => {
  const [first] = categories
  if (first === undefined) return undefined
  const mode = types.includes('string') ? first : types.includes('boolean') ? first === 'true' : Number(first)
  return { mean: undefined, median: undefined, mode, quantile: () => NaN, scales: [0, 0] }
}
