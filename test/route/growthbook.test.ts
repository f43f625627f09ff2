import { GrowthBook, StickyBucketService, type StickyAssignmentsDocument } from '@growthbook/growthbook'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { seededRandom } from 'outrigger'
import { growthBookAssignment, growthBookHash, growthBookRanges, growthBookResult, growthBookVariation, inGrowthBookNamespace, split, type GrowthBookExperiment, type GrowthBookStickyDoc } from 'outrigger/route'

// Inputs and answers of GrowthBook's published cases for SDKs, specification 0.5.4.
describe('growthBook, published cases', () => {
  test.each([
    ['', 'a', 1, 0.22],
    ['', 'b', 1, 0.077],
    ['b', 'a', 1, 0.946],
    ['ef', 'd', 1, 0.652],
    ['asdf', '8952klfjas09ujk', 1, 0.549],
    ['', '123', 1, 0.011],
    ['', '___)((*":&', 1, 0.563],
    ['seed', 'a', 2, 0.0505],
    ['seed', 'b', 2, 0.2696],
    ['foo', 'ab', 2, 0.2575],
    ['foo', 'def', 2, 0.2019],
    ['89123klj', '8952klfjas09ujkasdf', 2, 0.124],
    ['90850943850283058242805', '123', 2, 0.7516],
    ['()**(%$##$%#$#', '___)((*":&', 2, 0.0128],
    ['abc', 'def', 99, null],
  ])('growthBookHash of seed %j, value %j, version %i is %d', (seed, value, version, expected) => expect(growthBookHash(seed, value, version)).toBe(expected))

  test.each<[string, [number, number?, (readonly number[])?], [number, number][]]>([
    ['normal 50/50', [2, 1], [[0, 0.5], [0.5, 1]]],
    ['reduced coverage', [2, 0.5], [[0, 0.25], [0.5, 0.75]]],
    ['zero coverage', [2, 0], [[0, 0], [0.5, 0.5]]],
    ['four variations', [4, 1], [[0, 0.25], [0.25, 0.5], [0.5, 0.75], [0.75, 1]]],
    ['uneven weights', [2, 1, [0.4, 0.6]], [[0, 0.4], [0.4, 1]]],
    ['three uneven weights', [3, 1, [0.2, 0.3, 0.5]], [[0, 0.2], [0.2, 0.5], [0.5, 1]]],
    ['three uneven weights, reduced coverage', [3, 0.2, [0.2, 0.3, 0.5]], [[0, 0.04], [0.2, 0.26], [0.5, 0.6]]],
    ['negative coverage', [2, -0.2], [[0, 0], [0.5, 0.5]]],
    ['coverage above 1', [2, 1.5], [[0, 0.5], [0.5, 1]]],
    ['weights below 1', [2, 1, [0.4, 0.1]], [[0, 0.5], [0.5, 1]]],
    ['weights above 1', [2, 1, [0.7, 0.6]], [[0, 0.5], [0.5, 1]]],
    ['another number of weights', [4, 1, [0.4, 0.4, 0.2]], [[0, 0.25], [0.25, 0.5], [0.5, 0.75], [0.75, 1]]],
    ['weights of almost 1', [2, 1, [0.4, 0.5999]], [[0, 0.4], [0.4, 0.9999]]],
  ])('growthBookRanges: %s', (_, args, expected) => {
    growthBookRanges(...args).forEach(([from, to], index) => {
      expect(from).toBeCloseTo(expected[index]![0], 12)
      expect(to).toBeCloseTo(expected[index]![1], 12)
    })
  })

  test('growthBookVariation takes the range that holds the hash, its end excluded', () => {
    const even = [[0, 0.5], [0.5, 1]] as const
    const reduced = [[0, 0.25], [0.5, 0.75]] as const
    expect([0.2, 0.4, 0.6, 0.8, 0, 0.5].map((hash) => growthBookVariation(hash, even))).toEqual([0, 0, 1, 1, 0, 1])
    expect([0.2, 0.4, 0.6, 0.8, 0.25, 0.5].map((hash) => growthBookVariation(hash, reduced))).toEqual([0, -1, 1, -1, -1, 1])
    expect(growthBookVariation(0.5, [[0, 0.5], [0.5, 0.5], [0.5, 1]])).toBe(2)
  })

  test('inGrowthBookNamespace has the published answers', () => {
    const low = (name: string): boolean[] => ['1', '2', '3', '4'].map((user) => inGrowthBookNamespace(user, [name, 0, 0.4]))
    const high = (name: string): boolean[] => ['1', '2', '3', '4'].map((user) => inGrowthBookNamespace(user, [name, 0.4, 1]))
    expect([low('namespace1'), high('namespace1')]).toEqual([[false, false, false, false], [true, true, true, true]])
    expect([low('namespace2'), high('namespace2')]).toEqual([[false, false, true, true], [true, true, false, false]])
  })

  test.each<[string, Partial<GrowthBookExperiment>, Record<string, unknown>, number]>([
    ['namespace, in', { namespace: ['namespace', 0.1, 1] }, { id: '1' }, 1],
    ['namespace, out', { namespace: ['namespace', 0, 0.1] }, { id: '1' }, -1],
    ['no coverage', { key: 'no-coverage', coverage: 0 }, { id: '1' }, -1],
    ['filters, in', { key: 'filtered', filters: [{ seed: 'seed', ranges: [[0, 0.1], [0.2, 0.4]] }, { seed: 'seed', attribute: 'anonId', ranges: [[0.8, 1]] }] }, { id: '1', anonId: 'fsdafsda' }, 1],
    ['filters, out', { key: 'filtered', filters: [{ seed: 'seed', ranges: [[0, 0.1], [0.2, 0.4]] }, { seed: 'seed', attribute: 'anonId', ranges: [[0.6, 0.8]] }] }, { id: '1', anonId: 'fsdafsda' }, -1],
    ['filters in the place of the namespace', { key: 'filtered', filters: [{ seed: 'seed', ranges: [[0, 0.1], [0.2, 0.4]] }], namespace: ['test', 0, 0.001] }, { id: '1' }, 1],
    ['ranges in the place of coverage and weights', { key: 'ranges', ranges: [[0.99, 1], [0, 0.99]], coverage: 0.01, weights: [0.99, 0.01] }, { id: '1' }, 1],
    ['ranges that cover a part', { key: 'configs', ranges: [[0, 0.1], [0.9, 1]] }, { id: '1' }, -1],
    ['seed and hash version', { key: 'key', seed: 'foo', hashVersion: 2, ranges: [[0, 0.5], [0.5, 1]] }, { id: '1' }, 1],
    ['seed and coverage', { key: 'key', seed: 'foo', hashVersion: 2, weights: [0.5, 0.5], coverage: 0.99 }, { id: '1' }, 1],
    ['no attribute', {}, {}, -1],
  ])('growthBookResult: %s', (_, experiment, attributes, variation) => {
    expect(growthBookResult({ key: 'my-test', variations: 2, ...experiment }, attributes).variation).toBe(variation)
  })

  const doc = (attributeName: string, attributeValue: string, assignments: Record<string, string>): [string, GrowthBookStickyDoc] => [`${attributeName}||${attributeValue}`, { attributeName, attributeValue, assignments }]
  const sticky: GrowthBookExperiment = { key: 'feature-exp', variations: 3, hashVersion: 2, fallbackAttribute: 'deviceId', bucketVersion: 0, meta: [{ key: '0' }, { key: '1' }, { key: '2' }], weights: [0.3334, 0.3333, 0.3333] }
  test.each<[string, Partial<GrowthBookExperiment>, Record<string, unknown>, [string, GrowthBookStickyDoc][], [number, boolean], [string, GrowthBookStickyDoc][]]>([
    ['without a bucket', {}, { deviceId: 'd123' }, [], [1, false], [doc('deviceId', 'd123', { 'feature-exp__0': '1' })]],
    ['by a stored bucket', {}, { deviceId: 'd123' }, [doc('deviceId', 'd123', { 'feature-exp__0': '2' })], [2, true], [doc('deviceId', 'd123', { 'feature-exp__0': '2' })]],
    ['by that of the hash attribute before that of the fallback', {}, { id: 'i123', deviceId: 'd' }, [doc('deviceId', 'd', { 'feature-exp__0': '2' }), doc('id', 'i123', { 'feature-exp__0': '1' })], [1, true], [doc('deviceId', 'd', { 'feature-exp__0': '2' }), doc('id', 'i123', { 'feature-exp__0': '1' })]],
    ['upgrades a bucket of the fallback', {}, { id: 'i123', deviceId: 'd' }, [doc('deviceId', 'd', { 'feature-exp__0': '1' })], [1, true], [doc('deviceId', 'd', { 'feature-exp__0': '1' }), doc('id', 'i123', { 'feature-exp__0': '1' })]],
    ['anew when the version changes', { bucketVersion: 3 }, { id: 'i123' }, [doc('id', 'i123', { 'feature-exp__0': '1' })], [2, false], [doc('id', 'i123', { 'feature-exp__0': '1', 'feature-exp__3': '2' })]],
    ['not for who has a blocked version', { bucketVersion: 3, minBucketVersion: 3 }, { id: 'i123' }, [doc('id', 'i123', { 'feature-exp__0': '1' })], [-1, false], [doc('id', 'i123', { 'feature-exp__0': '1' })]],
    ['not where it is disabled', { bucketVersion: 1, disableStickyBucketing: true }, { id: 'i123' }, [doc('id', 'i123', { 'feature-exp__0': '1' })], [2, false], [doc('id', 'i123', { 'feature-exp__0': '1' })]],
  ])('growthBookResult, sticky: %s', (_, experiment, attributes, before, [variation, isSticky], after) => {
    const docs = new Map(before)
    expect(growthBookResult({ ...sticky, ...experiment }, attributes, docs)).toMatchObject({ variation, isSticky })
    expect([...docs]).toEqual(after)
  })
})

