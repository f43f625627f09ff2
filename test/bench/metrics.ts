/** What metrics cost: the five layers with all metrics on, a recording, `/metrics`, and labels that somebody else fills. */
import { execFileSync } from 'node:child_process'
import { metrics as api } from '@opentelemetry/api'
import { AggregationTemporality, InMemoryMetricExporter, MeterProvider, PeriodicExportingMetricReader } from '@opentelemetry/sdk-metrics'
import type * as outrigger from 'outrigger'
import type * as core from 'outrigger/core'
import type * as observe from 'outrigger/observe'
import type * as resilience from 'outrigger/resilience'
import type * as serve from 'outrigger/serve'
import type { Budget } from './main.js'
import { measure, median } from './measure.js'

const built = (subpath: string): string => new URL(`../../dist/esm/${subpath}`, import.meta.url).href
const { circuitBreaker, fallback, pipe, retry, timeout } = (await import(built('index.js'))) as typeof outrigger
const { systemClock } = (await import(built('core/index.js'))) as typeof core
const { bulkhead } = (await import(built('resilience/index.js'))) as typeof resilience
const { metered, MetricRegistry, modelMetrics } = (await import(built('observe/index.js'))) as typeof observe
const { metricsHandler } = (await import(built('serve/index.js'))) as typeof serve

const model = async (_input: number): Promise<number> => 42
const five = () => pipe(model, timeout({ ms: 1000 }), retry({ retries: 2 }), circuitBreaker(), bulkhead({ concurrency: 10 }), fallback((_input: number) => 0))

/** Nanoseconds of one of many, the median of rounds. */
const each = (work: (index: number) => void, count = 500_000, rounds = 15): number => {
  const times: number[] = []
  for (let round = 0; round < rounds + 3; round += 1) {
    const start = process.hrtime.bigint()
    for (let index = 0; index < count; index += 1) work(index)
    if (round >= 3) times.push(Number(process.hrtime.bigint() - start) / count)
  }
  return median(times)
}

/** What a process grows by when a million callers each give a label of their own, in bytes: its heap by two such millions, its RSS by the second; and what the overflow counted. */
const hostile = (): { readonly rss: number; readonly heap: number; readonly overflow: number } => {
  const program = `
    import { MetricRegistry, prometheusText } from ${JSON.stringify(built('observe/index.js'))}
    const make = () => new MetricRegistry()
    const fill = (registry) => {
      const counter = registry.counter({ name: 'a', description: 'A.', attributes: ['user'] })
      for (let user = 0; user < 1_000_000; user += 1) counter.add(1, { user: 'user-' + user + '-of-some-length-that-a-caller-may-choose' })
    }
    gc(); const cold = process.memoryUsage()
    // The process' young generation grows by the traffic of a service anyway: it is what it will be when the second million comes.
    fill(make())
    gc(); const before = process.memoryUsage()
    const registry = make()
    fill(registry)
    gc(); const after = process.memoryUsage()
    const overflow = Number(/overflow="true"} (\\d+)/.exec(prometheusText(registry))[1])
    console.log(JSON.stringify({ rss: after.rss - before.rss, heap: after.heapUsed + after.arrayBuffers - cold.heapUsed - cold.arrayBuffers, overflow }))`
  return JSON.parse(execFileSync(process.execPath, ['--expose-gc', '--input-type=module', '-e', program], { encoding: 'utf8' })) as ReturnType<typeof hostile>
}

