import { describe, expect, it } from 'vitest'
import { canonicalJson } from '../../../src/models/manifest/canonical-json.js'
import { manifestDigest, parseManifest, serializeManifest, type ModelManifest } from '../../../src/models/manifest/manifest.js'
import { parseReference } from '../../../src/models/manifest/names.js'

const hash = 'ab'.repeat(32)
const manifest = (change: Record<string, unknown> = {}): ModelManifest => ({
  format: 'outrigger-model', formatVersion: 1, name: 'delay', version: 3, engine: 'tfjs',
  files: [{ path: 'model.json', bytes: 3, sha256: hash }],
  signature: { inputs: [{ name: 'x', dtype: 'float32', shape: [null, 4] }], outputs: [{ name: 'y', dtype: 'float32', shape: [null, 1] }] },
  golden: [{ input: [1, 2], output: [0.5], tolerance: 1e-4 }],
  lineage: { commit: 'abc' }, created: '2001-02-01T00:00:00.000Z', metadata: { owner: 'ops' },
  ...change,
}) as ModelManifest
const inputOf = (change: Record<string, unknown>): unknown => ({ inputs: [{ name: 'x', dtype: 'float32', shape: [null, 4], ...change }], outputs: [] })
const bytesOf = (value: unknown): Uint8Array => new TextEncoder().encode(canonicalJson(value))
const refusal = (bytes: Uint8Array): { code?: string; message: string } => {
  try {
    parseManifest(bytes)
  } catch (error) {
    return error as { code: string; message: string }
  }
  return { message: 'accepted' }
}

describe('parseManifest', () => {
  it('reads what serializeManifest wrote, and the digest does not depend on the order of keys', () => {
    expect(parseManifest(serializeManifest(manifest()))).toEqual(manifest())
    const reversed = Object.fromEntries(Object.entries(manifest()).reverse()) as unknown as ModelManifest
    expect(manifestDigest(reversed)).toBe(manifestDigest(manifest()))
    expect(manifestDigest(manifest())).toMatch(/^[0-9a-f]{64}$/)
  })

  it('reads fields and categories', () => {
    for (const change of [{ fields: [{ name: 'a', categories: ['x', 'y'] }, { name: 'b' }, { name: 'c' }, { name: 'd' }] }, { categories: ['x'] }]) {
      const signed = manifest({ signature: inputOf(change) })
      expect(parseManifest(serializeManifest(signed))).toEqual(signed)
    }
  })

  it.each([
    '/etc/passwd', '../x', 'a/../b', 'a/..', 'a//b', './a', 'a/', 'C:/x', 'C:', 'a\\b', '\\\\host\\share', 'a\u0000b', 'a\nb', 'a\u007fb', '', 'x'.repeat(513), 'ä'.repeat(128), 7, '\ud800',
    'a.', 'a ', 'a. ', 'folder./a', '...', 'con', 'CON', 'aux.bin', 'weights/NUL', 'nul.tar.gz', 'com1', 'LPT9.txt', 'com¹', 'con .txt', 'CONIN$', 'file:stream', 'a?', 'a*', '<a>', 'a|b', 'a"b',
  ])('refuses the path %j', (path) => {
    const found = refusal(bytesOf(manifest({ files: [{ path, bytes: 3, sha256: hash }] })))
    expect(found).toMatchObject({ code: 'ERR_OUTRIGGER_MODEL_CORRUPT' })
    expect(found.message).toContain('files[0].path')
  })

  it.each(['a', '.hidden', 'a b', 'a..b', 'variables/variables.data-00000-of-00001', 'console.json', 'com10', 'auxiliary/nullable', 'größe.bin', '模型.onnx', 'ä'.repeat(127)])('takes the path %j', (path) => {
    expect(refusal(bytesOf(manifest({ files: [{ path, bytes: 3, sha256: hash }] })))).toEqual({ message: 'accepted' })
  })

  it.each([
    ['the same', 'a', 'a'], ['twins by case', 'Model.json', 'model.json'], ['twins in folders', 'Weights/1', 'weights/1'], ['folders that are twins of files', 'weights', 'Weights/1'],
    ['twins by Unicode composition', 'gr\u00f6\u00dfe', 'gro\u0308\u00dfe'], ['twins by both', '\u00d6', 'o\u0308'], ['twins by special casing', 'stra\u00dfe', 'STRASSE'], ['the Kelvin sign', 'k', '\u212a'],
    ['a file where a folder is', 'a/b', 'a'], ['a file where a folder must be', 'a', 'a/b/c'],
  ])('refuses paths that cannot lie side by side everywhere: %s', (_, one, other) => {
    const file = (path: string): unknown => ({ path, bytes: 3, sha256: hash })
    expect(refusal(bytesOf(manifest({ files: [file(one), file('z'), file(other)] })))).toMatchObject({ code: 'ERR_OUTRIGGER_MODEL_CORRUPT', message: expect.stringContaining(`${other} beside ${one}`) })
    expect(refusal(bytesOf(manifest({ files: [file('a/b/c'), file('a/b/d'), file('a/c'), file('b')] })))).toEqual({ message: 'accepted' })
  })

  it.each([
    ['format', { format: 'other' }], ['formatVersion', { formatVersion: 2 }], ['name', { name: '../x' }], ['version', { version: 0 }], ['version', { version: 1.5 }],
    ['version', { version: '1' }], ['engine', { engine: '' }], ['files', { files: {} }], ['files[0]', { files: [1] }],
    ['bytes', { files: [{ path: 'a', bytes: -1, sha256: hash }] }], ['sha256', { files: [{ path: 'a', bytes: 1, sha256: hash.toUpperCase() }] }],
    ['files[0]', { files: [{ path: 'a', bytes: 1, sha256: hash, mode: 7 }] }], ['created', { created: 'yesterday' }], ['lineage', { lineage: [] }], ['metadata', { metadata: 'x' }],
    ['signature', { signature: {} }], ['shape', { signature: { inputs: [{ name: 'x', dtype: 'f', shape: ['a'] }], outputs: [] } }],
    ['fields', { signature: inputOf({ fields: [{ name: 'a' }] }) }], ['fields', { signature: inputOf({ fields: [1, 2, 3, 4] }) }], ['name', { signature: inputOf({ fields: ['a', 'b', 'c', 'c'].map((name) => ({ name })) }) }],
    ['categories', { signature: inputOf({ categories: [] }) }], ['categories', { signature: inputOf({ categories: ['a', 'a'] }) }], ['categories', { signature: inputOf({ categories: [1] }) }],
    ['categories', { signature: inputOf({ fields: [{ name: 'a', categories: 'b' }, { name: 'b' }, { name: 'c' }, { name: 'd' }] }) }], ['label', { signature: inputOf({ label: 'x' }) }],
    ['signature.outputs[0]', { signature: { inputs: [], outputs: [{ name: 'y', dtype: 'f', shape: [null, 1], fields: [{ name: 'a' }] }] } }],
    ['signature.outputs', { signature: { inputs: [], outputs: [{ name: 'y', dtype: 'f', shape: [] }, { name: 'y', dtype: 'f', shape: [] }] } }],
    ['tolerance', { golden: [{ input: 1, output: 1, tolerance: -1 }] }], ['golden[0]', { golden: [{ input: 1, tolerance: 1 }] }], ['surprise', { surprise: 1 }],
  ])('refuses a wrong %s', (part, change) => {
    const found = refusal(bytesOf(manifest(change)))
    expect(found).toMatchObject({ code: 'ERR_OUTRIGGER_MODEL_CORRUPT' })
    expect(found.message).toContain(part)
  })

  it('refuses a missing field, another spelling, a key that stands twice, bytes that are no UTF-8 and no JSON', () => {
    const { created: _, ...without } = manifest()
    expect(refusal(bytesOf(without)).message).toContain('created')
    const text = canonicalJson(manifest())
    for (const changed of [` ${text}`, text.replace('"bytes":3', '"bytes":3.0'), text.replace('{"created"', '{"created":"1999-01-01","created"'), text.slice(0, -1), '', '\ufeff' + text]) {
      expect(refusal(new TextEncoder().encode(changed)).code).toBe('ERR_OUTRIGGER_MODEL_CORRUPT')
    }
    expect(refusal(new Uint8Array([0xff, 0xfe])).code).toBe('ERR_OUTRIGGER_MODEL_CORRUPT')
    expect(refusal(new TextEncoder().encode('['.repeat(100_000))).code).toBe('ERR_OUTRIGGER_MODEL_CORRUPT')
    expect(refusal(new TextEncoder().encode(text.replace('"commit":"abc"', `"commit":${'['.repeat(90)}${']'.repeat(90)}`))).code).toBe('ERR_OUTRIGGER_MODEL_CORRUPT')
  })
})

