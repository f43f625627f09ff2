/** Names as Prometheus spells them, by OpenTelemetry's rules: what a collector makes of the same metric is called the same. */
import { prometheusName, type MetricDefinition } from './definition.js'

export type MetricKind = 'counter' | 'gauge' | 'histogram' | 'info'

const units: Readonly<Record<string, string>> = { s: 'seconds', ms: 'milliseconds', us: 'microseconds', min: 'minutes', h: 'hours', d: 'days', By: 'bytes', KiBy: 'kibibytes', MiBy: 'mebibytes', GiBy: 'gibibytes', '%': 'percent', m: 'meters', V: 'volts', A: 'amperes', J: 'joules', W: 'watts', Cel: 'celsius', Hz: 'hertz' }

/** The unit as a word, or `''`: what stands in braces is only a note. */
const unitWord = (kind: MetricKind, unit: string): string => {
  const bare = unit.replaceAll(/\{[^}]*\}/g, '')
  if (kind === 'info' || bare === '') return ''
  if (bare === '1') return kind === 'gauge' ? 'ratio' : ''
  const [over, per] = bare.split('/') as [string, string | undefined]
  const word = (one: string): string => prometheusName(units[one] ?? one)
  return per === undefined || per === '' ? word(over) : `${word(over)}_per_${word(per).replace(/s$/, '')}`.replace(/^_/, '')
}

/** What a metric is called in the text. */
export interface PrometheusNames {
  /** The family's name in OpenMetrics: without `_total` and `_info`. */
  readonly family: string
  /** What stands after the family's name in samples of a single number. */
  readonly suffix: string
  readonly unit: string
  /** Every name that its samples may have. */
  readonly samples: readonly string[]
}

export const prometheusNames = (kind: MetricKind, { name, unit = '' }: Pick<MetricDefinition, 'name' | 'unit'>): PrometheusNames => {
  const word = unitWord(kind, unit)
  const suffix = kind === 'counter' ? '_total' : kind === 'info' ? '_info' : ''
  let family = prometheusName(name)
  if (suffix !== '' && family.endsWith(suffix)) family = family.slice(0, -suffix.length)
  if (word !== '' && !family.endsWith(`_${word}`)) family += `_${word}`
  return { family, suffix, unit: word, samples: kind === 'histogram' ? [family, `${family}_bucket`, `${family}_sum`, `${family}_count`] : [family, family + suffix] }
}
