/**
 * What `validated` costs on good rows: `node --import tsx test/bench/validated.ts`. Net of the bare call, medians of rounds; the
 * row has 20 fields: 14 numbers, 4 categories, a boolean, a text.
 */
import { pipe, predictor } from '../../src/index.js'
import { referenceProfile } from '../../src/drift/index.js'
import { check, schemaOf, validated, type ValidationPolicy } from '../../src/quality/index.js'
import { defineSchema } from '../../src/schema/index.js'
import { seeded } from '../drift/_seeded.js'

const random = seeded(1)
type Row = Record<string, number | string | boolean>
const row = (): Row => ({
  ...Object.fromEntries(Array.from({ length: 14 }, (_, i) => [`n${i}`, random.normal()])),
  ...Object.fromEntries(Array.from({ length: 4 }, (_, i) => [`c${i}`, `value ${Math.floor(random.uniform() * 20)}`])),
  flag: random.uniform() < 0.5,
  text: 'free text',
  // Beside the 20: a time, for freshness and monotone.
  at: 0,
})
const rows = Array.from({ length: 1000 }, row)
const reference = referenceProfile(rows.map(({ text: _, at: __, ...rest }) => rest), { kinds: { flag: 'categorical' } })
const schema = defineSchema({ ...schemaOf(reference, { margin: 1 }).fields, text: { type: 'string' } })
const model = predictor((input: Row) => input['n0'])

const policies: Record<string, ValidationPolicy<Row> | undefined> = {
  'the bare call': undefined,
  'types, ranges, categories': {},
  'and imputation and outliers': { reference, rules: { missing: { impute: 'median' } }, fields: { text: 'reject' }, outliers: { cut: 100 } },
  'and joint outliers': { reference, rules: { missing: { impute: 'median' } }, fields: { text: 'reject' }, outliers: { cut: 100, joint: { alpha: 1e-30 } } },
  'and a check, freshness, monotone by entity': { reference, outliers: { cut: 100 }, checks: [check('n0', (input) => (input['n0'] as number) < 100)], fresh: { field: 'at', maxAgeMs: 1e12 }, monotone: { field: 'at' }, entity: (input) => input['c0'] as string },
}
const now = Date.now()
for (const one of rows) one['at'] = now

const rounds = 15
const calls = 20_000
const stacks = Object.entries(policies).map(([name, policy]) => ({ name, predict: policy === undefined ? pipe(model) : pipe(model, validated<Row>(schema, policy)), ns: [] as number[], rowNs: [] as number[] }))
for (let round = 0; round < rounds; round += 1) {
  for (const { predict, ns, rowNs } of stacks) {
    let started = performance.now()
    for (let call = 0; call < calls; call += 1) await predict(rows[call % rows.length] as Row)
    ns.push(((performance.now() - started) * 1e6) / calls)
    started = performance.now()
    for (let batch = 0; batch < 20; batch += 1) await predict.batch(rows)
    rowNs.push(((performance.now() - started) * 1e6) / (20 * rows.length))
  }
}
const median = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[values.length >> 1] as number
const [bare] = stacks
for (const { name, ns, rowNs } of stacks) console.log(`${name.padEnd(44)} ${median(ns).toFixed(0).padStart(6)} ns a call, ${(median(ns) - median(bare!.ns)).toFixed(0).padStart(6)} net; ${median(rowNs).toFixed(0).padStart(6)} ns a row of a batch, ${(median(rowNs) - median(bare!.rowNs)).toFixed(0).padStart(6)} net`)
console.log(`\nNode ${process.versions.node}, ${process.platform} ${process.arch}`)
