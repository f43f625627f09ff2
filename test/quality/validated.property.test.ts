/** On good rows `validated` is not there: what the model sees and answers is what it would without it. */
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { pipe } from 'outrigger'
import { referenceProfile } from 'outrigger/drift'
import { check, schemaOf, validated, type FieldAction } from 'outrigger/quality'
import { defineSchema } from 'outrigger/schema'

interface Row {
  readonly km: number
  readonly carrier: string
  readonly age: number | null
}
const good: fc.Arbitrary<Row> = fc.record({ km: fc.double({ min: 0, max: 100, noNaN: true }), carrier: fc.constantFrom('AA', 'DL'), age: fc.option(fc.integer({ min: 0, max: 120 })) })
const any: fc.Arbitrary<unknown> = fc.oneof(fc.double(), fc.string(), fc.constantFrom(undefined, null, NaN, Infinity, -Infinity, true, {}, []))
const reference = referenceProfile(Array.from({ length: 1000 }, (_, i) => ({ km: i % 101, carrier: i % 3 === 0 ? 'AA' : 'DL', age: i % 7 === 0 ? null : i % 121 })))
const schema = defineSchema({ ...schemaOf(reference).fields, km: { type: 'number', min: 0, max: 100 } })
const actions: fc.Arbitrary<FieldAction> = fc.constantFrom<FieldAction>('reject', 'fallback', 'flag', 'clip', { impute: 'median' }, { impute: 'mode' }, { impute: 'last' })
const action = fc.record({ km: actions, carrier: actions })

it('validated is neutral on good rows, single and batched, whatever its policy', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(good, { maxLength: 20 }), action, async (rows, fields) => {
      const seen: Row[] = []
      const model = (row: Row): number => (seen.push(row), row.km)
      const quality = validated<Row>(schema, { reference, fields, outliers: { cut: 1000 }, checks: [check('km', ({ km }) => km >= 0)] })
      const predict = pipe(model, quality)
      expect(await predict.batch(rows)).toEqual(rows.map(({ km }) => km))
      for (const row of rows) await predict(row)
      // The very objects, not copies.
      expect(seen.every((row, index) => row === rows[index % Math.max(1, rows.length)])).toBe(true)
      expect(quality.counts).toMatchObject({ rows: 2 * rows.length, clean: 2 * rows.length, by: {} })
    }),
    { numRuns: 60, seed: 1 },
  )
})

it('validated lets nothing pass that breaks a rule unless flagged, changes no input, and a batch is as its rows', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.record({ km: any, carrier: any, age: any }), { maxLength: 12 }), action, async (rows, fields) => {
      const before = rows.map((row) => ({ ...row }))
      const policy = { reference, fields, otherwise: 'reject' } as const
      const strict = pipe((row: unknown) => row, validated(schema))
      const outcomes = await pipe((row: unknown) => row, validated(schema, policy)).detailedBatch(rows)
      const one = pipe((row: unknown) => row, validated(schema, policy))
      for (const [index, outcome] of outcomes.entries()) {
        const single = await one(rows[index]).then((output) => ({ ok: true, output }), (error: unknown) => ({ ok: false, code: (error as { code: string }).code }))
        expect(single).toEqual(outcome.ok ? { ok: true, output: outcome.output } : { ok: false, code: (outcome.error as { code: string }).code })
        const isFlagged = Object.values(fields).includes('flag')
        if (outcome.ok && !isFlagged) await strict(outcome.output)
      }
      expect(rows).toEqual(before)
    }),
    { numRuns: 100, seed: 2 },
  )
})
