import { InvalidOptionError } from '../../core/errors.js'
import { overflowAttribute } from './definition.js'
import { Histogram } from './histogram.js'
import { MetricRegistry, type Instrument } from './metric-registry.js'
import { overflowPlace } from './_series-table.js'
import { Watched } from './_watched.js'

// Numbers of OpenTelemetry's SDK (2.x and 3.x), which is not imported: AggregationTemporality.CUMULATIVE, DataPointType, ValueType.DOUBLE.
const cumulative = 1
const histogram = 0
const gauge = 2
const sum = 3
const double = 1

/** Seconds and nanoseconds since 1970. */
type HrTime = [number, number]

interface Point<V> {
  readonly startTime: HrTime
  readonly endTime: HrTime
  readonly attributes: Record<string, string>
  readonly value: V
}

interface HistogramValue {
  readonly buckets: { readonly boundaries: number[]; readonly counts: number[] }
  readonly sum: number
  readonly count: number
}

interface MetricHead {
  readonly descriptor: { readonly name: string; readonly description: string; readonly unit: string; readonly valueType: 1 }
  readonly aggregationTemporality: 1
}

/** A metric as the SDK's exporters take it. */
export type ProducedMetric = MetricHead &
  (
    | { readonly dataPointType: 0; readonly dataPoints: Point<HistogramValue>[] }
    | { readonly dataPointType: 2; readonly dataPoints: Point<number>[] }
    | { readonly dataPointType: 3; readonly dataPoints: Point<number>[]; readonly isMonotonic: true }
  )

/** The `MetricProducer` of `@opentelemetry/sdk-metrics`, by its shape. */
export interface MetricProducer {
  collect(): Promise<{
    readonly resourceMetrics: {
      /** The reader's own is used. */
      readonly resource: never
      readonly scopeMetrics: { readonly scope: { readonly name: string }; readonly metrics: ProducedMetric[] }[]
    }
    readonly errors: unknown[]
  }>
}

/**
 * The same numbers for OpenTelemetry: pass it to a metric reader, and whatever it exports to gets them. Nothing is counted
 * twice, and a call costs no more: the reader asks when it exports.
 *
 * They are cumulative since the registry was made; a reader cannot turn what comes from producers into deltas.
 *
 * @throws `ERR_OUTRIGGER_INVALID_OPTION`
 * @example
 * ```ts
 * import { InMemoryMetricExporter, AggregationTemporality, MeterProvider, PeriodicExportingMetricReader } from '@opentelemetry/sdk-metrics'
 * import { metricProducer, modelMetrics } from 'outrigger/observe'
 * const exporter = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE)
 * const reader = new PeriodicExportingMetricReader({ exporter, metricProducers: [metricProducer(modelMetrics())] })
 * const provider = new MeterProvider({ readers: [reader] })
 * await provider.forceFlush()
 * assert.equal(exporter.getMetrics()[0]?.scopeMetrics[0]?.scope.name, 'outrigger')
 * await provider.shutdown()
 * ```
 */
export const metricProducer = (registry: MetricRegistry): MetricProducer => {
  if (!(registry instanceof MetricRegistry)) throw new InvalidOptionError(`Cannot create a metric producer as it must be given \`modelMetrics()\` or a registry: current value is of type ${registry === null ? 'null' : typeof registry}`)
  const startTime = hrTime(registry.startedAt)
  return {
    collect: async () => {
      const endTime = hrTime(registry.clock.wall())
      const metrics = registry.instruments().filter(({ table }) => table.size > 0).map((instrument) => produced(instrument, startTime, endTime))
      return { resourceMetrics: { resource: { attributes: {} } as never, scopeMetrics: [{ scope: { name: 'outrigger' }, metrics }] }, errors: [] }
    },
  }
}

const hrTime = (ms: number): HrTime => [Math.floor(ms / 1000), Math.round((ms % 1000) * 1e6)]

const produced = (instrument: Instrument, startTime: HrTime, endTime: HrTime): ProducedMetric => {
  const { definition, kind, cells, width } = instrument
  const { name, description, unit } = definition
  const head: MetricHead = { descriptor: { name, description, unit, valueType: double }, aggregationTemporality: cumulative }
  const points = <V>(valueAt: (from: number) => V): Point<V>[] =>
    placesOf(instrument).map((place) => ({ startTime, endTime, attributes: attributesOf(instrument, place), value: valueAt(place * width) }))
  if (instrument instanceof Histogram) {
    const boundaries = [...instrument.bounds]
    return {
      ...head,
      dataPointType: histogram,
      dataPoints: points((from) => {
        const counts = [...cells.subarray(from, from + width - 1)]
        return { buckets: { boundaries, counts }, sum: cells[from + width - 1] as number, count: counts.reduce((total, count) => total + count, 0) }
      }),
    }
  }
  const isWatched = instrument instanceof Watched
  const dataPoints = points((from) => cells[from] as number).filter(({ value }) => !isWatched || !Number.isNaN(value))
  return kind === 'counter' ? { ...head, dataPointType: sum, dataPoints, isMonotonic: true } : { ...head, dataPointType: gauge, dataPoints }
}

const placesOf = ({ table }: Instrument): number[] => table.values.flatMap((values, place) => (values === undefined ? [] : [place]))

const attributesOf = ({ table }: Instrument, place: number): Record<string, string> => {
  if (place === overflowPlace) return { [overflowAttribute]: 'true' }
  const values = table.values[place] as readonly (string | undefined)[]
  return Object.fromEntries(table.attributes.flatMap((name, index) => (values[index] === undefined ? [] : [[name, values[index]]])))
}
