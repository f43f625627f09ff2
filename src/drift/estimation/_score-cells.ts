/** The scores of a reference, cut into cells: cell i holds the scores from `edges[i − 1]` up to but not including `edges[i]`. */
export interface ScoreCells {
  /** Increasing. The first is the lowest score of the reference, the last but for the threshold is just above its highest one. */
  readonly edges: readonly number[]
  /** Scores of at least this are predicted positive; always an edge, so that a cell is of one predicted class. −∞ predicts all. */
  readonly threshold: number
}

/** Cells with about as many reference scores each. */
export const scoreCells = (scores: ArrayLike<number>, cells: number, threshold: number): ScoreCells => {
  const sorted = Float64Array.from(scores).sort()
  const highest = sorted.at(-1) as number
  const edges = new Set<number>([...(threshold === -Infinity ? [] : [threshold]), highest + Math.max(Number.MIN_VALUE, Math.abs(highest) * Number.EPSILON)])
  for (let cell = 0; cell < cells; cell++) edges.add(sorted[Math.floor((cell * sorted.length) / cells)] as number)
  return { edges: [...edges].sort((a, b) => a - b), threshold }
}

/** The cell of a score: 0 is below all edges. O(log cells). */
export const cellOf = ({ edges }: ScoreCells, score: number): number => {
  let [low, high] = [0, edges.length]
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((edges[middle] as number) <= score) low = middle + 1
    else high = middle
  }
  return low
}

/** Whether the scores of a cell are predicted positive. */
export const isPredictedPositive = ({ edges, threshold }: ScoreCells, cell: number): boolean => threshold === -Infinity || (cell > 0 && (edges[cell - 1] as number) >= threshold)

/** The first cell whose scores are predicted positive. */
export const firstPositiveCell = ({ edges, threshold }: ScoreCells): number => (threshold === -Infinity ? 0 : edges.indexOf(threshold) + 1)
