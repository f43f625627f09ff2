import { describe, expect, it } from 'vitest'
import { layer, pipe, predictor, seededRandom } from 'outrigger'
import { systemRandom, uuid7, type Random } from 'outrigger/core'
import { fakeClock } from 'outrigger/testing'

const take = (random: Random, count: number): number[] => Array.from({ length: count }, () => random.next())

/** sfc32 as PractRand writes it, in BigInt, from the same three words and counter 1. */
const sfc32 = (a: bigint, b: bigint, c: bigint, count: number): number[] => {
  const mask = 0xffffffffn
  let counter = 1n
  const values: number[] = []
  for (let index = 0; index < count; index += 1) {
    const sum = (a + b + counter) & mask
    counter = (counter + 1n) & mask
    a = b ^ (b >> 9n)
    b = (c + (c << 3n)) & mask
    c = (((c << 21n) | (c >> 11n)) & mask) + sum & mask
    values.push(Number(sum) / 4294967296)
  }
  return values
}

describe('seededRandom', () => {
  it('is sfc32, seeded by three hashes of the seed and warmed up by twelve steps', async () => {
    const { murmur3 } = await import('outrigger/core')
    for (const seed of ['', 'seed', 42]) {
      const [a, b, c] = [1, 2, 3].map((salt) => BigInt(murmur3(String(seed), salt))) as [bigint, bigint, bigint]
      expect(take(seededRandom(seed), 50)).toEqual(sfc32(a, b, c, 62).slice(12))
    }
  })

  it('gives the same numbers for the same seed for ever', () => {
    expect(take(seededRandom(7), 4).map((value) => value * 4294967296)).toMatchInlineSnapshot(`
      [
        3040336440,
        529702144,
        2635702936,
        1539333849,
      ]
    `)
    expect(take(seededRandom('outrigger').substream('retry'), 2).map((value) => value * 4294967296)).toMatchInlineSnapshot(`
      [
        3794574295,
        1918262243,
      ]
    `)
  })

  it('is uniform: 16 cells of 64 000 numbers stay within five standard deviations', () => {
    const random = seededRandom(1)
    const cells = new Array<number>(16).fill(0)
    for (let index = 0; index < 64_000; index += 1) cells[Math.floor(random.next() * 16)]! += 1
    for (const count of cells) expect(Math.abs(count - 4000)).toBeLessThan(5 * Math.sqrt(4000 * (15 / 16)))
  })

  it('integer stays below its bound', () => {
    const random = seededRandom(3)
    const seen = new Set(Array.from({ length: 200 }, () => random.integer(5)))
    expect([...seen].sort()).toEqual([0, 1, 2, 3, 4])
  })

  it('a substream depends on the seed and its name only, not on what others draw', () => {
    const first = seededRandom(9)
    const fresh = take(first.substream('a'), 5)
    take(first, 100)
    take(first.substream('b'), 100)
    expect(take(first.substream('a'), 5)).toEqual(fresh)
    expect(take(seededRandom(9).substream('b'), 5)).not.toEqual(fresh)
    expect(take(seededRandom(10).substream('a'), 5)).not.toEqual(fresh)
  })

  it('substreams do not correlate', () => {
    const [a, b] = [take(seededRandom(5).substream('a'), 10_000), take(seededRandom(5).substream('b'), 10_000)] as [number[], number[]]
    const covariance = a.reduce((sum, value, index) => sum + (value - 0.5) * ((b[index] as number) - 0.5), 0) / a.length
    expect(Math.abs(covariance * 12)).toBeLessThan(5 / Math.sqrt(a.length))
  })

  it('layers of one name, and predictors over one random, have streams of their own', async () => {
    const random = seededRandom(2)
    const drawn: number[] = []
    const draws = layer<number, number>('draws', (host) => ({ one: async (next, input, call) => (drawn.push(host.random.next()), await next(input, call)) }))
    const clock = fakeClock()
    const [first, second] = [0, 1].map(() => pipe(predictor((x: number) => x, { random, clock }), draws, draws))
    const ids = [(await first!.detailed(1)).record.id, (await second!.detailed(1)).record.id]
    expect(new Set(drawn).size).toBe(4)
    expect(new Set(ids).size).toBe(2)
  })
})

describe('systemRandom', () => {
  it('differs from call to call', () => {
    expect(take(systemRandom(), 3)).not.toEqual(take(systemRandom(), 3))
  })
})

describe('uuid7', () => {
  const random = seededRandom(1)

  it('has the layout of RFC 9562, section 5.7', () => {
    for (const wall of [0, 1, 65_535, 65_536, 1_767_225_600_000, 1_767_225_600_000.7, 2 ** 48 - 1]) {
      const id = uuid7(wall, random)
      expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
      expect(Number.parseInt(id.replaceAll('-', '').slice(0, 12), 16)).toBe(Math.floor(wall))
    }
  })

  it('sorts by time, and differs within a millisecond', () => {
    const times = [5, 70_000, 1_700_000_000_000, 1_700_000_000_001, 1_800_000_000_000]
    const ids = times.map((time) => uuid7(time, random))
    expect([...ids].sort()).toEqual(ids)
    expect(new Set(Array.from({ length: 10_000 }, () => uuid7(1, random))).size).toBe(10_000)
  })
})
