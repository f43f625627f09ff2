/** What `validated` infers: checks in `pipe`, any predictor without them, both sides of a Standard Schema. Checked by `tsc`. */
import { pipe } from '../../src/core/pipe.js'
import type { Predictor } from '../../src/core/predictor.js'
import type { ReferenceProfile } from '../../src/drift/reference-profile.js'
import { check } from '../../src/quality/check.js'
import { validated } from '../../src/quality/validated.js'
import { fallback } from '../../src/resilience/fallback.js'
import { timeout } from '../../src/resilience/timeout.js'
import { defineSchema } from '../../src/schema/schema.js'
import type { StandardSchema } from '../../src/schema/standard-schema.js'

interface Flight {
  readonly km: number
  readonly carrier: string
}
declare const reference: ReferenceProfile
declare const standard: StandardSchema<{ readonly km: string; readonly carrier?: string }, Flight>
const schema = defineSchema({ km: { type: 'number' }, carrier: { type: 'string' } })
const model = ({ km }: Flight): { readonly hours: number } => ({ hours: km / 800 })

const plain: Predictor<Flight, { readonly hours: number }> = pipe(model, validated(schema, { reference, rules: { missing: { impute: 'median' }, range: 'clip' } }), timeout({ ms: 1 }))
const inferred: Predictor<Flight, { readonly hours: number } | 'rule'> = pipe(model, validated(schema, { entity: (row) => row.carrier, checks: [check('far', (row: Flight) => row.km > 0, 'fallback')] }), fallback(() => 'rule' as const))
const ahead = validated<Flight>(schema, { checks: [check('far', (row) => row.km > 0)] })
const later: Predictor<Flight, { readonly hours: number }> = pipe(model, timeout({ ms: 1 }), ahead)
const both: Predictor<{ readonly km: string; readonly carrier?: string }, { readonly hours: number }> = pipe(model, validated(standard, { entity: (row) => row.carrier, checks: [check('far', (row: Flight) => row.km > 0)] }))
const count: number = ahead.counts.repaired
// @ts-expect-error -- there is no such field
const wrong = pipe(model, validated(schema, { entity: (row) => row.airline }))
// @ts-expect-error -- a row cannot be clipped
const clipped = validated(schema, { otherwise: 'clip' })
// @ts-expect-error -- there is no such rule
const misspelt = validated(schema, { rules: { missings: 'flag' } })
// @ts-expect-error -- the model takes other rows than the schema makes
const unfit = pipe((row: { readonly miles: number }) => row.miles, validated(standard))

export const checked = [plain, inferred, later, both, count, wrong, clipped, misspelt, unfit]
