import fc from 'fast-check'
import { pipe } from 'outrigger'
import { cached } from 'outrigger/cache'
import { defineSchema } from 'outrigger/schema'
import { describe, expect, test } from 'vitest'
import { CacheKey } from '../../src/cache/cache-key.js'
import { encodeWithParts, type Parts } from '../../src/cache/content-key.js'
import { Keys, type KeyRule } from '../../src/cache/_keys.js'
import { schemaKey } from '../../src/cache/_schema-key.js'
import { mixBytes } from '../../src/cache/_word-hash.js'
import { recordsOf, rig } from '../resilience/_rig.js'

/** A cached model that says what it was asked. */
const asked = <I>(options: Parameters<typeof cached<I>>[0] = {}) => {
  const inputs: I[] = []
  const cache = cached<I>(options)
  const predict = pipe((input: I) => (inputs.push(input), inputs.length), cache)
  return { inputs, cache, predict }
}

const scope = { id: 1, text: 'v1', identity: { name: 'm', version: '1', digest: undefined } }
const keyOf = (value: unknown): CacheKey => {
  const parts: Parts = []
  return CacheKey.of(scope, encodeWithParts(value, parts), parts, 7)
}

test('Keys by other rules have other digests, as they may stand in one store', () => {
  const host = { scope: () => 'v1', served: () => scope.identity }
  const digestOf = (rule: KeyRule<unknown>, input: unknown): string => new Keys(rule, 7, host).ofNoVersion(input).digest
  const [a, b] = [defineSchema({ a: { type: 'number' } }), defineSchema({ b: { type: 'number' } })]
  const digests = [digestOf({ schema: a }, { a: 1 }), digestOf({ schema: b }, { b: 1 }), digestOf({ quantise: 1 }, 5), digestOf({ quantise: 0.1 }, 0.5), digestOf({}, 5), digestOf({ quantise: { x: 1 } }, 5)]
  expect(new Set(digests).size).toBe(digests.length)
  expect(digestOf({ schema: defineSchema({ a: { type: 'number' } }) }, { a: 1 })).toBe(digests[0])
})

