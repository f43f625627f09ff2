import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { murmur3 } from 'outrigger/core'
import { assigner, experimentNamespace, type Assigner } from 'outrigger/route'
import { fakeClock } from 'outrigger/testing'
import { armSeed, exposureSeed, Lanes, namespaceSeed } from '../../src/route/_lanes.js'
import { growing, shares } from './_growing.js'

fc.configureGlobal({ seed: 20010202 })

interface Point {
  readonly name: string
  readonly unit: string
  readonly arm: number
  readonly exposure: number
  readonly namespace: number
}
const { points } = JSON.parse(readFileSync(new URL('../golden/assignment/golden.json', import.meta.url), 'utf8')) as { readonly points: readonly Point[] }

const units = Array.from({ length: 400 }, (_, unit) => `user-${unit}`)
const invalid = expect.objectContaining({ code: 'ERR_OUTRIGGER_INVALID_OPTION' })
const variantsOf = (one: Assigner<string>): string[] => units.map((unit) => one.choose(unit).variant)
const named = (weights: readonly number[]): Record<string, number> => Object.fromEntries(weights.map((weight, index) => [`v${index}`, weight]))

describe('lanes', () => {
  test('lanes have the points of mmh3 for names and units of any length and script', () => {
    expect(points.length).toBeGreaterThan(200)
    for (const { name, unit, arm, exposure, namespace } of points) {
      const lanes = new Lanes(`${name}:`)
      lanes.read(unit)
      const other = new Lanes(`${name}:`, namespaceSeed)
      other.read(unit)
      expect([name, unit, lanes.arm >>> 0, lanes.exposure >>> 0, other.arm >>> 0]).toEqual([name, unit, arm, exposure, namespace])
    }
  })

  test('lanes are murmur3 of the whole text, wherever prefix and unit meet', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 16 }), (text) => {
        for (let cut = 0; cut <= text.length; cut += 1) {
          const [prefix, unit] = [`${text.slice(0, cut)}:`, text.slice(cut)]
          const lanes = new Lanes(prefix)
          lanes.read(unit)
          if (lanes.arm >>> 0 !== murmur3(prefix + unit, armSeed) || lanes.exposure >>> 0 !== murmur3(prefix + unit, exposureSeed)) throw new Error(`${JSON.stringify(prefix)} ${JSON.stringify(unit)}`)
        }
      }),
      { numRuns: 100 },
    )
  })

  test('lanes give a unit hash of 53 bits that differs between names', () => {
    const [one, two] = ['one', 'two'].map((name) => assigner({ name, weights: { a: 1, b: 0 } }))
    const hashes = new Set(units.map((unit) => one!.unitHash(unit)))
    expect(hashes.size).toBe(units.length)
    for (const hash of hashes) expect(Number.isSafeInteger(hash) && hash >= 0).toBe(true)
    expect(units.some((unit) => hashes.has(two!.unitHash(unit)))).toBe(false)
  })
})

