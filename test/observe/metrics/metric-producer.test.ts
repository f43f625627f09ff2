import { AggregationTemporality, DataPointType, InMemoryMetricExporter, MeterProvider, PeriodicExportingMetricReader, type DataPoint, type Histogram, type MetricProducer as SdkProducer } from '@opentelemetry/sdk-metrics'
import { expect, test } from 'vitest'
import { pipe, predictor } from 'outrigger'
import { metricProducer, metered, MetricRegistry, modelMetrics } from 'outrigger/observe'
import { fakeClock } from 'outrigger/testing'

/** What a real exporter of the SDK is given. */
const exported = async (producer: SdkProducer, count?: (meters: MeterProvider) => void) => {
  const exporter = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE)
  const meters = new MeterProvider({ readers: [new PeriodicExportingMetricReader({ exporter, exportIntervalMillis: 3_600_000, metricProducers: [producer] })] })
  count?.(meters)
  await meters.forceFlush()
  const [batch] = exporter.getMetrics()
  await meters.shutdown()
  return batch!
}

test('metricProducer gives a reader of the SDK every instrument, with its numbers', async () => {
  const clock = fakeClock({ wallMs: 1_700_000_000_250 })
  const registry = new MetricRegistry({ maxSeries: 3, clock })
  const counter = registry.counter({ name: 'a.requests', unit: '{request}', description: 'Requests.', attributes: ['user', 'path'] })
  for (const user of ['ann', 'bob', 'eve', 'mal']) counter.add(2, { user })
  registry.gauge({ name: 'a.level', description: 'Level.' }).set(Number.NaN)
  registry.info({ name: 'a.info', description: 'Info.', attributes: ['version'] }).set(1, { version: '3' })
  registry.histogram({ name: 'a.duration', unit: 's', description: 'Duration.', buckets: [1, 2] }).record(1.5)
  registry.watch('a.bad', () => -1, { kind: 'counter' })
  await clock.advance(1000)
  const { scopeMetrics } = await exported(metricProducer(registry))
  expect(scopeMetrics).toHaveLength(1)
  const [requests, level, info, duration, bad] = scopeMetrics[0]!.metrics
  const times = { startTime: [1_700_000_000, 250_000_000], endTime: [1_700_000_001, 250_000_000] }
  expect(requests).toMatchObject({ descriptor: { name: 'a.requests', unit: '{request}', description: 'Requests.' }, dataPointType: DataPointType.SUM, aggregationTemporality: AggregationTemporality.CUMULATIVE, isMonotonic: true })
  expect(requests!.dataPoints).toEqual([
    { ...times, attributes: { otel_metric_overflow: 'true' }, value: 4 },
    { ...times, attributes: { user: 'ann' }, value: 2 },
    { ...times, attributes: { user: 'bob' }, value: 2 },
  ])
  expect(level).toMatchObject({ dataPointType: DataPointType.GAUGE, dataPoints: [{ value: Number.NaN }] })
  expect(info).toMatchObject({ descriptor: { name: 'a.info' }, dataPointType: DataPointType.GAUGE, dataPoints: [{ attributes: { version: '3' }, value: 1 }] })
  expect(duration).toMatchObject({ dataPointType: DataPointType.HISTOGRAM, dataPoints: [{ value: { buckets: { boundaries: [1, 2], counts: [0, 1, 0] }, sum: 1.5, count: 1 } }] })
  expect(bad!.dataPoints).toEqual([])
})

test('the same predictions, counted by the SDK itself, are the same numbers', async () => {
  const metrics = modelMetrics()
  const predict = pipe(predictor((x: number) => x, { name: 'm' }), metered(metrics))
  for (let call = 0; call < 20; call += 1) await predict(call)
  const { scopeMetrics, resource } = await exported(metricProducer(metrics), (meters) => {
    const attributes = { 'ml.model.name': 'm', 'ml.model.version': '0', 'ml.outcome': 'ok', 'ml.source': 'model' }
    meters.getMeter('own').createCounter('ml.inference.requests', { unit: '{request}' }).add(20, attributes)
  })
  // The resource is the reader's, not ours.
  expect(resource.attributes).toHaveProperty('service.name')
  const find = (scope: string, name: string) => scopeMetrics.find((one) => one.scope.name === scope)!.metrics.find(({ descriptor }) => descriptor.name === name)!
  const [own, ours] = [find('own', 'ml.inference.requests'), find('outrigger', 'ml.inference.requests')]
  expect(ours.dataPoints.map(({ attributes, value }) => [attributes, value])).toEqual(own.dataPoints.map(({ attributes, value }) => [attributes, value]))
  expect([ours.descriptor.unit, ours.dataPointType]).toEqual([own.descriptor.unit, own.dataPointType])
  const [point] = find('outrigger', 'ml.inference.duration').dataPoints as DataPoint<Histogram>[]
  expect([point!.value.count, point!.value.buckets.counts.reduce((sum, count) => sum + count, 0)]).toEqual([20, 20])
})

test('metricProducer refuses what is no registry', () => {
  for (const wrong of [undefined, null, {}]) expect(() => metricProducer(wrong as never)).toThrow(expect.objectContaining({ code: 'ERR_OUTRIGGER_INVALID_OPTION' }))
})
