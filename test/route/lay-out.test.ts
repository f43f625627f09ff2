import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { murmur3 } from 'outrigger/core'
import { assigner, layOut, type Stretch } from 'outrigger/route'
import { sampleSeed } from '../../src/route/_lanes.js'

fc.configureGlobal({ seed: 20010201 })

const space = 2 ** 32

/** Weights of any size with sum 1, the control's first; some are 0. */
const anyWeights = (variants: { readonly min: number; readonly max: number }): fc.Arbitrary<number[]> =>
  fc
    .array(fc.oneof(fc.nat(1000), fc.constant(0), fc.double({ min: 0, max: 1, noNaN: true })), { minLength: variants.min + 1, maxLength: variants.max + 1 })
    .filter((parts) => parts.reduce((sum, part) => sum + part, 0) > 1e-6)
    .map(normalised)

const normalised = (parts: readonly number[]): number[] => {
  const sum = parts.reduce((total, part) => total + part, 0)
  return parts.map((part) => part / sum)
}

const widths = (stretches: readonly Stretch[], variants: number): number[] => {
  const found = new Array<number>(variants).fill(0)
  for (const { from, to, variant } of stretches) found[variant] = (found[variant] as number) + to - from
  found[0] = space - found.reduce((sum, width) => sum + width, 0)
  return found
}

/** How many points of the space the variant had before and has no more. */
const lost = (before: readonly Stretch[], after: readonly Stretch[], variant: number): number => {
  let missing = 0
  for (const had of before.filter((stretch) => stretch.variant === variant)) {
    missing += had.to - had.from
    for (const has of after.filter((stretch) => stretch.variant === variant)) missing -= Math.max(0, Math.min(had.to, has.to) - Math.max(had.from, has.from))
  }
  return missing
}

/** Weights before and after, in which so many variants may have grown at the control's cost. */
const growing = (variants: { readonly min: number; readonly max: number }): fc.Arbitrary<[number[], number[]]> =>
  anyWeights(variants).chain((before) =>
    fc.array(fc.oneof(fc.constant(0), fc.double({ min: 0, max: 1, noNaN: true })), { minLength: before.length, maxLength: before.length }).map((wishes): [number[], number[]] => {
      const control = before[0] as number
      const total = Math.max(1, wishes.slice(1).reduce((sum, wish) => sum + wish, 0))
      const after = before.map((weight, index) => (index === 0 ? 0 : weight + ((wishes[index] as number) * control) / total))
      after[0] = Math.max(0, 1 - after.reduce((sum, weight) => sum + weight, 0))
      return [before, after]
    }),
  )

describe('layOut', () => {
  test('layOut gives stretches that are disjoint, in order and inside of the space', () => {
    fc.assert(
      fc.property(anyWeights({ min: 0, max: 7 }), (weights) => {
        let end = 0
        for (const { from, to, variant } of layOut(weights)) {
          expect(from).toBeGreaterThanOrEqual(end)
          expect(to).toBeGreaterThan(from)
          expect(Number.isInteger(from) && Number.isInteger(to)).toBe(true)
          expect(variant).toBeGreaterThan(0)
          expect(variant).toBeLessThan(weights.length)
          end = to
        }
        expect(end).toBeLessThanOrEqual(space)
      }),
    )
  })

  test('layOut gives every variant the width of its weight, within rounding', () => {
    fc.assert(
      fc.property(anyWeights({ min: 0, max: 7 }), (weights) => {
        widths(layOut(weights), weights.length).forEach((width, variant) => {
          expect(Math.abs(width - (weights[variant] as number) * space)).toBeLessThanOrEqual(variant === 0 ? weights.length + 5 : weights.length)
        })
      }),
    )
  })

  test('layOut is a function of the weights alone', () => {
    fc.assert(fc.property(anyWeights({ min: 1, max: 5 }), (weights) => void expect(layOut(weights)).toEqual(layOut([...weights]))))
  })

  test('layOut moves nobody out of a variant as variants grow: one or two beside the control, any weights', () => {
    fc.assert(
      fc.property(growing({ min: 1, max: 2 }), ([before, after]) => {
        for (let variant = 1; variant < before.length; variant += 1) expect(lost(layOut(before), layOut(after), variant)).toBeLessThanOrEqual(2)
      }),
      { numRuns: 500 },
    )
  })

  test('layOut moves nobody out of a variant that grows or stays while another shrinks, and nobody into one that shrinks', () => {
    fc.assert(
      fc.property(anyWeights({ min: 2, max: 2 }), anyWeights({ min: 2, max: 2 }), (before, after) => {
        for (const variant of [1, 2]) {
          const [smaller, larger] = (before[variant] as number) <= (after[variant] as number) ? [before, after] : [after, before]
          expect(lost(layOut(smaller), layOut(larger), variant)).toBeLessThanOrEqual(2)
        }
      }),
      { numRuns: 500 },
    )
  })

  test('layOut moves nobody out of a variant as several grow at once, as long as each fits its home', () => {
    const fits = ([before, after]: [number[], number[]]): boolean => [before, after].every((weights) => weights.slice(1).every((weight) => weight <= 1 / (weights.length - 1)))
    fc.assert(
      fc.property(growing({ min: 3, max: 8 }).filter(fits), ([before, after]) => {
        for (let variant = 1; variant < before.length; variant += 1) expect(lost(layOut(before), layOut(after), variant)).toBeLessThanOrEqual(2)
      }),
      { numRuns: 300 },
    )
  })

  test('layOut sends everybody to the control at weight 0', () => {
    for (const weights of [[1], [1, 0], [1, 0, 0, 0]]) expect(layOut(weights)).toEqual([])
    expect(layOut([0.5, 0, 0.5]).some(({ variant }) => variant === 1)).toBe(false)
  })

  test('layOut gives everybody to a variant at weight 1', () => {
    expect(widths(layOut([0, 0, 1]), 3)).toEqual([0, 0, space])
    expect(widths(layOut([0, 1]), 2)).toEqual([0, space])
  })

  test('layOut takes weights as small as 2⁻³²', () => {
    expect(layOut([1 - 1e-9, 1e-9])).toEqual([{ from: 0, to: 4, variant: 1 }])
  })

  for (const [what, weights] of [
    ['no weights', []],
    ['a sum below 1', [0.5, 0.4]],
    ['a sum above 1', [0.9, 0.2]],
    ['a sum that is off by rounding to percent', [0.3333, 0.3333, 0.3333]],
    ['a negative weight', [1.2, -0.2]],
    ['NaN', [1, Number.NaN]],
    ['Infinity', [Infinity, 0]],
    ['a text', ['1', 0]],
    ['undefined', [1, undefined]],
  ] as const) {
    test(`layOut refuses ${what} by code`, () => {
      expect(() => layOut(weights as never)).toThrow(expect.objectContaining({ code: 'ERR_OUTRIGGER_INVALID_OPTION' }))
    })
  }
})

