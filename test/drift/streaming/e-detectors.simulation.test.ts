/** False alarms and delays as statistics, in a short run; `node --import tsx test/bench/e-detectors.ts` is the long one. */
import { describe, expect, test } from 'vitest'
import { adwin, numericEDetector, pageHinkley, rateEDetector } from '../../../src/drift/index.js'
import { againstOracle, cleanRuns, medianDelay, normalStream, rateStream, type Scenario } from './_against-oracle.js'

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0)
const rate: Scenario['make'] = (reference) => rateEDetector({ events: sum(reference), rows: reference.length })
const numeric =
  (order: number): Scenario['make'] =>
  (reference) =>
    numericEDetector({ reference, order })
const runs = 200
/** A share, and three standard errors of it. */
const bound = (share: number, of = runs): number => share + 3 * Math.sqrt((share * (1 - share)) / of)

describe('clean runs of 10 000 values alarm no more often than `risk`', () => {
  test.each<[string, Omit<Scenario, 'before'>]>([
    ...[0.002, 0.02, 0.2, 0.5, 0.9].flatMap((p) => [200, 2000].map((referenceRows): [string, Omit<Scenario, 'before'>] => [`rateEDetector at ${p}, ${referenceRows} reference rows`, { stream: rateStream(p, p), referenceRows, make: rate }])),
    ...[100, 2000].map((referenceRows): [string, Omit<Scenario, 'before'>] => [`numericEDetector, ${referenceRows} reference rows`, { stream: normalStream({}), referenceRows, make: numeric(0) }]),
    ['numericEDetector of values that are rounded', { stream: (random) => ({ next: () => Math.round(2 * random.normal()), logRatio: () => 0 }), referenceRows: 2000, make: numeric(0) }],
    ['numericEDetector of values without a variance', { stream: (random) => ({ next: () => random.normal() / random.normal(), logRatio: () => 0 }), referenceRows: 2000, make: numeric(0) }],
    ['numericEDetector of AR(1) with ρ = .5, order 1', { stream: normalStream({ rho: 0.5 }), referenceRows: 2000, make: numeric(1) }],
    ['numericEDetector of AR(1) with ρ = .5, order 3', { stream: normalStream({ rho: 0.5 }), referenceRows: 2000, make: numeric(3) }],
  ])('%s', (_, scenario) => {
    expect(cleanRuns({ ...scenario, before: 0 }, runs).alarmed / runs).toBeLessThanOrEqual(bound(0.05))
  })

  test('a risk that is larger is used: half of it at least is spent', () => {
    const make: Scenario['make'] = (reference) => rateEDetector({ events: sum(reference), rows: reference.length, risk: 0.5 })
    const { alarmed } = cleanRuns({ stream: rateStream(0.3, 0.3), referenceRows: 2000, before: 0, make }, runs)
    expect(alarmed / runs).toBeLessThanOrEqual(bound(0.5))
    expect(alarmed / runs).toBeGreaterThan(0.25)
  })
})

describe('changes after 5000 clean values are found', () => {
  const before = 5000
  const referenceRows = 2000
  test.each([[0.25, 1], [0.3, 0], [0.5, 0]] as const)('rateEDetector: .2 to %f, close to an oracle and ahead of ADWIN and Page–Hinkley', (to, mayMiss) => {
    const scenario = { stream: rateStream(0.2, to), referenceRows, before, make: rate }
    const report = againstOracle(scenario, runs)
    expect(report.alarmed).toBeLessThan(0.1)
    expect(report.missed).toBeLessThanOrEqual(mayMiss)
    expect(report.ratio).toBeLessThan(1.6)
    expect(report.median).toBeLessThan(medianDelay({ ...scenario, make: () => adwin() }, runs))
    expect(report.median).toBeLessThan(medianDelay({ ...scenario, make: () => pageHinkley() }, runs))
  })

  test.each([
    ['the mean by half a standard deviation', { shift: 0.5 }],
    ['the spread by a half', { spread: 1.5 }],
    ['the mean by half a standard deviation, AR(1) with ρ = .5', { shift: 0.5, rho: 0.5 }],
    ['the spread by a half, AR(1) with ρ = .5', { spread: 1.5, rho: 0.5 }],
  ])('numericEDetector: %s, close to an oracle', (_, change) => {
    const report = againstOracle({ stream: normalStream(change), referenceRows, before, make: numeric('rho' in change ? 1 : 0) }, runs)
    expect(report.alarmed).toBeLessThan(0.1)
    expect(report.missed).toBe(0)
    expect(report.ratio).toBeLessThan(1.6)
  })
})
