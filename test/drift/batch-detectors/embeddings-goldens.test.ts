import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { domainClassifierDrift, mmdDrift, pcaReconstructionDrift, type BatchVerdict } from '../../../src/drift/index.js'

type MadeRows = readonly [seed: number, count: number, width: number, shift: number, spread: number]
interface Case {
  readonly detector: string
  readonly name: string
  readonly seed: number | string
  readonly options: Record<string, number>
  readonly reference: MadeRows
  readonly live: MadeRows
  readonly found: { readonly value: number; readonly low: number; readonly high: number; readonly pValue: number }
}
/** What NumPy, SciPy and scikit-learn found, made by test/golden/embeddings/make.py. */
const { cases } = JSON.parse(readFileSync(new URL('../../golden/embeddings/golden.json', import.meta.url), 'utf8')) as { readonly cases: readonly Case[] }

/** The rows that make.py makes of the same formula. */
const rowsOf = ([seed, count, width, shift, spread]: MadeRows): number[][] => {
  let state = seed
  const uniform = (): number => {
    state = (Math.imul(1664525, state) + 1013904223) >>> 0
    return state / 2 ** 32
  }
  const bell = (): number => uniform() + uniform() + uniform() + uniform() - 2
  return Array.from({ length: count }, () => {
    const common = bell()
    return Array.from({ length: width }, () => spread * (common + bell()) + shift)
  })
}

describe('embeddings are judged as NumPy, SciPy and scikit-learn judge them', () => {
  const detectors = { domainClassifierDrift, mmdDrift, pcaReconstructionDrift } as Record<string, (reference: number[][], live: number[][], options: object) => BatchVerdict>
  test.each(cases.map((golden) => [golden.detector, `${golden.name} ${JSON.stringify(golden.options)}`, golden] as const))('%s, %s', (_, name, { detector, seed, options, reference, live, found }) => {
    const { effect, pValue } = (detectors[detector] as (typeof detectors)[string])(rowsOf(reference), rowsOf(live), { seed, ...options })
    expect(effect.value, name).toBeCloseTo(found.value, 10)
    expect(effect.low).toBeCloseTo(found.low, 9)
    expect(effect.high).toBeCloseTo(found.high, 9)
    expect(pValue).toBeCloseTo(found.pValue, 10)
  })
})
