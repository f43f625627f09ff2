import { execFileSync } from 'node:child_process'
import { link, mkdir, open, readFile, rm, stat, symlink, truncate, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { dirname, join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { modelStore, type ModelStore } from '../../../src/models/store/model-store.js'
import { nodeFileSystem, type FileSystem } from '../../../src/store/file-system.js'
import { filesBelow, temporaryFolder } from '../temporary.js'

const isPosix = process.platform !== 'win32'

const published = async (fileSystem?: FileSystem): Promise<{ path: string; store: ModelStore }> => {
  const path = await temporaryFolder()
  const store = modelStore({ path, ...(fileSystem === undefined ? {} : { fileSystem }) })
  await store.publish({ name: 'delay', engine: 'function', files: { 'a.txt': 'content', 'b.txt': 'more of it' } })
  await store.setAlias('delay', 'champion', 1)
  return { path, store }
}

/** What stands where a file of the store was. */
const intruders: Readonly<Record<string, (path: string) => Promise<(() => Promise<void>) | void>>> = {
  'a directory': async (path) => { await mkdir(path) },
  'a pipe that nobody writes to': async (path) => { execFileSync('mkfifo', [path]) },
  'a socket': async (path) => {
    const server = createServer()
    // The path of a socket has at most a hundred characters: it is made under a short one.
    const short = join('/tmp', `s${process.pid}`)
    await new Promise<void>((resolve) => { server.listen(short, resolve) })
    await link(short, path)
    return async () => {
      await new Promise((resolve) => { server.close(resolve) })
      await rm(short, { force: true })
    }
  },
  'a device': async (path) => { await symlink('/dev/zero', path) },
  'a link to itself': async (path) => { await symlink(path, path) },
  'a link to the very file': async (path) => {
    const elsewhere = join(await temporaryFolder(), 'moved')
    await writeFile(elsewhere, await readFile(`${path}.was`))
    await symlink(elsewhere, path)
  },
}

describe.skipIf(!isPosix)('what stands in place of a file', () => {
  it.each(Object.keys(intruders))('%s is refused with a code, at once, whichever file it is', async (what) => {
    const { path } = await published()
    for (const file of await filesBelow(path)) {
      const place = join(path, file)
      const bytes = await readFile(place)
      await writeFile(`${place}.was`, bytes)
      await rm(place)
      const undo = await intruders[what]?.(place)
      const store = modelStore({ path })
      await expect([file, await store.open('delay@champion').then(() => 'opened', (error: unknown) => (error as { code?: unknown }).code)])
        .toEqual([file, 'ERR_OUTRIGGER_MODEL_CORRUPT'])
      await undo?.()
      await rm(place, { recursive: true, force: true })
      await writeFile(place, bytes)
      await rm(`${place}.was`)
    }
    expect((await modelStore({ path }).open('delay@champion')).files.text('a.txt')).toBe('content')
  }, 20_000)

  it('a file of a terabyte is refused by its size, before anything is read or allocated', async () => {
    const { path, store } = await published()
    const before = process.memoryUsage().rss
    for (const file of await filesBelow(path)) {
      const size = (await stat(join(path, file))).size
      await truncate(join(path, file), 2 ** 40)
      await expect(store.open('delay@champion')).rejects.toMatchObject({ code: expect.stringMatching(/^ERR_OUTRIGGER_MODEL_(CORRUPT|TOO_LARGE)$/) as string })
      await truncate(join(path, file), size)
    }
    expect(process.memoryUsage().rss - before).toBeLessThan(200e6)
    expect((await store.open('delay@champion')).files.text('a.txt')).toBe('content')
  })

  it('a pipe is not published: it could be read only once', async () => {
    const { path, store } = await published()
    const pipe = join(dirname(path), `${process.pid}.pipe`)
    execFileSync('mkfifo', [pipe])
    await expect(store.publish({ name: 'delay', engine: 'function', files: { a: { from: pipe } } })).rejects.toMatchObject({ code: 'ERR_OUTRIGGER_INVALID_OPTION', message: expect.stringContaining('regular file') as string })
    await rm(pipe)
    await expect(store.publish({ name: 'delay', engine: 'function', files: { a: { from: '/dev/zero' } } })).rejects.toMatchObject({ code: 'ERR_OUTRIGGER_INVALID_OPTION' })
  })
})

describe('a file that changes while it is read', () => {
  it.each<[string, (path: string) => Promise<void>]>([
    ['is overwritten', async (path) => {
      const handle = await open(path, 'r+')
      await handle.write('X', 1)
      await handle.close()
    }],
    ['is cut', async (path) => { await truncate(path, 3) }],
    ['is emptied', async (path) => { await truncate(path, 0) }],
  ])('and %s between the look at its size and the read is refused', async (_, change) => {
    const { path } = await published()
    for (const file of await filesBelow(path)) {
      const place = join(path, file)
      const bytes = await readFile(place)
      const changing: FileSystem = { ...nodeFileSystem, open: async (opened, flags) => {
        const handle = await nodeFileSystem.open(opened, flags)
        return {
          read: (buffer, offset, length, position) => handle.read(buffer, offset, length, position),
          write: (buffer, offset, length, position) => handle.write(buffer, offset, length, position),
          sync: () => handle.sync(),
          close: () => handle.close(),
          stat: async () => {
            const found = await handle.stat()
            if (opened === place) await change(place)
            return found
          },
        }
      } }
      await expect([file, await modelStore({ path, fileSystem: changing }).open('delay@champion').then(() => 'opened', (error: unknown) => (error as { code?: unknown }).code)]).toEqual([file, 'ERR_OUTRIGGER_MODEL_CORRUPT'])
      await writeFile(place, bytes)
    }
  })

  it('and is replaced by another one meanwhile is read whole, as it was', async () => {
    const { path } = await published()
    const replacing: FileSystem = { ...nodeFileSystem, open: async (opened, flags) => {
      const handle = await nodeFileSystem.open(opened, flags)
      if (opened.includes('/blobs/')) {
        await rm(opened)
        await writeFile(opened, 'another')
      }
      return handle
    } }
    expect((await modelStore({ path, fileSystem: replacing }).open('delay@champion')).files.text('b.txt')).toBe('more of it')
  })
})
