/** Rows in columns that fit a width. */
import { plainText } from '../debug/shown.js'

/** How narrow a column may get. */
const narrowest = 6

/**
 * Rows under a head, each column as wide as its widest cell. Where that is too wide, the widest columns are cut. Columns of numbers stand to the right.
 *
 * @param keep - columns that are cut last: ids, which somebody will copy
 */
export const table = (head: readonly string[], rows: readonly (readonly string[])[], width: number, keep: ReadonlySet<number> = new Set()): string => {
  const cells = [head, ...rows].map((row) => row.map((cell) => plainText(cell)))
  const widths = head.map((_, at) => cells.reduce((most, row) => Math.max(most, (row[at] ?? '').length), 0))
  const total = (): number => widths.reduce((sum, one) => sum + one, 0) + 2 * (widths.length - 1)
  for (const isLast of [false, true]) {
    while (total() > width) {
      const candidates = widths.map((one, at) => (one > narrowest && (isLast || !keep.has(at)) ? one : 0))
      const widest = Math.max(...candidates)
      if (widest === 0) break
      const at = candidates.indexOf(widest)
      // To the next widest at once, or as far as is needed.
      const next = Math.max(narrowest, ...candidates.filter((_, other) => other !== at).map((one) => Math.min(one, widest - 1)))
      widths[at] = Math.max(next, widest - (total() - width), narrowest)
    }
  }
  const isNumeric = head.map((_, at) => rows.length > 0 && cells.slice(1).every((row) => /^-?[\d.]+(?:e[+-]\d+)?$|^$/.test(row[at] ?? '')))
  const line = (row: readonly string[]): string => row.map((cell, at) => fitted(cell, widths[at] as number, isNumeric[at] === true)).join('  ').trimEnd().slice(0, Math.max(width, 0))
  return `${cells.map(line).join('\n')}\n`
}

const fitted = (cell: string, width: number, isNumeric: boolean): string => {
  const cut = cell.length > width ? `${cell.slice(0, width - 1)}…` : cell
  return isNumeric ? cut.padStart(width) : cut.padEnd(width)
}

/** Names and values, one a line, long values wrapped. */
export const list = (pairs: readonly (readonly [name: string, value: string])[], width: number): string => {
  const names = pairs.map(([name]) => plainText(name, 28))
  const indent = Math.max(0, ...names.map((name) => name.length)) + 2
  return pairs
    .map(([, value], at) => {
      const text = plainText(value)
      const room = Math.max(20, width - indent)
      const lines = text.length === 0 ? [''] : Array.from({ length: Math.ceil(text.length / room) }, (_, line) => text.slice(line * room, (line + 1) * room))
      return lines.map((part, line) => (line === 0 ? (names[at] as string).padEnd(indent) : ' '.repeat(indent)) + part).join('\n')
    })
    .map((text) => `${text.trimEnd()}\n`)
    .join('')
}
