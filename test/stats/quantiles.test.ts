/** Densities and quantiles against hundreds of digits of mpmath, and each quantile against its own distribution function. */
import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { seededRandom } from '../../src/core/random.js'
import { bcaProbabilities, sortedQuantile } from '../../src/stats/_bca.js'
import * as stats from '../../src/stats/index.js'
import { relativeError, tailBar } from './_golden.js'

interface Bca {
  readonly level: number
  readonly x: number[]
  readonly replicates: number[]
  readonly left: number[]
  readonly probabilities: number[]
  readonly ends: number[]
  readonly whole: number[]
  readonly plain: number[]
}

/** Made by test/golden/stats/make_quantiles.py. */
const golden = JSON.parse(readFileSync(new URL('../golden/stats/quantiles.json', import.meta.url), 'utf8')) as Readonly<Record<string, number[][]>> & { readonly bca: Bca[] }

const densities: Readonly<Record<string, (row: readonly number[]) => number>> = {
  chiSquareDensity: ([df, x]) => stats.chiSquareDensity(x!, df!),
  studentTDensity: ([df, t]) => stats.studentTDensity(t!, df!),
  fDensity: ([numerator, denominator, x]) => stats.fDensity(x!, { numerator: numerator!, denominator: denominator! }),
}
const quantiles: Readonly<Record<string, (row: readonly number[]) => number>> = {
  chiSquareQuantile: ([df, p]) => stats.chiSquareQuantile(p!, df!),
  studentTQuantile: ([df, p]) => stats.studentTQuantile(p!, df!),
  fQuantile: ([numerator, denominator, p]) => stats.fQuantile(p!, { numerator: numerator!, denominator: denominator! }),
  betaQuantile: ([a, b, p]) => stats.betaQuantile(p!, { a: a!, b: b! }),
}

describe('against mpmath', () => {
  it.each(Object.keys(densities))('%s', (name) => {
    expect(golden[name]!.length).toBeGreaterThanOrEqual(20)
    for (const row of golden[name]!) {
      const wanted = row.at(-1)!
      if (wanted < 1e-290) continue
      expect(relativeError(densities[name]!(row), wanted), row.join()).toBeLessThan(tailBar(Math.min(0.5, wanted)))
    }
  })

  it.each(Object.keys(quantiles))('%s', (name) => {
    expect(golden[name]!.length).toBeGreaterThanOrEqual(25)
    for (const row of golden[name]!) expect(relativeError(quantiles[name]!(row), row.at(-1)!), row.join()).toBeLessThan(1e-12)
  })

  it('the probabilities of BCa are those of NumPy, and its quantiles too', () => {
    for (const { level, x, replicates, left, probabilities, ends } of golden.bca) {
      const sorted = Float64Array.from(replicates)
      const mean = x.reduce((sum, value) => sum + value, 0) / x.length
      bcaProbabilities(sorted, mean, Float64Array.from(left), level).forEach((p, end) => {
        expect(relativeError(p, probabilities[end]!)).toBeLessThan(1e-10)
        expect(relativeError(sortedQuantile(sorted, p), ends[end]!)).toBeLessThan(1e-10)
      })
    }
  })
})

it('a quantile undoes its distribution function, on whichever side p is small', () => {
  const random = seededRandom('quantiles')
  const spread = (low: number, high: number): number => 10 ** (low + (high - low) * random.next())
  for (let round = 0; round < 400; round++) {
    const p = random.integer(2) === 0 ? spread(-200, -1) : random.next()
    const df = spread(-1, 5)
    const [degrees, shape] = [{ numerator: df, denominator: spread(-1, 5) }, { a: df, b: spread(-1, 5) }]
    const back: readonly [string, number, number][] = [
      ['chi-square', stats.chiSquareQuantile(p, df), stats.chiSquareCumulative(stats.chiSquareQuantile(p, df), df)],
      ['F', stats.fQuantile(p, degrees), stats.fCumulative(stats.fQuantile(p, degrees), degrees)],
      ['t', stats.studentTQuantile(p, df), stats.studentTCumulative(stats.studentTQuantile(p, df), df)],
      ['beta', stats.betaQuantile(p, shape), stats.betaCumulative(stats.betaQuantile(p, shape), shape)],
    ]
    for (const [name, x, found] of back) {
      // Beyond the doubles, and next to 1, where doubles are too far apart, there is nothing to undo.
      if (x === 0 || Math.abs(x) === Infinity || (name === 'beta' && x > 0.9)) continue
      expect(Math.abs(found - p), `${name} ${p} ${df} ${JSON.stringify(degrees)}`).toBeLessThan(1e-10 * Math.min(p, 1 - p) + 1e-15 * (p > 0.01 ? 1 : 0))
    }
  }
})

