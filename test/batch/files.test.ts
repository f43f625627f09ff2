import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import fc from 'fast-check'
import { csvFile, jsonlFile, scoreBatch, type DeadLetter } from 'outrigger/batch'
import { defineSchema } from 'outrigger/schema'
import { beforeAll, describe, expect, it } from 'vitest'
import { meddlingFileSystem } from './_crashing-file-system.js'
import { temporaryFolder } from './_folder.js'

let folder: string
let count = 0
const path = (): string => join(folder, `file-${(count += 1)}`)
beforeAll(async () => {
  folder = await temporaryFolder()
})
const same = <T>(row: T): T => row
const rows = async <T>(file: AsyncIterable<T>): Promise<T[]> => {
  const read: T[] = []
  for await (const row of file) read.push(row)
  return read
}

describe('jsonlFile', () => {
  it('gives back what was written, whatever the reads and the pages are', async () => {
    await fc.assert(fc.asyncProperty(fc.array(fc.json().map((text) => JSON.parse(text) as unknown)), fc.integer({ min: 1, max: 50 }), fc.integer({ min: 1, max: 9 }), async (values, readBytes, batchSize) => {
      const [first, second] = [path(), path()]
      await scoreBatch(same<unknown>, values, jsonlFile<unknown>(first), { batchSize, result: ({ output }) => output })
      expect(await rows(jsonlFile(first))).toEqual(values)
      await scoreBatch(same<unknown>, jsonlFile<unknown>(first), jsonlFile<unknown>(second), { batchSize, result: ({ output }) => output, fileSystem: meddlingFileSystem({ readBytes }) })
      expect(await readFile(second, 'utf8')).toBe(await readFile(first, 'utf8'))
    }), { numRuns: 60 })
  })

  it('writes typed arrays as arrays, and refuses what JSON would change in silence', async () => {
    const out = path()
    const deadLetters: DeadLetter[] = []
    const values = [new Float32Array([1, 2.5]), { at: new Date(0) }, new Float32Array([Number.NaN]), { x: Infinity }, 1n, new Map([[1, 2]]), { s: new Set([1]) }, undefined, () => 1, [undefined], new Array(1), { at: new Date(Number.NaN) }, null, 'a\nb', { left: undefined }]
    await scoreBatch(same<unknown>, values, jsonlFile<unknown>(out), { deadLetters, result: ({ output }) => output })
    expect(await readFile(out, 'utf8')).toBe('[1,2.5]\n{"at":"1970-01-01T00:00:00.000Z"}\nnull\n"a\\nb"\n{}\n')
    expect(deadLetters.map(({ row }) => row)).toEqual([2, 3, 4, 5, 6, 7, 8, 9, 10, 11])
    expect(deadLetters.every(({ error }) => error.code === 'ERR_OUTRIGGER_JOB')).toBe(true)
  })

  it('writes dead letters of inputs that JSON has no word for', async () => {
    const letters = path()
    const fail = (_: unknown): number => { throw new Error('no') }
    const cyclic: { self?: unknown } = {}
    cyclic.self = cyclic
    await scoreBatch(fail, [Number.NaN, { big: 1n }, new Map([[1, 2]]), cyclic, new Float64Array([1])], [], { deadLetters: letters })
    const found = (await readFile(letters, 'utf8')).trimEnd().split('\n').map((line) => JSON.parse(line) as DeadLetter)
    expect(found.map(({ row: at, input, text }) => [at, input ?? text])).toEqual([[0, 'NaN'], [1, { big: '1' }], [2, [[1, 2]]], [3, '<ref *1> { self: [Circular *1] }'], [4, [1]]])
    expect(found.every(({ error }) => error.message === 'no')).toBe(true)
  })

  it('refuses a path that is none', () => {
    expect(() => jsonlFile('')).toThrowError(expect.objectContaining({ code: 'ERR_OUTRIGGER_INVALID_OPTION' }) as never)
  })
})

