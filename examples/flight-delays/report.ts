/** Text for a person: tables, and claims with what was seen. */

/** Something the report says of the service, and whether it is so. */
export interface Claim {
  readonly text: string
  readonly holds: boolean
  readonly seen: string
}

/** Columns of text; the first is set left, the others right. */
export const table = (head: readonly string[], rows: readonly (readonly string[])[]): string => {
  const widths = head.map((title, column) => Math.max(title.length, ...rows.map((row) => row[column]?.length ?? 0)))
  const line = (cells: readonly string[]): string => cells.map((cell, column) => (column === 0 ? cell.padEnd(widths[column] as number) : cell.padStart(widths[column] as number))).join('  ').trimEnd()
  return [line(head), line(widths.map((width) => '-'.repeat(width))), ...rows.map(line)].map((text) => `  ${text}`).join('\n')
}

export const heading = (title: string): string => `\n${title}\n${'='.repeat(title.length)}`

export const count = (value: number): string => value.toLocaleString('en-US')

export const percent = (share: number, digits = 1): string => `${(100 * share).toFixed(digits)} %`

export const fixed = (value: number | undefined, digits = 4): string => (value === undefined || Number.isNaN(value) ? '–' : value.toFixed(digits))

/** The value below which a share of the sorted values lies. */
export const quantile = (sorted: readonly number[], share: number): number => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? Number.NaN

export const claimLines = (claims: readonly Claim[]): string => claims.map(({ text, holds, seen }) => `  ${holds ? 'ok  ' : 'FAIL'}  ${text}: ${seen}`).join('\n')

/** A text with its long lines cut, so that it can stand in a report. */
export const shortened = (text: string, width = 180): string => text.split('\n').map((line) => `  ${line.length > width ? `${line.slice(0, width - 1)}…` : line}`.trimEnd()).join('\n')

/** Tells how far it is: one line that renews itself on a terminal, one line a month elsewhere. */
export const progressLine = (write: (text: string) => void, isTerminal: boolean): { show(text: string, isMilestone: boolean): void; done(): void } => {
  let shown = 0
  return {
    show: (text, isMilestone) => {
      if (isTerminal) {
        write(`\r${text.padEnd(shown)}`)
        shown = text.length
      } else if (isMilestone) write(`${text}\n`)
    },
    done: () => {
      if (isTerminal && shown > 0) write('\n')
      shown = 0
    },
  }
}
