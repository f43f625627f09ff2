/** Coverage and rows needed of the detectors of embeddings. The long form: `node --import tsx test/bench/batch-detectors.ts 300 embedding-coverage`. */
import { describe, expect, test } from 'vitest'
import { coverage, found, meanEffect, rowsNeeded, type EmbeddingDetector } from './_embedding-coverage.js'

const runs = 120
const errors = (rate: number): number => 3 * Math.sqrt((rate * (1 - rate)) / runs)

describe('the 95 % interval of embeddings covers the effect', () => {
  test.each([
    ['mmdDrift', 0.6, 1],
    ['mmdDrift', 0, 1.5],
    ['domainClassifierDrift', 0.6, 1],
    ['domainClassifierDrift', 0, 1.5],
    ['pcaReconstructionDrift', 0.8, 1],
    ['pcaReconstructionDrift', 0, 1.4],
  ] as [EmbeddingDetector, number, number][])('%s, shift %d, spread × %d', (detector, shift, spread) => {
    expect(coverage(detector, { shift, spread, reference: 150, live: 80, runs })).toBeGreaterThan(0.95 - errors(0.95))
  })
})

describe('with as many rows as are asked for, a drift of embeddings of size `detect` is found in four cases of five', () => {
  test.each([
    ['domainClassifierDrift', 300, { shift: 0.42 }, 0.65],
    ['pcaReconstructionDrift', 1000, { spread: 1.36 }, 0.3],
  ] as [EmbeddingDetector, number, object, number][])('%s', (detector, reference, change, detect) => {
    const live = rowsNeeded(detector, reference)
    const setting = { ...change, reference, live, runs }
    expect(Math.abs(meanEffect(detector, { ...setting, runs: 40 }) - detect)).toBeLessThan(0.015)
    expect(found(detector, setting)).toBeGreaterThan(0.8 - errors(0.8))
  })
})
