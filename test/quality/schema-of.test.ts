import { describe, expect, it } from 'vitest'
import { pipe } from 'outrigger'
import { parseReferenceProfile, referenceProfile } from 'outrigger/drift'
import { fittedValues, schemaOf, validated } from 'outrigger/quality'
import { seeded } from '../drift/_seeded.js'

const random = seeded(42)
const rows = Array.from({ length: 4000 }, (_, i) => ({
  normal: random.normal(),
  exponential: -Math.log(1 - random.uniform()),
  mostlyZero: i % 10 < 8 ? 0 : random.uniform() * 5,
  debt: -random.uniform() * 100,
  code: i % 4,
  city: `city ${i % 150}`,
  isNight: i % 3 === 0,
  age: i % 9 === 0 ? undefined : i % 7 === 0 ? NaN : i % 90,
  empty: undefined,
}))
const reference = referenceProfile(rows, { kinds: { code: 'categorical', isNight: 'categorical' }, output: (row) => row.normal * 2 })
const sorted = (values: number[]): number[] => values.toSorted((a, b) => a - b)
const exact = (name: 'normal' | 'exponential', p: number): number => sorted(rows.map((row) => row[name]))[Math.floor(p * rows.length)] as number

describe('schemaOf', () => {
  const { fields } = schemaOf(reference)

  it('infers types, what may be missing, and categories where all are named', () => {
    expect(fields['code']).toEqual({ type: 'category', categories: ['0', '1', '2', '3'] })
    expect(fields['city']).toEqual({ type: 'category' })
    expect(fields['isNight']).toEqual({ type: 'boolean' })
    expect(fields['age']).toMatchObject({ type: 'number', optional: true, nan: true })
    expect(fields['normal']).not.toHaveProperty('optional')
    expect(Object.keys(fields)).not.toContain('@output')
  })

  it('widens a range by its margin, and never past a zero that the reference did not cross', () => {
    const normals = sorted(rows.map(({ normal }) => normal))
    const [low, high] = [normals[0] as number, normals.at(-1) as number]
    expect(fields['normal']?.min).toBeCloseTo(low - 0.25 * (high - low), 4)
    expect(schemaOf(reference, { margin: 0 }).fields['normal']?.max).toBeCloseTo(high, 4)
    expect(fields['exponential']?.min).toBe(0)
    expect(fields['debt']?.max).toBe(0)
    expect(fields['mostlyZero']?.min).toBe(0)
  })

  it('passes all its own training rows, also of a profile that was saved, and few new ones of the same world fail', async () => {
    const saved = parseReferenceProfile(JSON.stringify(reference))
    const quality = validated(schemaOf(saved))
    const predict = pipe((row: object) => row, quality)
    await predict.batch(rows)
    const fresh = seeded(7)
    await predict.detailedBatch(Array.from({ length: 20_000 }, () => ({ ...rows[1], normal: fresh.normal(), exponential: -Math.log(1 - fresh.uniform()) })))
    expect(quality.counts.rejected).toBeLessThan(20)
  })

  it.each([[undefined, {}], [{}, {}], [reference, { margin: -1 }], [reference, { margins: 1 }]])('refuses %#', (given, options) => {
    expect(() => schemaOf(given as never, options as never)).toThrow(expect.objectContaining({ code: 'ERR_OUTRIGGER_INVALID_OPTION' }) as Error)
  })
})

describe('fittedValues', () => {
  it.each(['normal', 'exponential'] as const)('are those of the rows, as near as the cells are fine: %s', (name) => {
    const fitted = fittedValues(reference, name)!
    expect(fitted.mean).toBeCloseTo(rows.reduce((sum, row) => sum + row[name], 0) / rows.length, 10)
    for (const p of [0.05, 0.25, 0.5, 0.75, 0.95]) expect(Math.abs(fitted.quantile(p) - exact(name, p))).toBeLessThan(0.15)
    // Beyond lie the outermost of 64 cells, which are wide: the error is below their width.
    expect(Math.abs(fitted.quantile(0.99) - exact(name, 0.99))).toBeLessThan(fitted.quantile(1) - exact(name, 1 - 1 / 60))
    expect(fitted.median).toBe(fitted.quantile(0.5))
  })

  it('give each side its own scale: 1 and 1 for a normal feature, the long tail the larger one', () => {
    expect(fittedValues(reference, 'normal')!.scales.map((scale) => Math.round(scale * 10) / 10)).toEqual([1, 1])
    const [below, above] = fittedValues(reference, 'exponential')!.scales
    // (ln 2 − ln 4/3) / z and ln 2 / z, with z = 0.6745
    expect(below).toBeCloseTo(0.601, 1)
    expect(above).toBeCloseTo(1.028, 1)
  })

  it('go outwards where over half the values are one, and stop where all are', () => {
    const { median, mode, scales } = fittedValues(reference, 'mostlyZero')!
    expect([median, mode, scales[0]]).toEqual([0, 0, 0])
    expect(scales[1]).toBeGreaterThan(0.5)
  })

  it('call nothing an outlier on a side without a scale', async () => {
    const quality = validated({ fields: { mostlyZero: { type: 'number' } } }, { reference, outliers: { cut: 3 } })
    await pipe((row: { mostlyZero: number }) => row.mostlyZero, quality).batch([-1e6, 0, 1e6].map((mostlyZero) => ({ mostlyZero })))
    expect(quality.counts.by).toEqual({ 'outlier mostlyZero': 1 })
  })

  it('of categories are the most frequent, in its own type', () => {
    expect([fittedValues(reference, 'code')?.mode, fittedValues(reference, 'isNight')?.mode, typeof fittedValues(reference, 'city')?.mode]).toEqual([0, false, 'string'])
    expect([fittedValues(reference, 'empty'), fittedValues(reference, 'none')]).toEqual([undefined, undefined])
    for (const p of [NaN, -0.1, 1.1, '0.5', undefined]) expect(() => fittedValues(reference, 'normal')!.quantile(p as number)).toThrow(expect.objectContaining({ code: 'ERR_OUTRIGGER_INVALID_INPUT' }) as Error)
  })

  it('leave about as many good rows of a normal feature beyond a cut as the normal tail says', async () => {
    const quality = validated({ fields: { normal: { type: 'number' } } }, { reference, outliers: { cut: 3 } })
    const fresh = seeded(9)
    await pipe((row: { normal: number }) => row.normal, quality).batch(Array.from({ length: 40_000 }, () => ({ normal: fresh.normal() })))
    // 0.27 % beyond 3 exact deviations; the scale itself is estimated from 4000 rows, to 2 %.
    expect(quality.counts.flagged / 40_000).toBeGreaterThan(0.0015)
    expect(quality.counts.flagged / 40_000).toBeLessThan(0.0045)
  })
})
