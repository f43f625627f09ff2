import { describe, expect, test } from 'vitest'
import { seededRandom } from 'outrigger'
import { outputComparison, type OutputComparison, type OutputComparisonOptions } from 'outrigger/route'

const compared = (rows: readonly (readonly [unknown, unknown])[], options: OutputComparisonOptions = {}): OutputComparison => {
  const comparison = outputComparison(options)
  rows.forEach(([primary, candidate], index) => comparison.add({ id: `row-${index}`, primary, candidate }))
  return comparison
}
const partOf = (comparison: OutputComparison, name = '') => comparison.summary().parts[name]!
const random = seededRandom('comparison')
const normal = (): number => Math.sqrt(-2 * Math.log(1 - random.next())) * Math.cos(2 * Math.PI * random.next())
const many = <T>(count: number, make: (index: number) => T): T[] => Array.from({ length: count }, (_, index) => make(index))

describe('outputComparison', () => {
  test('outputComparison measures the paired difference of numbers', () => {
    const rows = many(2000, () => {
      const x = 100 * random.next()
      return [x, x + 0.5 + 0.1 * normal()] as const
    })
    const part = partOf(compared(rows, { tolerance: { absolute: 0.5, relative: 0 } }))
    expect(part.kind).toBe('number')
    expect(Math.abs(part.meanDifference! - 0.5)).toBeLessThan(4 * 0.1 / Math.sqrt(2000))
    expect(Math.abs(part.deviation! - 0.1)).toBeLessThan(0.01)
    expect(Math.abs(part.beyondTolerance - 0.5)).toBeLessThan(0.05)
    expect(part.beyondTolerance).toBe(rows.filter(([a, b]) => b - a > 0.5).length / 2000)
    expect(Math.abs(part.largest!.p50 - 0.5)).toBeLessThan(0.02)
    expect(part.largest!.max).toBe(Math.max(...rows.map(([a, b]) => Math.abs(b - a))))
    expect([part.flipRate, part.kendallTau, part.misfits]).toEqual([undefined, undefined, 0])
  })

  test('outputComparison: a number is the same within any of the tolerances', () => {
    const agrees = (a: unknown, b: unknown, tolerance: object): boolean => compared([[a, b]], { tolerance }).summary().agreement === 1
    expect([agrees(100, 100.9, { relative: 0.01 }), agrees(100, 101.1, { relative: 0.01 })]).toEqual([true, false])
    expect([agrees(0, 0.09, { absolute: 0.1 }), agrees(0, 0.11, { absolute: 0.1 })]).toEqual([true, false])
    const strict = { absolute: 0, relative: 0 }
    expect([agrees(0.3, 0.1 + 0.2, { ...strict, ulps: 1 }), agrees(0.3, 0.1 + 0.2, strict)]).toEqual([true, false])
    // Float32 lists are counted in float32's own steps; the same numbers as doubles are 2 ** 29 apart.
    const next = Math.fround(1 + 2 ** -23)
    expect([agrees(Float32Array.of(1), Float32Array.of(next), { ...strict, ulps: 1 }), agrees([1], [next], { ...strict, ulps: 1 })]).toEqual([true, false])
    expect([agrees(Number.NaN, Number.NaN, {}), agrees(Number.NaN, 1, {}), agrees(Infinity, Infinity, {}), agrees(Infinity, 1e308, {})]).toEqual([true, false, true, false])
  })

  test('outputComparison counts labels that flip', () => {
    const part = partOf(compared(many(1000, (index) => ['cat', index % 50 === 0 ? 'dog' : 'cat'])))
    expect([part.kind, part.flipRate, part.beyondTolerance]).toEqual(['label', 0.02, 0.02])
    expect(partOf(compared([[true, false], [true, true]])).flipRate).toBe(0.5)
  })

  test('outputComparison ranks scores: flips of the highest, the first k, Kendall', () => {
    const part = partOf(compared([[[0.5, 0.3, 0.2], [0.3, 0.5, 0.2]], [[0.5, 0.3, 0.2], [0.5, 0.3, 0.2]]], { topK: 2 }))
    expect([part.kind, part.flipRate, part.topOverlap, part.beyondTolerance]).toEqual(['scores', 0.5, 1, 0.5])
    expect(part.kendallTau).toBeCloseTo((1 / 3 + 1) / 2, 12)
    // The difference is of the score of what the primary ranks first.
    expect(part.meanDifference).toBeCloseTo(-0.1, 12)
  })

  test('outputComparison reads tensors by their data, and tells another shape', () => {
    const tensor = (data: Float32Array, shape: number[]): unknown => ({ dtype: 'float32', data, shape })
    const comparison = compared([
      [tensor(Float32Array.of(1, 2, 3, 4), [2, 2]), tensor(Float32Array.of(1, 2, 3, 4), [2, 2])],
      [tensor(Float32Array.of(1, 2, 3, 4), [2, 2]), tensor(Float32Array.of(1, 2, 3, 4), [4])],
      [{ dtype: 'int64', data: BigInt64Array.of(1n, 2n), shape: [2] }, { dtype: 'int64', data: BigInt64Array.of(1n, 3n), shape: [2] }],
    ])
    expect(partOf(comparison)).toMatchObject({ kind: 'scores', rows: 3, misfits: 1, flipRate: 0 })
    expect(comparison.summary().agreement).toBe(1 / 3)
  })

  test('outputComparison reads each field of a record, to the depth of four, and no more than it may', () => {
    const comparison = compared([[{ label: 'a', at: { x: 1, when: new Date(1) } }, { label: 'b', at: { x: 1, when: new Date(1) } }]])
    expect(Object.entries(comparison.summary().parts).map(([name, { kind, beyondTolerance }]) => [name, kind, beyondTolerance])).toEqual([['label', 'label', 1], ['at.x', 'number', 0], ['at.when', 'other', 0]])
    const wide = compared(many(100, (index) => [{ [`field-${index}`]: 1 }, { [`field-${index}`]: 1 }]), { maxParts: 4 })
    expect(Object.keys(wide.summary().parts)).toHaveLength(5)
    expect(wide.summary()).toMatchObject({ agreement: 1, parts: { '(others)': { kind: 'other', rows: 96 } } })
    const missing = compared([[{ a: 1, b: 2 }, { a: 1 }], [{ a: undefined }, {}], [[1, 'x'], [1, 'y']], [null, null]])
    expect(missing.summary().agreement).toBe(0.25)
  })

  test('outputComparison tells apart distributions of scores', () => {
    const same = partOf(compared(many(4000, () => [random.next(), random.next()])))
    const moved = partOf(compared(many(4000, () => [random.next(), random.next() ** 2])))
    expect(same.distribution!.jensenShannon).toBeLessThan(0.05)
    expect(same.distribution!.kullbackLeibler).toBeLessThan(0.06)
    // x against x²: densities 1 and 1/(2√x), of which the divergence is ∫ ln(2√x) = ln 2 − ½ nats.
    expect(Math.abs(moved.distribution!.kullbackLeibler - (Math.LN2 - 0.5))).toBeLessThan(0.04)
    expect(moved.distribution!.jensenShannon).toBeGreaterThan(0.2)
    // Of lists of scores the highest of each, wherever it is.
    expect(partOf(compared(many(500, () => [[0.9, 0.1], [0.1, 0.9]]))).distribution).toEqual({ jensenShannon: 0, kullbackLeibler: 0 })
  })

  test('outputComparison counts what it cannot measure, and ranks no list that is too long', () => {
    expect(partOf(compared([[Number.NaN, 1], [1, Infinity], [1, 1]]))).toMatchObject({ rows: 3, unmeasured: 2, meanDifference: 0 })
    const long = Array.from({ length: 4097 }, (_, index) => index)
    expect([long, long.slice(1)].map((scores) => partOf(compared([[scores, scores]])).kendallTau)).toEqual([undefined, 1])
  })

  test('outputComparison compares latencies by their ratio', () => {
    const comparison = outputComparison()
    for (let row = 0; row < 300; row += 1) comparison.add({ id: String(row), primary: 1, candidate: 1, primaryMs: 10 * 1.1 ** (row % 3), candidateMs: 20 * 1.1 ** (row % 3) })
    const { latency } = comparison.summary()
    expect(latency!.ratio).toBeCloseTo(2, 10)
    expect(Math.abs(latency!.candidate.p50 / 22 - 1)).toBeLessThan(0.011)
    expect(comparison.verdict({ latencyRatio: 1.5 }).answer).toBe('differs')
    expect(comparison.verdict({ latencyRatio: 2.5 }).answer).toBe('agrees')
  })

  test('outputComparison: labels that come late show who means what it says', () => {
    const comparison = outputComparison()
    for (let row = 0; row < 5000; row += 1) {
      const p = random.next()
      comparison.addLabel(Math.min(1, p + 0.2), p, random.next() < p)
    }
    const { calibration } = comparison.summary()
    expect(calibration!.candidate).toBeLessThan(0.04)
    expect(calibration!.primary).toBeGreaterThan(0.13)
    expect(calibration!.gap).toBe(calibration!.candidate - calibration!.primary)
    expect(calibration!.brierDifference).toBeLessThan(-0.02)
    expect(comparison.verdict({ brier: 0.001, minimumRows: 1 }).answer).toBe('insufficient') // No row was compared.
    // Too low where it is low and too high where it is high: cells of scores see it, a mean does not.
    const unsure = outputComparison()
    for (let row = 0; row < 400; row += 1) unsure.addLabel(row % 2 === 0 ? 0.25 : 0.75, 0.5, row % 4 < 2)
    expect(unsure.summary().calibration).toMatchObject({ primary: 0.25, candidate: 0 })
    expect(() => comparison.addLabel(1.2, 0.5, true)).toThrow(expect.objectContaining({ code: 'ERR_OUTRIGGER_INVALID_INPUT' }))
  })

  test('outputComparison keeps the largest disagreements, and shows of them what a schema allows', () => {
    const schema = { input: { fields: { age: {}, name: { tags: ['PII'] } } }, output: { fields: { price: {}, note: { tags: ['secret'] } } } }
    const comparison = outputComparison({ examples: 2, schema, tolerance: { absolute: 1, relative: 0 } })
    for (let row = 1; row <= 20; row += 1) comparison.add({ id: `row-${row}`, primary: { price: 0, note: 'same' }, candidate: { price: row, note: 'same' }, input: { age: row, name: 'Ada' } })
    expect(comparison.examples).toEqual([
      { id: 'row-20', part: 'price', size: 20, primary: '0', candidate: '20', input: { age: 20 } },
      { id: 'row-19', part: 'price', size: 19, primary: '0', candidate: '19', input: { age: 19 } },
    ])
    comparison.add({ id: 'secret', primary: { price: 0, note: 'mine' }, candidate: { price: 0, note: 'yours' }, input: { name: 'Ada' } })
    expect(comparison.examples[0]).toEqual({ id: 'secret', part: 'note', size: Infinity, primary: '(hidden)', candidate: '(hidden)', input: {} })
    expect(JSON.stringify(comparison)).not.toMatch(/Ada|mine|yours/)
    const open = compared([[[0.1, 0.9], [0.8, 0.2]]]).examples
    expect(open).toMatchObject([{ primary: 'highest [1] 0.9, [0] 0.1', candidate: 'highest [0] 0.8' }])
    expect(compared([[1, 2]], { examples: 0 }).examples).toEqual([])
    const twice = outputComparison()
    for (const candidate of [2, 3]) twice.add({ id: 'the same', primary: 1, candidate })
    expect(twice.examples).toHaveLength(1)
  })

  test('outputComparison: of equal disagreements those are kept whose hashes are smallest, in any order', () => {
    const rows = many(200, (index) => ({ id: `row-${index}`, primary: 'a', candidate: 'b' }))
    const [forth, back] = [outputComparison({ examples: 5 }), outputComparison({ examples: 5 })]
    rows.forEach((row) => forth.add(row))
    rows.toReversed().forEach((row) => back.add(row))
    expect(forth.examples).toEqual(back.examples)
    const ids = rows.map(({ id }) => id)
    for (const first of [ids, ids.toSorted()]) expect(forth.examples.map(({ id }) => id)).not.toEqual(first.slice(0, 5))
  })

  test('outputComparison: parts that are merged, and a state that is restored, equal the whole', () => {
    const rows = many(600, (index) => ({ id: `row-${index}`, primary: { x: random.next(), label: 'a' }, candidate: { x: random.next(), label: index % 9 === 0 ? 'b' : 'a' }, primaryMs: 1 + random.next(), candidateMs: 2 }))
    const whole = outputComparison()
    const pieces = [outputComparison(), outputComparison()] as const
    rows.forEach((row, index) => {
      whole.add(row)
      pieces[(index % 2) as 0 | 1].add(row)
    })
    for (const comparison of [whole, pieces[0]]) {
      comparison.addFailure('candidate')
      comparison.addLabel(0.5, 0.6, true)
    }
    const restored = outputComparison()
    restored.restore(JSON.parse(JSON.stringify(pieces[0])) as never)
    restored.merge(pieces[1])
    // Sums of floating-point numbers depend on their order in the last digits.
    const rounded = (comparison: OutputComparison): unknown => JSON.parse(JSON.stringify(comparison.summary()), (_, value: unknown) => (typeof value === 'number' ? Number(value.toPrecision(10)) : value))
    expect(rounded(restored)).toEqual(rounded(whole))
    expect(restored.verdict({ flips: 0.2, meanDifference: 0.3 }).answer).toBe(whole.verdict({ flips: 0.2, meanDifference: 0.3 }).answer)
  })

  test('outputComparison refuses a state that is none, and takes nothing of it', () => {
    const comparison = compared([[1, 2]])
    const state = JSON.parse(JSON.stringify(comparison)) as Record<string, unknown>
    for (const wrong of [{}, null, { ...state, kind: 'other' }, { ...state, version: 2 }, { ...state, counts: [1, -1, 0, 0, 0, 0] }, { ...state, counts: [1, 1, 0, 0, 0] }, { ...state, parts: 7 }, { ...state, latency: {} }, { ...state, calibration: {} }, { ...state, examples: [{}] }]) {
      expect(() => comparison.restore(wrong as never)).toThrow(expect.objectContaining({ code: 'ERR_OUTRIGGER_PROFILE' }))
    }
    expect(comparison.rows).toBe(1)
    comparison.restore(state as never)
    expect(comparison.rows).toBe(2)
  })

  test('outputComparison does not grow with its rows', () => {
    const comparison = outputComparison()
    const size = (rows: number): number => {
      for (let row = 0; row < rows; row += 1) comparison.add({ id: `row-${row}`, primary: { p: random.next(), label: `label-${row}` }, candidate: { p: random.next(), label: 'x' }, primaryMs: random.next(), candidateMs: random.next() })
      return JSON.stringify(comparison).length
    }
    const first = size(5000)
    expect(size(15_000)).toBeLessThan(1.2 * first)
    expect(first).toBeLessThan(64_000)
  })

  test('outputComparison: an `agree` of your own decides, and one that throws is no agreement', () => {
    const comparison = outputComparison<number, number>({ agree: (a, b) => Math.abs(a - b) < 10 })
    expect([comparison.add({ id: 'a', primary: 1, candidate: 5 }), comparison.add({ id: 'b', primary: 1, candidate: 50 })]).toEqual([true, false])
    const broken = outputComparison<number, number>({ agree: () => { throw new Error('mine') } })
    expect(() => broken.add({ id: 'a', primary: 1, candidate: 1 })).toThrow('mine')
    expect(broken.summary()).toMatchObject({ rows: 1, agreement: 0 })
  })

  test('a verdict is wrong in few of many shadows, though it is asked for after every row', () => {
    // The truth is on the limit: any answer but `insufficient` is wrong.
    let wrong = 0
    const shadows = 200
    for (let run = 0; run < shadows; run += 1) {
      const comparison = outputComparison({ examples: 0 })
      for (let row = 1; row <= 600; row += 1) {
        comparison.add({ id: '', primary: 'a', candidate: random.next() < 0.1 ? 'b' : 'a' })
        if (row % 10 === 0 && comparison.verdict({ flips: 0.1, minimumRows: 10 }).answer !== 'insufficient') {
          wrong += 1
          break
        }
      }
    }
    // Three standard errors above 5 %.
    expect(wrong / shadows).toBeLessThanOrEqual(0.05 + 3 * Math.sqrt((0.05 * 0.95) / shadows))
  })

  test('a verdict needs every limit, enough rows and enough coverage, and says which one is missing', () => {
    const comparison = compared(many(3000, (index) => [{ x: 1, label: 'a' }, { x: 1 + (index % 2 === 0 ? 0.01 : -0.01), label: index % 300 === 0 ? 'b' : 'a' }]), { tolerance: { absolute: 0.1 } })
    expect(comparison.verdict({ flips: 0.02, meanDifference: 0.01, disagreement: 0.02 })).toMatchObject({ answer: 'agrees', coverage: 1 })
    expect(comparison.verdict({ flips: 0.02, minimumRows: 5000 })).toMatchObject({ answer: 'insufficient', reason: '3000 rows of 5000' })
    expect(comparison.verdict({ flips: 0.004 })).toMatchObject({ answer: 'insufficient', reason: 'flips of label may be on either side of 0.004' })
    expect(comparison.verdict({ brier: 0.01 }).answer).toBe('insufficient')
    for (let row = 0; row < 300; row += 1) comparison.addFailure('candidate')
    expect(comparison.verdict({ flips: 0.02, failures: 0.05 })).toMatchObject({ answer: 'differs', reason: 'failures is above 0.05' })
    // 3300 rows were seen; a restart and another process know what was dropped.
    comparison.addDropped(3300)
    expect(comparison.verdict({ flips: 0.02 }).answer).toBe('agrees')
    comparison.addDropped(4400)
    const insufficient = { answer: 'insufficient', coverage: 0.3, reason: 'the candidate saw 30 % of the sampled rows, fewer than 50 %' }
    expect(comparison.verdict({ flips: 0.02 })).toMatchObject(insufficient)
    expect(comparison.verdict({ flips: 0.02, minimumCoverage: 0.3 }).answer).toBe('agrees')
    const restored = outputComparison()
    restored.restore(JSON.parse(JSON.stringify(comparison)) as never)
    expect(restored.verdict({ flips: 0.02 })).toMatchObject(insufficient)
    const merged = outputComparison()
    for (const part of [comparison, restored]) merged.merge(part)
    expect(merged.verdict({ flips: 0.02 })).toMatchObject(insufficient)
    const identical = compared(many(200, (index) => [index, index]))
    expect(identical.verdict({ meanDifference: 0.001 }).answer).toBe('agrees')
    // A candidate that always fails is judged, too.
    const failing = outputComparison()
    for (let row = 0; row < 200; row += 1) failing.addFailure('candidate')
    expect(failing.verdict({ failures: 0.1 }).answer).toBe('differs')
    expect(outputComparison().verdict({ disagreement: 0.1 }).answer).toBe('insufficient')
  })

  test('a verdict shares alpha among its limits, counts failures among all rows, and takes a difference either way', () => {
    const comparison = compared(many(3000, (index) => [{ x: 1, label: 'a' }, { x: index % 2 === 0 ? 0.1 : -0.1, label: index % 300 === 0 ? 'b' : 'a' }]))
    for (let row = 0; row < 1000; row += 1) comparison.addFailure('candidate')
    const checksOf = (limits: object) => comparison.verdict(limits).checks
    const [, flips] = checksOf({ disagreement: 0.5, flips: 0.5 })
    expect(flips).toEqual(checksOf({ flips: 0.5, alpha: 0.025 })[0])
    expect(checksOf({ failures: 0.5 })[0]!.estimate).toBe(0.25)
    // The candidate is lower by 1 ± 0.1.
    expect([0.9, 1, 1.1].map((meanDifference) => comparison.verdict({ meanDifference }).answer)).toEqual(['differs', 'insufficient', 'agrees'])
  })

  test('a verdict says nothing of what no row has, and nothing of a few equal numbers', () => {
    expect(compared(many(500, () => [1, 1])).verdict({ disagreement: 0.1, flips: 0.1 })).toMatchObject({ answer: 'insufficient', reason: 'no row has anything to compare for flips' })
    expect(compared(many(99, () => [1, 1])).verdict({ meanDifference: 1, minimumRows: 10 }).answer).toBe('insufficient')
  })

  test('the text says all of it in a few lines', () => {
    const comparison = compared(many(1000, (index) => [{ p: 0.5, label: 'late' }, { p: 0.5, label: index % 10 === 0 ? 'on time' : 'late' }]), { examples: 1 })
    for (let row = 0; row < 111; row += 1) comparison.addDropped(1)
    expect(comparison.text(comparison.verdict({ flips: 0.01 }))).toMatch(
      /^The candidate differs: flips of label is above 0\.01\.\n- flips of label: 0\.1 \(0\.0\d+ to 0\.1\d+\), allowed 0\.01: differs\nThe candidate saw 90 % of the sampled rows\.\n1000 rows compared, 90 % agreed; the candidate alone failed 0, the primary alone 0, both 0\.\np \(number\): 0 % of 1000 rows.*\nlabel \(label\): 10 % of 1000 rows beyond the tolerance; 10 % flipped\nFor example row-\d+ \(label\): late → on time$/,
    )
    expect(outputComparison().text()).toBe('0 rows compared, none agreed; the candidate alone failed 0, the primary alone 0, both 0.')
  })

  for (const options of [{ topK: 0 }, { tolerance: { absolute: -1 } }, { tolerance: { both: 1 } }, { examples: -1 }, { agree: 1 }, { top: 1 }]) {
    test(`outputComparison refuses ${JSON.stringify(options)} by code`, () => expect(() => outputComparison(options as never)).toThrow(expect.objectContaining({ code: 'ERR_OUTRIGGER_INVALID_OPTION' })))
  }
  for (const limits of [{}, { flips: 0 }, { flips: 1.1 }, { meanDifference: 0 }, { flips: 0.1, alpha: 0.6 }, { flip: 0.1 }, { flips: 0.1, minimumRows: 0 }]) {
    test(`a verdict refuses the limits ${JSON.stringify(limits)} by code`, () => expect(() => outputComparison().verdict(limits as never)).toThrow(expect.objectContaining({ code: 'ERR_OUTRIGGER_INVALID_OPTION' })))
  }
})
