import { readFileSync } from 'node:fs'

interface Contingency {
  readonly a: number[]
  readonly b: number[]
  readonly statistic: number
  readonly df: number
  readonly p: number
  readonly js: number
  readonly tv: number
  readonly v: number
  readonly positions: number[]
  readonly w1: number
  readonly ks: number
  readonly ksp: number
}

interface Golden {
  readonly logGamma: [number, number][]
  readonly gamma: [number, number, number | null, number | null][]
  readonly normal: [number, number][]
  readonly erfc: [number, number][]
  readonly kolmogorov: [number, number][]
  readonly contingency: Contingency[]
  readonly fisher: [number, number, number, number, number][]
  readonly metrics: { scores: number[]; labels: number[]; auc: number; logLoss: number; brier: number }
  readonly moments: { values: number[]; mean: number; variance: number }
}

/** Values of mpmath and SciPy, made by test/golden/stats/make.py. */
export const golden = JSON.parse(readFileSync(new URL('../golden/stats/golden.json', import.meta.url), 'utf8')) as Golden

/** |actual / expected − 1|, or the plain error at 0. */
export const relativeError = (actual: number, expected: number): number => Math.abs(expected === 0 ? actual : actual / expected - 1)

/** The bar for a tail probability: 1e-12, or 8 |ln p| ε where that is more. */
export const tailBar = (p: number): number => Math.max(1e-12, 8 * Math.abs(Math.log(p)) * Number.EPSILON)
