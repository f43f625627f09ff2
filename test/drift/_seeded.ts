/** A small seeded generator (mulberry32) with the draws that drift tests need. */
export const seeded = (seed: number): { uniform(): number; normal(): number; index(shares: readonly number[]): number } => {
  let state = seed >>> 0
  const uniform = (): number => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = Math.imul(state ^ (state >>> 15), state | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296
  }
  return {
    uniform,
    normal: () => Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform()),
    index: (shares) => {
      let rest = uniform()
      for (let cell = 0; cell < shares.length; cell++) if ((rest -= shares[cell] as number) < 0) return cell
      return shares.length - 1
    },
  }
}

/** The shares of k categories by Zipf's law. */
export const zipf = (k: number): number[] => {
  const weights = Array.from({ length: k }, (_, i) => 1 / (i + 1))
  const total = weights.reduce((sum, weight) => sum + weight, 0)
  return weights.map((weight) => weight / total)
}
