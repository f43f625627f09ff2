import { expect, test } from 'vitest'
import { IncomingFiles } from '../../../src/models/isolation/_incoming-files.js'
import { versionOf } from './_kit.js'

const contents = { 'model.bin': new Uint8Array(1000).map((_, at) => at & 0xff), 'empty.txt': '', 'a/b.json': '[1]', 'last.txt': '' }

const send = (change: (path: string, bytes: Uint8Array) => Uint8Array, pieceBytes = 300): IncomingFiles => {
  const { files, version } = versionOf(contents)
  const incoming = new IncomingFiles(version, files.paths.map((path) => ({ path, bytes: files.bytes(path).length })))
  for (const path of files.paths) {
    const bytes = change(path, Uint8Array.from(files.bytes(path)))
    for (let at = 0; at < bytes.length; at += pieceBytes) incoming.push(bytes.slice(at, at + pieceBytes))
  }
  return incoming
}

test('files arrive whole, those without bytes too', () => {
  for (const pieceBytes of [1, 300, 10_000]) {
    const files = send((_, bytes) => bytes, pieceBytes).complete
    expect(files?.paths).toEqual(['model.bin', 'empty.txt', 'a/b.json', 'last.txt'])
    expect(files?.bytes('model.bin')).toEqual(contents['model.bin'])
    expect(files?.json('a/b.json')).toEqual([1])
    expect(files?.bytes('last.txt')).toHaveLength(0)
  }
})

test('nothing is complete before the last piece', () => {
  const { files, version } = versionOf({ 'a.txt': 'abc' })
  const incoming = new IncomingFiles(version, [{ path: 'a.txt', bytes: 3 }])
  incoming.push(files.bytes('a.txt').slice(0, 2))
  expect(incoming.complete).toBe(undefined)
  incoming.push(files.bytes('a.txt').slice(2))
  expect(incoming.complete).toBeDefined()
})

test('a bit that flipped on the way is refused', () => {
  for (const at of [0, 299, 300, 999]) {
    expect(() => send((path, bytes) => (path === 'model.bin' ? bytes.with(at, (bytes[at] as number) ^ 4) : bytes))).toThrow(expect.objectContaining({ code: 'ERR_OUTRIGGER_MODEL_CORRUPT' }) as Error)
  }
})
