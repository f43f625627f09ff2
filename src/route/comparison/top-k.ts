/** The positions of the largest values. */

/** The positions of the k largest values, the largest first; of equal ones the first. `NaN` is below all. O(n k). */
export const topIndices = (values: ArrayLike<number>, k: number): number[] => {
  const top: number[] = []
  for (let index = 0; index < values.length; index += 1) {
    const value = rankable(values[index])
    if (top.length === k && value <= rankable(values[top[k - 1] as number])) continue
    let at = top.length === k ? k - 1 : top.length
    while (at > 0 && rankable(values[top[at - 1] as number]) < value) {
      top[at] = top[at - 1] as number
      at -= 1
    }
    top[at] = index
  }
  return top
}

const rankable = (value: number | undefined): number => (value === undefined || Number.isNaN(value) ? -Infinity : value)

/**
 * The share of the first k that two rankings have in common, whatever their order: |A ∩ B| / k. O(k²).
 *
 * @example
 * ```ts
 * import { topOverlap } from 'outrigger/route'
 * assert.equal(topOverlap([0.5, 0.3, 0.2, 0], [0.3, 0.5, 0, 0.2], 2), 1)
 * assert.equal(topOverlap([0.5, 0.3, 0.2, 0], [0.5, 0, 0.2, 0.3], 2), 0.5)
 * ```
 */
export const topOverlap = (first: ArrayLike<number>, second: ArrayLike<number>, k: number): number => overlapOf(topIndices(first, k), topIndices(second, k))

/** The same of positions that are known. */
export const overlapOf = (first: readonly number[], second: readonly number[]): number => {
  const size = Math.max(first.length, second.length)
  return size === 0 ? 1 : first.filter((index) => second.includes(index)).length / size
}
