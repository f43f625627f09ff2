import { join } from 'node:path'
import { systemClock, type Clock } from '../core/clock.js'
import { OutriggerError } from '../core/errors.js'
import { optionsObject, stringOption } from '../core/options.js'
import { temporaryPrefix, writeFileAtomic } from './atomic-file.js'
import { errnoOf, nodeFileSystem, readWhole, type FileSystem } from './file-system.js'
import { byName, keptFor, stateName, type StateStore, type StoredState } from './state-store.js'

/** Options of {@link fileStateStore}. */
export interface FileStateStoreOptions {
  /** A directory that is there, for these states only. */
  readonly directory: string
  /** A larger file is refused, in bytes. @default 256 MiB */
  readonly maxBytes?: number
  /** For expiry; processes on several machines need clocks that agree. @default the system's */
  readonly clock?: Clock
  /** @default nodeFileSystem */
  readonly fileSystem?: FileSystem
}

const suffix = '.state'
/** The hexadecimal of a name, as a file of ours is called. */
const ours = /^(?:[0-9a-f]{2}){1,100}\.state$/
/** No writer takes so long: a temporary file that is older was left by one that crashed. */
const abandonedAfterMs = 86_400_000

/**
 * States as files of a directory that all processes reach: one file per writer, whole or absent. The first line says until when it counts; whoever
 * lists the directory removes what is older, and the temporary file of a writer that crashed a day ago. A file that somebody damaged is given as it is, for its
 * reader to refuse; one that cannot be read (too large, no rights, a link) is listed with its error. Files of other names are let be.
 *
 * @throws ERR_OUTRIGGER_INVALID_OPTION
 */
export const fileStateStore = (options: FileStateStoreOptions): StateStore => {
  const owner = 'a file state store'
  optionsObject(owner, options, ['directory', 'maxBytes', 'clock', 'fileSystem'])
  const { maxBytes = 256 * 2 ** 20, clock = systemClock, fileSystem = nodeFileSystem } = options
  const directory = stringOption(owner, 'directory', options.directory)
  // Not the name itself: file systems differ in what they let through, and in whether case counts.
  const pathOf = (name: string): string => join(directory, Buffer.from(stateName(owner, name)).toString('hex') + suffix)

  const remove = async (path: string): Promise<void> => {
    try {
      await fileSystem.unlink(path)
    } catch (error) {
      if (errnoOf(error) !== 'ENOENT') throw error
    }
  }
  /** What cannot be removed is let be: it disturbs nobody. */
  const sweep = async (path: string): Promise<void> => {
    try {
      const stat = await fileSystem.lstat(path)
      if (stat.isFile() && stat.mtimeMs + abandonedAfterMs < clock.wall()) await fileSystem.unlink(path)
    } catch {}
  }
  const current = async (path: string): Promise<string | undefined> => {
    const content = await readWhole(fileSystem, path, maxBytes)
    if (content === undefined) return undefined
    const end = content.indexOf('\n')
    const until = end > 0 ? Number(content.slice(0, end)) : NaN
    if (Number.isNaN(until)) return content
    return until > clock.wall() ? content.slice(end + 1) : undefined
  }
  return {
    put: async (name, text, keepForMs) => await writeFileAtomic(pathOf(name), Buffer.from(`${clock.wall() + keptFor(owner, keepForMs)}\n${text}`), { fileSystem }),
    get: async (name) => await current(pathOf(name)),
    list: async () => {
      const states: StoredState[] = []
      for (const file of await fileSystem.readdir(directory)) {
        const path = join(directory, file)
        if (file.startsWith(temporaryPrefix)) await sweep(path)
        if (!ours.test(file)) continue
        const name = Buffer.from(file.slice(0, -suffix.length), 'hex').toString()
        try {
          const text = await current(path)
          // Another process may put a new one there meanwhile, which would be lost until it puts the next.
          if (text === undefined) await remove(path)
          else states.push({ name, text })
        } catch (cause) {
          const error = cause instanceof OutriggerError ? cause : new OutriggerError('ERR_OUTRIGGER_STORE_FAILED', `Cannot read a state as ${path} must be a file that may be read: current value is ${errnoOf(cause) ?? String(cause)}`, { cause })
          states.push({ name, text: undefined, error })
        }
      }
      return states.sort(byName)
    },
    remove: async (name) => await remove(pathOf(name)),
  }
}