describe('canonicalJson', () => {
  it('sorts keys by code units, writes typed arrays as arrays and leaves undefined out', () => {
    expect(canonicalJson({ b: 1, a: new Float32Array([0.5, 1]), é: null, A: undefined, 10: 'x', 9: true })).toBe('{"10":"x","9":true,"a":[0.5,1],"b":1,"é":null}')
  })

  it.each([Number.NaN, Infinity, () => 1, new Date(0), new Map(), 1n, Symbol('x'), undefined, new BigInt64Array(1)])('refuses %s and names the place', (value) => {
    expect(() => canonicalJson({ a: [value] })).toThrow(/the value\.a\[0\]/)
  })

  it('refuses a cycle', () => {
    const cyclic: unknown[] = []
    cyclic.push(cyclic)
    expect(() => canonicalJson(cyclic)).toThrow(/cyclic/)
  })
})

describe('parseReference', () => {
  it('tells versions, aliases, latest and digests apart', () => {
    expect(parseReference('a.b-c@12')).toEqual({ kind: 'version', name: 'a.b-c', version: 12 })
    expect(parseReference('m@latest')).toEqual({ kind: 'latest', name: 'm' })
    expect(parseReference('m@champion')).toEqual({ kind: 'alias', name: 'm', alias: 'champion' })
    expect(parseReference(hash)).toEqual({ kind: 'digest', digest: hash, name: undefined })
    expect(parseReference(`m@sha256:${hash}`)).toEqual({ kind: 'digest', digest: hash, name: 'm' })
  })

  it.each(['m', '', '@1', 'm@', 'm@0', 'm@-1', 'm@1.', '../m@1', 'm/n@1', 'm@a/b', 'm@..', 'm@a@b', '.m@1', hash.slice(1)])('refuses %j', (reference) => {
    expect(() => parseReference(reference)).toThrow(expect.objectContaining({ code: 'ERR_OUTRIGGER_INVALID_OPTION' }))
  })
})
