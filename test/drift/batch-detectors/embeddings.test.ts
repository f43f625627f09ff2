import { describe, expect, it } from 'vitest'
import { domainClassifierDrift, mmdDrift, pcaReconstructionDrift, type BatchVerdict } from '../../../src/drift/index.js'
import { placements } from '../../../src/drift/batch-detectors/_placements.js'
import { solver, symmetricEigen } from '../../../src/drift/batch-detectors/_symmetric-matrix.js'
import { auc } from '../../../src/stats/auc.js'
import { seeded } from '../_seeded.js'
import { embeddings } from './_settings.js'

type Detect = (reference: unknown, live: unknown, options?: object) => BatchVerdict
const detectors = { mmdDrift, domainClassifierDrift, pcaReconstructionDrift } as unknown as Record<string, Detect>
const caught = (run: () => unknown): unknown => {
  try {
    return run()
  } catch (error) {
    return error
  }
}
const input = { code: 'ERR_OUTRIGGER_INVALID_INPUT' }

describe.each(Object.entries(detectors))('%s', (name, detect) => {
  const few = name === 'pcaReconstructionDrift' ? {} : { permutations: 99 }
  const reference = embeddings()(seeded(1), 400)

  it('says ok, drifted and too-few-rows, the same for the same seed', () => {
    const same = detect(reference, embeddings()(seeded(2), 350), few)
    expect(same.state).toBe('ok')
    expect(detect(reference, embeddings()(seeded(2), 350), few)).toEqual(same)
    const moved = detect(reference, embeddings(1, 2)(seeded(3), 200), few)
    expect(moved.state).toBe('drifted')
    expect(moved.effect.low).toBeLessThan(moved.effect.value)
    expect(moved.effect.value).toBeLessThanOrEqual(moved.effect.high)
    expect(detect(reference, embeddings()(seeded(2), 25), few).state).toBe('too-few-rows')
  })

  it('is not changed by one outlier of 1e6', () => {
    const outlier = Float32Array.from({ length: 8 }, () => 1e6)
    expect(detect(reference, [...embeddings()(seeded(2), 349), outlier], few).state).toBe('ok')
    expect(detect([...reference.slice(1), outlier], embeddings()(seeded(2), 350), few).state).toBe('ok')
    expect(detect(reference, [...embeddings(1, 2)(seeded(3), 199), outlier], few).state).toBe('drifted')
    expect(detect([...reference.slice(1), outlier], embeddings(1, 2)(seeded(3), 200), few).state).toBe('drifted')
  })

  it('compares no more rows than it is told, and mixes wide rows down', () => {
    expect(detect(reference, reference.slice(0, 60), { ...few, maximumRows: 50 }).rows).toEqual({ reference: 50, live: 50 })
    const wide = (seed: number, shift: number): Float32Array[] => embeddings()(seeded(seed), 100).map((row) => Float32Array.from({ length: 200 }, (_, column) => (row[column % 8] as number) + Math.sin(column * (row[0] as number)) + shift * column))
    expect(['ok', 'drifted', 'too-few-rows']).toContain(detect(wide(1, 0), wide(2, 0.01), few).state)
  })

  it('answers empty and constant samples, and refuses what are no rows', () => {
    expect(detect(reference, [], few)).toMatchObject({ state: 'too-few-rows', pValue: NaN })
    expect(detect([], [], few)).toMatchObject({ state: 'too-few-rows', rowsNeeded: Infinity })
    const constant = Array.from({ length: 100 }, () => [1, 2])
    expect(detect(constant, constant, few)).toMatchObject({ pValue: 1 })
    expect(detect(constant, constant, few).state).not.toBe('drifted')
    for (const bad of [[[1, NaN]], [[1], [1, 2]], [1, 2], [[]], 'rows', null, [['a']], [null]]) expect(caught(() => detect(bad, reference, few)), String(bad)).toMatchObject(input)
    expect(caught(() => detect(reference, [[1, 2]], few))).toMatchObject(input)
    for (const bad of [{ maximumRows: 10 }, { typo: 1 }, { level: 2 }]) expect(caught(() => detect(reference, reference, bad))).toMatchObject({ code: 'ERR_OUTRIGGER_INVALID_OPTION' })
  })
})

it('placements have the AUC of stats, and the variance of DeLong', () => {
  const up = Float64Array.of(0.9, 0.4, 0.8, 0.8)
  const down = Float64Array.of(0.1, 0.4, 0.5, 0.8, 0.2)
  const found = placements([{ up, down }])
  expect(found.auc).toBeCloseTo(auc([...up, ...down], [1, 1, 1, 1, 0, 0, 0, 0, 0]), 12)
  // Placements by hand: which share of the other side each row beats, a tie counting one half.
  const variance = (values: readonly number[]): number => {
    const mean = values.reduce((sum, value) => sum + value, 0) / values.length
    return values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (values.length - 1) / values.length
  }
  expect(found.variance).toBeCloseTo(variance([1, 0.5, 0.9, 0.9]) + variance([1, 0.875, 0.75, 0.5, 1]), 12)
})

