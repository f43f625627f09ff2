/** How often each test rejects at nominal 5 % when nothing has changed, and whether it finds a change. Seeded; bounds are three standard errors. */
import { describe, expect, it } from 'vitest'
import { seededRandom, type Random } from '../../src/core/random.js'
import * as stats from '../../src/stats/index.js'

const normal = (random: Random): number => stats.normalQuantile((random.integer(2 ** 32) + 0.5) / 2 ** 32)

/** Fast uniform numbers are enough for tests of ranks. */
const uniforms = (random: Random, size: number): number[] => Array.from({ length: size }, () => random.next())
const rounded = (random: Random, size: number): number[] => Array.from({ length: size }, () => Math.floor(random.next() * 8))
const multinomial = (random: Random, size: number, cells: number): number[] => {
  const counts = new Array<number>(cells).fill(0)
  for (let row = 0; row < size; row++) counts[random.integer(cells)]! += 1
  return counts
}

/** The rejections of `runs` runs, as a share with its bounds about `nominal`. */
const alarms = (name: string, runs: number, pValue: (random: Random) => number): { readonly share: number; readonly error: number } => {
  const random = seededRandom(`alarms/${name}`)
  let rejected = 0
  for (let run = 0; run < runs; run++) if (pValue(random) <= 0.05) rejected += 1
  return { share: rejected / runs, error: 3 * Math.sqrt((0.05 * 0.95) / runs) }
}

/** `exactly`: the false alarms are nominal. Else at most so: the p-values of exact tests of few orders are coarse. */
interface Setting {
  readonly runs: number
  readonly exactly?: boolean
  readonly pValue: (random: Random) => number
}

const settings: Readonly<Record<string, Setting>> = {
  'kolmogorovSmirnov exact 20, 30': { runs: 10_000, pValue: (r) => stats.kolmogorovSmirnov(uniforms(r, 20), uniforms(r, 30)).pValue },
  'kolmogorovSmirnov exact 97, 101': { runs: 6000, exactly: true, pValue: (r) => stats.kolmogorovSmirnov(uniforms(r, 97), uniforms(r, 101)).pValue },
  'kolmogorovSmirnov exact, 8 values, 97, 101': { runs: 6000, pValue: (r) => stats.kolmogorovSmirnov(rounded(r, 97), rounded(r, 101)).pValue },
  'kolmogorovSmirnov asymptotic 200, 300': { runs: 6000, pValue: (r) => stats.kolmogorovSmirnov(uniforms(r, 200), uniforms(r, 300), { method: 'asymptotic' }).pValue },
  'mannWhitney exact 10, 12': { runs: 6000, pValue: (r) => stats.mannWhitney(uniforms(r, 10), uniforms(r, 12)).pValue },
  'mannWhitney exact, 8 values, 10, 12': { runs: 6000, pValue: (r) => stats.mannWhitney(rounded(r, 10), rounded(r, 12)).pValue },
  'mannWhitney 40, 60': { runs: 10_000, exactly: true, pValue: (r) => stats.mannWhitney(uniforms(r, 40), uniforms(r, 60)).pValue },
  'mannWhitney, 8 values, 40, 60': { runs: 10_000, exactly: true, pValue: (r) => stats.mannWhitney(rounded(r, 40), rounded(r, 60)).pValue },
  'cramerVonMises exact 10, 12': { runs: 2500, pValue: (r) => stats.cramerVonMises(uniforms(r, 10), uniforms(r, 12)).pValue },
  'cramerVonMises 50, 70': { runs: 10_000, exactly: true, pValue: (r) => stats.cramerVonMises(uniforms(r, 50), uniforms(r, 70)).pValue },
  'cramerVonMises, 8 values, 50, 70': { runs: 10_000, exactly: true, pValue: (r) => stats.cramerVonMises(rounded(r, 50), rounded(r, 70)).pValue },
  'andersonDarling 21, 20, 22': { runs: 8000, exactly: true, pValue: (r) => stats.andersonDarling([uniforms(r, 21), uniforms(r, 20), uniforms(r, 22)]).pValue },
  'andersonDarling 50, 70': { runs: 8000, exactly: true, pValue: (r) => stats.andersonDarling([uniforms(r, 50), uniforms(r, 70)]).pValue },
  'andersonDarling, 8 values, 50, 70': { runs: 8000, exactly: true, pValue: (r) => stats.andersonDarling([rounded(r, 50), rounded(r, 70)]).pValue },
  'andersonDarling, 4 values, 50, 70': { runs: 8000, exactly: true, pValue: (r) => stats.andersonDarling([rounded(r, 50), rounded(r, 70)].map((x) => x.map((v) => v >> 1 & 3))).pValue },
  'andersonDarling by permutation 5, 7': { runs: 4000, exactly: true, pValue: (r) => stats.andersonDarling([uniforms(r, 5), uniforms(r, 7)], { permutations: 199, seed: r.integer(2 ** 31) }).pValue },
  'andersonDarling by permutation, 8 values, 5, 7': { runs: 4000, pValue: (r) => stats.andersonDarling([rounded(r, 5), rounded(r, 7)], { permutations: 199, seed: r.integer(2 ** 31) }).pValue },
  'gTest 10 cells, 1000, 1000': { runs: 6000, exactly: true, pValue: (r) => stats.gTest(multinomial(r, 1000, 10), multinomial(r, 1000, 10)).pValue },
  'gTest corrected 10 cells, 100, 100': { runs: 10_000, exactly: true, pValue: (r) => stats.gTest(multinomial(r, 100, 10), multinomial(r, 100, 10), { corrected: true }).pValue },
  'mmd 15, 20 rows of 3': {
    runs: 2000,
    exactly: true,
    pValue: (r) => stats.mmd(Array.from({ length: 15 }, () => uniforms(r, 3)), Array.from({ length: 20 }, () => uniforms(r, 3)), { permutations: 99, seed: r.integer(2 ** 31) }).pValue,
  },
}

