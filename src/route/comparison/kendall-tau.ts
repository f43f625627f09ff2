/** Whether two lists of scores rank alike. */

/**
 * Kendall's τ-b of two lists of scores: (C − D) / √((n₀ − n₁)(n₀ − n₂)), from −1 (reversed) over 0 to 1 (the same order).
 *
 * C and D are the pairs of positions that both rank alike, and against each other; n₀ = n(n − 1)/2, n₁ and n₂ the pairs that are tied in one. Sorted by the first list, D are
 * the exchanges that sorting by the second one needs: O(n log n). All pairs weigh the same, so that a thousand classes near 0 drown the ten that matter:
 * see the overlap of the first k beside it.
 *
 * @returns `NaN` if a list is constant, shorter than 2, or holds a `NaN`, or if the lengths differ
 *
 * Source: M. Kendall, Biometrika 33 (1945), for ties; W. Knight, Journal of the American Statistical Association 61 (1966).
 *
 * @example
 * ```ts
 * import { kendallTau } from 'outrigger/route'
 * assert.equal(kendallTau([0.1, 0.2, 0.7], [1, 2, 3]), 1)
 * assert.equal(kendallTau([0.1, 0.2, 0.7], [3, 2, 1]), -1)
 * ```
 */
export const kendallTau = (first: ArrayLike<number>, second: ArrayLike<number>): number => {
  const n = first.length
  if (n !== second.length || n < 2) return NaN
  if (n <= few) return tauOfFew(first, second)
  const pairs: (readonly [number, number])[] = []
  for (let index = 0; index < n; index += 1) {
    const [a, b] = [first[index] as number, second[index] as number]
    if (Number.isNaN(a) || Number.isNaN(b)) return NaN
    pairs.push([a, b])
  }
  pairs.sort(([a, b], [c, d]) => order(a, c) || order(b, d))
  const all = (n * (n - 1)) / 2
  const tiedFirst = tiedPairs(pairs, (x, y) => x[0] === y[0])
  const tiedBoth = tiedPairs(pairs, (x, y) => x[0] === y[0] && x[1] === y[1])
  const values = Float64Array.from(pairs, ([, b]) => b)
  const exchanges = sortCounting(values, new Float64Array(n), 0, n)
  const tiedSecond = tiedPairs(values, (x, y) => x === y)
  return (all - tiedFirst - tiedSecond + tiedBoth - 2 * exchanges) / Math.sqrt((all - tiedFirst) * (all - tiedSecond))
}

/** Up to so many, looking at each pair is faster than sorting. */
const few = 40

const tauOfFew = (first: ArrayLike<number>, second: ArrayLike<number>): number => {
  let [alike, untiedFirst, untiedSecond] = [0, 0, 0]
  for (let i = 0; i < first.length; i += 1) {
    if (Number.isNaN(first[i]) || Number.isNaN(second[i])) return NaN
    for (let j = 0; j < i; j += 1) {
      const a = order(first[i] as number, first[j] as number)
      const b = order(second[i] as number, second[j] as number)
      alike += a * b
      untiedFirst += a * a
      untiedSecond += b * b
    }
  }
  return alike / Math.sqrt(untiedFirst * untiedSecond)
}

const order = (a: number, b: number): number => (a < b ? -1 : a > b ? 1 : 0)

/** The pairs within runs of equal ones. */
const tiedPairs = <T>(sorted: ArrayLike<T>, isTied: (x: T, y: T) => boolean): number => {
  let pairs = 0
  for (let index = 1, run = 0; index < sorted.length; index += 1) {
    run = isTied(sorted[index - 1] as T, sorted[index] as T) ? run + 1 : 0
    pairs += run
  }
  return pairs
}

/** Sorts by merging, and counts the exchanges of neighbours that would do the same. */
const sortCounting = (values: Float64Array, spare: Float64Array, from: number, to: number): number => {
  if (to - from < 2) return 0
  const middle = (from + to) >>> 1
  let exchanges = sortCounting(values, spare, from, middle) + sortCounting(values, spare, middle, to)
  for (let left = from, right = middle, at = from; at < to; at += 1) {
    if (right >= to || (left < middle && (values[left] as number) <= (values[right] as number))) spare[at] = values[left++] as number
    else {
      exchanges += middle - left
      spare[at] = values[right++] as number
    }
  }
  values.set(spare.subarray(from, to), from)
  return exchanges
}