it('a density is the slope of its distribution function, and 0 or the limit at the ends', () => {
  for (const df of [0.7, 2.5, 30]) {
    for (const x of [0.3, 1, 2.2]) {
      const h = 1e-6
      const degrees = { numerator: df, denominator: 7 }
      expect((stats.chiSquareCumulative(x + h, df) - stats.chiSquareCumulative(x - h, df)) / 2 / h).toBeCloseTo(stats.chiSquareDensity(x, df), 7)
      expect((stats.studentTCumulative(x + h, df) - stats.studentTCumulative(x - h, df)) / 2 / h).toBeCloseTo(stats.studentTDensity(x, df), 7)
      expect((stats.fCumulative(x + h, degrees) - stats.fCumulative(x - h, degrees)) / 2 / h).toBeCloseTo(stats.fDensity(x, degrees), 7)
    }
  }
  expect([stats.chiSquareDensity(-1, 2), stats.chiSquareDensity(0, 2), stats.chiSquareDensity(0, 1), stats.chiSquareDensity(0, 3), stats.chiSquareDensity(Infinity, 3)]).toEqual([0, 0.5, Infinity, 0, 0])
  expect([stats.fDensity(-1, { numerator: 2, denominator: 3 }), stats.fDensity(0, { numerator: 2, denominator: 3 }), stats.fDensity(0, { numerator: 1, denominator: 3 }), stats.fDensity(Infinity, { numerator: 1, denominator: 3 })]).toEqual([0, 1, Infinity, 0])
  expect([stats.studentTDensity(Infinity, 3), stats.studentTDensity(1.3, Infinity)]).toEqual([0, stats.normalDensity(1.3)])
})

it('quantiles end where their distributions do, keep NaN, and refuse what is no probability and no parameter', () => {
  const degrees = { numerator: 3, denominator: 4 }
  const shape = { a: 2, b: 3 }
  const all = [(p: number) => stats.chiSquareQuantile(p, 3), (p: number) => stats.fQuantile(p, degrees), (p: number) => stats.studentTQuantile(p, 3), (p: number) => stats.betaQuantile(p, shape)]
  expect(all.map((quantile) => [quantile(0), quantile(1)])).toEqual([[0, Infinity], [0, Infinity], [-Infinity, Infinity], [0, 1]])
  expect(stats.studentTQuantile(0.5, 3)).toBe(0)
  expect(stats.studentTQuantile(0.1, Infinity)).toBe(stats.normalQuantile(0.1))
  expect(stats.chiSquareQuantile(0.1, 1e-4)).toBe(0)
  for (const quantile of all) {
    expect(quantile(NaN)).toBeNaN()
    for (const bad of [-0.1, 1.1]) expect(() => quantile(bad)).toThrow(expect.objectContaining({ code: 'ERR_OUTRIGGER_INVALID_INPUT' }))
  }
  for (const ask of [() => stats.chiSquareQuantile(0.5, 0), () => stats.studentTQuantile(0.5, -1), () => stats.studentTDensity(0, NaN), () => stats.fDensity(1, { numerator: 0, denominator: 1 }), () => stats.betaQuantile(0.5, { a: 0, b: 1 })]) {
    expect(ask).toThrow(expect.objectContaining({ code: 'ERR_OUTRIGGER_INVALID_INPUT' }))
  }
})

