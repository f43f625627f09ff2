import { describe, expect, test } from 'vitest'
import { numericEDetector, rateEDetector, type DetectorState, type EDetector } from '../../../src/drift/index.js'
import { seeded } from '../_seeded.js'

/** The mean of the sum over all continuations, each with its chance by the urn that a Dirichlet prior leads to. */
const expectedSum = (detector: EDetector, restored: (state: DetectorState) => EDetector, values: readonly number[], masses: readonly number[], steps: number): number => {
  if (steps === 0) return detector.evidence.value
  const total = masses.reduce((sum, mass) => sum + mass, 0)
  const { state } = detector
  let sum = 0
  values.forEach((value, cell) => {
    const next = restored(state)
    next.update(value)
    const after = masses.map((mass, other) => (other === cell ? mass + 1 : mass))
    sum += ((masses[cell] as number) / total) * expectedSum(next, restored, values, after, steps - 1)
  })
  return sum
}

describe('the bets pay nothing without a change: after n values, the sum is n on average', () => {
  test.each(['up', 'down', 'both'] as const)('rateEDetector %s', (direction) => {
    const detector = rateEDetector({ events: 3, rows: 5, direction })
    expect(expectedSum(detector, (state) => rateEDetector({ state }), [0, 1], [2.5, 3.5], 7)).toBeCloseTo(7, 10)
  })

  test('numericEDetector', () => {
    const reference = Array.from({ length: 100 }, (_, i) => (i * 37) % 100)
    const detector = numericEDetector({ reference })
    const { edges, masses } = detector.state.memory as unknown as { readonly edges: number[]; readonly masses: number[] }
    expect(masses.length).toBe(12)
    expect(masses.reduce((sum, mass) => sum + mass, 0)).toBe(101)
    expect(expectedSum(detector, (state) => numericEDetector({ state }), [...edges, 1000], masses, 3)).toBeCloseTo(3, 10)
  })
})

test('rateEDetector takes scores between 0 and 1 at the price of their mean', () => {
  const detector = rateEDetector({ events: 29.5, rows: 99 })
  for (let i = 0; i < 1000; i++) expect(detector.update(0.3)).toBe('stable')
  // Each bet is paid what it cost, so that every one of them is worth 1.
  expect(detector.evidence.value).toBeCloseTo(1000, 6)
})

test('e-detectors say what changed, by how much, and since when', () => {
  const random = seeded(21)
  const changed = (detector: EDetector, next: (isChanged: boolean) => number): { readonly delay: number; readonly evidence: EDetector['evidence'] } => {
    for (let i = 0; i < 3000; i++) detector.update(next(false))
    let delay = 1
    while (detector.update(next(true)) !== 'drift') delay += 1
    return { delay, evidence: detector.evidence }
  }
  const reference = Array.from({ length: 3000 }, () => random.normal())
  const cases = [
    ['higher', 0.5, changed(rateEDetector({ events: 600, rows: 3000, direction: 'both' }), (isChanged) => Number(random.uniform() < (isChanged ? 0.5 : 0.2)))],
    ['lower', 0.05, changed(rateEDetector({ events: 600, rows: 3000, direction: 'both' }), (isChanged) => Number(random.uniform() < (isChanged ? 0.05 : 0.2)))],
    ['higher', 1, changed(numericEDetector({ reference }), (isChanged) => random.normal() + (isChanged ? 1 : 0))],
    ['lower', -1, changed(numericEDetector({ reference }), (isChanged) => random.normal() - (isChanged ? 1 : 0))],
    ['wider', 2, changed(numericEDetector({ reference }), (isChanged) => random.normal() * (isChanged ? 2 : 1))],
    ['narrower', 0.5, changed(numericEDetector({ reference }), (isChanged) => random.normal() * (isChanged ? 0.5 : 1))],
  ] as const
  for (const [change, size, { delay, evidence }] of cases) {
    expect(evidence.change).toBe(change)
    expect(evidence.value).toBeGreaterThanOrEqual(evidence.needed)
    expect(Math.abs(evidence.since - delay), `${change} since ${evidence.since} of ${delay}`).toBeLessThan(20)
    expect(Math.abs(evidence.size - size), `${change} by ${evidence.size}`).toBeLessThan(3 / Math.sqrt(evidence.since))
  }
})