it('linear systems and eigenvectors of symmetric matrices are solved to rounding', () => {
  const random = seeded(4)
  const d = 12
  const roots = Array.from({ length: d }, () => Float64Array.from({ length: d }, () => random.normal()))
  const matrix = roots.map((one) => Float64Array.from(roots, (other) => one.reduce((sum, value, k) => sum + value * (other[k] as number), 0) + (other === one ? 1 : 0)))
  const b = Float64Array.from({ length: d }, () => random.normal())
  const x = solver(matrix)(b)
  matrix.forEach((row, i) => expect(row.reduce((sum, value, k) => sum + value * (x[k] as number), 0)).toBeCloseTo(b[i] as number, 9))
  const eigen = symmetricEigen(matrix)
  for (const { value, vector } of eigen) matrix.forEach((row, i) => expect(row.reduce((sum, entry, k) => sum + entry * (vector[k] as number), 0)).toBeCloseTo(value * (vector[i] as number), 9))
  expect(eigen.map(({ value }) => value)).toEqual(eigen.map(({ value }) => value).sort((one, other) => other - one))
})

it('each sees what it says it sees', () => {
  const reference = embeddings()(seeded(1), 400)
  const shifted = embeddings(0.6)(seeded(3), 300)
  const wider = embeddings(0, 1.5)(seeded(3), 300)
  expect([mmdDrift(reference, shifted), domainClassifierDrift(reference, shifted)].map(({ state }) => state)).toEqual(['drifted', 'drifted'])
  expect([mmdDrift(reference, wider), pcaReconstructionDrift(reference, wider)].map(({ state }) => state)).toEqual(['drifted', 'drifted'])
  expect(domainClassifierDrift(reference, wider).state).not.toBe('drifted')
})

it('pcaReconstructionDrift measures reference rows that its components were not fitted on', () => {
  let sum = 0
  for (let run = 1; run <= 20; run++) {
    const random = seeded(run * 7919)
    const rows = (): number[][] => Array.from({ length: 40 }, () => Array.from({ length: 16 }, () => random.normal()))
    sum += pcaReconstructionDrift(rows(), rows()).effect.value
  }
  expect(Math.abs(sum / 20)).toBeLessThan(0.12)
})

it.each([['mmdDrift', mmdDrift], ['domainClassifierDrift', domainClassifierDrift]] as const)('%s shuffles by the rows as well as by the seed', (_, detect) => {
  // Rows of twice the size have the very same kernel and columns: the same shuffles would give the same p-value.
  const samples = (scale: number, seed: number): Float32Array[][] => [1, 2].map((side) => embeddings()(seeded(10 * seed + side), 40).map((row) => row.map((x) => scale * x)))
  const pairs = [1, 2, 3, 4].map((seed) => [1, 2].map((scale) => {
    const [reference, live] = samples(scale, seed) as [Float32Array[], Float32Array[]]
    return detect(reference, live, { permutations: 199 }).pValue
  }))
  expect(pairs.some(([one, other]) => one !== other)).toBe(true)
})

it.each(Object.entries(detectors))('%s tells of an empty window how many rows are needed, about as it does of one with rows', (name, detect) => {
  const few = name === 'pcaReconstructionDrift' ? {} : { permutations: 99 }
  const reference = embeddings()(seeded(1), 400)
  const { rowsNeeded } = detect(reference, embeddings()(seeded(2), 100), few)
  expect(rowsNeeded).toBeGreaterThan(25)
  for (const live of [[], embeddings()(seeded(3), 1)]) expect(Math.abs(Math.log(detect(reference, live, few).rowsNeeded / rowsNeeded))).toBeLessThan(0.35)
  expect(detect(reference.slice(0, 15), [], few).rowsNeeded).toBe(Infinity)
})

it('domainClassifierDrift says ok of rows that are all equal, and sees them change', () => {
  const rows = (value: number): number[][] => Array.from({ length: 100 }, () => [1, value])
  expect(domainClassifierDrift(rows(2), rows(2), { permutations: 39 })).toMatchObject({ state: 'ok', effect: { value: 0.5 } })
  expect(domainClassifierDrift(rows(2), rows(3), { permutations: 39 })).toMatchObject({ state: 'drifted', effect: { value: 1 } })
})
