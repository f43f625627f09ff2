import { describe, expect, it } from 'vitest'
import { parseIndex, serializeIndex, type StoreIndex } from '../../../src/models/sources/_store-index.js'

const digest = 'a1'.repeat(32)
const index: StoreIndex = {
  name: 'delay',
  versions: [{ version: 1, digest, bytes: 300 }, { version: 3, digest: 'b2'.repeat(32), bytes: 301, signatures: [{ keyId: digest, algorithm: 'ed25519', signature: 'AA==' }] }],
  damaged: [2],
  aliases: { champion: 1 },
}

describe('the index of a model', () => {
  it('comes back as it was written', () => {
    expect(parseIndex(serializeIndex(index), 'delay')).toEqual({ format: 'outrigger-index', formatVersion: 1, ...index })
  })

  it('is not believed with any bit flipped, or cut off anywhere', () => {
    const bytes = Buffer.from(serializeIndex(index))
    for (let bit = 0; bit < bytes.length * 8; bit += 1) {
      const changed = Buffer.from(bytes)
      changed[bit >> 3] = (changed[bit >> 3] as number) ^ (1 << (bit & 7))
      expect(parseIndex(changed.toString(), 'delay'), `bit ${bit}`).toBeTypeOf('string')
    }
    for (let length = 0; length < bytes.length; length += 1) expect(parseIndex(bytes.subarray(0, length).toString(), 'delay')).toBeTypeOf('string')
  })

  it.each([
    ['no versions', { versions: undefined }], ['a version 0', { versions: [{ version: 0, digest, bytes: 1 }] }], ['a digest that is none', { versions: [{ version: 1, digest: 'x', bytes: 1 }] }],
    ['a manifest of no bytes', { versions: [{ version: 1, digest, bytes: 0 }] }], ['a list for aliases', { aliases: [] }], ['an alias that is a number', { aliases: { 3: 1 } }],
    ['damaged texts', { damaged: ['1'] }], ['signatures that are none', { versions: [{ version: 1, digest, bytes: 1, signatures: [1] }] }],
  ])('is refused with %s, although it is sealed', (_, change) => {
    expect(parseIndex(serializeIndex({ ...index, ...change } as StoreIndex), 'delay')).toBe('an index with wrong fields')
  })
})