class MemoryService extends StickyBucketService {
  readonly docs = new Map<string, StickyAssignmentsDocument>()
  async getAssignments(name: string, value: string): Promise<StickyAssignmentsDocument | null> {
    return this.docs.get(`${name}||${value}`) ?? null
  }
  async saveAssignments(doc: StickyAssignmentsDocument): Promise<void> {
    this.docs.set(`${doc.attributeName}||${doc.attributeValue}`, doc)
  }
}

describe('growthBook, against its SDK', () => {
  // It says so when weights are not to its liking, which is part of the test.
  beforeAll(() => void vi.spyOn(console, 'error').mockImplementation(() => {}))
  afterAll(() => void vi.restoreAllMocks())
  const random = seededRandom(6)
  const pick = <T>(values: readonly T[]): T => values[random.integer(values.length)] as T
  const share = (): number => random.integer(101) / 100
  const user = (): string => pick([`user-${random.integer(1e6)}`, String(random.integer(1e6)), `Zoë ${random.integer(100)} 🛶`, `日本${random.integer(1000)}`])
  const experiment = (): GrowthBookExperiment => {
    const variations = pick([2, 3, 4])
    const some = <K extends keyof GrowthBookExperiment>(key: K, value: () => NonNullable<GrowthBookExperiment[K]>): Partial<GrowthBookExperiment> => (random.next() < 0.4 ? { [key]: value() } : {})
    return {
      key: `exp-${random.integer(50)}`,
      variations,
      ...some('weights', () => pick([Array.from({ length: variations }, () => 1 / variations), Array.from({ length: variations }, (_, index) => (index === 0 ? 0.9 : 0.1 / (variations - 1))), [0.2, 0.3]])),
      ...some('coverage', share),
      ...some('ranges', () => Array.from({ length: variations }, (_, index) => [index / variations, (index + share()) / variations] as const)),
      ...some('seed', () => pick(['s', 'é', ''])),
      ...some('hashVersion', () => pick([1, 2, 2, 3])),
      ...some('hashAttribute', () => 'user'),
      ...some('namespace', () => ['ns', share() / 2, share()] as const),
      ...some('filters', () => [{ seed: 'f', ranges: [[0, share()] as const], ...(random.next() < 0.5 ? { hashVersion: 1 } : {}) }]),
    }
  }
  /** What the SDK takes: the variations themselves are in the place of their number. */
  const theirs = ({ variations, ...rest }: GrowthBookExperiment) => ({ ...rest, variations: Array.from({ length: variations }, (_, index) => index) }) as never

  test('growthBookResult has the variation of the SDK for 4 000 random experiments and users', () => {
    let inside = 0
    const sdk = new GrowthBook({})
    for (let run = 0; run < 4000; run += 1) {
      const one = experiment()
      const attributes = { id: user(), ...(random.next() < 0.7 ? { user: pick<unknown>([user(), random.integer(5), '']) } : {}) }
      void sdk.setAttributes(attributes)
      const { inExperiment, variationId } = sdk.run(theirs(one)) as { inExperiment: boolean; variationId: number }
      const { variation } = growthBookResult(one, attributes)
      if (inExperiment) inside += 1
      expect([one, attributes, variation]).toEqual([one, attributes, inExperiment ? variationId : -1])
    }
    expect(inside).toBeGreaterThan(500)
    sdk.destroy()
  })

  test('growthBookResult keeps and finds the buckets that the SDK does, through versions and a later log-in', () => {
    let found = 0
    for (let run = 0; run < 150; run += 1) {
      const service = new MemoryService()
      const docs = new Map<string, GrowthBookStickyDoc>()
      let one: GrowthBookExperiment = { ...experiment(), meta: ['a', 'b', 'c', 'd'].map((key) => ({ key })), fallbackAttribute: 'device' }
      const attributes: Record<string, unknown> = { device: user() }
      for (let visit = 0; visit < 5; visit += 1) {
        // It is given the documents, as without a payload it does not know whose to load.
        const sdk = new GrowthBook({ stickyBucketService: service, stickyBucketAssignmentDocs: Object.fromEntries(service.docs), attributes: { ...attributes } })
        const { inExperiment, variationId, stickyBucketUsed } = sdk.run(theirs(one)) as { inExperiment: boolean; variationId: number; stickyBucketUsed: boolean }
        const mine = growthBookResult(one, attributes, docs)
        expect([one, attributes, mine.variation]).toEqual([one, attributes, inExperiment ? variationId : -1])
        if (inExperiment) expect(mine.isSticky).toBe(stickyBucketUsed)
        expect(Object.fromEntries(docs)).toEqual(Object.fromEntries(service.docs))
        sdk.destroy()
        if (mine.isSticky) found += 1
        if (random.next() < 0.4) attributes[one.hashAttribute ?? 'id'] = user()
        if (random.next() < 0.3) one = { ...one, bucketVersion: (one.bucketVersion ?? 0) + 1, ...(random.next() < 0.3 ? { minBucketVersion: 1 } : {}) }
        if (random.next() < 0.5) one = { ...one, weights: Array.from({ length: one.variations }, () => 1 / one.variations), coverage: share() }
      }
    }
    expect(found).toBeGreaterThan(60)
  })
})

