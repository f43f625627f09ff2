import { membersOption } from '../core/options.js'
import type { ScoringProgress } from './scoring-progress.js'

/** A stream that may be a terminal: `process.stderr`. */
export interface TerminalStream {
  readonly isTTY?: boolean | undefined
  readonly columns?: number | undefined
  write(text: string): unknown
}

/**
 * A progress bar for the option `onProgress`. Into something that is no terminal (a log, a file) it writes nothing.
 *
 * @example
 * ```ts
 * import { scoreBatch, terminalProgress } from 'outrigger/batch'
 * let shown = ''
 * const terminal = { isTTY: true, columns: 60, write: (text: string) => void (shown += text) } // process.stderr
 * await scoreBatch((x: number) => x * 2, [1, 2, 3], () => {}, { onProgress: terminalProgress(terminal) })
 * assert.match(shown, /100 % {2}3 rows/)
 * ```
 */
export const terminalProgress = (stream: TerminalStream): ((progress: ScoringProgress) => void) => {
  membersOption('a progress bar', 'stream', stream, ['write'])
  return (progress) => {
    if (stream.isTTY !== true) return
    // `\x1b[K` clears what an earlier, longer line left.
    stream.write(`\r${progressLine(progress, stream.columns ?? 80)}\x1b[K${progress.done ? '\n' : ''}`)
  }
}

/** The progress in one line of at most so many columns. */
export const progressLine = (progress: ScoringProgress, columns: number): string => {
  const { rows, failed, fraction, rowsPerSecond, etaMs } = progress
  const percent = fraction === undefined ? '' : `${String(Math.floor(fraction * 100)).padStart(3)} %  `
  const failures = failed === 0 ? '' : `, ${grouped(failed)} failed`
  const eta = etaMs === undefined || progress.done ? '' : `, ${duration(etaMs)} left`
  const text = `${percent}${grouped(rows)} rows${failures}  ${grouped(Math.round(rowsPerSecond))}/s${eta}`
  const room = Math.min(40, columns - text.length - 4)
  const filled = Math.round((fraction ?? 0) * room)
  const bar = fraction === undefined || room < 8 ? '' : `[${'#'.repeat(filled)}${'.'.repeat(room - filled)}] `
  return `${bar}${text}`.slice(0, Math.max(0, columns - 1))
}

/** Digits in groups of three, whatever the machine's language. */
const grouped = (value: number): string => String(value).replace(/\B(?=(\d{3})+$)/g, ' ')

const duration = (ms: number): string => {
  const seconds = Math.ceil(ms / 1000)
  if (seconds < 60) return `${seconds} s`
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${seconds % 60} s`
  return `${Math.floor(seconds / 3600)} h ${Math.floor((seconds % 3600) / 60)} min`
}
