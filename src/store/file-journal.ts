import { join } from 'node:path'
import { optionsObject, stringOption } from '../core/options.js'
import { makeDirectory, writeFileAtomic } from './atomic-file.js'
import { errnoOf, nodeFileSystem, readWhole, type FileSystem } from './file-system.js'
import { journalDamage, journalPosition, journalText, type Journal } from './journal.js'
import { stateName } from './state-store.js'

/** Options of {@link fileJournal}. */
export interface FileJournalOptions {
  /** A directory that is there; all processes reach it. */
  readonly directory: string
  /** @default nodeFileSystem */
  readonly fileSystem?: FileSystem
}

const owner = 'a file journal'
/** What `journalText` lets through, in UTF-8. */
const longestEntry = 3 * 2 ** 20
const ours = /^\d{8,}\.entry$/
const fileOf = (position: number): string => `${String(position).padStart(8, '0')}.entry`

/**
 * Journals as directories, one file for each entry: written beside its place, flushed, and linked into it, which fails if somebody was first.
 * A crash or a power cut leaves an entry whole or absent. Reads cost one file for each entry: keep a position and read on from there.
 *
 * @throws ERR_OUTRIGGER_INVALID_OPTION
 */
export const fileJournal = (options: FileJournalOptions): Journal => {
  optionsObject(owner, options, ['directory', 'fileSystem'])
  const { fileSystem = nodeFileSystem } = options
  const root = stringOption(owner, 'directory', options.directory)
  // Not the name itself: file systems differ in what they let through, and in whether case counts.
  const folderOf = (name: string): string => `${Buffer.from(stateName(owner, name)).toString('hex')}.journal`

  const entry = (path: string): Promise<string | undefined> => readWhole(fileSystem, path, longestEntry)

  const names = async (folder: string): Promise<readonly string[]> => {
    try {
      return await fileSystem.readdir(folder)
    } catch (error) {
      if (errnoOf(error) === 'ENOENT') return []
      throw error
    }
  }

  return {
    read: async (name, from = 0) => {
      const folder = join(root, folderOf(name))
      const files = (await names(folder)).filter((file) => ours.test(file)).sort()
      // An entry that was taken away by hand must not pass for the end, or the list would fork.
      const gap = files.findIndex((file, position) => file !== fileOf(position))
      if (gap >= 0) throw journalDamage(owner, name, `${files[gap]} without ${fileOf(gap)}`)
      const entries: string[] = []
      for (const file of files.slice(journalPosition(owner, from))) entries.push((await entry(join(folder, file))) ?? '')
      return entries
    },
    append: async (name, position, text) => {
      journalText(owner, text)
      const folder = join(root, folderOf(name))
      if (journalPosition(owner, position) > 0 && (await entry(join(folder, fileOf(position - 1)))) === undefined) return false
      await makeDirectory(fileSystem, root, folderOf(name))
      try {
        await writeFileAtomic(join(folder, fileOf(position)), Buffer.from(text), { fileSystem, exclusive: true })
        return true
      } catch (error) {
        if (errnoOf(error) === 'EEXIST') return false
        throw error
      }
    },
  }
}