test('numericEDetector is moved by the rank of an outlier, not by its size, also in the values after it', () => {
  const random = seeded(4)
  for (const order of [0, 2]) {
    const reference = Array.from({ length: 2000 }, () => random.normal())
    const detector = numericEDetector({ reference, order })
    for (let i = 0; i < 500; i++) detector.update(random.normal())
    const { state } = detector
    const [far, farther] = [numericEDetector({ state }), numericEDetector({ state })]
    far.update(100)
    farther.update(1e130)
    for (let i = 0; i < 10; i++) {
      const value = random.normal()
      far.update(value)
      farther.update(value)
    }
    expect(farther.evidence).toEqual(far.evidence)
    expect(farther.evidence.value).toBeLessThan(farther.evidence.needed / 10)
  }
})

test.each([[[0.7, 0, 0]], [[0.5, 0.3, 0]], [[0.4, -0.5, 0.3]]])('numericEDetector with order 3 learns the autoregression %j', (coefficients) => {
  const random = seeded(5)
  const values = [0, 0, 0]
  while (values.length < 20_000) values.push(coefficients.reduce((sum, coefficient, lag) => sum + coefficient * (values.at(-1 - lag) as number), random.normal()))
  const learned = numericEDetector({ reference: values, order: 3 }).state.memory['coefficients'] as readonly number[]
  learned.forEach((coefficient, lag) => expect(Math.abs(coefficient - (coefficients[lag] as number)), `lag ${lag + 1}: ${coefficient}`).toBeLessThan(0.03))
})

test('numericEDetector takes ties, and refuses references that are too short, no numbers, another one, or too uniform for an order', () => {
  const code = (options: Parameters<typeof numericEDetector>[0]): unknown => {
    try {
      return numericEDetector(options).signal
    } catch (error) {
      return (error as { readonly code?: string }).code
    }
  }
  const rows = Array.from({ length: 200 }, (_, i) => i)
  const { state } = numericEDetector({ reference: rows })
  expect(code({ reference: rows.map(() => 7) })).toBe('ERR_OUTRIGGER_INVALID_OPTION')
  expect(code({ reference: rows.map((i) => i % 3) })).toBe('stable')
  expect(code({ reference: rows.slice(0, 99) })).toBe('ERR_OUTRIGGER_TOO_FEW_ROWS')
  expect(code({ reference: [...rows, NaN] })).toBe('ERR_OUTRIGGER_INVALID_INPUT')
  expect(code({ reference: 5 as never })).toBe('ERR_OUTRIGGER_INVALID_OPTION')
  expect(code({ reference: rows.map((i) => i % 3), order: 1 })).toBe('ERR_OUTRIGGER_INVALID_OPTION')
  expect(code({ state, reference: rows })).toBe('stable')
  expect(code({ state, reference: rows.map((i) => i + 1) })).toBe('ERR_OUTRIGGER_INVALID_OPTION')
})

test('numericEDetector keeps a heavy value apart from the few below it, and finds when they become many', () => {
  const zeros = Array.from({ length: 2000 }, (_, i) => (i === 500 ? -1 : 0))
  const detector = numericEDetector({ reference: zeros })
  expect(detector.state.memory).toMatchObject({ edges: [-1], masses: [1, 2000] })
  for (let i = 0; i < 500; i++) expect(detector.update(0)).toBe('stable')
  let values = 1
  while (detector.update(values % 5 === 0 ? -1 : 0) !== 'drift') values += 1
  expect(values).toBeLessThan(100)
})
