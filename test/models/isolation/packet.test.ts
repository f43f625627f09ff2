import fc from 'fast-check'
import { expect, test } from 'vitest'
import { frameOf, FrameReader } from '../../../src/models/isolation/_frames.js'
import { movable, ownCopy, packed, unpacked } from '../../../src/models/isolation/_packet.js'

const types = [Int8Array, Uint8Array, Uint8ClampedArray, Int16Array, Uint16Array, Int32Array, Uint32Array, Float32Array, Float64Array, BigInt64Array, BigUint64Array] as const

/** A view of a piece in the middle of a larger buffer. */
const view = fc.record({ type: fc.constantFrom(...types), before: fc.nat(3), length: fc.nat(20), seed: fc.nat(255) }).map(({ type, before, length, seed }) => {
  const size = type.BYTES_PER_ELEMENT
  const buffer = new Uint8Array((before + length + 2) * size).map((_, at) => (at * 37 + seed) & 0x3f).buffer
  return new type(buffer, before * size, length)
})

const { value } = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 3 },
    view,
    fc.constantFrom(undefined, null, true, 0, -0, NaN, Infinity, 12n, 'text', new Date(5), new Map([['a', 1]]), new Set([1, 'b']), Buffer.from('abc')),
    fc.array(tie('value'), { maxLength: 4 }),
    fc.dictionary(fc.string({ maxLength: 5 }), tie('value'), { maxKeys: 4, noNullPrototype: true }),
  ),
}))

test('a packet comes out as it went in, whatever arrays it holds', () => {
  fc.assert(fc.property(value, (before) => {
    expect(unpacked(packed(before))).toStrictEqual(before)
  }))
})

test('a packet that is moved holds only the elements of a view, not its whole buffer', () => {
  const large = new Float32Array(1_000_000).fill(2)
  const { packet, transfer } = movable(packed({ rows: [large.subarray(5, 8)] }))
  expect(transfer.reduce((sum, buffer) => sum + buffer.byteLength, 0)).toBeLessThan(200)
  expect(unpacked(structuredClone(packet, { transfer }))).toEqual({ rows: [Float32Array.of(2, 2, 2)] })
  expect(large.length).toBe(1_000_000)
})

test('a packet refuses what structured cloning refuses', () => {
  expect(() => packed({ f: () => {} })).toThrow()
  expect(() => packed(Symbol('s'))).toThrow()
})

test('a view that two places share is one there too only if it is the same view', () => {
  const shared = Float32Array.of(1, 2)
  const { a, b } = unpacked(packed({ a: shared, b: shared })) as { readonly a: unknown; readonly b: unknown }
  expect(a).toBe(b)
})

test('frames come out whole and in order, however the stream cuts them', () => {
  fc.assert(fc.property(fc.array(value, { maxLength: 5 }), fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 10 }), (messages, cuts) => {
    const received: unknown[] = []
    const reader = new FrameReader((message) => received.push(message))
    const stream = Buffer.concat(messages.flatMap(frameOf))
    for (let at = 0, cut = 0; at < stream.length; cut += 1) {
      const size = cuts[cut % cuts.length] as number
      reader.push(stream.subarray(at, at + size))
      at += size
    }
    expect(received).toStrictEqual(messages)
  }))
})

test('a large array is written from where it lies, and read into one buffer of its own', () => {
  const large = new Float64Array(1_000_000).fill(3)
  const pieces = frameOf({ large })
  expect(pieces[1]?.buffer).toBe(large.buffer)
  let read: unknown
  const reader = new FrameReader((message) => { read = message })
  for (const piece of pieces) reader.push(piece)
  const { large: copy } = read as { readonly large: Float64Array }
  expect(copy.buffer.byteLength).toBe(large.byteLength)
  expect(Buffer.compare(Buffer.from(copy.buffer), Buffer.from(large.buffer))).toBe(0)
})

test('a frame reader refuses noise instead of waiting for it', () => {
  const noise = Buffer.alloc(64, 0xab)
  expect(() => new FrameReader(() => {}).push(noise)).toThrow(/no message/)
  const [header] = frameOf({ a: 1 }) as [Buffer]
  header.writeUInt32LE(0xffffffff, 4)
  expect(() => new FrameReader(() => {}).push(header)).toThrow(/no message/)
})

test('a copy to be moved is never a view, not of a Buffer either', () => {
  const buffer = Buffer.from('from a pool')
  for (const view of [buffer, Float32Array.of(1, 2).subarray(1)]) {
    const copy = ownCopy(view as Uint8Array)
    expect(copy.buffer).not.toBe(view.buffer)
    expect([...copy]).toEqual([...view])
    expect(copy.byteLength).toBe(copy.buffer.byteLength)
  }
})
