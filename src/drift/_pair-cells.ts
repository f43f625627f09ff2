import { murmur3 } from '../core/hash.js'
import { specialCells, type CategoricalCells, type FeatureCells } from './feature-cells.js'

/** Into how many ranges a number is cut when it is half of a pair. */
const ranges = 8

const shown = (x: number | undefined): string => String(Number((x ?? NaN).toPrecision(6)))

/** What each cell of a feature is called in a pair; cells of one name are one. */
const groupNames = (cells: FeatureCells): string[] => {
  const special = specialCells.map((name) => `‹${name}›`)
  if (cells.kind === 'categorical') return [...cells.categories, '‹other›', '‹unseen›', ...special]
  const { edges } = cells
  const count = edges.length + 1
  const names = Array.from({ length: count }, (_, cell) => {
    const range = Math.floor((cell * ranges) / count)
    const first = Math.ceil((range * count) / ranges)
    const last = Math.ceil(((range + 1) * count) / ranges) - 1
    const above = first === 0 ? '' : `> ${shown(edges[first - 1])}`
    const upTo = last === count - 1 ? '' : `≤ ${shown(edges[last])}`
    return above === '' && upTo === '' ? 'any number' : above === '' || upTo === '' ? above + upTo : `${above} ${upTo}`
  })
  return [...names, ...special]
}

/** What a row is in the joint cells of two features, by their own cells. */
export const pairNames = (first: FeatureCells, second: FeatureCells): ((firstCell: number, secondCell: number) => string) => {
  const [x, y] = [groupNames(first), groupNames(second)]
  return (firstCell, secondCell) => `${x[firstCell]} × ${y[secondCell]}`
}

/** The pair's cell for each cell of the one feature and each of the other, row by row. */
export const pairTable = (pair: CategoricalCells, first: FeatureCells, second: FeatureCells): { readonly table: Uint16Array; readonly width: number } => {
  const named = new Map(pair.categories.map((name, index) => [name, index]))
  const tail = new Set(pair.tail)
  const [x, y] = [groupNames(first), groupNames(second)]
  const other = pair.categories.length
  const table = new Uint16Array(x.length * y.length)
  x.forEach((one, row) => {
    y.forEach((two, column) => {
      const name = `${one} × ${two}`
      table[row * y.length + column] = named.get(name) ?? (!pair.isTailComplete || tail.has(murmur3(name)) ? other : other + 1)
    })
  })
  return { table, width: y.length }
}
