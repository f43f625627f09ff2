/** An AUC from scores, and what each row contributes to it. */
export interface Placements {
  readonly auc: number
  /** Its squared standard error by DeLong, DeLong and Clarke-Pearson, Biometrics 44 (1988). */
  readonly variance: number
}

/** Over groups (folds) whose scores are compared within each only; the AUC is that of all pairs together. O(pairs). */
export const placements = (groups: readonly { readonly up: Float64Array; readonly down: Float64Array }[]): Placements => {
  let pairs = 0
  let above = 0
  const ups: number[] = []
  const downs: number[] = []
  for (const { up, down } of groups) {
    if (up.length === 0 || down.length === 0) continue
    const lost = new Float64Array(down.length)
    for (const score of up) {
      let won = 0
      for (let row = 0; row < down.length; row++) {
        const other = down[row] as number
        const win = score > other ? 1 : score === other ? 0.5 : 0
        won += win
        lost[row] = (lost[row] as number) + win
      }
      ups.push(won / down.length)
      above += won
    }
    for (const wins of lost) downs.push(wins / up.length)
    pairs += up.length * down.length
  }
  return { auc: above / pairs, variance: varianceOfMean(ups) + varianceOfMean(downs) }
}

const varianceOfMean = (values: readonly number[]): number => {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length
  return values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / Math.max(1, values.length - 1) / values.length
}
