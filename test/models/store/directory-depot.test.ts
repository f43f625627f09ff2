import { mkdir, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { DirectoryDepot } from '../../../src/models/store/_directory-depot.js'
import { chunksOf, identify } from '../../../src/models/store/_chunks.js'
import { nodeFileSystem, type FileSystem } from '../../../src/store/file-system.js'
import { failingFileSystem } from './_failing-file-system.js'
import { filesBelow, temporaryFolder } from '../temporary.js'

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)
const blobOf = async (content: Uint8Array): Promise<{ key: string; blob: { sha256: string; bytes: number } }> => {
  const blob = await identify(chunksOf(content))
  return { key: `blobs/sha256-${blob.sha256}`, blob }
}

/** A file system that takes `Delay` for `delay`, and knows what it is really called. */
const caseless = (root: string): FileSystem => {
  const real = async (path: string): Promise<string> => {
    if (!path.startsWith(`${root}/`)) return path
    const parent = await real(dirname(path))
    const name = path.slice(dirname(path).length + 1)
    const there = await readdir(parent).catch(() => [])
    return join(parent, there.find((entry) => entry.toLowerCase() === name.toLowerCase()) ?? name)
  }
  return {
    ...nodeFileSystem,
    open: async (path, flags) => await nodeFileSystem.open(await real(path), flags),
    mkdir: async (path) => await nodeFileSystem.mkdir(await real(path)),
    link: async (from, to) => await nodeFileSystem.link(await real(from), await real(to)),
    realpath: async (path) => await nodeFileSystem.realpath(await real(path)),
    readdir: async (path) => await nodeFileSystem.readdir(await real(path)),
    unlink: async (path) => await nodeFileSystem.unlink(await real(path)),
  }
}

