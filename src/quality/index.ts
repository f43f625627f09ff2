/**
 * The quality of what goes into a model and comes out of it.
 *
 * `outputChecked` makes failures of answers that are nonsense, so that a circuit breaker opens and a fallback answers. Not for slow
 * changes of the whole traffic: that is drift.
 *
 * @experimental
 */
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
