/** Bad rows are repaired, handed to a rule or refused; a model that goes numb opens the circuit. */
import assert from 'node:assert/strict'
import { circuitBreaker, fallback, pipe } from 'outrigger'
import { referenceProfile } from 'outrigger/drift'
import { check, outputChecked, schemaOf, validated } from 'outrigger/quality'
import { defineSchema } from 'outrigger/schema'

interface Flight {
  readonly carrier: string
  readonly km: number | null
  readonly departure: number
  readonly arrival: number
}

// What the training rows looked like, corrected by hand where we know better.
const training: Flight[] = Array.from({ length: 3000 }, (_, i) => ({ carrier: ['AA', 'DL', 'UA'][i % 3]!, km: 200 + ((i * 37) % 1800), departure: (i * 7) % 1300, arrival: ((i * 7) % 1300) + 60 }))
const reference = referenceProfile(training)
const schema = defineSchema({ ...schemaOf(reference).fields, departure: { type: 'number', min: 0, max: 1440 }, arrival: { type: 'number', min: 0, max: 1600 } })

const quality = validated<Flight>(schema, {
  reference,
  fields: { km: { missing: { impute: 'median' }, range: 'clip' }, carrier: 'fallback' },
  checks: [check('arrival after departure', ({ departure, arrival }) => arrival > departure)],
})

let isNumb = false
const model = ({ km, departure }: Flight): number => (isNumb ? 12 : (km ?? Number.NaN) / 100 + departure / 60)
const checks = outputChecked({ range: [0, 200], stuckAfter: 10 })
const breaker = circuitBreaker({ consecutiveFailures: 3 })
const predict = pipe(
  model,
  checks,
  breaker,
  quality,
  fallback({ use: () => 'typical delay', when: ['ERR_OUTRIGGER_UNFIT_INPUT', 'ERR_OUTRIGGER_BAD_ANSWER', 'ERR_OUTRIGGER_CIRCUIT_OPEN'] }),
)

const good: Flight = { carrier: 'AA', km: 1000, departure: 600, arrival: 700 }
const rows = await predict.detailedBatch([good, { ...good, km: null }, { ...good, km: 1_000_000 }, { ...good, carrier: 'ZZ' }, { ...good, arrival: 500 }])
for (const row of rows) console.log(row.ok ? row.output : String(row.error), row.record.marks)
assert.deepEqual(rows.map(({ record }) => record.marks[0]), [undefined, 'imputed:km', 'clipped:km', 'fallback:category carrier', 'rejected:check arrival after departure'])
assert.deepEqual(rows.map(({ ok }) => ok), [true, true, true, true, false])

isNumb = true
const later: (number | string)[] = []
for (const flight of training.slice(0, 30)) later.push(await predict(flight))
assert.deepEqual(later, [...Array<number>(9).fill(12), ...Array<string>(21).fill('typical delay')])
assert.equal(breaker.state, 'open')
console.log(`The model gave ${later.filter((answer) => answer === 12).length} equal answers, then the circuit was ${breaker.state}; checks: ${JSON.stringify(checks.counts)}`)
