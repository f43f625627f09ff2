/**
 * Every place through which something leaves a predictor for somebody to read: a sink, a layer that tells, a handler, a page, a file.
 *
 * **A sink is an exported function whose name fits `sinkName`.** Whoever exports one adds it here under `folder/name`, with a function that lets
 * `canaryTraffic` run into it and returns everything that came out, as text: file contents, bodies, spans, log lines. For example, for a layer that tells:
 *
 * ```
 * 'observe/logged': async () => {
 *   const lines: string[] = []
 *   await canaryTraffic({ outside: logged({ logger: { info: (...given) => lines.push(inspect(given, { depth: 9 })) } }) })
 *   return lines.join('\n')
 * },
 * ```
 *
 * `canaryTraffic` takes `inside` and `outside` (layers), `observers`, `label`, `override`, `started(predict)` and `ended(predict)` (for pages and handlers over predictors).
 * A name that fits and is no sink goes into `notSinks` with the reason; a sink whose name does not fit is added all the same. What a sink may show is
 * what the schema declares: each entry has to hold the text `visible`, or to say in `showsNothing` why it shows no values at all.
 */
import { readdirSync, readFileSync, rmSync, mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { inspect } from 'node:util'
import type { PredictionRecord } from 'outrigger'
import { InMemorySpanExporter, BasicTracerProvider, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-base'
import { context } from '@opentelemetry/api'
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks'
import { AggregationTemporality, InMemoryMetricExporter, MeterProvider, PeriodicExportingMetricReader } from '@opentelemetry/sdk-metrics'
import { capture, compactSegments, functionSink, postgresRecordSink, queryRecords, s3RecordSink, segmentSink, type RecordSink } from 'outrigger/capture'
import { checkpoint, explain, replay } from 'outrigger/debug'
import { alerts, logEvents, metered, metricProducer, modelMetrics, objectives, observed, openMetricsText, prometheusText, spanned, webhook, type AlertsOptions, type ModelMetrics } from 'outrigger/observe'
import { dashboard, metricsHandler, type Dashboard } from 'outrigger/serve'
import { hasPostgres, startPostgres } from '../_servers/postgres.js'
import { startS3 } from '../_servers/s3.js'
import { canaries, canaryInput, canaryOutput, canaryTraffic, type CanaryRow, type Place } from './canaries.js'

/** Names of exported functions that let something out. */
export const sinkName = /(?:Sink|Sinks|Exporter|Handler|Logger|Logs|Producer|Reporter|Writer|Webhook|Page)$|^(?:capture|observed|spanned|logged|metered|traced|dashboard|prometheus|openMetrics|metrics|checkpoint|logEvents|webhook|grafana|replay|explain|inspect|alerts|serve)/

/** Runs the traffic into a sink and gives everything that came out; `undefined` if the sink cannot be run here. */
export type Leaked = () => Promise<string | undefined>

/** Through a capture with a secret, so that keyed hashes come out as well. */
const through = async (sink: RecordSink): Promise<void> => {
  const captured = capture({ sink, secret: 'a secret of 32 bytes, as one has', values: { fields: { score: {} } } })
  await canaryTraffic({ observers: [captured.observer], label: captured.label.bind(captured), override: captured.override.bind(captured) })
  await captured.close()
}

const textOfMetrics = async (text: (metrics: ModelMetrics) => string | Promise<string>): Promise<string> => {
  const metrics = modelMetrics()
  await canaryTraffic({ inside: metered(metrics), outside: metered(metrics), observers: [metrics.observer] })
  return await text(metrics)
}

const withDirectory = async <T>(use: (directory: string) => Promise<T>): Promise<T> => {
  const directory = mkdtempSync(join(tmpdir(), 'outrigger-canaries-'))
  try {
    return await use(directory)
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}

/** All files of a directory, with their names. */
export const filesOf = (directory: string): string =>
  readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => `${entry.name}\n${readFileSync(join(entry.parentPath, entry.name), 'latin1')}`)
    .join('\n')

/** What was recorded of the traffic. */
const recorded = async (): Promise<PredictionRecord[]> => {
  const records: PredictionRecord[] = []
  await canaryTraffic({ observers: [(event) => void (event.type === 'prediction' && records.push(event.record))] })
  return records
}

/** The fields that records have not, from where a service keeps them. */
const hidden = ({ input }: PredictionRecord): Pick<CanaryRow, 'mail' | 'token' | 'user'> => {
  const of = (place: Place): string => canaries[place][Number(input?.['n']) % canaries[place].length] as string
  return { mail: of('pii field'), token: of('secret field'), user: of('key field') }
}

/** Answers otherwise, and with what it should not. */
const other = (): { predict: (row: CanaryRow) => object } => ({
  predict: ({ n, mail, token, user }) => {
    if (n % 7 === 0) throw Object.assign(new Error(mail), { name: 'OtherError', data: { token, user } })
    return { score: n + 1, person: mail, note: token }
  },
})

const shown = (value: unknown): string => inspect(value, { depth: 20, maxArrayLength: null, maxStringLength: null })

/** Lets the failures of the traffic raise an alert. */
const alerting = async (show: (message: object) => string, ...more: NonNullable<AlertsOptions['sinks']>): Promise<string> => {
  const told: string[] = []
  const watch = alerts({ objectives: objectives([{ kind: 'availability', objective: 0.999 }]), source: 'canaries', sinks: [(message) => void told.push(show(message)), ...more] })
  await canaryTraffic({ observers: [watch.observer] })
  watch.check()
  await watch.close()
  return told.join('\n')
}

export const registry: Readonly<Record<string, Leaked>> = {
  'capture/capture': async () => {
    const texts: string[] = []
    await through({ name: 'everything', write: (lines) => void texts.push(inspect(lines, { depth: 9, maxArrayLength: null, maxStringLength: null, showHidden: true })) })
    return texts.join('\n')
  },
  'capture/functionSink': async () => {
    const texts: string[] = []
    await through(functionSink((lines) => void texts.push(...lines.map((line) => JSON.stringify(line)))))
    return texts.join('\n')
  },
  'capture/segmentSink': async () => await withDirectory(async (directory) => {
    await through(segmentSink({ directory }))
    return filesOf(directory)
  }),
  'capture/compactSegments': async () => await withDirectory(async (directory) => {
    await through(segmentSink({ directory }))
    await compactSegments(directory)
    const rows: unknown[] = []
    for await (const row of queryRecords(directory, 'SELECT * FROM records')) rows.push(row)
    return `${filesOf(directory)}\n${JSON.stringify(rows)}`
  }),
  'capture/s3RecordSink': async () => {
    const server = await startS3()
    try {
      const client = server.client()
      await through(s3RecordSink({ client, bucket: server.bucket, prefix: 'records' }))
      const texts: string[] = []
      for (const { Key = '' } of (await client.listObjectsV2({ Bucket: server.bucket })).Contents ?? []) {
        const { Body, Metadata } = await client.getObject({ Bucket: server.bucket, Key })
        texts.push(Key, inspect(Metadata), (await Body?.transformToString()) ?? '')
      }
      return texts.join('\n')
    } finally {
      await server.stop()
    }
  },
  'capture/postgresRecordSink': async () => {
    if (!hasPostgres()) return undefined
    const server = await startPostgres()
    try {
      await through(postgresRecordSink({ client: server.pool, table: 'records' }))
      return JSON.stringify((await server.pool.query('select * from records')).rows)
    } finally {
      await server.stop()
    }
  },
  'debug/checkpoint': async () => {
    const texts: string[] = []
    const places = { input: canaryInput, output: canaryOutput }
    await canaryTraffic({ inside: checkpoint('inside', places), outside: checkpoint('outside', places), observers: [(event) => void (event.type === 'prediction' && texts.push(shown(event.record)))] })
    return texts.join('\n')
  },
  'debug/explain': async () => {
    const records = await recorded()
    const texts: string[] = []
    for (const { id } of records.filter((_, at) => at % 9 === 0)) {
      const explanation = await explain(id, { source: records, predictor: other, input: canaryInput, output: canaryOutput, complete: hidden, features: (record) => ({ n: 0, ...hidden(record) }) })
      texts.push(shown(explanation), JSON.stringify(explanation), String(explanation), explanation.text())
    }
    return texts.join('\n')
  },
  'debug/replay': async () => {
    const report = await replay(await recorded(), other, { input: canaryInput, output: canaryOutput, complete: hidden, failures: true, by: ['city', 'mail', 'n'], examples: 1000 })
    if (report.counts.different < 50) throw new Error(`The replay compared ${report.counts.asked} predictions only.`)
    return [shown(report), JSON.stringify(report), String(report), report.text()].join('\n')
  },
  'observe/alerts': async () => await alerting((message) => shown(message)),
  'observe/logEvents': async () => {
    const lines: string[] = []
    const log = (...given: unknown[]): void => void lines.push(shown(given))
    let stop = (): void => {}
    await canaryTraffic({
      started: (...predictors) => {
        const stops = predictors.map((predict) => logEvents(predict, { logger: { info: log, warn: log }, predictions: () => true, fields: true, maxPerSecond: Infinity }))
        stop = () => stops.forEach((one) => one())
      },
    })
    stop()
    return lines.join('\n')
  },
  'observe/webhook': async () => {
    const posted: string[] = []
    const hook = webhook('https://alerts.example/hook', { fetch: async (url, init) => (posted.push(shown([url, init])), new Response()) })
    return `${await alerting(() => '', hook)}${posted.join('\n')}`
  },
  'serve/dashboard': async () => {
    let board: Dashboard | undefined
    const texts: string[] = []
    const see = async (path: string): Promise<void> => void texts.push(await (await board!(new Request(`http://localhost/${path}`))).text())
    await canaryTraffic({
      started: (...predictors) => void (board = dashboard(predictors, { page: '<p>', remember: 10_000 })),
      ended: async () => {
        await see('data.json')
        const { predictors } = board!.data()
        for (const { id } of predictors.flatMap(({ failures, fallbacks, slowest }) => [...failures, ...fallbacks, ...slowest])) await see(`prediction?id=${encodeURIComponent(id)}`)
        const stream = (await board!(new Request('http://localhost/events'))).body!.getReader()
        texts.push(new TextDecoder().decode((await stream.read()).value))
        board!.close()
      },
    })
    return texts.join('\n')
  },
  'observe/spanned': async () => {
    const spans = new InMemorySpanExporter()
    const tracers = new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(spans)] })
    const tracer = tracers.getTracer('canaries')
    const manager = new AsyncLocalStorageContextManager().enable()
    context.setGlobalContextManager(manager)
    const outer = observed({ tracer })
    await canaryTraffic({ inside: spanned('canaries', { tracer }), outside: outer })
    context.disable()
    const told = spans.getFinishedSpans().filter(({ name }) => name === 'canaries').map(({ name, attributes, events, status, links }) => ({ name, attributes, events, status, links }))
    await tracers.shutdown()
    return shown(told)
  },
  'observe/metered': async () => (await textOfMetrics(openMetricsText)) + (await textOfMetrics(prometheusText)),
  'observe/openMetricsText': async () => await textOfMetrics(openMetricsText),
  'observe/prometheusText': async () => await textOfMetrics(prometheusText),
  'observe/metricProducer': async () => await textOfMetrics(async (metrics) => inspect(await metricProducer(metrics).collect(), { depth: 20, maxArrayLength: null, maxStringLength: null })),
  'serve/metricsHandler': async () => await textOfMetrics(async (metrics) => await metricsHandler(metrics)(new Request('http://localhost/', { headers: { accept: 'application/openmetrics-text' } })).text()),
  'observe/observed': async () => {
    const spans = new InMemorySpanExporter()
    const tracers = new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(spans)] })
    const numbers = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE)
    const reader = new PeriodicExportingMetricReader({ exporter: numbers, exportIntervalMillis: 10 ** 9 })
    const meters = new MeterProvider({ readers: [reader] })
    const layer = observed({ tracer: tracers.getTracer('canaries'), meter: meters.getMeter('canaries'), openInference: 'LLM', genAi: { operation: 'chat', provider: 'canaries' } })
    await canaryTraffic({ inside: layer, outside: layer })
    await reader.forceFlush()
    const told = [...spans.getFinishedSpans().map(({ name, attributes, events, status, links, resource }) => ({ name, attributes, events, status, links, resource: resource.attributes })), ...numbers.getMetrics().map(({ scopeMetrics }) => scopeMetrics)]
    await Promise.all([tracers.shutdown(), meters.shutdown()])
    return inspect(told, { depth: 20, maxArrayLength: null, maxStringLength: null })
  },
}

/** Sinks that show no value of any field: a text that they have to hold instead, and why. */
export const showsNothing: Readonly<Record<string, readonly [text: string, why: string]>> = {
  'observe/alerts': ['canaries', 'alerts are about rates'],
  'observe/webhook': ['canaries', 'alerts are about rates'],
  'observe/spanned': ['canaries', 'a span has a name from code, and the name of an error'],
  'observe/metered': ['canaries', 'series have bounded labels'],
  'observe/openMetricsText': ['canaries', 'series have bounded labels'],
  'observe/prometheusText': ['canaries', 'series have bounded labels'],
  'observe/metricProducer': ['canaries', 'series have bounded labels'],
  'serve/metricsHandler': ['canaries', 'series have bounded labels'],
  'observe/observed': ['canaries', 'spans and metrics have bounded attributes, and no values of rows'],
}

/** Functions whose name fits and that let nothing out, and why. */
export const notSinks: Readonly<Record<string, string>> = {
  'observe/grafanaDashboard': 'it is made of objectives, before any traffic',
  'observe/prometheusRules': 'it is made of objectives, before any traffic',
  'models/storeHandler': 'it serves model files; no traffic comes near it',
}
