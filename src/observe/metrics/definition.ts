/** What a metric is called, what it counts, and by which attributes: checked once, when the instrument is made. */
import { InvalidOptionError, OptionRangeError } from '../../core/errors.js'
import { optionsObject, stringOption } from '../../core/options.js'

/** What an attribute may be told as. One that is `undefined` or empty is left out; of a text the first 128 characters are kept. */
export type AttributeValue = string | number | boolean | undefined

/** The attributes of one series, by name. */
export type MetricAttributes = Readonly<Record<string, AttributeValue>>

/** What an instrument is made from. */
export interface MetricDefinition {
  /** In OpenTelemetry's manner: `ml.inference.duration`. In `/metrics` it is `ml_inference_duration_seconds`. */
  readonly name: string
  /** One sentence: what it counts, and when it moves. */
  readonly description: string
  /** UCUM: `s`, `By`, `1` for a ratio, `{request}` for what is counted. @default '' */
  readonly unit?: string
  /** The attributes that its series may have; no others can be told. @default [] */
  readonly attributes?: readonly string[]
}

/** The same of a histogram. */
export interface HistogramDefinition extends MetricDefinition {
  /** The upper bounds of the buckets, ascending; a value on a bound is in the bucket below it. @default {@link secondsBuckets} */
  readonly buckets?: readonly number[]
}

/** Bounds for durations in seconds, from half a millisecond, as a model in process may need, to ten seconds. */
export const secondsBuckets: readonly number[] = Object.freeze([0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10])

/** The attribute of the series that holds what found no place of its own, as OpenTelemetry calls it. */
export const overflowAttribute = 'otel_metric_overflow'

const longestName = 255
const namePattern = /^[A-Za-z][A-Za-z0-9_./-]*$/
/** Names that the text formats, or the overflow, have for themselves. */
const reserved = new Set(['le', 'quantile', overflowAttribute, 'job', 'instance'])

/** As Prometheus spells a name. */
export const prometheusName = (name: string): string => name.replaceAll(/[^A-Za-z0-9_]/g, '_').replaceAll(/__+/g, '_')

/** The definition, or a coded error. */
export const checkedDefinition = <D extends MetricDefinition>(kind: string, definition: D, known: readonly string[] = []): Required<MetricDefinition> => {
  const owner = `a ${kind}`
  optionsObject(owner, definition, ['name', 'description', 'unit', 'attributes', ...known])
  const { name, description, unit = '', attributes = [] } = definition
  named(owner, 'name', name)
  stringOption(owner, 'description', description)
  if (typeof unit !== 'string' || unit.length > 63 || /[^\x21-\x7e]/.test(unit)) throw new InvalidOptionError(`Cannot create ${owner} as \`unit\` must be at most 63 characters of ASCII: current value is ${JSON.stringify(unit)}`)
  if (!Array.isArray(attributes)) throw new InvalidOptionError(`Cannot create ${owner} as \`attributes\` must be an array of names: current value is of type ${typeof attributes}`)
  const spelt = new Set<string>()
  for (const attribute of attributes) {
    named(owner, 'attributes', attribute)
    const label = prometheusName(attribute)
    if (reserved.has(label) || spelt.has(label)) throw new InvalidOptionError(`Cannot create ${owner} as its attributes must have names of their own, also as Prometheus spells them: current value is ${JSON.stringify(attribute)}`)
    spelt.add(label)
  }
  return { name, description, unit, attributes }
}

const named = (owner: string, option: string, name: unknown): void => {
  stringOption(owner, option, name)
  if (!namePattern.test(name as string) || (name as string).length > longestName) throw new InvalidOptionError(`Cannot create ${owner} as \`${option}\` must begin with a letter and go on with letters, digits and _ . - / (at most ${longestName}): current value is ${JSON.stringify((name as string).slice(0, 80))}`)
}

/** The bounds, or a coded error. */
export const checkedBuckets = (owner: string, buckets: readonly number[]): Float64Array => {
  const isFit = Array.isArray(buckets) && buckets.length > 0 && buckets.length <= 200 && buckets.every((bound, index) => Number.isFinite(bound) && (index === 0 || bound > (buckets[index - 1] as number)))
  if (!isFit) throw new OptionRangeError(`Cannot create ${owner} as \`buckets\` must be 1 to 200 finite numbers, ascending: current value is ${Array.isArray(buckets) ? `[${buckets.slice(0, 20).join(', ')}]` : `of type ${typeof buckets}`}`)
  return Float64Array.from(buckets)
}
