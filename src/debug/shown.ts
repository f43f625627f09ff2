/** Values in texts that people read, in a terminal or a ticket. Whoever chose a value may not choose what the terminal does. */
import type { MaskedValue } from '../core/masking.js'
import type { Difference } from './difference.js'

/** Control characters, those that turn the direction of what follows, invisible ones, and halves of characters. */
const unsafe = /[\p{Cc}\p{Cf}\p{Co}\p{Cs}\p{Zl}\p{Zp}]/gu

/** A text in one line that does nothing but stand there, cut to `most` characters. */
export const plainText = (text: string, most: number = Infinity): string => {
  const plain = text.slice(0, 4 * Math.min(most, 1e6)).replaceAll(unsafe, (character) => `\\u{${(character.codePointAt(0) as number).toString(16)}}`)
  return plain.length <= most ? plain : `${plain.slice(0, Math.max(0, most - 1))}…`
}

/** A recorded value. Texts are in quotes only if they might be taken for something else. */
export const shownValue = (value: MaskedValue | undefined, most: number = 40): string => {
  if (value === undefined) return '(none)'
  if (typeof value === 'string') return plainText(/^[\p{L}_][\p{L}\p{N}_ .:/@-]*$/u.test(value) && !['true', 'false', 'null', 'NaN', 'Infinity'].includes(value) ? value : JSON.stringify(value), most)
  return plainText(JSON.stringify(value), most)
}

/** A number in few digits. */
export const shownNumber = (value: number): string => (Number.isFinite(value) ? String(Number(value.toPrecision(4))) : value === Infinity ? 'another value' : String(value))

/** `delay 12.5 → 13`. */
export const shownDifference = ({ path, recorded, now, by }: Difference): string =>
  `${plainText(path, 40)}: ${shownValue(recorded)} → ${shownValue(now)}${Number.isFinite(by) ? ` (by ${shownNumber(by)})` : ''}`

/** A moment in UTC: `2001-02-03 04:05:06.789Z`. */
export const shownTime = (at: number): string => (Math.abs(at) <= 8.64e15 ? new Date(at).toISOString().replace('T', ' ') : String(at))

/** Rows as columns, each as wide as its widest cell; numbers to the right. */
export const columns = (rows: readonly (readonly string[])[], indent: string = '  '): string => {
  const widths: number[] = []
  for (const row of rows) row.forEach((cell, at) => (widths[at] = Math.max(widths[at] ?? 0, cell.length)))
  const isNumeric = widths.map((_, at) => rows.slice(1).every((row) => /^-?[\d.]*(?:e[+-]\d+)?(?: ?%)?$/.test(row[at] ?? '')))
  return rows.map((row) => (indent + row.map((cell, at) => (isNumeric[at] === true ? cell.padStart(widths[at] as number) : cell.padEnd(widths[at] as number))).join('  ')).trimEnd()).join('\n')
}