describe('growthBookAssignment', () => {
  const experiment = { key: 'exp-1', weights: [0.5, 0.3, 0.2], coverage: 0.8, hashVersion: 2 }
  const variants = { control: (_: number) => 0, b: (_: number) => 1, c: (_: number) => 2 }

  test('growthBookAssignment sends the units of a split as the SDK does, with the propensity among those who are in', async () => {
    const router = split({ variants, assignment: growthBookAssignment({ experiment, variants: ['control', 'b', 'c'] }) })
    const keys = Array.from({ length: 200 }, (_, index) => `user-${index}`)
    const sdk = new GrowthBook({})
    for (const row of await router.detailedBatch(keys.map(() => 1), { keys }).then((rows) => rows.map((answer, index) => ({ answer, key: keys[index] as string })))) {
      void sdk.setAttributes({ id: row.key })
      const { inExperiment, variationId } = sdk.run({ ...experiment, variations: [0, 1, 2] })
      expect(row.answer.ok && row.answer.output).toBe(inExperiment ? variationId : 0)
      const choice = row.answer.record.variants[0]!
      expect(choice.reason).toBe(inExperiment ? 'external' : 'default')
      expect(choice.propensity).toBeCloseTo(inExperiment ? (experiment.weights[variationId] as number) : 1, 10)
    }
    sdk.destroy()
  })

  test('growthBookAssignment takes attributes from the input, and says which choice was kept', async () => {
    const docs = new Map<string, GrowthBookStickyDoc>()
    const router = split({
      variants,
      assignment: growthBookAssignment({ experiment: { ...experiment, coverage: 1, hashAttribute: 'company', meta: [{ key: 'x' }, { key: 'y' }, { key: 'z' }] }, variants: ['control', 'b', 'c'], attributes: (input: number) => ({ company: `c${input}` }), docs }),
    })
    const reasons = [await router.detailed(7), await router.detailed(7)].map(({ record }) => record.variants[0]?.reason)
    expect([reasons, [...docs.keys()]]).toEqual([['external', 'sticky'], ['company||c7']])
  })

  test.each([
    ['no variants', { experiment, variants: ['control'] }],
    ['no key', { experiment: {}, variants: ['a', 'b'] }],
    ['an option that is none', { experiment, variants: ['a', 'b'], variations: 2 }],
  ])('growthBookAssignment refuses %s', (_, options) => {
    expect(() => growthBookAssignment(options as never)).toThrow(expect.objectContaining({ code: 'ERR_OUTRIGGER_INVALID_OPTION' }))
  })
})
