/** What a process has counted, in a file, so that a crash loses nothing and a restart counts nothing twice. */
import { closeSync, constants, fdatasyncSync, ftruncateSync, fstatSync, openSync, readFileSync, renameSync, writeSync } from 'node:fs'
import { OutriggerError } from '../../core/errors.js'
import { numberOption, optionsObject, stringOption } from '../../core/options.js'

/** Options of {@link fileLedger}. */
export interface FileLedgerOptions {
  /** A file of this process alone, the same after a restart. Its directory is there. */
  readonly path: string
  /** When it is this long, in bytes, and twice as long as its last snapshot, it is written anew, as one snapshot. @default 16 MiB */
  readonly maxBytes?: number
}

/** Lines that were written before the answer that they are about was given. */
export interface Ledger {
  /** What a run before has left, in order; none after a {@link Ledger.reset}. */
  readonly lines: readonly string[]
  /** Appends a line, at once: when it returns, a crash of the process does not lose it. When it throws, the line is not there, nor a part of it. */
  append(line: string): void
  /** Whether it is time for a {@link Ledger.reset}. */
  readonly isLong: boolean
  /** Starts anew with one line, whole or not at all. */
  reset(line: string): void
  close(): void
}

const owner = 'a ledger'

const failed = (path: string, error: unknown): OutriggerError =>
  new OutriggerError('ERR_OUTRIGGER_ROLLOUT', `Cannot keep a ledger as its file must be readable and writable: current value is ${path} (${error instanceof Error ? error.message : String(error)})`, { reason: 'ledger', path, cause: error })

/** No link is followed, so that nobody makes it write elsewhere. */
const flags = constants.O_RDWR | constants.O_CREAT | constants.O_APPEND | (constants.O_NOFOLLOW ?? 0)

/**
 * A ledger in a file of lines. Appending is one synchronous write of a few microseconds into the system's memory: a crash or a SIGKILL of the process loses
 * nothing; a power cut loses what the system had not written yet. Only what evidence counts is written: a unit's first call in an epoch, a
 * value, a failure; not every call.
 *
 * A line that a crash cut is left out and cut off.
 *
 * @throws `ERR_OUTRIGGER_INVALID_OPTION`; `ERR_OUTRIGGER_ROLLOUT` if the file cannot be read or written
 */
export const fileLedger = (options: FileLedgerOptions): Ledger => {
  optionsObject(owner, options, ['path', 'maxBytes'])
  const path = stringOption(owner, 'path', options.path)
  const maxBytes = numberOption(owner, 'maxBytes', options.maxBytes ?? 16 * 2 ** 20, { min: 1, integer: true })
  let file: number | undefined
  let lines: string[] = []
  let bytes: number
  let snapshotBytes: number
  let isTorn = false
  try {
    file = openSync(path, flags, 0o600)
    const content = readFileSync(file)
    bytes = content.lastIndexOf(10) + 1
    if (bytes < fstatSync(file).size) ftruncateSync(file, bytes)
    lines = content.toString('utf8', 0, bytes).split('\n').slice(0, -1)
    snapshotBytes = content.indexOf(10) + 1
  } catch (error) {
    throw failed(path, error)
  }
  const write = (into: number, line: string): number => {
    const data = Buffer.from(`${line}\n`)
    for (let done = 0; done < data.length; ) done += writeSync(into, data, done)
    return data.length
  }
  /** The number of a closed file may be another file's by now. */
  const opened = (): number => {
    if (file === undefined) throw new Error('it is closed')
    return file
  }
  return {
    get lines() {
      return lines
    },
    append: (line) => {
      try {
        // What a full disk has cut must not become the beginning of the next line.
        if (isTorn) ftruncateSync(opened(), bytes)
        isTorn = true
        bytes += write(opened(), line)
        isTorn = false
      } catch (error) {
        throw failed(path, error)
      }
    },
    get isLong() {
      return bytes > Math.max(maxBytes, 2 * snapshotBytes)
    },
    reset: (line) => {
      const next = `${path}.next`
      let fresh: number | undefined
      try {
        opened()
        fresh = openSync(next, flags | constants.O_TRUNC, 0o600)
        const written = write(fresh, line)
        fdatasyncSync(fresh)
        renameSync(next, path)
        ;[file, fresh] = [fresh, file]
        bytes = snapshotBytes = written
        lines = []
        isTorn = false
      } catch (error) {
        throw failed(path, error)
      } finally {
        if (fresh !== undefined) closeSync(fresh)
      }
    },
    close: () => {
      if (file !== undefined) closeSync(file)
      file = undefined
    },
  }
}