describe('the depot in a directory', () => {
  it('refuses to write where the file system has no hard links, and leaves nothing', async () => {
    const path = await temporaryFolder()
    const depot = new DirectoryDepot(path, { ...nodeFileSystem, link: async () => { throw Object.assign(new Error('no'), { code: 'EPERM' }) } })
    await expect(depot.create('m/1.json', bytes('one'))).rejects.toMatchObject({ code: 'ERR_OUTRIGGER_STORE_FAILED', message: expect.stringContaining('hard links') as string })
    expect(await filesBelow(path)).toEqual([])
  })

  it('does not take one name for another where the file system folds case', async () => {
    const path = await temporaryFolder()
    const depot = new DirectoryDepot(path, caseless(path))
    expect(await depot.create('models/delay/1.json', bytes('one'))).toBe(true)
    expect(await depot.names('models/Delay/')).toEqual([])
    expect(await depot.read('models/Delay/1.json', async () => 'read')).toBeUndefined()
    await expect(depot.create('models/Delay/1.json', bytes('two'))).rejects.toMatchObject({ message: expect.stringContaining('case') as string })
    expect(await depot.create('models/delay/1.json', bytes('two'))).toBe(false)
  })

  it('flushes the names of all blobs before a durable file gets its name; a sign is not flushed at all', async () => {
    const path = await temporaryFolder()
    const fileSystem = failingFileSystem(Infinity, false)
    const depot = new DirectoryDepot(path, fileSystem)
    await depot.create('holds/first.json', bytes('{}'), { durable: false })
    const { key, blob } = await blobOf(bytes('content'))
    await depot.writeBlob(key, blob, chunksOf(bytes('content')))
    const start = fileSystem.steps.length
    await depot.create('holds/second.json', bytes('{}'), { durable: false })
    expect(fileSystem.steps.slice(start).filter((step) => step.startsWith('sync '))).toEqual([])
    await depot.create('models/1.json', bytes('{}'))
    const steps = fileSystem.steps.slice(start)
    expect(steps.indexOf(`sync ${join(path, 'blobs')}`)).toBeGreaterThan(-1)
    expect(steps.indexOf(`sync ${join(path, 'blobs')}`)).toBeLessThan(steps.indexOf(`link ${join(path, 'models/1.json')}`))
  })

  it('flushes the name of a blob that somebody else left there', async () => {
    const path = await temporaryFolder()
    const { key, blob } = await blobOf(bytes('content'))
    await new DirectoryDepot(path, nodeFileSystem).writeBlob(key, blob, chunksOf(bytes('content')))
    const fileSystem = failingFileSystem(Infinity, false)
    const depot = new DirectoryDepot(path, fileSystem)
    await depot.writeBlob(key, blob, chunksOf(bytes('content')))
    await depot.create('models/1.json', bytes('{}'))
    expect(fileSystem.steps.lastIndexOf(`sync ${join(path, 'blobs')}`)).toBeGreaterThan(-1)
    expect(fileSystem.steps.some((step) => step.startsWith('rename'))).toBe(false)
  })

  it('is durable in its parent before anything in it is, also where somebody else has just made it', async () => {
    const path = join(await temporaryFolder(), 'store')
    await mkdir(path)
    const fileSystem = failingFileSystem(Infinity, false)
    await new DirectoryDepot(path, fileSystem).create('models/1.json', bytes('{}'))
    expect(fileSystem.steps.indexOf(`sync ${dirname(path)}`)).toBeGreaterThan(-1)
    expect(fileSystem.steps.indexOf(`sync ${dirname(path)}`)).toBeLessThan(fileSystem.steps.findIndex((step) => step.startsWith('link ')))
  })

  it('may lie in a directory that it cannot read', async () => {
    const parent = await temporaryFolder()
    const depot = new DirectoryDepot(join(parent, 'store'), { ...nodeFileSystem, open: async (file, flags) => {
      if (file === parent) throw Object.assign(new Error('denied'), { code: 'EACCES' })
      return await nodeFileSystem.open(file, flags)
    } })
    await mkdir(join(parent, 'store'))
    expect(await depot.create('models/1.json', bytes('{}'))).toBe(true)
  })

  it('settles a file by flushing the folder that it is in', async () => {
    const path = await temporaryFolder()
    await new DirectoryDepot(path, nodeFileSystem).create('models/1.json', bytes('{}'), { durable: false })
    const fileSystem = failingFileSystem(Infinity, false)
    await new DirectoryDepot(path, fileSystem).settle('models/1.json')
    expect(fileSystem.steps).toContain(`sync ${join(path, 'models')}`)
  })

  it('replaces a damaged blob, of the right size or not', async () => {
    const path = await temporaryFolder()
    const depot = new DirectoryDepot(path, nodeFileSystem)
    const { key, blob } = await blobOf(bytes('content'))
    await depot.writeBlob(key, blob, chunksOf(bytes('content')))
    for (const damage of ['c0ntent', 'content and more', '']) {
      await writeFile(join(path, key), damage)
      await depot.writeBlob(key, blob, chunksOf(bytes('content')))
      expect(await readFile(join(path, key), 'utf8')).toBe('content')
    }
  })

  it('makes a folder again that somebody has taken away', async () => {
    const path = await temporaryFolder()
    const depot = new DirectoryDepot(path, nodeFileSystem)
    await depot.create('models/a/1.json', bytes('one'))
    await rm(join(path, 'models'), { recursive: true })
    expect(await depot.create('models/a/1.json', bytes('two'))).toBe(true)
  })

  it('lists no temporary file; sweep finds those that nobody touched, and removes them unless it is a rehearsal', async () => {
    const path = await temporaryFolder()
    const depot = new DirectoryDepot(path, nodeFileSystem)
    await depot.create('models/a/1.json', bytes('one'))
    await writeFile(join(path, 'models/a/.tmp-1'), 'left')
    await mkdir(join(path, 'blobs'))
    await writeFile(join(path, 'blobs/.tmp-2'), 'left behind')
    const keys: string[] = []
    for await (const { key } of depot.list('')) keys.push(key)
    expect([keys, await depot.names('models/a/')]).toEqual([['models/a/1.json'], ['1.json']])
    expect(await depot.sweep(0, false)).toEqual([])
    const rehearsed = (await depot.sweep(Infinity, true)).map(({ key, bytes: size }) => [key, size]).sort()
    expect(rehearsed).toEqual([['blobs/.tmp-2', 11], ['models/a/.tmp-1', 4]])
    expect(await depot.sweep(Infinity, false)).toHaveLength(2)
    expect(await filesBelow(path)).toEqual(['models/a/1.json'])
  })

  it('follows no symbolic link, wherever it is', async () => {
    const [path, elsewhere] = [await temporaryFolder(), await temporaryFolder()]
    const depot = new DirectoryDepot(path, nodeFileSystem)
    await writeFile(join(elsewhere, '1.json'), 'foreign')
    await symlink(elsewhere, join(path, 'models'))
    for (const act of [() => depot.read('models/1.json', async () => 'read'), () => depot.names('models/'), () => depot.create('models/2.json', bytes('x')), () => depot.remove('models/1.json')]) {
      await expect(act()).rejects.toMatchObject({ code: 'ERR_OUTRIGGER_MODEL_CORRUPT' })
    }
    expect(await readdir(elsewhere)).toEqual(['1.json'])
  })

  it('closes the source of a blob also when writing fails', async () => {
    const path = await temporaryFolder()
    const { key, blob } = await blobOf(bytes('content'))
    let closed = false
    const chunks = async function* (): AsyncGenerator<Uint8Array> {
      try {
        yield bytes('con')
        yield bytes('tent')
      } finally {
        closed = true
      }
    }
    const failing = failingFileSystem(Infinity, false)
    const depot = new DirectoryDepot(path, { ...failing, open: async (file, flags) => {
      const handle = await failing.open(file, flags)
      return flags === 'wx' ? { ...handle, write: async () => { throw new Error('full') } } : handle
    } })
    await expect(depot.writeBlob(key, blob, chunks())).rejects.toThrow('full')
    expect(closed).toBe(true)
    expect(await filesBelow(path)).toEqual([])
  })
})
