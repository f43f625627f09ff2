/**
 * The probability that |i·m − j·n| reaches `limit` at the end of some run of tied values, for a random order of n values
 * of one sample and m of the other: i and j are how many of each have come.
 *
 * The mass of the paths that are still inside, by i, one value after the other; what leaves is summed up. All terms are
 * positive, so that a tiny probability keeps its digits. O(n·m) at most.
 */
export const exitProbability = (n: number, m: number, ties: ArrayLike<number>, limit: number): number => {
  if (limit === 0) return 1
  const inside = new Float64Array(n + 1)
  inside[0] = 1
  let low = 0
  let high = 0
  let left = 0
  let taken = 0
  for (let group = 0; group < ties.length && low <= high; group++) {
    for (let drawn = ties[group] as number; drawn > 0; drawn--) {
      const each = 1 / (n + m - taken)
      const top = Math.min(high + 1, n)
      for (let i = top; i > low; i--) inside[i] = ((inside[i] as number) * (m - taken + i) + (inside[i - 1] as number) * (n - i + 1)) * each
      inside[low] = (inside[low] as number) * (m - taken + low) * each
      high = top
      taken += 1
      if (taken - m > low) low = taken - m
    }
    for (; low <= high && low * (n + m) - taken * n <= -limit; low++) {
      left += inside[low] as number
      inside[low] = 0
    }
    for (; high >= low && high * (n + m) - taken * n >= limit; high--) {
      left += inside[high] as number
      inside[high] = 0
    }
  }
  return Math.min(1, left)
}
