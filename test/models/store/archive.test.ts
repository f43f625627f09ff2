import { execFileSync } from 'node:child_process'
import { generateKeyPairSync } from 'node:crypto'
import { chmod, mkdir, open, readdir, readFile, rename, stat, symlink, truncate, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { canonicalJson } from '../../../src/models/manifest/canonical-json.js'
import { sha256Hex } from '../../../src/models/manifest/digest.js'
import { signManifest } from '../../../src/models/manifest/signature.js'
import { TarWriter } from '../../../src/models/store/_tar-writer.js'
import { readTar } from '../../../src/models/store/_tar-reader.js'
import type { ModelStore } from '../../../src/models/store/model-store.js'
import { temporaryFolder } from '../temporary.js'
import { code, keysOf, kit, overwrite, publishMany, version } from './_store-kit.js'

const hasTar = ((): boolean => {
  try {
    return execFileSync('tar', ['--version'], { encoding: 'utf8' }).includes('GNU tar')
  } catch {
    if (process.env['CI'] === 'true') throw new Error('GNU tar must be on PATH')
    console.warn('SKIPPED: GNU tar is not on PATH')
    return false
  }
})()

const encode = (text: string): Uint8Array => new TextEncoder().encode(text)
async function* stream(bytes: Uint8Array, size = 700): AsyncGenerator<Uint8Array> {
  for (let offset = 0; offset < bytes.length; offset += size) yield bytes.slice(offset, offset + size)
}
const exported = async (store: ModelStore, reference = 'delay@1'): Promise<Uint8Array> => {
  const path = join(await temporaryFolder(), 'version.tar')
  await store.export(reference, path)
  return await readFile(path)
}

/** An archive of these entries, in which everything is possible. */
const tarOf = async (entries: readonly (readonly [string, Uint8Array])[]): Promise<Uint8Array> => {
  const chunks: Uint8Array[] = []
  const tar = new TarWriter(async (chunk) => { chunks.push(chunk.slice()) }, 0)
  for (const [path, bytes] of entries) await tar.add(path, bytes.length, (write) => write(bytes))
  await tar.end()
  return Buffer.concat(chunks)
}
const entriesOf = async (archive: Uint8Array): Promise<[string, Uint8Array][]> => {
  const entries: [string, Uint8Array][] = []
  for await (const file of readTar(stream(archive))) {
    const pieces: Uint8Array[] = []
    for (let piece = await file.next(); piece !== undefined; piece = await file.next()) pieces.push(piece)
    entries.push([file.path, Buffer.concat(pieces)])
  }
  return entries
}

const { privateKey } = generateKeyPairSync('ed25519')
const longPath = `${'folder/'.repeat(30)}ünïcode — weights.bin`
const files = { 'a.json': '[1]', [longPath]: new Uint8Array(3000).fill(7), 'empty.txt': '' }
const source = async (): Promise<ModelStore> => {
  const { store } = kit({ by: 'ci' })
  await store.publish(version({ files, tags: { stage: 'live' }, sign: (manifest) => signManifest(manifest, privateKey) }))
  await store.tag('delay', 1, { note: 'ünï' })
  return store
}

describe('export and import', () => {
  it('carry a version from one store into another: files, signatures, tags', async () => {
    const from = await source()
    const bytes = await exported(from)
    const { store } = kit()
    const imported = await store.import(stream(bytes), { by: 'ann', reason: 'promotion' })
    expect(imported).toEqual(await from.resolve('delay@1'))
    expect(imported).toMatchObject({ tags: { stage: 'live', note: 'ünï' } })
    expect(imported.signatures).toHaveLength(1)
    const opened = await store.open('delay@1')
    expect(opened.files.paths).toEqual((await from.open('delay@1')).files.paths)
    expect(opened.files.bytes(longPath)).toEqual(files[longPath])
    const lines = []
    for await (const line of store.audit()) lines.push(line)
    expect(lines).toMatchObject([{ ok: true, change: { kind: 'imported', from: null, to: imported.digest, by: 'ann', reason: 'promotion' } }])
    expect((await store.verify()).faults).toEqual([])
  })

  it('the same version gives the same bytes, by way of another store as well', async () => {
    const from = await source()
    const bytes = await exported(from)
    const { store } = kit()
    const path = join(await temporaryFolder(), 'delay.tar')
    await writeFile(path, bytes)
    await store.import(path)
    for (const again of [await exported(from), await exported(store)]) expect(Buffer.compare(again, bytes)).toBe(0)
  })

  it('import again is nothing; another version of that number, or one that was removed, is refused', async () => {
    const from = await source()
    const bytes = await exported(from)
    const { store, depot } = kit()
    await store.import(stream(bytes))
    await store.tag('delay', 1, { stage: 'mine' })
    const before = await keysOf(depot)
    expect((await store.import(stream(bytes))).tags).toMatchObject({ stage: 'mine' })
    expect(await keysOf(depot)).toEqual(before)
    const other = kit()
    await other.store.publish(version({ files: { 'b.json': '[2]' } }))
    expect(await code(other.store.import(stream(bytes)))).toBe('ERR_OUTRIGGER_MODEL_EXISTS')
    expect(await keysOf(other.depot, 'holds/')).toEqual([])
    await store.removeVersion('delay', 1)
    await expect(store.import(stream(bytes))).rejects.toMatchObject({ code: 'ERR_OUTRIGGER_MODEL_EXISTS', message: expect.stringContaining('removed') as string })
  })

  it('of imports that race one is the change, all give the version', async () => {
    const bytes = await exported(await source())
    const { store } = kit()
    const imported = await Promise.all([1, 2, 3].map(() => store.import(stream(bytes))))
    expect(new Set(imported.map(({ digest }) => digest)).size).toBe(1)
    const lines = []
    for await (const line of store.audit()) lines.push(line)
    expect(lines).toHaveLength(1)
  })

  it('import mends a version whose files are missing', async () => {
    const from = await source()
    const bytes = await exported(from)
    const { store, depot } = kit()
    const { digest, manifest } = await store.import(stream(bytes))
    await depot.remove(`blobs/sha256-${digest}`)
    await depot.remove(`blobs/sha256-${manifest.files[0]?.sha256}`)
    expect(await code(store.open('delay@1'))).toBe('ERR_OUTRIGGER_MODEL_CORRUPT')
    await store.import(stream(bytes))
    expect(await code(store.open('delay@1'))).toBe('no error')
  })

  it('a damaged version is not exported, and no file is left', async () => {
    const { store, depot } = kit()
    await publishMany(store, 1)
    const [own] = (await store.resolve('delay@1')).manifest.files
    const path = join(await temporaryFolder(), 'x.tar')
    await overwrite(depot, `blobs/sha256-${own?.sha256}`, 'delay 2')
    expect(await code(store.export('delay@1', path))).toBe('ERR_OUTRIGGER_MODEL_CORRUPT')
    await depot.remove(`blobs/sha256-${own?.sha256}`)
    expect(await code(store.export('delay@1', path))).toBe('ERR_OUTRIGGER_MODEL_CORRUPT')
    expect(await code(store.export('delay@9', path))).toBe('ERR_OUTRIGGER_MODEL_NOT_FOUND')
    expect(await readdir(dirname(path))).toEqual([])
  })

  it('limits hold for imports, before anything is written', async () => {
    const bytes = await exported(await source())
    for (const limits of [{ maxManifestBytes: 100 }, { maxFileBytes: 2999 }, { maxVersionBytes: 3002 }]) {
      const { store, depot } = kit({ limits })
      expect(await code(store.import(stream(bytes)))).toBe('ERR_OUTRIGGER_MODEL_TOO_LARGE')
      expect(await keysOf(depot)).toEqual([])
    }
  })
})

describe('import', () => {
  const refused = async (bytes: Uint8Array): Promise<string> => {
    const { store, depot } = kit()
    const outcome = await code(store.import(stream(bytes)))
    expect(await keysOf(depot, 'models/')).toEqual([]) // whatever it was, no version of it is visible
    expect(await keysOf(depot, 'holds/')).toEqual([])
    return outcome
  }

  it('refuses every truncation, and anything after the end', async () => {
    const bytes = await exported(await source())
    const lengths = Array.from({ length: bytes.length }, (_, length) => length).filter((length) => length % 61 === 0 || (length + 1) % 512 < 3)
    for (const length of lengths) {
      expect([length, await refused(bytes.subarray(0, length))]).toEqual([length, 'ERR_OUTRIGGER_MODEL_CORRUPT'])
    }
    expect(await refused(Buffer.concat([bytes, encode('x')]))).toBe('ERR_OUTRIGGER_MODEL_CORRUPT')
    expect(await refused(Buffer.concat([bytes, bytes]))).toBe('ERR_OUTRIGGER_MODEL_CORRUPT')
    expect(await code(kit().store.import(stream(Buffer.concat([bytes, new Uint8Array(9000)]))))).toBe('no error') // as tar pads
    expect(await refused(Buffer.concat([bytes, new Uint8Array(2 << 20)]))).toBe('ERR_OUTRIGGER_MODEL_CORRUPT')
  })

  it('takes no flipped bit for anything but what it was', async () => {
    const { store: from } = kit()
    const { digest } = await from.publish(version({ files: { 'a.json': '[1]' }, tags: { a: 'b' } }))
    const bytes = await exported(from)
    const expected = await from.resolve('delay@1')
    let harmless = 0
    for (let bit = 0; bit < bytes.length * 8; bit += bit < 2048 * 8 ? 1 : 7) {
      const flipped = Buffer.from(bytes)
      flipped[bit >> 3] = (flipped[bit >> 3] as number) ^ (1 << (bit & 7))
      const { store } = kit()
      const outcome = await store.import(stream(flipped, 100_000)).catch((error: { code: string }) => error.code)
      if (typeof outcome === 'string') {
        if (outcome !== 'ERR_OUTRIGGER_MODEL_CORRUPT') expect([bit, outcome]).toEqual([bit, 'ERR_OUTRIGGER_MODEL_CORRUPT'])
      } else {
        harmless += 1
        expect([bit, outcome]).toEqual([bit, expected])
      }
    }
    expect(expected.digest).toBe(digest)
    expect(harmless).toBeLessThan(20) // a space that may be a NUL, in the checksum of a header
  }, 60_000)

  it('refuses what does not belong: strangers, duplicates, gaps, wrong sizes and hashes, another order', async () => {
    const good = await entriesOf(await exported(await source()))
    const [manifest, state, a, long, empty] = good as [[string, Uint8Array], [string, Uint8Array], [string, Uint8Array], [string, Uint8Array], [string, Uint8Array]]
    expect(good.map(([path]) => path)).toEqual(['manifest.json', 'version.json', 'files/a.json', `files/${longPath}`, 'files/empty.txt'])
    const bad: Record<string, (readonly [string, Uint8Array])[]> = {
      'a stranger': [...good, ['files/x.txt', encode('x')]],
      'a stranger beside the files': [...good, ['x.txt', encode('x')]],
      'a path that leads out': [...good, ['files/../../x.txt', encode('x')]],
      'an absolute path': [...good, ['/etc/x.txt', encode('x')]],
      'a duplicate': [...good, a],
      'a second manifest': [...good, manifest],
      'a second state': [...good, state],
      'a missing file': [manifest, state, a, empty],
      'a missing state': [manifest, a, long, empty],
      'a missing manifest': [state, a, long, empty],
      'another order': [state, manifest, a, long, empty],
      'a longer file': [manifest, state, ['files/a.json', encode('[1] ')], long, empty],
      'another file': [manifest, state, ['files/a.json', encode('[2]')], long, empty],
      'nothing': [],
    }
    for (const [what, entries] of Object.entries(bad)) expect([what, await refused(await tarOf(entries))]).toEqual([what, 'ERR_OUTRIGGER_MODEL_CORRUPT'])
    expect(await code(kit().store.import(stream(await tarOf([manifest, empty, long, state, a]))))).toBe('no error') // files may come in any order
  })

  it('refuses a state that was changed, or is of another version, or holds what is no tag or signature', async () => {
    const good = await entriesOf(await exported(await source()))
    const withState = async (change: (state: Record<string, unknown>) => void, seal = true): Promise<string> => {
      const { sha256: _, ...state } = JSON.parse(new TextDecoder().decode(good[1]?.[1])) as Record<string, unknown>
      change(state)
      const text = canonicalJson({ ...state, ...(seal ? { sha256: sha256Hex(canonicalJson(state)) } : {}) })
      return await refused(await tarOf(good.map(([path, bytes]) => [path, path === 'version.json' ? encode(text) : bytes])))
    }
    const changes: ((state: Record<string, unknown>) => void)[] = [
      (state) => { state['digest'] = 'a'.repeat(64) },
      (state) => { state['tags'] = { a: 1 } },
      (state) => { state['tags'] = null },
      (state) => { state['signatures'] = [{}] },
      (state) => { state['signatures'] = {} },
      (state) => { state['more'] = 1 },
      (state) => { state['formatVersion'] = 2 },
    ]
    for (const change of changes) expect(await withState(change)).toBe('ERR_OUTRIGGER_MODEL_CORRUPT')
    expect(await withState(() => {}, false)).toBe('ERR_OUTRIGGER_MODEL_CORRUPT')
    for (const text of ['null', '[]', '{}', '', '\ufeff{}', `\ufeff${new TextDecoder().decode(good[1]?.[1])}`]) {
      expect(await refused(await tarOf(good.map(([path, bytes]) => [path, path === 'version.json' ? encode(text) : bytes])))).toBe('ERR_OUTRIGGER_MODEL_CORRUPT')
    }
    expect(await withState((state) => { state['tags'] = {} }, false)).toBe('ERR_OUTRIGGER_MODEL_CORRUPT')
  })

  it('passes on the error of the stream, and ends it', async () => {
    const bytes = await exported(await source())
    let isEnded = false
    const failing = async function* (): AsyncGenerator<Uint8Array> {
      try {
        yield bytes.subarray(0, 4000)
        throw new Error('mine')
      } finally {
        isEnded = true
      }
    }
    await expect(kit().store.import(failing())).rejects.toThrow('mine')
    expect(isEnded).toBe(true)
    isEnded = false
    const endless = async function* (): AsyncGenerator<Uint8Array> {
      try {
        for (;;) yield new Uint8Array(1000).fill(1)
      } finally {
        isEnded = true
      }
    }
    expect(await code(kit().store.import(endless()))).toBe('ERR_OUTRIGGER_MODEL_CORRUPT')
    expect(isEnded).toBe(true)
    expect(await code(kit().store.import('/not/there.tar'))).toBe('ENOENT')
  })
})

describe.runIf(hasTar)('GNU tar', () => {
  const tar = (...options: string[]): string => execFileSync('tar', options, { encoding: 'utf8' })

  it('lists and unpacks what export writes', async () => {
    const folder = await temporaryFolder()
    await (await source()).export('delay@1', join(folder, 'delay.tar'))
    expect(tar('--quoting-style=literal', '-tf', join(folder, 'delay.tar')).trim().split('\n')).toEqual(['manifest.json', 'version.json', 'files/a.json', `files/${longPath}`, 'files/empty.txt'])
    tar('-xf', join(folder, 'delay.tar'), '-C', folder)
    expect(new Uint8Array(await readFile(join(folder, 'files', longPath)))).toEqual(files[longPath])
    expect(sha256Hex(await readFile(join(folder, 'manifest.json')))).toBe((await (await source()).resolve('delay@1')).digest)
  })

  it.each([['ustar'], ['gnu'], ['posix'], ['pax']])('import reads what it packs as %s', async (format) => {
    const folder = await temporaryFolder()
    const from = kit()
    const name = format === 'ustar' ? `${'folder/'.repeat(20)}weights.bin` : longPath // ustar holds neither more nor other letters
    await from.store.publish(version({ files: { 'a.json': '[1]', [name]: new Uint8Array(3000).fill(7) } }))
    await from.store.export('delay@1', join(folder, 'delay.tar'))
    await mkdir(join(folder, 'out'))
    tar('-xf', join(folder, 'delay.tar'), '-C', join(folder, 'out'))
    await chmod(join(folder, 'out/manifest.json'), 0o600)
    tar('-cf', join(folder, 'again.tar'), `--format=${format}`, '-C', join(folder, 'out'), './manifest.json', 'version.json', './files')
    expect(await kit().store.import(join(folder, 'again.tar'))).toEqual(await from.store.resolve('delay@1'))
  })

  it('import refuses the links, devices and sparse files that it packs', async () => {
    const folder = await temporaryFolder()
    await (await source()).export('delay@1', join(folder, 'delay.tar'))
    tar('-xf', join(folder, 'delay.tar'), '-C', folder)
    const pack = async (what: string, ...options: string[]): Promise<void> => {
      tar('-cf', join(folder, 'bad.tar'), ...options, '-C', folder, 'manifest.json', 'version.json', 'files')
      expect([what, await code(kit().store.import(join(folder, 'bad.tar')))]).toEqual([what, 'ERR_OUTRIGGER_MODEL_CORRUPT'])
    }
    await symlink('/etc/hostname', join(folder, 'files/link'))
    await pack('a symbolic link beside the files')
    await rename(join(folder, 'files/a.json'), join(folder, 'kept'))
    await rename(join(folder, 'files/link'), join(folder, 'files/a.json'))
    await pack('a symbolic link in place of a file')
    execFileSync('ln', ['-f', join(folder, 'files/empty.txt'), join(folder, 'files/zz')])
    await rename(join(folder, 'kept'), join(folder, 'files/a.json'))
    await pack('a hard link')
    execFileSync('rm', [join(folder, 'files/zz')])
    execFileSync('mkfifo', [join(folder, 'files/pipe')])
    await pack('a pipe')
    execFileSync('rm', [join(folder, 'files/pipe')])
    await truncate(join(folder, 'files/empty.txt'), 1 << 20)
    await pack('a sparse file', '--sparse')
    await pack('a sparse file in an extended header', '--sparse', '--format=posix')
  })

  it('knows the size of a file beyond what ustar can say', async () => {
    const folder = await temporaryFolder()
    const path = join(folder, 'huge.tar')
    const size = 9 * 2 ** 30
    const handle = await open(path, 'w')
    const huge = new TarWriter(async (chunk) => { await handle.write(chunk) }, 0)
    await huge.add('huge.bin', size, async () => { await handle.truncate((await handle.stat()).size + size) }).catch(() => {})
    await handle.close()
    await truncate(path, (await stat(path)).size + 1024)
    expect(tar('-tvf', path)).toContain(String(size))
    const [first] = await (async () => {
      const found = []
      const input = await open(path)
      const beginning = new Uint8Array(2048)
      await input.read(beginning)
      await input.close()
      for await (const file of readTar(stream(beginning))) {
        found.push([file.path, file.bytes])
        break
      }
      return found
    })()
    expect(first).toEqual(['huge.bin', size])
  })
})

describe('export and import of large files', () => {
  it('hold only pieces of them in memory', async () => {
    const folder = await temporaryFolder()
    const large = join(folder, 'large.bin')
    await writeFile(large, new Uint8Array(64 << 20).map((_, index) => index % 253))
    const { modelStore } = await import('../../../src/models/store/model-store.js')
    const [from, to] = [modelStore({ path: join(folder, 'from') }), modelStore({ path: join(folder, 'to') })]
    await from.publish(version({ files: { 'large.bin': { from: large } } }))
    let peak = 0
    const watch = setInterval(() => { peak = Math.max(peak, process.memoryUsage().arrayBuffers) }, 1)
    const before = process.memoryUsage().arrayBuffers
    await from.export('delay@1', join(folder, 'x.tar'))
    await to.import(join(folder, 'x.tar'))
    clearInterval(watch)
    expect(peak - before).toBeLessThan(48 << 20) // garbage of a megabyte a piece, not the whole
    expect((await to.verify()).ok).toBe(true)
  }, 60_000)
})