describe('bootstrap', () => {
  const mean = (rows: readonly number[]): number => rows.reduce((sum, value) => sum + value, 0) / rows.length

  it('comes as close to the intervals of SciPy as its number of resamples allows', () => {
    for (const { level, x, whole, plain } of golden.bca) {
      const bca = stats.bootstrap(x, mean, { level, resamples: 20_000, seed: 4 })
      const percentile = stats.bootstrap(x, mean, { level, resamples: 20_000, seed: 4, method: 'percentile' })
      for (const [found, wanted] of [[bca, whole], [percentile, plain]] as const) {
        // An end's own standard error: √(p (1 − p) / 20 000) over the density of the replicates there, less than .04 of theirs.
        expect(Math.abs(found.lower - wanted[0]!)).toBeLessThan(0.06 * found.standardError)
        expect(Math.abs(found.upper - wanted[1]!)).toBeLessThan(0.06 * found.standardError)
      }
      expect(bca.replicates).toEqual(percentile.replicates)
    }
  })

  it('is seeded, takes rows of any type, and stands a statistic that sorts in place', () => {
    const rows = [3, 1, 4, 1, 5, 9, 2, 6, 5, 3]
    const median = (values: readonly number[]): number => (values as number[]).sort((a, b) => a - b)[values.length >> 1]!
    const calm = (values: readonly number[]): number => median([...values])
    for (const options of [{ seed: 2 }, { seed: 2, blockLength: 3 }, { seed: 2, blockLength: 3, blocks: 'moving' }] as const) {
      expect(stats.bootstrap(rows, median, options)).toEqual(stats.bootstrap(rows, calm, options))
      expect(stats.bootstrap(Float64Array.from(rows), median, options)).toEqual(stats.bootstrap(rows.map((value) => ({ value })), (all) => calm(all.map(({ value }) => value)), options))
    }
    expect(rows[0]).toBe(3)
    expect(stats.bootstrap(rows, mean, { seed: 1 }).replicates).not.toEqual(stats.bootstrap(rows, mean, { seed: 3 }).replicates)
  })

  it('of equal rows is a point, also by bca', () => {
    expect(stats.bootstrap([2, 2, 2], mean)).toMatchObject({ estimate: 2, lower: 2, upper: 2, standardError: 0 })
  })

  it('draws blocks: a moving one stays in the sample, a stationary one runs around it', () => {
    const rows = Array.from({ length: 50 }, (_, row) => row)
    const steps = (options: stats.BootstrapOptions): { one: number; wrapped: number } => {
      let [one, wrapped] = [0, 0]
      stats.bootstrap(rows, (drawn) => {
        for (let row = 1; row < 50; row++) {
          if (drawn[row] === drawn[row - 1]! + 1) one += 1
          if (drawn[row] === 0 && drawn[row - 1] === 49) wrapped += 1
        }
        return 0
      }, { resamples: 400, ...options })
      return { one: one / 401 / 49, wrapped }
    }
    const stationary = steps({ blockLength: 10 })
    const moving = steps({ blockLength: 10, blocks: 'moving' })
    // 9 of 10 rows follow the one before; in fixed blocks 45 of 49.
    expect(Math.abs(stationary.one - 0.885)).toBeLessThan(0.02)
    expect(Math.abs(moving.one - 45 / 49)).toBeLessThan(0.01)
    expect(stationary.wrapped).toBeGreaterThan(100)
    expect(moving.wrapped).toBeLessThan(stationary.wrapped / 4)
  })

  it('refuses what is no sample, no statistic and no option', () => {
    for (const sample of [[], [1]]) expect(() => stats.bootstrap(sample, mean)).toThrow(expect.objectContaining({ code: 'ERR_OUTRIGGER_INVALID_INPUT' }))
    expect(() => stats.bootstrap([1, NaN, 2], mean)).toThrow(expect.objectContaining({ code: 'ERR_OUTRIGGER_INVALID_INPUT' }))
    for (const options of [{ resamples: 1 }, { level: 0 }, { level: 1 }, { blockLength: 0 }, { blockLength: 9 }, { blockLength: 2, method: 'bca' }, { method: 'basic' }, { blocks: 'fixed' }, { block: 3 }, { blockLength: 1.5, blocks: 'moving' }]) {
      expect(() => stats.bootstrap([1, 2, 3], mean, options as stats.BootstrapOptions), JSON.stringify(options)).toThrow(expect.objectContaining({ code: 'ERR_OUTRIGGER_INVALID_OPTION' }))
    }
  })
})
