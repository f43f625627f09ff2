import { describe, expect, test } from 'vitest'
import { chiSquareSurvival } from '../../src/stats/chi-square.js'
import { gammaP, gammaQ } from '../../src/stats/incomplete-gamma.js'
import { kolmogorovSurvival } from '../../src/stats/kolmogorov.js'
import { logGamma } from '../../src/stats/log-gamma.js'
import { erfc } from '../../src/stats/erf.js'
import { normalSurvival } from '../../src/stats/normal.js'
import { golden, relativeError, tailBar } from './_golden.js'

const worst = (errors: number[]): number => Math.max(...errors)

describe('against mpmath', () => {
  test('logGamma is good to a relative 1e-14, also beside its zeros', () => {
    expect(worst(golden.logGamma.map(([x, value]) => relativeError(logGamma(x), value)))).toBeLessThan(1e-14)
  })

  test('gammaQ is good to 1e-12 or 8 |ln Q| ε, down to 1e-290', () => {
    expect(golden.gamma.some(([, , , q]) => q !== null && q < 1e-200)).toBe(true)
    for (const [a, x, , q] of golden.gamma) if (q !== null) expect(relativeError(gammaQ(a, x), q), `Q(${a}, ${x})`).toBeLessThan(tailBar(q))
  })

  test('gammaP is good to 1e-12 or 8 |ln P| ε', () => {
    for (const [a, x, p] of golden.gamma) if (p !== null) expect(relativeError(gammaP(a, x), p), `P(${a}, ${x})`).toBeLessThan(tailBar(p))
  })

  test('normalSurvival and erfc keep the digits of the tail', () => {
    for (const [z, p] of golden.normal) expect(relativeError(normalSurvival(z), p), `z ${z}`).toBeLessThan(tailBar(p))
    for (const [x, p] of golden.erfc) expect(relativeError(erfc(x), p), `x ${x}`).toBeLessThan(tailBar(p))
  })

  test('kolmogorovSurvival is exact on both sides of the crossing', () => {
    for (const [lambda, p] of golden.kolmogorov) expect(relativeError(kolmogorovSurvival(lambda), p), `λ ${lambda}`).toBeLessThan(tailBar(p))
  })
})

test('the edges of the domains give the limit or NaN, and never hang', () => {
  expect([logGamma(0), logGamma(-1), logGamma(Infinity), logGamma(NaN)]).toEqual([Infinity, NaN, Infinity, NaN])
  expect([gammaQ(2, 0), gammaQ(2, Infinity), gammaQ(2, -1), gammaQ(0, 1), gammaQ(NaN, 1), gammaQ(1, NaN)]).toEqual([1, 0, NaN, NaN, NaN, NaN])
  expect([gammaP(2, 0), gammaP(2, Infinity), gammaP(-2, 1)]).toEqual([0, 1, NaN])
  expect([chiSquareSurvival(0, 3), chiSquareSurvival(-1, 3), chiSquareSurvival(1e6, 3), chiSquareSurvival(NaN, 3)]).toEqual([1, 1, 0, NaN])
  expect([kolmogorovSurvival(0), kolmogorovSurvival(-1), kolmogorovSurvival(Infinity), kolmogorovSurvival(NaN)]).toEqual([1, 1, 0, NaN])
  expect([normalSurvival(Infinity), normalSurvival(-Infinity)]).toEqual([0, 1])
})
