import { InvalidOptionError } from '../core/errors.js'
import { numberOption, optionsObject } from '../core/options.js'
import { specialCells } from '../drift/feature-cells.js'
import { ReferenceProfile, type FeatureProfile } from '../drift/reference-profile.js'
import { defineSchema, type Field, type Schema } from '../schema/schema.js'

/** Options of {@link schemaOf}. */
export interface SchemaOfOptions {
  /** How far a number may lie outside of what the reference saw, as a share of the span from its smallest to its largest. @default 0.25 */
  readonly margin?: number
}

const owner = 'a schema of a reference profile'

/**
 * Infers the schema of the input features from a reference profile: types, ranges, categories, and what may be missing.
 *
 * A number may lie in the range of the reference, widened by `margin` of its span on each side, though never past zero if the reference
 * did not cross it: distances stay positive. A category is one that was seen; of a feature with more categories than the profile names
 * any is allowed. Missing values and NaN are allowed if the reference had some.
 *
 * What comes out is plain data and a first draft: correct it (`defineSchema({ ...inferred.fields, age: … })`) where you know better.
 * With heavy tails some good values will lie outside: begin with `flag`.
 *
 * @throws `ERR_OUTRIGGER_INVALID_OPTION` for anything but a reference profile, and a negative margin
 * @example
 * ```ts
 * import { referenceProfile } from 'outrigger/drift'
 * import { schemaOf } from 'outrigger/quality'
 * const rows = Array.from({ length: 1000 }, (_, i) => ({ km: 100 + (i % 401), plan: i % 3 === 0 ? 'free' : 'paid', age: i % 5 === 0 ? null : i % 90 }))
 * const { fields } = schemaOf(referenceProfile(rows))
 * assert.deepEqual([Math.round(fields['km']!.min!), Math.round(fields['km']!.max!)], [0, 600])
 * assert.deepEqual(fields['plan'], { type: 'category', categories: ['paid', 'free'] })
 * assert.equal(fields['age']?.optional, true)
 * ```
 */
export const schemaOf = (reference: ReferenceProfile, options: SchemaOfOptions = {}): Schema => {
  optionsObject(owner, options, ['margin'])
  const margin = numberOption(owner, 'margin', options.margin ?? 0.25, { min: 0 })
  if (!(reference instanceof ReferenceProfile)) throw new InvalidOptionError(`Cannot create ${owner} as it needs a ReferenceProfile: current value is of type ${typeof reference}`)
  const inputs = reference.features.filter(({ role }) => role === 'input')
  return defineSchema(Object.fromEntries(inputs.map((feature) => [feature.name, fieldOf(feature, margin)])))
}

const fieldOf = (feature: FeatureProfile, margin: number): Field => {
  const special = feature.counts.length - specialCells.length
  const optional = (feature.counts[special] as number) > 0 ? { optional: true } : {}
  if (feature.kind === 'categorical') {
    const { categories, tail, isTailComplete, types } = feature
    if (types.length === 1 && types[0] === 'boolean') return { type: 'boolean', ...optional }
    const isWhole = tail.length === 0 && isTailComplete && categories.length > 0
    return { type: 'category', ...(isWhole ? { categories: [...categories] } : {}), ...optional }
  }
  const nan = (feature.counts[special + 1] as number) > 0 ? { nan: true } : {}
  return { type: 'number', ...rangeOf(feature.edges, margin), ...optional, ...nan }
}

const rangeOf = (edges: Float64Array, margin: number): { min?: number; max?: number } => {
  const [low, high] = [edges[0], edges[edges.length - 1]]
  if (low === undefined || high === undefined) return {}
  const room = margin * (high - low)
  // The outermost edges lie a hair outside of what was seen.
  const hair = (high - low) * 2 ** -16
  const min = low - room < 0 && low >= -hair ? 0 : low - room
  const max = high + room > 0 && high <= hair ? 0 : high + room
  return { min: Math.max(-Number.MAX_VALUE, min), max: Math.min(Number.MAX_VALUE, max) }
}
