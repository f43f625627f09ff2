/**
 * The quality of what goes into a model and comes out of it.
 *
 * `validated` checks each row against a schema before the model sees it, and rejects, repairs, flags, or leaves it to the fallback.
 * `outputChecked` makes failures of answers that are nonsense, so that a circuit breaker opens. Not for slow changes of the whole
 * traffic: that is drift.
 *
 * @experimental
 */
export { check, type RowCheck } from './check.js'
export { fittedValues, type FittedValues } from './fitted-values.js'
export {
  outputChecked,
  type CollapsedOptions,
  type InputOutputCheckedLayer,
  type OutputCheck,
  type OutputCheckedHandle,
  type OutputCheckedLayer,
  type OutputCheckedOptions,
  type OutputCounts,
  type OutputState,
  type PartOutputCheckedLayer,
  type TypedOutputCheckedLayer,
} from './output-checked.js'
export { schemaOf, type SchemaOfOptions } from './schema-of.js'
export { validated, type SchemaValidatedLayer, type TypedValidatedLayer, type UntypedPolicy, type ValidatedHandle, type ValidatedLayer } from './validated.js'
export type { QualityCounts } from './_quality-counts.js'
export type { FieldAction, FieldPolicy, FieldRule, Freshness, Imputation, Monotone, Outliers, QualityFinding, RowAction, ValidationPolicy } from './validation-policy.js'