/** The number of the variant of a unit. */
const variantsBy = (weights: readonly number[], name: string): ((unit: string) => number) => {
  const one = assigner({ name, weights: Object.fromEntries(weights.map((weight, variant) => [`v${variant}`, weight])) })
  return (unit) => Number(one.choose(unit).variant.slice(1))
}

describe('assigner by its layout', () => {
  // Points and arms by an independent MurmurHash3 (Python, checked against the published vectors).
  const goldens = [
    ['split', 'user-1', 2],
    ['split', 'user-2', 1],
    ['split', 'user-3', 2],
    ['split', '', 0],
    ['price', 'user-1', 0],
    ['split', 'ATL-ORD-2001-02-03', 2],
    ['split', 'Zoë', 0],
    ['split', '日本', 1],
    ['split', '🛶', 0],
    ['split', '\ud83d', 1], // a lone surrogate counts as U+FFFD
  ] as const

  test('assigner gives the same variant on every machine, non-ASCII units included', () => {
    expect(goldens.map(([name, unit]) => variantsBy([0.5, 0.3, 0.2], name)(unit))).toEqual(goldens.map(([, , variant]) => variant))
  })

  test('assigner gives a variant the points from its start on, without that of its end', () => {
    const point = 2688939305
    const variantAt = (end: number): number => variantsBy([1 - end / space, end / space], 'split')('user-1')
    expect([variantAt(point), variantAt(point + 1)]).toEqual([0, 1])
  })

  test('assigner gives shares that are those of the weights, for 200 000 sequential ids', () => {
    const n = 200_000
    const scores: number[] = []
    for (const [salt, weights] of [
      ['split', [0.5, 0.5]],
      ['checkout-2', [0.99, 0.01]],
      ['ranking', [0.2, 0.3, 0.5]],
      ['1', [0.25, 0.25, 0.25, 0.25]],
      ['2', [0.9, 0.05, 0.05]],
    ] as const) {
      const variantOf = variantsBy(weights, salt)
      const counts = weights.map(() => 0)
      for (let id = 0; id < n; id += 1) counts[variantOf(`user-${id}`)]! += 1
      counts.forEach((count, variant) => {
        const share = weights[variant] as number
        scores.push(Math.abs(count - n * share) / Math.sqrt(n * share * (1 - share)))
      })
    }
    expect(Math.max(...scores)).toBeLessThan(4)
    // 0.80 is expected; 14 scores have a standard error of about 0.16.
    expect(scores.reduce((sum, score) => sum + score, 0) / scores.length).toBeLessThan(1.3)
  })

  test('assigner gives independent variants in experiments of different names, also of names that differ by a digit', () => {
    const n = 40_000
    const scores: number[] = []
    for (let pair = 0; pair < 16; pair += 1) {
      const [outer, inner] = [pair, pair + 1].map((number) => variantsBy([0.5, 0.5], `exp-${number}`))
      let inside = 0
      let both = 0
      for (let id = 0; id < n; id += 1) {
        if (outer!(String(id)) !== 1) continue
        inside += 1
        both += inner!(String(id))
      }
      scores.push(Math.abs(both - inside / 2) / Math.sqrt(inside / 4))
    }
    expect(Math.max(...scores)).toBeLessThan(4)
    expect(scores.reduce((sum, score) => sum + score, 0) / scores.length).toBeLessThan(1.25)
  })

  test('assigner is independent of a shadow\'s sample under the same name', () => {
    const n = 40_000
    const variantOf = variantsBy([0.5, 0.5], 'split')
    let inside = 0
    let both = 0
    for (let id = 0; id < n; id += 1) {
      if (murmur3(`split:${id}`, sampleSeed) >= space / 2) continue
      inside += 1
      both += variantOf(String(id))
    }
    expect(Math.abs(both - inside / 2) / Math.sqrt(inside / 4)).toBeLessThan(4)
  })
})
