/** Where a command prints to. */

/** Out, err, and what the terminal can do. */
export interface Terminal {
  out(text: string): void
  err(text: string): void
  /** How wide lines may be. */
  readonly columns: number
  /** A text in a colour, where there are colours. */
  paint(colour: 'red' | 'green' | 'dim', text: string): string
}

const codes = { red: 31, green: 32, dim: 2 } as const

/** What is used of a process. */
export interface ProcessLike {
  readonly stdout: { write(text: string): unknown; readonly isTTY?: boolean; readonly columns?: number }
  readonly stderr: { write(text: string): unknown }
  readonly env: Readonly<Record<string, string | undefined>>
}

/** The terminal of a process: colours on a TTY only, and not where `NO_COLOR` is set (no-color.org). */
export const terminalOf = ({ stdout, stderr, env }: ProcessLike): Terminal => {
  const isTerminal = stdout.isTTY === true
  const hasColours = isTerminal && (env['NO_COLOR'] ?? '') === '' && env['TERM'] !== 'dumb'
  return {
    out: (text) => void stdout.write(text),
    err: (text) => void stderr.write(text),
    columns: isTerminal ? Math.max(40, stdout.columns ?? 80) : 80,
    paint: (colour, text) => (hasColours ? `\u001B[${codes[colour]}m${text}\u001B[0m` : text),
  }
}
