/** Both tails of each distribution against fifty digits of mpmath, from 1 down to 1e-280. */
import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import * as stats from '../../src/stats/index.js'
import { relativeError, tailBar } from './_golden.js'

type Row = readonly (number | null)[]

/** Values of mpmath, made by test/golden/stats/make_distributions.py. `null`: below 1e-300, or not asked. */
const golden = JSON.parse(readFileSync(new URL('../golden/stats/distributions.json', import.meta.url), 'utf8')) as Readonly<Record<string, readonly Row[]>>

/** Per golden: the columns of the arguments, and a function for each column after them. */
const computed: Readonly<Record<string, readonly [number, ...((args: readonly number[]) => number)[]]>> = {
  gamma: [2, ([a, x]) => stats.gammaP(a!, x!), ([a, x]) => stats.gammaQ(a!, x!)],
  beta: [3, ([a, b, x]) => stats.incompleteBetaLower(x!, { a: a!, b: b! }), ([a, b, x]) => stats.incompleteBetaUpper(x!, { a: a!, b: b! })],
  erf: [1, ([x]) => stats.erf(x!)],
  erfc: [1, ([x]) => stats.erfc(x!)],
  normal: [1, ([z]) => stats.normalSurvival(z!), ([z]) => stats.normalDensity(z!)],
  studentT: [2, ([df, t]) => stats.studentTSurvival(t!, df!)],
  f: [3, ([d1, d2, f]) => stats.fCumulative(f!, { numerator: d1!, denominator: d2! }), ([d1, d2, f]) => stats.fSurvival(f!, { numerator: d1!, denominator: d2! })],
  betaDensity: [3, ([a, b, x]) => stats.betaDensity(x!, { a: a!, b: b! })],
  binomial: [3, ...[stats.binomialMass, stats.binomialCumulative, stats.binomialSurvival].map((compute) => ([n, p, k]: readonly number[]) => compute(k!, { trials: n!, probability: p! }))],
  poisson: [2, ...[stats.poissonMass, stats.poissonCumulative, stats.poissonSurvival].map((compute) => ([mean, k]: readonly number[]) => compute(k!, mean!))],
  kolmogorov: [1, ([l]) => stats.kolmogorovCumulative(l!), ([l]) => stats.kolmogorovSurvival(l!)],
}

describe('tails', () => {
  it.each(Object.keys(computed))('%s', (name) => {
    const [width, ...functions] = computed[name]!
    const rows = golden[name]!
    expect(rows.length).toBeGreaterThanOrEqual(10)
    let compared = 0
    for (const row of rows) {
      functions.forEach((compute, column) => {
        const wanted = row[width + column]
        if (typeof wanted !== 'number') return
        compared += 1
        const found = compute(row.slice(0, width) as number[])
        const error = relativeError(found, wanted)
        if (!(error <= tailBar(Math.min(1, wanted)))) expect([name, row, column, found, error]).toBe('within its bar')
      })
    }
    expect(compared).toBeGreaterThanOrEqual(rows.length)
  })

  it('of large parameters', () => {
    const large = JSON.parse(readFileSync(new URL('../golden/stats/large.json', import.meta.url), 'utf8')) as Readonly<Record<string, readonly number[][]>>
    const worst: unknown[] = []
    for (const name of ['gamma', 'beta']) {
      const [width, ...functions] = computed[name]!
      for (const row of large[name]!) {
        functions.forEach((compute, column) => {
          const [found, wanted] = [compute(row.slice(0, width)), row[width + column]!]
          if (!(relativeError(found, wanted) <= tailBar(Math.min(1, wanted)))) worst.push([name, row, column, found, relativeError(found, wanted)])
        })
      }
    }
    expect(worst).toEqual([])
  })

  it('are probabilities that sum to 1 and do not fall, for parameters of any size', () => {
    for (let power = 0; power <= 300; power += 3) {
      const a = 1.7 * 10 ** power
      for (const other of [1e-3, 40, 3e5, 1e8, 1e16, a / 3, a].filter((b) => b <= a)) {
        let before = { gamma: -1, beta: -1 }
        for (const z of [-40, -3, -0.2, -1e-6, 0, 1e-6, 0.2, 3, 40]) {
          const x = Math.max(0, a + z * Math.sqrt(a))
          const mean = a / (a + other)
          const at = Math.min(1, Math.max(0, mean + z * Math.sqrt((mean * (other / (a + other))) / (a + other))))
          const gamma = [stats.gammaP(a, x), stats.gammaQ(a, x)] as const
          const beta = [stats.incompleteBetaLower(at, { a, b: other }), stats.incompleteBetaUpper(at, { a, b: other })] as const
          for (const [name, [lower, upper]] of [['gamma', gamma], ['beta', beta]] as const) {
            const isGood = lower >= 0 && upper >= 0 && Math.abs(lower + upper - 1) < 1e-12 && lower >= before[name] - 1e-12
            if (!isGood) expect([name, a, other, z, lower, upper, before[name]]).toBe('a distribution')
          }
          before = { gamma: gamma[0], beta: beta[0] }
        }
      }
    }
    const many = { trials: 2 ** 53 - 1, probability: 0.5 }
    expect(stats.binomialCumulative(2 ** 52 - 1, many)).toBeCloseTo(0.5, 7)
    expect(stats.binomialCumulative(2 ** 52 - 1, many) + stats.binomialSurvival(2 ** 52 - 1, many)).toBeCloseTo(1, 14)
    expect(stats.fSurvival(1, { numerator: 1e18, denominator: 1e18 })).toBeCloseTo(0.5, 14)
    expect(stats.fQuantile(stats.fCumulative(1 + 1e-8, { numerator: 1e16, denominator: 3e16 }), { numerator: 1e16, denominator: 3e16 })).toBeCloseTo(1 + 1e-8, 14)
  })

  it('quantiles and logarithms', () => {
    for (const [p, z] of golden['normalQuantile'] as [number, number][]) expect([p, Math.abs(stats.normalQuantile(p) - z) <= 1e-12 * Math.max(1, Math.abs(z))]).toEqual([p, true])
    for (const [x, value] of golden['logGamma'] as [number, number][]) expect([x, relativeError(stats.logGamma(x), value) <= 1e-12]).toEqual([x, true])
  })
})
