import { nodeJobFileSystem, type JobFileSystem } from '../../src/batch/_job-files.js'
import type { FileSystemHandle } from '../../src/store/file-system.js'

/** What a test does to a file system. */
export interface Meddling {
  /** Called before each step that changes a file, with `operation path`. It throws to crash there; then a write leaves half of its bytes. */
  readonly step?: (step: string) => void
  /** At most so many bytes come of a read. */
  readonly readBytes?: number
  /** Whether the disk is really asked to keep what was written, which takes a while. @default false */
  readonly syncs?: boolean
}

/** Node's file system, meddled with. */
export const meddlingFileSystem = ({ step = () => {}, readBytes = Infinity, syncs = false }: Meddling): JobFileSystem => {
  const wrap = (path: string, handle: FileSystemHandle): FileSystemHandle => ({
    read: (buffer, offset, length, position) => handle.read(buffer, offset, Math.min(length, readBytes), position),
    stat: () => handle.stat(),
    write: async (buffer, offset, length, position) => {
      try {
        step(`write ${path}`)
      } catch (error) {
        await handle.write(buffer, offset, length >> 1, position)
        throw error
      }
      return await handle.write(buffer, offset, length, position)
    },
    sync: async () => {
      step(`sync ${path}`)
      if (syncs) await handle.sync()
    },
    close: () => handle.close(),
  })
  return {
    ...nodeJobFileSystem,
    open: async (path, flags) => {
      if (flags !== 'r') step(`open ${path}`)
      return wrap(path, await nodeJobFileSystem.open(path, flags))
    },
    link: async (from, to) => {
      step(`link ${to}`)
      await nodeJobFileSystem.link(from, to)
    },
    rename: async (from, to) => {
      step(`rename ${to}`)
      await nodeJobFileSystem.rename(from, to)
    },
    unlink: async (path) => {
      step(`unlink ${path}`)
      await nodeJobFileSystem.unlink(path)
    },
    truncate: async (path, length) => {
      step(`truncate ${path}`)
      await nodeJobFileSystem.truncate(path, length)
    },
  }
}

/** Crashes at the step of this number, counted from 0, and at each one after it, so that no clean-up runs. */
export const crashAt = (number: number): ((step: string) => void) => {
  let count = 0
  return (step) => {
    if (count >= number) throw Object.assign(new Error(`crashed at ${step}`), { code: 'EIO' })
    count += 1
  }
}
