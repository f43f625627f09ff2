import type { FileSystem, FileSystemHandle } from '../../../src/store/file-system.js'
import { Disk, DiskFile, DiskFolder } from './interleavings/_disk.js'

export interface MemoryFileSystem extends FileSystem {
  /** Another one that holds the same. */
  copy(): MemoryFileSystem
}

/** Files are shared, as nobody writes to one that has its name. */
const copyFolder = (folder: DiskFolder): DiskFolder => {
  const copy = new DiskFolder()
  for (const [name, node] of folder.entries) copy.set(name, node instanceof DiskFolder ? copyFolder(node) : node)
  return copy
}

/** A file system in memory, for tests that make some thousand changes: a disk that flushes takes minutes for them. */
export const memoryFileSystem = (root: DiskFolder = new DiskFolder()): MemoryFileSystem => {
  const disk = new Disk(root)
  const handle = (node: DiskFile | DiskFolder): FileSystemHandle => {
    const file = (): DiskFile => {
      if (node instanceof DiskFile) return node
      throw Object.assign(new Error('EISDIR'), { code: 'EISDIR' })
    }
    return {
      read: async (buffer, offset, length, position) => {
        const chunk = file().bytes.subarray(position, position + length)
        buffer.set(chunk, offset)
        return { bytesRead: chunk.length }
      },
      write: async (buffer, offset, length, position) => {
        file().write(buffer.slice(offset, offset + length), position)
        return { bytesWritten: length }
      },
      stat: async () => ({ size: node instanceof DiskFile ? node.bytes.length : 0, isFile: () => node instanceof DiskFile }),
      sync: async () => { node.sync() },
      close: async () => {},
    }
  }
  return {
    copy: () => memoryFileSystem(copyFolder(disk.root)),
    open: async (path, flags) => {
      if (flags === 'wx') disk.make(path, new DiskFile(), 0)
      return handle(disk.find(path))
    },
    mkdir: async (path) => { disk.make(path, new DiskFolder(), 0) },
    link: async (from, to) => { disk.link(from, to) },
    rename: async (from, to) => { disk.rename(from, to) },
    unlink: async (path) => { disk.unlink(path) },
    readdir: async (path) => [...disk.folder(path).entries.keys()],
    realpath: async (path) => {
      disk.find(path)
      return path
    },
    lstat: async (path) => {
      const node = disk.find(path)
      return { size: node instanceof DiskFile ? node.bytes.length : 0, mtimeMs: node.modifiedMs, isFile: () => node instanceof DiskFile, isDirectory: () => node instanceof DiskFolder }
    },
  }
}
