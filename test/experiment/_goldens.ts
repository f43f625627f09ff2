import { readFileSync } from 'node:fs'
import type { PairedSummary, RateSummary, SampleSummary } from '../../src/stats/index.js'
import type { Effect } from '../../src/experiment/index.js'

interface Goldens {
  readonly welch: readonly { readonly first: SampleSummary; readonly second: SampleSummary; readonly statistic: number; readonly pValue: number; readonly df: number; readonly lower: number; readonly upper: number }[]
  readonly proportions: readonly { readonly first: RateSummary; readonly second: RateSummary; readonly statistic: number; readonly pValue: number; readonly lower: number; readonly upper: number }[]
  readonly ratio: readonly { readonly weights: readonly number[]; readonly counts: readonly number[]; readonly logEvidence: number }[]
  readonly meanSequence: readonly { readonly sample: SampleSummary; readonly evidence: number; readonly half: number; readonly oneSided: number }[]
  readonly beta: readonly { readonly hits: number; readonly misses: number; readonly a: number; readonly b: number; readonly p: number; readonly both: number; readonly lower: number; readonly upper: number }[]
  readonly bernstein: { readonly values: readonly number[]; readonly lower: readonly number[]; readonly upper: readonly number[] }
  readonly cuped: readonly { readonly control: PairedSummary; readonly treatment: PairedSummary; readonly theta: number; readonly difference: number; readonly variances: readonly number[] }[]
  readonly ratioMetric: { readonly pairs: PairedSummary; readonly mean: number; readonly variance: number }
  readonly bayes: readonly { readonly control: RateSummary; readonly treatment: RateSummary; readonly prior: { readonly a: number; readonly b: number }; readonly better: number; readonly lossOfTreatment: number; readonly lossOfControl: number }[]
  readonly power: readonly { readonly effect: Effect; readonly share: number; readonly power: number; readonly units: number }[]
}

/** Made by test/golden/experiment/make.py. */
export const goldens = JSON.parse(readFileSync(new URL('../golden/experiment/goldens.json', import.meta.url), 'utf8')) as Goldens

/** How far off, as a share. */
export const off = (value: number, truth: number): number => Math.abs(value - truth) / Math.max(Math.abs(truth), 1e-300)