describe('assigner', () => {
  test('assigner moves nobody out of a variant that grows: one or two beside the control, through any ramp', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 2 }).chain((variants) => growing(variants)),
        ([before, after]) => {
          const one = assigner({ name: 'ramp', weights: named(before) })
          const was = variantsOf(one)
          one.setWeights(named(after))
          variantsOf(one).forEach((variant, index) => {
            if (was[index] !== 'v0') expect(variant).toBe(was[index])
          })
        },
      ),
      { numRuns: 100 },
    )
  })

  test('assigner keeps every unit that is exposed in its variant as exposure grows, and puts none out of the experiment', () => {
    fc.assert(
      fc.property(shares(3), fc.double({ min: 0, max: 1, noNaN: true }), fc.double({ min: 0, max: 1, noNaN: true }), (weights, a, b) => {
        const one = assigner({ name: 'exposed', weights: named(weights), exposure: Math.min(a, b) })
        const was = units.map((unit) => one.choose(unit))
        one.setWeights(named(weights), { exposure: Math.max(a, b) })
        units.forEach((unit, index) => {
          const { reason, variant } = one.choose(unit)
          if (was[index]!.reason === 'assigned') expect([reason, variant]).toEqual(['assigned', was[index]!.variant])
        })
      }),
      { numRuns: 100 },
    )
  })

  test('assigner: a kill sends everybody back to the control, by weight and by exposure', () => {
    fc.assert(
      fc.property(shares(4), (weights) => {
        const one = assigner({ name: 'killed', weights: named(weights) })
        one.setWeights(named([1, 0, 0, 0, 0]))
        expect(new Set(variantsOf(one))).toEqual(new Set(['v0']))
        one.setWeights(named(weights), { exposure: 0 })
        expect(new Set(units.map((unit) => `${one.choose(unit).variant} ${one.choose(unit).reason}`))).toEqual(new Set(['v0 default']))
      }),
      { numRuns: 50 },
    )
  })

  test('assigner: who is exposed says nothing about the arm, at a small exposure too', () => {
    const n = 200_000
    const one = assigner({ name: 'gate', weights: { a: 0.25, b: 0.25, c: 0.25, d: 0.25 }, exposure: 0.1 })
    const counts = { a: 0, b: 0, c: 0, d: 0 }
    let exposed = 0
    for (let id = 0; id < n; id += 1) {
      const { reason, variant } = one.choose(`user-${id}`)
      if (reason === 'default') continue
      exposed += 1
      counts[variant] += 1
    }
    expect(Math.abs(exposed - n * 0.1) / Math.sqrt(n * 0.09)).toBeLessThan(4)
    for (const count of Object.values(counts)) expect(Math.abs(count - exposed / 4) / Math.sqrt((exposed * 3) / 16)).toBeLessThan(4)
  })

  test('assigner gives one frozen choice per variant and epoch, with propensity, epoch and time', async () => {
    const clock = fakeClock()
    const one = assigner({ name: 'x', weights: { control: 0.25, test: 0.75 }, clock })
    const byVariant = (variant: string) => units.map((unit) => one.choose(unit)).find((choice) => choice.variant === variant)!
    const test = byVariant('test')
    expect(test).toEqual({ split: 'x', variant: 'test', reason: 'assigned', propensity: 0.75, epoch: 1, since: clock.wall() })
    expect(Object.isFrozen(test)).toBe(true)
    expect(new Set(units.map((unit) => one.choose(unit))).size).toBe(2)
    await clock.advance(500)
    one.setWeights({ control: 0.25, test: 0.75 })
    expect(byVariant('test')).toBe(test)
    one.setWeights({ control: 0.5, test: 0.5 })
    expect(byVariant('test')).toEqual({ ...test, propensity: 0.5, epoch: 2, since: clock.wall() })
    one.setWeights({ control: 0.4, test: 0.6 }, { epoch: 7, at: 12, exposure: 0.5 })
    expect([one.epoch, one.exposure, one.weights]).toEqual([{ number: 7, since: 12 }, 0.5, { control: 0.4, test: 0.6 }])
    one.setWeights({ control: 0.4, test: 0.6 }, { epoch: 7 })
    expect(one.epoch.since).toBe(12)
    expect(() => one.setWeights({ control: 0.5, test: 0.5 }, { epoch: 7 })).toThrow(invalid)
    expect(() => one.setWeights({ control: 0.5, test: 0.5 }, { epoch: 3 })).toThrow(/after the current one, 7/)
    expect(one.weights).toEqual({ control: 0.4, test: 0.6 })
  })

  test('assigner forces testers, by list and by function, whatever weights and exposure are', () => {
    const listed = assigner({ name: 'x', weights: { control: 1, test: 0 }, exposure: 0, forced: { test: ['qa-1', 'qa-2'], control: ['qa-3'] } })
    expect(['qa-1', 'qa-3', 'user'].map((unit) => [listed.choose(unit).variant, listed.choose(unit).reason, listed.choose(unit).propensity])).toEqual([
      ['test', 'forced', 1],
      ['control', 'forced', 1],
      ['control', 'default', 1],
    ])
    const byFunction = assigner({ name: 'x', weights: { control: 1, test: 0 }, forced: (unit) => (unit.startsWith('qa') ? 'test' : undefined) })
    expect(['qa-1', 'user'].map((unit) => byFunction.choose(unit).reason)).toEqual(['forced', 'assigned'])
    expect(() => assigner({ name: 'x', weights: { control: 1, test: 0 }, forced: () => 'other' as 'test' }).choose('u')).toThrow(invalid)
  })

  test('assigner says by default that a unit is outside, with propensity 1 whatever the weights, and refuses a unit that is no text', () => {
    const outside = assigner({ name: 'x', weights: { control: 0.5, test: 0.5 }, exposure: 0 })
    expect(outside.choose('u')).toMatchObject({ variant: 'control', reason: 'default', propensity: 1 })
    for (const unit of [17, undefined, null]) expect(() => outside.choose(unit as never)).toThrow(expect.objectContaining({ code: 'ERR_OUTRIGGER_UNROUTABLE' }))
  })

  test.each([
    ['no name', { weights: { a: 1, b: 0 } }],
    ['weights that do not sum to 1', { name: 'x', weights: { a: 0.5, b: 0.4 } }],
    ['no weights', { name: 'x' }],
    ['an exposure above 1', { name: 'x', weights: { a: 1, b: 0 }, exposure: 1.1 }],
    ['an epoch of 0', { name: 'x', weights: { a: 1, b: 0 }, epoch: 0 }],
    ['an unknown forced variant', { name: 'x', weights: { a: 1, b: 0 }, forced: { c: ['u'] } }],
    ['a unit that is forced twice', { name: 'x', weights: { a: 1, b: 0 }, forced: { a: ['u'], b: ['u'] } }],
    ['a list that is none', { name: 'x', weights: { a: 1, b: 0 }, forced: { a: 'u' } }],
    ['a namespace without its range', { name: 'x', weights: { a: 1, b: 0 }, namespace: experimentNamespace({ name: 'n', ranges: { y: [0, 1] } }) }],
    ['a namespace of another making', { name: 'x', weights: { a: 1, b: 0 }, namespace: { includes: () => true } }],
    ['an option that is none', { name: 'x', weights: { a: 1, b: 0 }, salt: 's' }],
  ])('assigner refuses %s', (_, options) => {
    expect(() => assigner(options as never)).toThrow(invalid)
  })
})