describe('CacheKey', () => {
  const bytes = fc.uint8Array({ minLength: 0, maxLength: 200 })
  const plain = fc.anything({ withBigInt: true, withDate: true, withMap: true, withSet: true, withTypedArray: true, withSparseArray: true, maxDepth: 3 })

  test('CacheKey is equal, has the same lookup and the same digest for copies, whatever they hold', () => {
    fc.assert(
      fc.property(fc.oneof(plain, fc.record({ image: bytes, user: fc.string() }), bytes), (value) => {
        const [a, b] = [keyOf(value), keyOf(structuredClone(value))]
        return a.equals(b) && a.lookup === b.lookup && a.digest === b.digest && a.kept().equals(b)
      }),
      { numRuns: 1000, seed: 1 },
    )
  })

  test('CacheKey for another version is the one that would be made for it, of whatever content', () => {
    const later = { ...scope, id: 0x7fff_fff1, text: 'v2' }
    const made = (value: unknown, of: typeof scope): CacheKey => {
      // As `Keys` does: a lone tensor is no list.
      if (value instanceof Uint8Array) return CacheKey.of(of, 'vUint8Array:', value, 7)
      const parts: Parts = []
      return CacheKey.of(of, encodeWithParts(value, parts), parts, 7)
    }
    fc.assert(
      fc.property(fc.oneof(bytes, fc.uint8Array({ minLength: 4000, maxLength: 5000 }), plain, fc.record({ image: fc.uint8Array({ minLength: 64, maxLength: 90 }), user: fc.string() })), (value) => {
        const [there, moved] = [made(value, later), made(value, scope).in(later)]
        expect([moved.lookup, moved.digest, moved.equals(there), moved.in(scope).lookup]).toEqual([there.lookup, there.digest, true, made(value, scope).lookup])
        expect(made(value, scope).equals(there)).toBe(false)
        if (!(value instanceof Uint8Array) || value.length === 0) return
        // What is kept is a copy, and the bytes decide.
        const kept = there.kept()
        value[value.length - 1] = (value[value.length - 1] as number) ^ 1
        expect([kept.equals(there), kept.bytes > value.length]).toEqual([false, true])
      }),
      { numRuns: 500, seed: 3 },
    )
  })

  test('CacheKey differs, by its bytes and by its digest, for a change of any single byte', () => {
    const base = Float32Array.from({ length: 784 }, (_, index) => Math.sin(index))
    const key = keyOf(base)
    const lookups = new Set<unknown>([key.lookup])
    for (let at = 0; at < base.byteLength; at += 1) {
      const other = base.slice()
      const view = new Uint8Array(other.buffer)
      view[at] = (view[at] as number) ^ 1
      const changed = keyOf(other)
      expect(key.equals(changed)).toBe(false)
      lookups.add(changed.lookup)
      if (at % 97 === 0) expect(changed.digest).not.toBe(key.digest)
    }
    // The hash is only for speed, but it should be a good one.
    expect(lookups.size).toBe(base.byteLength + 1)
  })

  test('CacheKey tells the parts of a record apart, and where one ends', () => {
    const [a, b, c] = [new Uint8Array(100).fill(1), new Uint8Array(100).fill(2), new Uint8Array(200).fill(1)]
    const values = [{ x: a, y: b }, { x: b, y: a }, { x: a, z: b }, { x: [a, b] }, { x: a, y: b, s: '' }, [a, a], [c], c, a, Object.assign(a.slice(), { shape: [10, 10] }), Object.assign(a.slice(), { shape: [100] }), Buffer.from(a), new Int8Array(a), a.buffer]
    for (const [i, left] of values.entries()) for (const [j, right] of values.entries()) {
      expect([keyOf(left).equals(keyOf(right)), keyOf(left).digest === keyOf(right).digest], `${i} and ${j}`).toEqual([i === j, i === j])
    }
  })

  test('CacheKey keeps its bytes when the caller changes his', () => {
    const mine = new Float32Array(100)
    const [key, kept] = [keyOf(mine), keyOf(mine).kept()]
    mine[3] = 1
    expect([kept.equals(keyOf(new Float32Array(100))), key.equals(kept)]).toEqual([true, false])
  })

  test('mixBytes hashes bytes that do not begin at a word, and any length', () => {
    const seen = new Map<string, number>()
    for (let length = 0; length < 70; length += 1) {
      const hashes = [0, 1, 2, 3].map((offset) => {
        const all = new Uint8Array(length + 4)
        const bytesHere = all.subarray(offset, offset + length)
        for (let index = 0; index < length; index += 1) bytesHere[index] = index * 7
        const hash = { a: 5, b: 6 }
        mixBytes(hash, bytesHere)
        return `${hash.a} ${hash.b}`
      })
      expect(new Set(hashes).size).toBe(1)
      seen.set(hashes[0] as string, length)
    }
    expect(seen.size).toBe(70)
  })
})

describe('schema', () => {
  const schema = defineSchema({ b: { type: 'number' }, a: { type: 'string', optional: true }, when: { type: 'date', optional: true } })

  test('schemaKey has one text for two records if and only if contentKey has', () => {
    const values = fc.oneof(fc.integer(), fc.double(), fc.string(), fc.constantFrom(undefined, null, Number.NaN, -0, 0, '0', 0n, true), fc.date())
    const record = fc.record({ b: values, a: values, when: values, extra: values }, { requiredKeys: [] })
    const compiled = schemaKey(schema)
    const text = (value: object): string => compiled(value, []) ?? encodeWithParts(value, [])
    fc.assert(fc.property(record, record, (left, right) => (text(left) === text(right)) === (encodeWithParts(left, []) === encodeWithParts(right, []))), { numRuns: 3000, seed: 2 })
  })

  test('schemaKey tells records of more fields than fit into one word apart by every one of them, numbers or not', () => {
    const names = Array.from({ length: 130 }, (_, index) => `field${index}`)
    const compiled = schemaKey({ fields: Object.fromEntries(names.map((name) => [name, {}])) })
    const record = Object.fromEntries(names.map((name, index) => [name, index % 3 === 0 ? `${index}` : index / 7.5]))
    const texts = new Set([compiled(record, [])])
    for (const name of names) for (const value of [1, 0, -0, Number.NaN, '1', '', true, undefined]) texts.add(compiled({ ...record, [name]: value }, []))
    expect(texts.size).toBe(1 + names.length * 8)
    expect(compiled({ ...record }, [])).toBe(compiled(record, []))
  })

  test('cached with a schema does not ignore fields that the schema does not name, nor inherited or missing ones', async () => {
    const { inputs, predict } = asked<object>({ schema })
    const rows = [{ b: 1 }, { b: 1, a: undefined }, { b: 1, extra: 1 }, { b: 1, extra: 2 }, {}, { a: 'x' }, { b: 1, when: new Date(1) }, { b: 1, when: new Date(2) }, { b: '1' }, Object.assign(Object.create(null), { b: 2 }), [1], new Map([['b', 1]])]
    for (let round = 0; round < 2; round += 1) for (const [index, row] of rows.entries()) expect(await predict(row)).toBe(index + 1)
    expect(inputs).toHaveLength(rows.length)
    const strange = asked<object>({ schema: { fields: { toString: {} } } })
    expect([await strange.predict({}), await strange.predict({ toString: 1 })]).toEqual([1, 2])
  })
})

