import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { formatCsvRecord, parseCsvRecord, typedField } from '../../src/batch/_csv.js'
import { RecordSplitter } from '../../src/batch/_record-splitter.js'

const delimiter = ','.charCodeAt(0)

/** The records of a text that comes in pieces of these lengths. */
const split = (text: string, lengths: readonly number[], options: { readonly delimiter?: number; readonly maxBytes?: number } = {}): { readonly texts: (string | undefined)[]; readonly ends: number[]; readonly open: boolean } => {
  const bytes = Buffer.from(text)
  const splitter = new RecordSplitter({ from: 0, maxBytes: 1 << 20, ...options })
  const texts: (string | undefined)[] = []
  const ends: number[] = []
  // One buffer, written over: what a record holds must not depend on it.
  const buffer = new Uint8Array(Math.max(1, ...lengths))
  let at = 0
  for (let turn = 0; at < bytes.length; turn += 1) {
    const piece = bytes.subarray(at, at + (lengths[turn % lengths.length] as number))
    buffer.set(piece)
    at += piece.length
    for (const record of splitter.push(buffer.subarray(0, piece.length))) {
      texts.push(record.bytes === undefined ? undefined : Buffer.from(record.bytes).toString())
      ends.push(record.end)
    }
  }
  for (const record of splitter.end()) {
    texts.push(record.bytes === undefined ? undefined : Buffer.from(record.bytes).toString())
    ends.push(record.end)
  }
  return { texts, ends, open: splitter.isInsideQuotes }
}

const lengths = fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 5 })
const text = fc.string({ unit: fc.constantFrom('a', 'é', '€', '😀', '"', ',', '\n', '\r', ' ', '\t'), maxLength: 12 })
const field = fc.option(text, { nil: undefined })
const lineBreak = fc.constantFrom('\n', '\r\n')

describe('RecordSplitter', () => {
  it('finds the lines of a text wherever it is cut, also within a character', () => {
    const line = fc.string({ unit: fc.constantFrom('a', 'é', '€', '😀', '"', ','), maxLength: 30 })
    fc.assert(fc.property(fc.array(fc.tuple(line, lineBreak)), fc.boolean(), lengths, (lines, ends, cuts) => {
      const whole = lines.map(([content, end]) => content + end).join('')
      const found = split(ends ? whole : whole.replace(/\r?\n$/, ''), cuts)
      expect(found.texts).toEqual(lines.map(([content]) => content).filter((content) => content !== ''))
    }))
  })

  it('finds the records of CSV wherever it is cut, and reading them gives what was written', () => {
    fc.assert(fc.property(fc.array(fc.array(field, { minLength: 1, maxLength: 4 })), lineBreak, lengths, (rows, end, cuts) => {
      const records = rows.map((row) => formatCsvRecord(row, ','))
      const found = split(records.map((record) => record.slice(0, -1) + end).join(''), cuts, { delimiter })
      expect(found.open).toBe(false)
      // A record of one missing field cannot be told from a blank line: it is written as an empty text.
      expect(found.texts.map((record) => parseCsvRecord(record as string, ','))).toEqual(rows.map((row) => (row.length === 1 && row[0] === undefined ? [''] : row)))
    }), { numRuns: 500 })
  })

  it('says where each record ends, so that reading can begin there', () => {
    fc.assert(fc.property(fc.array(fc.array(field, { minLength: 1, maxLength: 3 }), { minLength: 1 }), lengths, (rows, cuts) => {
      const whole = Buffer.from(rows.map((row) => formatCsvRecord(row, ',')).join(''))
      const { texts, ends } = split(whole.toString(), cuts, { delimiter })
      ends.forEach((end, index) => {
        const rest = new RecordSplitter({ from: end, maxBytes: 1 << 20, delimiter }).push(whole.subarray(end))
        expect(rest.map(({ bytes }) => Buffer.from(bytes as Uint8Array).toString())).toEqual(texts.slice(index + 1))
      })
    }))
  })

  it('passes over a record that is too long without keeping it, and finds the next one', () => {
    fc.assert(fc.property(fc.integer({ min: 0, max: 40 }), lengths, (long, cuts) => {
      expect(split(`12345\n${'x'.repeat(long + 1)}\n67890\n`, cuts, { maxBytes: 10 }).texts).toEqual(['12345', long + 1 > 10 ? undefined : 'x'.repeat(long + 1), '67890'])
    }))
  })

  it('passes over lines of white space, but not over a field of white space', () => {
    expect(split('a\n\n  \t\r\nb', [3]).texts).toEqual(['a', 'b'])
    expect(split('a\n\n  \nb\r\n\r\n', [3], { delimiter }).texts).toEqual(['a', '  ', 'b'])
  })

  it('says when the text ends within quotes', () => {
    expect(split('a,"b\nc\n', [2], { delimiter }).open).toBe(true)
    expect(split('a,b"c\nd', [2], { delimiter })).toMatchObject({ open: false, texts: ['a,b"c', 'd'] })
  })
})

describe('parseCsvRecord', () => {
  it.each([
    ['a,b', ['a', 'b']],
    ['a,', ['a', undefined]],
    [',', [undefined, undefined]],
    ['"",""', ['', '']],
    ['"a ""b"" ,c"', ['a "b" ,c']],
    ['a"b', ['a"b']],
    [' a , b ', [' a ', ' b ']],
  ])('reads %s', (record, fields) => {
    expect(parseCsvRecord(record, ',')).toEqual(fields)
  })

  it.each(['"a"b', '"a', '"a" ,b'])('refuses %s', (record) => {
    expect(() => parseCsvRecord(record, ',')).toThrowError(expect.objectContaining({ code: 'ERR_OUTRIGGER_JOB' }) as never)
  })
})

describe('typedField', () => {
  it.each([
    ['number', '1.5e3', 1500],
    ['number', ' 7 ', 7],
    ['integer', '-3', -3],
    ['boolean', 'true', true],
    ['boolean', '0', false],
    ['date', '2026-01-02T00:00:00Z', new Date(Date.UTC(2026, 0, 2))],
    ['string', '', ''],
    ['category', 'a', 'a'],
  ] as const)('of type %s makes of %j %j', (type, field_, value) => {
    expect(typedField('f', field_, { type })).toEqual(value)
  })

  it.each([
    ['number', ''], ['number', 'abc'], ['number', 'NaN'], ['number', 'Infinity'], ['number', '1,5'], ['integer', '1.5'], ['integer', '9007199254740993'],
    ['boolean', 'yes'], ['date', 'tomorrow'], ['string', undefined],
  ] as const)('of type %s refuses %j', (type, field_) => {
    expect(() => typedField('f', field_, { type })).toThrowError(expect.objectContaining({ code: 'ERR_OUTRIGGER_JOB' }) as never)
  })

  it('is missing when nothing stands there and it may be', () => {
    expect(typedField('f', undefined, { type: 'number', optional: true })).toBeUndefined()
  })
})