describe('experimentNamespace', () => {
  test('experimentNamespace puts a unit in one experiment at most, by shares, independently of its variants', () => {
    const n = 50_000
    const namespace = experimentNamespace({ name: 'a', ranges: { a: [0, 0.4], b: [0.4, 0.7], later: [0.9, 0.9] } })
    // Named like the namespace: its points must be others all the same.
    const [a, b] = ['a', 'b'].map((name) => assigner({ name, weights: { control: 0.5, test: 0.5 }, namespace }))
    let inA = 0
    let testsOfA = 0
    let inB = 0
    for (let id = 0; id < n; id += 1) {
      const unit = String(id)
      const [chosenA, chosenB] = [a!.choose(unit), b!.choose(unit)]
      expect(chosenA.reason === 'assigned' && chosenB.reason === 'assigned').toBe(false)
      if (chosenB.reason === 'assigned') inB += 1
      if (chosenA.reason !== 'assigned') continue
      inA += 1
      if (chosenA.variant === 'test') testsOfA += 1
    }
    for (const [count, of, share] of [[inA, n, 0.4], [inB, n, 0.3], [testsOfA, inA, 0.5]] as const) expect(Math.abs(count - of * share) / Math.sqrt(of * share * (1 - share))).toBeLessThan(4)
    expect([namespace.includes('later', 'u'), namespace.includes('unknown', 'u')]).toEqual([false, false])
  })

  test('experimentNamespace keeps the units of a range that grows, and neighbours that touch do not overlap', () => {
    const small = experimentNamespace({ name: 'n', ranges: { x: [0.2, 0.4], y: [0.4, 1] } })
    const large = experimentNamespace({ name: 'n', ranges: { x: [0.1, 0.4], y: [0.4, 1] } })
    for (const unit of units) {
      if (small.includes('x', unit)) expect(large.includes('x', unit)).toBe(true)
      expect(large.includes('y', unit)).toBe(small.includes('y', unit))
    }
  })

  test.each([
    ['ranges that overlap', { x: [0, 0.5], y: [0.49, 1] }],
    ['a range inside of another', { x: [0, 1], y: [0.4, 0.5] }],
    ['a range that ends before it begins', { x: [0.5, 0.4] }],
    ['a range beyond 1', { x: [0.5, 1.1] }],
    ['a range that is a number', { x: 0.5 }],
    ['no ranges', undefined],
  ])('experimentNamespace refuses %s', (_, ranges) => {
    expect(() => experimentNamespace({ name: 'n', ranges: ranges as never })).toThrow(invalid)
  })
})