describe('false alarms at nominal 5 %', () => {
  it.each(Object.keys(settings))('%s', (name) => {
    const { runs, exactly = false, pValue } = settings[name] as Setting
    const { share, error } = alarms(name, runs, pValue)
    if (process.env['SHOW'] !== undefined) console.log(name, share, '±', error)
    expect(share).toBeLessThanOrEqual(0.05 + error)
    expect(share).toBeGreaterThanOrEqual(exactly ? 0.05 - error : 0.02)
  }, 60_000)

  it('benjaminiHochberg of 20 tests, 5 of them with something to find, keeps the share of false ones', () => {
    const random = seededRandom('fdr')
    let share = 0
    const runs = 4000
    for (let run = 0; run < runs; run++) {
      const p = Array.from({ length: 20 }, (_, test) => stats.normalSurvival(normal(random) + (test < 5 ? 3 : 0)))
      const rejected = stats.benjaminiHochberg(p).map((value) => value <= 0.1)
      const all = rejected.filter(Boolean).length
      if (all > 0) share += rejected.slice(5).filter(Boolean).length / all
    }
    // It is α · 15/20 for independent tests; a share is in [0, 1].
    expect(Math.abs(share / runs - 0.075)).toBeLessThan(3 * Math.sqrt(0.02 / runs))
  })
})

describe('power', () => {
  const share = (name: string, pValue: (random: Random) => number): number => alarms(`power/${name}`, 400, pValue).share
  const shifted = (random: Random, size: number, shift: number): number[] => Array.from({ length: size }, () => normal(random) + shift)

  it('a shift by half a standard deviation is found in most of 400 pairs of samples of 60', () => {
    const found = {
      ks: share('ks', (r) => stats.kolmogorovSmirnov(shifted(r, 60, 0), shifted(r, 60, 0.5)).pValue),
      mw: share('mw', (r) => stats.mannWhitney(shifted(r, 60, 0), shifted(r, 60, 0.5)).pValue),
      cvm: share('cvm', (r) => stats.cramerVonMises(shifted(r, 60, 0), shifted(r, 60, 0.5)).pValue),
      ad: share('ad', (r) => stats.andersonDarling([shifted(r, 60, 0), shifted(r, 60, 0.5)]).pValue),
      mmd: share('mmd', (r) => stats.mmd(shifted(r, 60, 0), shifted(r, 60, 0.5), { permutations: 99, seed: r.integer(2 ** 31) }).pValue),
    }
    if (process.env['SHOW'] !== undefined) console.log(found)
    // The t test would find .78.
    for (const power of Object.values(found)) expect(power).toBeGreaterThan(0.55)
  }, 60_000)
})
