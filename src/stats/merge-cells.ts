/** How sparse cells are merged. */
export interface MergeCellsOptions {
  /** Cells have an order, and only neighbours are merged. @default false */
  readonly ordered?: boolean
  /** The least expected count of a merged cell, in either sample. @default 5 */
  readonly minimumExpected?: number
  /** The most cells that remain; a limit for ordered cells only. @default Infinity */
  readonly maximumCells?: number
}

/**
 * Merges sparse cells of two samples until each expects enough counts in both, and says which group each cell is in.
 *
 * The expected count of a cell with pooled total t is t·n/(n + m) and t·m/(n + m), so both reach `minimumExpected` when
 * t does `minimumExpected`·(n + m)/min(n, m). Groups are chosen by pooled totals alone, never by the difference of the
 * samples: given the totals, the samples are exchangeable under "no drift", so the choice cannot make a test reject.
 *
 * - Ordered cells: first cut to at most `maximumCells` of about equal pooled mass, then a sparse run joins its next
 *   neighbour; before a cell that suffices by itself, and at the end, it joins the one before instead.
 * - Unordered cells: those that suffice stay alone, the sparse ones are put together from the rarest up.
 * - Cells that are empty in both samples are in no group.
 *
 * O(k) for ordered cells, O(k log k) for others.
 *
 * @returns for each cell the number of its group, from 0 without gaps, or -1
 * @example
 * ```ts
 * import { mergeSparseCells } from 'outrigger/stats'
 * assert.deepEqual([...mergeSparseCells([40, 1, 1, 58], [50, 2, 3, 45], { ordered: true })], [0, 0, 0, 1])
 * assert.deepEqual([...mergeSparseCells([40, 1, 9, 50, 0], [50, 0, 8, 42, 0])], [0, 1, 1, 2, -1])
 * ```
 */
export const mergeSparseCells = (first: ArrayLike<number>, second: ArrayLike<number>, options: MergeCellsOptions = {}): Int32Array => {
  const { ordered = false, minimumExpected = 5, maximumCells = Infinity } = options
  const pooled = new Float64Array(first.length)
  let n = 0
  let m = 0
  for (let cell = 0; cell < pooled.length; cell++) {
    n += first[cell] as number
    m += second[cell] as number
    pooled[cell] = (first[cell] as number) + (second[cell] as number)
  }
  const smaller = Math.min(n, m)
  const enough = smaller === 0 ? Infinity : (minimumExpected * (n + m)) / smaller
  return ordered ? mergeNeighbours(pooled, enough, maximumCells) : mergeRarest(pooled, enough)
}

const mergeNeighbours = (pooled: Float64Array, enough: number, maximumCells: number): Int32Array => {
  const blocks = maximumCells < pooled.length ? equalBlocks(pooled, maximumCells) : pooled.map((_, cell) => cell)
  const groups = new Int32Array(pooled.length).fill(-1)
  let group = -1
  let mass = Infinity // of the open group: Infinity before the first, so that it opens
  for (let cell = 0; cell < pooled.length; ) {
    let blockMass = 0
    let end = cell
    while (end < pooled.length && blocks[end] === blocks[cell]) blockMass += pooled[end++] as number
    if (blockMass > 0) {
      if (mass >= enough) {
        group += 1
        mass = 0
      } else if (blockMass >= enough && group > 0) {
        // The open group is too small and the next one needs no help: give it to the one before.
        for (let earlier = cell - 1; earlier >= 0 && (groups[earlier] as number) !== group - 1; earlier--) {
          if (groups[earlier] === group) groups[earlier] = group - 1
        }
        mass = 0
      }
      for (let member = cell; member < end; member++) if ((pooled[member] as number) > 0) groups[member] = group
      mass += blockMass
    }
    cell = end
  }
  if (group > 0 && mass < enough) {
    for (let cell = 0; cell < groups.length; cell++) if (groups[cell] === group) groups[cell] = group - 1
  }
  return groups
}

/** Numbers the cells by the part of the pooled mass in which their middle lies. */
const equalBlocks = (pooled: Float64Array, maximumCells: number): Float64Array => {
  const all = pooled.reduce((sum, mass) => sum + mass, 0)
  let before = 0
  return pooled.map((mass) => {
    const middle = before + mass / 2
    before += mass
    return all === 0 ? 0 : Math.min(maximumCells - 1, Math.floor((maximumCells * middle) / all))
  })
}

const mergeRarest = (pooled: Float64Array, enough: number): Int32Array => {
  const sparse: number[] = []
  const owner = new Int32Array(pooled.length).fill(-1)
  let smallest = -1
  for (let cell = 0; cell < pooled.length; cell++) {
    const mass = pooled[cell] as number
    if (mass === 0) continue
    if (mass >= enough) {
      owner[cell] = cell
      if (smallest < 0 || mass < (pooled[smallest] as number)) smallest = cell
    } else sparse.push(cell)
  }
  sparse.sort((a, b) => (pooled[a] as number) - (pooled[b] as number) || a - b)
  let open: number[] = []
  let mass = 0
  for (const cell of sparse) {
    open.push(cell)
    mass += pooled[cell] as number
    if (mass >= enough) {
      smallest = Math.min(...open)
      for (const member of open) owner[member] = smallest
      open = []
      mass = 0
    }
  }
  // What is left over joins the last group of rare cells, else the smallest cell, else it is a group by itself.
  for (const member of open) owner[member] = smallest < 0 ? Math.min(...open) : (owner[smallest] as number)
  return numbered(owner)
}

/** Renumbers owners as 0, 1, 2… in the order in which they appear. */
const numbered = (owner: Int32Array): Int32Array => {
  const numbers = new Map<number, number>()
  return owner.map((cell) => {
    if (cell < 0) return -1
    const known = numbers.get(cell)
    if (known !== undefined) return known
    numbers.set(cell, numbers.size)
    return numbers.size - 1
  })
}

/** Sums counts by the groups of {@link mergeSparseCells}. */
export const mergedCounts = (counts: ArrayLike<number>, groups: Int32Array): number[] => {
  const sums: number[] = new Array(groups.reduce((most, group) => Math.max(most, group + 1), 0)).fill(0)
  for (let cell = 0; cell < groups.length; cell++) {
    const group = groups[cell] as number
    if (group >= 0) sums[group] = (sums[group] as number) + (counts[cell] as number)
  }
  return sums
}
