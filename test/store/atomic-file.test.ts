import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { writeFileAtomic } from '../../src/store/atomic-file.js'
import { failingFileSystem } from '../models/store/_failing-file-system.js'

let folder = ''
beforeEach(async () => { folder = await mkdtemp(join(tmpdir(), 'outrigger-atomic-')) })
afterEach(async () => { await rm(folder, { recursive: true, force: true }) })
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)

describe('writeFileAtomic', () => {
  it('replaces a file, or refuses a taken name when exclusive, and leaves no temporary file', async () => {
    const path = join(folder, 'state.json')
    await writeFileAtomic(path, bytes('one'))
    await writeFileAtomic(path, bytes('two'))
    await expect(writeFileAtomic(path, bytes('three'), { exclusive: true })).rejects.toMatchObject({ code: 'EEXIST' })
    expect([await readFile(path, 'utf8'), await readdir(folder)]).toEqual(['two', ['state.json']])
  })

  it.each([['a failure', false], ['a crash', true]])('%s at any step leaves the old file or the new one', async (_, crash) => {
    const path = join(folder, 'state.json')
    const counting = failingFileSystem(Infinity, false)
    await writeFileAtomic(path, bytes('count'), { fileSystem: counting })
    for (let failAt = 0; failAt < counting.steps.length; failAt += 1) {
      await writeFile(path, 'old content')
      await writeFileAtomic(path, bytes('new content'), { fileSystem: failingFileSystem(failAt, crash) }).catch(() => {})
      expect(['old content', 'new content']).toContain(await readFile(path, 'utf8'))
    }
  })
})