export const metricsBudgets = async (): Promise<Budget[]> => {
  const metrics = modelMetrics()
  const [plain, counted, recorded] = [five(), pipe(five(), metered(metrics)), five()]
  // Fused with the five, as in one pipe.
  const fused = pipe(model, timeout({ ms: 1000 }), retry({ retries: 2 }), circuitBreaker(), bulkhead({ concurrency: 10 }), fallback((_input: number) => 0), metered(metrics))
  recorded.observe(modelMetrics().observer)
  const results = await measure([
    { name: 'five', calls: 10_000, call: (input) => plain(input) },
    { name: 'metered', calls: 10_000, call: (input) => fused(input) },
    { name: 'pipe in a pipe', calls: 10_000, call: (input) => counted(input) },
    { name: 'observer', calls: 3000, call: (input) => recorded(input) },
  ], 51)
  const ns = (name: string): number => results.get(name)!.ns
  const bytes = (name: string): number => results.get(name)!.bytes
  let sink = 0
  // The clock that all layers read.
  const clocksNs = 2 * each(() => (sink += systemClock.now()))

  // A recording, ours and OpenTelemetry's, with the same attributes.
  const attributes = { 'ml.model.name': 'delay', 'ml.model.version': '3', 'ml.outcome': 'ok', 'ml.source': 'model' }
  const series = modelMetrics().predictions.duration.bind(attributes)
  const values = Float64Array.from({ length: 1024 }, (_, index) => ((index * 7919) % 1024) / 20_000)
  const recordNs = each((index) => series.record(values[index & 1023] as number))
  const provider = new MeterProvider({ readers: [new PeriodicExportingMetricReader({ exporter: new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE), exportIntervalMillis: 2 ** 31 - 1 })] })
  const meter = provider.getMeter('bench')
  const [histogram, counter] = [meter.createHistogram('duration', { unit: 's' }), meter.createCounter('requests')]
  const otelNs = each((index) => {
    histogram.record(values[index & 1023] as number, { ...attributes })
    counter.add(1, { ...attributes })
  }, 50_000)
  await provider.shutdown()
  api.disable()

  // /metrics: 2 000 lines of one instrument, and 2 000 histograms, which are 34 000 lines.
  const numbers = new MetricRegistry({ maxSeries: 2001 })
  const gauge = numbers.gauge({ name: 'app.level', description: 'A level.', attributes: ['model', 'version', 'state'] })
  const spread = new MetricRegistry({ maxSeries: 2001 })
  const wide = spread.histogram({ name: 'app.duration', unit: 's', description: 'A duration.', attributes: ['model', 'version', 'state'] })
  for (let index = 0; index < 2000; index += 1) {
    gauge.set(index / 7, { model: `model-${index}`, version: '17', state: 'open' })
    const one = wide.bind({ model: `model-${index}`, version: '17', state: 'ok' })
    for (let value = 0; value < 100; value += 1) one.record(values[(index + value) & 1023] as number)
  }
  const scrape = (registry: observe.MetricRegistry): number => {
    const handler = metricsHandler(registry)
    const request = new Request('http://localhost/metrics', { headers: { accept: 'application/openmetrics-text' } })
    return each(() => void handler(request), 1, 41) / 1e6
  }
  const [linesMs, histogramsMs] = [scrape(numbers), scrape(spread)]
  const grown = hostile()
  const MB = (size: number): string => `${(size / 1e6).toFixed(1)} MB`
  const layerNs = ns('metered') - ns('five')
  const layerBytes = bytes('metered') - bytes('five')
  return [
    { what: 'the five layers with all metrics on, net of two clock reads', gate: '≤ + 60 ns', measured: `${(layerNs - clocksNs).toFixed(0)} ns (${layerNs.toFixed(0)} with the clock reads, on top of ${ns('five').toFixed(0)}); OpenTelemetry's counter and histogram ${otelNs.toFixed(0)} ns`, holds: layerNs - clocksNs <= 60 },
    { what: 'memory of that', gate: '≤ 64 B', measured: `${layerBytes.toFixed(0)} B`, holds: layerBytes <= 64 },
    { what: 'for reference: from the records; a recording into a bound histogram', gate: '', measured: `${(ns('observer') - ns('five')).toFixed(0)} ns; ${recordNs.toFixed(1)} ns`, holds: sink > 0 },
    { what: '/metrics with 2 000 series', gate: '≤ 5 ms', measured: `${linesMs.toFixed(2)} ms; if each is a histogram (34 000 lines) ${histogramsMs.toFixed(2)} ms`, holds: linesMs <= 5 },
    { what: 'a million labels that somebody else fills', gate: '≤ 5 MB', measured: `heap ${MB(grown.heap)} by two millions, RSS ${MB(grown.rss)} by the second; overflow ${grown.overflow}`, holds: Math.max(grown.heap, grown.rss) <= 5e6 && grown.overflow === 998_001 },
  ]
}