describe('quantise', () => {
  test('cached lets near-equal inputs share an answer, says so in the record, and shows the model the exact input', async () => {
    const { model, inner } = rig()
    model.answers((x) => x)
    const predict = pipe(inner, cached({ quantise: 0.1 }))
    const records = recordsOf(predict)
    expect([await predict(0.51), await predict(0.49), await predict(0.56)]).toEqual([0.51, 0.51, 0.56])
    expect(model.arrivals.map(({ input }) => input)).toEqual([0.51, 0.56])
    expect(records.map(({ cache }) => cache)).toEqual([{ status: 'miss', isQuantised: true }, { status: 'hit', isQuantised: true }, { status: 'miss', isQuantised: true }])
  })

  test('cached rounds numbers wherever they are, keeps kinds apart, and joins 0 and -0, but not NaN and the infinities', async () => {
    const { predict } = asked<unknown>({ quantise: 0.5 })
    const groups = [[1, 1.2], [new Float32Array([1, 2]), new Float32Array([1.1, 2.1])], [new Float64Array([1, 2])], [[1, 2], [1.1, 1.9]], [{ a: { b: [0.01] } }, { a: { b: [-0.01] } }], [Number.NaN], [Infinity], [-Infinity], [0, -0, 0.1, -0.1], [new Map([['a', 1]]), new Map([['a', 1.1]])], ['1'], [1n], [new Date(1)], [new Int8Array([1, 2])], [Object.assign(new Float32Array([1, 2]), { shape: [2, 1] })]]
    for (let round = 0; round < 2; round += 1) for (const [index, group] of groups.entries()) for (const input of group) expect(await predict(input)).toBe(index + 1)
  })

  test('cached rounds only the fields that are named, each by its own step', async () => {
    const { predict } = asked<unknown>({ quantise: { km: 10, hours: 1 } })
    expect([await predict({ km: 501, hours: 2.2, price: 1 }), await predict({ km: 499, hours: 1.8, price: 1 }), await predict({ km: 501, hours: 2.2, price: 1.01 }), await predict({ km: 511, hours: 2.2, price: 1 }), await predict([501])]).toEqual([1, 1, 2, 3, 4])
  })

  test('quantise keeps values apart whose number of steps no number holds', async () => {
    for (const wrap of [(x: number) => x, (x: number) => [x], (x: number) => Float64Array.of(x)]) {
      let asked = 0
      const predict = pipe((_: unknown) => (asked += 1), cached({ quantise: 1e-3 }))
      for (const value of [1e307, 1.1e307, Infinity, -1e307]) await predict(wrap(value))
      expect(asked).toBe(4)
      await predict(wrap(1e307))
      expect(asked).toBe(4)
    }
  })

  test('cached refuses steps that make no sense, and an input that contains itself by code', async () => {
    for (const quantise of [0, -1, Number.NaN, Infinity, '1', null, { km: 0 }, { km: 'x' }]) expect(() => cached({ quantise } as never), String(quantise)).toThrow(expect.objectContaining({ code: 'ERR_OUTRIGGER_INVALID_OPTION' }))
    const cyclic: { self?: unknown } = {}
    cyclic.self = cyclic
    await expect(asked<unknown>({ quantise: 1 }).predict(cyclic)).rejects.toMatchObject({ code: 'ERR_OUTRIGGER_UNCACHEABLE' })
  })
})
