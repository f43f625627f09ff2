import { dirname } from 'node:path'
import { nodeFileSystem, type FileSystem } from '../../../src/store/file-system.js'

const absent = (path: string): Error => Object.assign(new Error(`no ${path}`), { code: 'ENOENT' })

/** Files held in memory, to read from only. */
export const snapshotFileSystem = (files: ReadonlyMap<string, Uint8Array>): FileSystem => {
  const isFolder = (path: string): boolean => [...files.keys()].some((file) => file.startsWith(`${path}/`))
  return {
    ...nodeFileSystem,
    realpath: async (path) => {
      if (!files.has(path) && !isFolder(path)) throw absent(path)
      return path
    },
    readdir: async (path) => [...files.keys()].filter((file) => dirname(file) === path).map((file) => file.slice(path.length + 1)),
    open: async (path) => {
      const bytes = files.get(path)
      if (bytes === undefined) throw absent(path)
      return {
        stat: async () => ({ size: bytes.length, isFile: () => true }),
        read: async (buffer, offset, length, position) => {
          buffer.set(bytes.subarray(position, position + length), offset)
          return { bytesRead: length }
        },
        write: async () => { throw new Error('read only') },
        sync: async () => {},
        close: async () => {},
      }
    },
  }
}
