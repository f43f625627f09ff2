/** False alarms at a nominal 5 %, in the settings in which well-known rules raise 23 to 100 %. The long form is test/bench/batch-detectors.ts. */
import { describe, expect, test } from 'vitest'
import { chiSquareDrift, hellingerDrift, jensenShannonDrift, kolmogorovSmirnovDrift, populationStabilityDrift, wassersteinDrift } from '../../../src/drift/index.js'
import { seeded } from '../_seeded.js'
import { categories, cleanCategories, cleanNumbers, even, least, most, normal, share } from './_settings.js'

const permutations = 99

describe.each(cleanCategories)('on unchanged shares, $name', ({ draw, reference, live, dense }) => {
  test.each([
    ['chiSquareDrift', 600, chiSquareDrift, {}],
    ['chiSquareDrift by G', 300, chiSquareDrift, { statistic: 'g' }],
    ['jensenShannonDrift', 200, jensenShannonDrift, { permutations }],
    ['hellingerDrift', 100, hellingerDrift, { permutations }],
    ['populationStabilityDrift', 100, populationStabilityDrift, { permutations }],
  ] as const)('%s', (_, runs, detect, options) => {
    let drifted = 0
    const alarms = share(runs, (random, run) => {
      const { pValue, state } = detect(draw(random, reference), draw(random, live), { ...options, seed: run } as never)
      if (state === 'drifted') drifted += 1
      return pValue <= 0.05
    })
    expect(alarms).toBeLessThanOrEqual(most(runs))
    expect(drifted / runs).toBeLessThanOrEqual(alarms)
    if (dense) expect(alarms).toBeGreaterThanOrEqual(least(runs))
  })
})

describe.each(cleanNumbers)('on unchanged numbers, $name', ({ draw, reference, live, dense }) => {
  test.each([
    ['kolmogorovSmirnovDrift', kolmogorovSmirnovDrift, {}],
    ['wassersteinDrift', wassersteinDrift, { permutations }],
    ['chiSquareDrift', chiSquareDrift, {}],
    ['jensenShannonDrift', jensenShannonDrift, { permutations }],
  ] as const)('%s', (_, detect, options) => {
    const runs = 100
    const alarms = share(runs, (random, run) => detect(draw(random, reference), draw(random, live), { ...options, seed: run } as never).pValue <= 0.05)
    expect(alarms).toBeLessThanOrEqual(most(runs))
    if (dense) expect(alarms).toBeGreaterThanOrEqual(least(runs))
  })
})

describe('with as many rows as are asked for, a drift of size `detect` is found in four cases of five', () => {
  // Ten categories with shares 10 % ± so much that the distance is .15.
  test.each([
    ['chiSquareDrift', chiSquareDrift, {}, 0.297],
    ['jensenShannonDrift', jensenShannonDrift, { permutations }, 0.347],
    ['hellingerDrift', hellingerDrift, { permutations }, 0.412],
  ] as const)('%s', (_, detect, options, by) => {
    const [before, after] = [categories(even(10)), categories(even(10).map((part, cell) => part * (cell % 2 === 0 ? 1 + by : 1 - by)))]
    const rows = detect(before(seeded(1), 2000), before(seeded(2), 300), options as never).rowsNeeded
    const runs = 300
    const found = share(runs, (random, run) => detect(before(random, 2000), after(random, rows), { ...options, seed: run } as never).state === 'drifted')
    expect(Math.abs(found - 0.8)).toBeLessThan(3 * Math.sqrt(0.16 / runs))
  })

  test.each([
    ['wassersteinDrift', wassersteinDrift, { permutations }, 0.3],
    ['kolmogorovSmirnovDrift', kolmogorovSmirnovDrift, {}, 0.378],
  ] as const)('%s', (_, detect, options, shift) => {
    const rows = detect(normal()(seeded(1), 2000), normal()(seeded(2), 300), options as never).rowsNeeded
    const runs = 100
    const found = share(runs, (random, run) => detect(normal()(random, 2000), normal(shift)(random, rows), { ...options, seed: run } as never).state === 'drifted')
    expect(found).toBeGreaterThan(0.8 - 3 * Math.sqrt(0.16 / runs))
  })
})

describe('the 95 % interval of the effect covers it', () => {
  // Where the effect is known: V, JS and Hellinger of .15 as above, W1 of a shift by half a deviation.
  const runs = 200
  const bound = 0.95 - 3 * Math.sqrt((0.05 * 0.95) / runs)
  test.each([
    ['chiSquareDrift', chiSquareDrift, {}, 0.297],
    ['jensenShannonDrift', jensenShannonDrift, { permutations }, 0.347],
    ['hellingerDrift', hellingerDrift, { permutations }, 0.412],
  ] as const)('%s', (_, detect, options, by) => {
    const [before, after] = [categories(even(10)), categories(even(10).map((part, cell) => part * (cell % 2 === 0 ? 1 + by : 1 - by)))]
    for (const [n, m] of [[2000, 300], [700, 700]] as const) {
      expect(share(runs, (random, run) => {
        const { low, high } = detect(before(random, n), after(random, m), { ...options, seed: run } as never).effect
        return low <= 0.15 && 0.15 <= high
      })).toBeGreaterThan(bound)
    }
  })
  test('wassersteinDrift', () => {
    expect(share(runs, (random, run) => {
      const { low, high } = wassersteinDrift(normal()(random, 1000), normal(0.5)(random, 300), { permutations, seed: run }).effect
      return low <= 0.5 && 0.5 <= high
    })).toBeGreaterThan(bound)
  })
})