describe('csvFile', () => {
  const text = fc.string({ unit: fc.constantFrom('a', 'é', '€', '😀', '"', ',', ';', '\n', '\r', ' ', '\t', '='), maxLength: 12 })
  const schema = defineSchema({ n: { type: 'number' }, maybe: { type: 'string', optional: true }, b: { type: 'boolean' }, at: { type: 'date' } })
  const row = fc.record(
    { text, n: fc.double({ noNaN: true, noDefaultInfinity: true }).map((n) => n + 0), maybe: text, b: fc.boolean(), at: fc.date({ noInvalidDate: true, min: new Date(0), max: new Date(4e12) }) },
    { requiredKeys: ['text', 'n', 'b', 'at'] },
  )

  it('gives back what was written, with its types, whatever the reads, the pages and the delimiter are', async () => {
    await fc.assert(fc.asyncProperty(fc.array(row), fc.integer({ min: 1, max: 50 }), fc.integer({ min: 1, max: 9 }), fc.constantFrom(',', ';', '\t'), fc.boolean(), async (values, readBytes, batchSize, delimiter, header) => {
      const out = path()
      const columns = ['text', 'n', 'maybe', 'b', 'at']
      await scoreBatch(same<object>, values, csvFile<object>(out, { columns, delimiter, header }), { batchSize, result: ({ output }) => output })
      const read: object[] = []
      await scoreBatch(same<object>, csvFile<object>(out, { schema, columns, delimiter, header }), read, { batchSize, result: ({ output }) => output, fileSystem: meddlingFileSystem({ readBytes }) })
      expect(read).toEqual(values)
    }), { numRuns: 100 })
  })

  const failures = async (content: string, file: Parameters<typeof csvFile>[1] = {}): Promise<(string | number)[][]> => {
    const input = path()
    await writeFile(input, content)
    const deadLetters: DeadLetter[] = []
    await scoreBatch(same<object>, csvFile<object>(input, file), () => {}, { deadLetters })
    return deadLetters.map(({ row: at, text: what }) => [at, what ?? ''])
  }

  it('fails a record alone that has other fields than the header, or one that does not fit the schema', async () => {
    expect(await failures('a,b\n1,2\n1\n1,2,3\n"x"y,2\n3,4\n')).toEqual([[1, '1'], [2, '1,2,3'], [3, '"x"y,2']])
    expect(await failures('n\n1\n\nx\n""\n2', { schema: defineSchema({ n: { type: 'number' } }) })).toEqual([[1, 'x'], [2, '""']])
  })

  it('stops at once when the columns make no sense', async () => {
    await expect(failures('a,a\n1,2\n')).rejects.toMatchObject({ code: 'ERR_OUTRIGGER_JOB' })
    await expect(failures('a,b\n1,2\n', { columns: ['b', 'a'] })).rejects.toMatchObject({ code: 'ERR_OUTRIGGER_JOB' })
    await expect(failures('a,b\n1,2\n', { schema: defineSchema({ c: { type: 'number' } }) })).rejects.toMatchObject({ code: 'ERR_OUTRIGGER_JOB' })
    await expect(failures('1,2\n', { header: false })).rejects.toMatchObject({ code: 'ERR_OUTRIGGER_JOB' })
  })

  it('reads a column whose name is that of the prototype', async () => {
    const input = path()
    await writeFile(input, '__proto__,b\n1,2\n')
    const [read] = await rows(csvFile(input))
    expect([Object.keys(read as object), Object.getPrototypeOf(read) === Object.prototype]).toEqual([['__proto__', 'b'], true])
  })

  it('writes rows with the columns of the first one, and fails those that have others or no words', async () => {
    const out = path()
    const deadLetters: DeadLetter[] = []
    const values: unknown[] = [{ a: 1, b: [1, 2] }, { b: 2 }, { a: 1, c: 3 }, 7, { a: Number.NaN }, { a: null, b: { x: 'y,z' } }, { a: () => 1 }]
    await scoreBatch(same<unknown>, values, csvFile<object>(out), { deadLetters, result: ({ output }) => output as object })
    expect(await readFile(out, 'utf8')).toBe('a,b\n1,"[1,2]"\n,2\n,"{""x"":""y,z""}"\n')
    expect(deadLetters.map(({ row: at }) => at)).toEqual([2, 3, 4, 6])
  })

  it.each([
    ['is not UTF-8', Buffer.from([0xff, 0x2c, 0x62, 10, 49, 44, 50])],
    ['ends with a lone CR, as if all rows were its columns', Buffer.from('a,b\r1,2\r3,4\r')],
  ])('refuses a file whose header %s', async (_, bytes) => {
    const file = path()
    await writeFile(file, bytes)
    await expect(rows(csvFile(file))).rejects.toMatchObject({ code: 'ERR_OUTRIGGER_JOB' })
  })

  it('of no rows has the header when its columns are given', async () => {
    const [out, other] = [path(), path()]
    await scoreBatch(same<object>, [], csvFile<object>(out, { columns: ['a', 'b'] }))
    await scoreBatch(same<object>, [], csvFile<object>(other))
    expect([await readFile(out, 'utf8'), await readFile(other, 'utf8'), await rows(csvFile(other))]).toEqual(['a,b\n', '', []])
  })

  it.each([
    ['path', '', {}],
    ['delimiter', 'x', { delimiter: '"' }],
    ['delimiter', 'x', { delimiter: ',,' }],
    ['columns', 'x', { columns: ['a', 'a'] }],
    ['columns', 'x', { columns: [] }],
    ['colums', 'x', { colums: ['a'] }],
  ])('refuses a wrong %s', (_, file, options) => {
    expect(() => csvFile(file, options as never)).toThrowError(expect.objectContaining({ code: 'ERR_OUTRIGGER_INVALID_OPTION' }) as never)
  })
})
