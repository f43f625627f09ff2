/** A split: rows whose number is at least `at` go to `high`; those below it, and those that have none, to `low`. */
interface Split {
  readonly column: number
  readonly at: number
  readonly low: LossTree
  readonly high: LossTree
}

/** A regression tree over columns of numbers; a leaf is its own number. */
export type LossTree = Split | number

/** The leaf of a row. */
export const leafOf = (tree: LossTree, row: readonly number[]): number => {
  let node = tree
  while (typeof node !== 'number') node = (row[node.column] as number) >= node.at ? node.high : node.low
  return node
}

interface Part {
  readonly rows: readonly number[]
  readonly best: { readonly gain: number; readonly column: number; readonly at: number } | undefined
}

const cutsPerColumn = 32

/**
 * Grows a tree of at most `leaves` leaves, each time by the split that lowers the sum of squares most (Breiman et al., 1984), over
 * 32 quantiles of each column. Each leaf keeps `leastRows` of the rows it was grown on. O(rows × columns) for each leaf.
 */
export const growLossTree = (rows: readonly (readonly number[])[], loss: readonly number[], leaves: number, leastRows: number): { readonly tree: LossTree; readonly leaves: number } => {
  const columns = rows[0]?.length ?? 0
  const cuts = Array.from({ length: columns }, (_, column) => {
    const sorted = Float64Array.from(rows.map((row) => row[column] as number).filter((value) => !Number.isNaN(value))).sort()
    return [...new Set(Array.from({ length: cutsPerColumn }, (_unused, cut) => sorted[Math.floor(((cut + 0.5) * sorted.length) / cutsPerColumn)]).filter((value) => value !== undefined))]
  })
  const partOf = (members: readonly number[]): Part => {
    let best: Part['best']
    const total = members.reduce((sum, row) => sum + (loss[row] as number), 0)
    for (let column = 0; column < columns; column++) {
      const at = cuts[column] as number[]
      // Rows and loss between one cut and the next: those at or above cut i are the sums from i + 1 on.
      const [counts, sums] = [new Float64Array(at.length + 1), new Float64Array(at.length + 1)]
      for (const row of members) {
        const value = (rows[row] as readonly number[])[column] as number
        let cell = 0
        while (cell < at.length && value >= (at[cell] as number)) cell += 1
        counts[cell] = (counts[cell] as number) + 1
        sums[cell] = (sums[cell] as number) + (loss[row] as number)
      }
      let [n, sum] = [0, 0]
      for (let cut = 0; cut < at.length; cut++) {
        n += counts[cut] as number
        sum += sums[cut] as number
        const others = members.length - n
        if (n < leastRows || others < leastRows) continue
        const gain = (sum * sum) / n + (total - sum) ** 2 / others - (total * total) / members.length
        if (gain > (best?.gain ?? 1e-12 * total * total)) best = { gain, column, at: at[cut] as number }
      }
    }
    return { rows: members, best }
  }
  interface Node {
    part: Part
    split?: { readonly column: number; readonly at: number; readonly low: Node; readonly high: Node }
  }
  const root: Node = { part: partOf([...rows.keys()]) }
  const open: Node[] = [root]
  while (open.length < leaves) {
    const node = open.reduce((first, other) => ((other.part.best?.gain ?? -1) > (first.part.best?.gain ?? -1) ? other : first))
    const { best } = node.part
    if (best === undefined) break
    const isHigh = (row: number): boolean => ((rows[row] as readonly number[])[best.column] as number) >= best.at
    const low: Node = { part: partOf(node.part.rows.filter((row) => !isHigh(row))) }
    const high: Node = { part: partOf(node.part.rows.filter(isHigh)) }
    node.split = { column: best.column, at: best.at, low, high }
    open.splice(open.indexOf(node), 1, low, high)
  }
  let next = 0
  const treeOf = ({ split }: Node): LossTree => (split === undefined ? next++ : { column: split.column, at: split.at, low: treeOf(split.low), high: treeOf(split.high) })
  const tree = treeOf(root)
  return { tree, leaves: next }
}
