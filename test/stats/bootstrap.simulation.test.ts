/** How often the intervals of the bootstrap cover the truth at nominal 95 %. Seeded; bounds are three standard errors about what was measured once with 5000 runs or more. */
import { expect, it } from 'vitest'
import { seededRandom } from '../../src/core/random.js'
import { bootstrap, normalQuantile, type BootstrapOptions } from '../../src/stats/index.js'

const random = seededRandom('bootstrap')
const uniform = (): number => (random.integer(2 ** 32) + 0.5) / 2 ** 32
const mean = (rows: readonly number[]): number => {
  let sum = 0
  for (const row of rows) sum += row
  return sum / rows.length
}

const coverage = (runs: number, sample: () => number[], truth: number, options: BootstrapOptions): number => {
  let covered = 0
  for (let run = 0; run < runs; run++) {
    const { lower, upper } = bootstrap(sample(), mean, { resamples: 399, seed: run, ...options })
    if (lower <= truth && truth <= upper) covered += 1
  }
  return covered / runs
}

const autocorrelated = (): number[] => {
  let value = normalQuantile(uniform()) / Math.sqrt(0.75)
  return Array.from({ length: 300 }, () => (value = value / 2 + normalQuantile(uniform())))
}

const within = (name: string, share: number, low: number, high: number): void => {
  if (process.env['SHOW'] !== undefined) console.log(name, share)
  expect(share).toBeGreaterThanOrEqual(low)
  expect(share).toBeLessThanOrEqual(high)
}

it('bootstrap covers the mean of 100 normal values at about 94 %, by either method', () => {
  const sample = (): number[] => Array.from({ length: 100 }, () => normalQuantile(uniform()))
  for (const method of ['bca', 'percentile'] as const) within(method, coverage(2000, sample, 0, { method }), 0.943 - 0.016, 0.943 + 0.016)
}, 60_000)

it('bootstrap covers the mean of 20 skewed values at less, as its page says', () => {
  const sample = (): number[] => Array.from({ length: 20 }, () => -Math.log(uniform()))
  within('skewed', coverage(3000, sample, 1, {}), 0.908 - 0.016, 0.908 + 0.016)
}, 60_000)

it('bootstrap of blocks covers the mean of an AR(1) of ρ = ½ at about 91 %, of single rows at 73 %', () => {
  within('single rows', coverage(1000, autocorrelated, 0, { method: 'percentile' }), 0.731 - 0.042, 0.731 + 0.042)
  within('stationary', coverage(1000, autocorrelated, 0, { blockLength: 15 }), 0.907 - 0.028, 0.907 + 0.028)
  within('moving', coverage(1000, autocorrelated, 0, { blockLength: 15, blocks: 'moving' }), 0.907 - 0.028, 0.907 + 0.028)
}, 60_000)
