import { errnoOf, nodeFileSystem, type FileSystem, type FileSystemHandle } from '../../../src/store/file-system.js'

export interface FailingFileSystem extends FileSystem {
  /** Every step so far, as `operation path`. */
  readonly steps: string[]
}

const changes = ['open', 'mkdir', 'link', 'rename', 'unlink', 'write', 'sync', 'close'] as const

/**
 * A file system that fails at step `failAt` (counted from 0). As a `crash`, every later step fails as well, so that
 * no clean-up runs; a failing write leaves half of its bytes.
 */
export const failingFileSystem = (failAt: number, crash: boolean, base: FileSystem = nodeFileSystem): FailingFileSystem => {
  const steps: string[] = []
  const step = (name: (typeof changes)[number], path: string): void => {
    const index = steps.push(`${name} ${path}`) - 1
    if (index === failAt || (crash && index > failAt)) throw Object.assign(new Error(`injected at ${name} ${path}`), { code: 'EIO' })
  }
  const wrap = (path: string, handle: FileSystemHandle): FileSystemHandle => ({
    read: (buffer, offset, length, position) => handle.read(buffer, offset, length, position),
    stat: () => handle.stat(),
    write: async (buffer, offset, length, position) => {
      try {
        step('write', path)
      } catch (error) {
        await handle.write(buffer, offset, length >> 1, position)
        throw error
      }
      return await handle.write(buffer, offset, length, position)
    },
    sync: async () => { step('sync', path); await handle.sync() },
    close: async () => { await handle.close(); step('close', path) },
  })
  return {
    ...base,
    steps,
    open: async (path, flags) => { step('open', path); return wrap(path, await base.open(path, flags)) },
    mkdir: async (path) => { step('mkdir', path); await base.mkdir(path) },
    link: async (from, to) => { step('link', to); await base.link(from, to) },
    rename: async (from, to) => { step('rename', to); await base.rename(from, to) },
    unlink: async (path) => {
      step('unlink', path)
      await base.unlink(path).catch((error: unknown) => { if (errnoOf(error) !== 'ENOENT') throw error })
    },
  }
}
