/** Two samples of values over the same cells: those of their sketches. */
import type { DDSketch, LogBucketsState } from '../../stats/ddsketch.js'
import { jensenShannonDistance } from '../../stats/jensen-shannon.js'

/** How far two distributions of values are apart. */
export interface DistributionDistance {
  /** The Jensen-Shannon distance, 0 to 1, less what chance would show. */
  readonly jensenShannon: number
  /** Kullback and Leibler's divergence D(primary ‖ candidate), in nats, with half a row more in each cell. */
  readonly kullbackLeibler: number
}

/** So many cells of about as many values each, of both together: few enough that chance shows little. */
const cells = 32

/** Of as many values each. The cells are the sketches' buckets, in order, put together until there are enough values in each. */
export const distributionDistance = (primary: DDSketch, candidate: DDSketch): DistributionDistance => {
  const buckets = new Map<number, [number, number]>()
  const put = (place: number, side: 0 | 1, count: number): void => {
    if (count === 0) return
    const bucket = buckets.get(place) ?? [0, 0]
    bucket[side] += count
    buckets.set(place, bucket)
  }
  for (const [side, sketch] of [[0, primary], [1, candidate]] as const) {
    const { zeros, positive, negative } = sketch.toJSON()
    put(0, side, zeros)
    // Far enough apart that the signs do not meet: a bucket's number has about five digits.
    const all = (sign: 1 | -1, { from, counts }: LogBucketsState): void => counts.forEach((count, index) => put(sign * (1e9 + from + index), side, count))
    all(1, positive)
    all(-1, negative)
  }
  const each = (primary.count + candidate.count) / cells
  const [first, second] = [[0], [0]]
  for (const [, [here, there]] of [...buckets].sort(([a], [b]) => a - b)) {
    if (first.at(-1)! + second.at(-1)! >= each) {
      first.push(0)
      second.push(0)
    }
    first[first.length - 1]! += here
    second[second.length - 1]! += there
  }
  const n = primary.count + first.length / 2
  const kullbackLeibler = first.reduce((sum, here, cell) => sum + ((here + 0.5) / n) * Math.log((here + 0.5) / ((second[cell] as number) + 0.5)), 0)
  return { jensenShannon: jensenShannonDistance(first, second, { corrected: true }), kullbackLeibler }
}
