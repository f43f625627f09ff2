import { createServer, type IncomingMessage, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, describe, expect, test } from 'vitest'
import { fallback, pipe, predictor } from 'outrigger'
import { nodeListener } from 'outrigger/models'
import { metered, modelMetrics, MetricRegistry } from 'outrigger/observe'
import { metricsHandler } from 'outrigger/serve'
import { hasPrometheus, startPrometheus, type PrometheusServer } from '../_servers/prometheus.js'

const plain = 'text/plain; version=0.0.4; charset=utf-8'
const open = 'application/openmetrics-text; version=1.0.0; charset=utf-8'
/** What Prometheus 2.42 and 3.5 send. */
const v2 = 'application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1'
const v3 = 'application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2'

describe('metricsHandler', () => {
  test.each([
    [null, plain],
    ['', plain],
    ['*/*', plain],
    ['text/plain', plain],
    ['text/plain;version=0.0.4', plain],
    ['text/html,application/xhtml+xml,*/*;q=0.8', plain],
    ['application/json', plain],
    [v2, open],
    [v3, open],
    ['application/openmetrics-text', open],
    ['application/openmetrics-text; version="1.0.0"; charset=utf-8', open],
    ['Application/OpenMetrics-Text', open],
    ['application/openmetrics-text;version=2.0.0', plain],
    ['application/openmetrics-text;q=0', plain],
    ['application/openmetrics-text;q=0.4,text/plain;q=0.9', plain],
    ['application/openmetrics-text;q=x', plain],
    [`${';,='.repeat(2000)}application/openmetrics-text`, plain],
  ])('answers to Accept %j with %s', async (accept, type) => {
    const answer = metricsHandler(new MetricRegistry())(new Request('http://localhost/metrics', accept === null ? {} : { headers: { accept } }))
    expect([answer.status, answer.headers.get('content-type'), answer.headers.get('cache-control')]).toEqual([200, type, 'no-store'])
    expect(await answer.text()).toBe(type === open ? '# EOF\n' : '')
  })

  test('answers to HEAD without a body, and refuses other methods', async () => {
    const handler = metricsHandler(modelMetrics())
    const head = handler(new Request('http://localhost/', { method: 'HEAD' }))
    expect([head.status, await head.text(), head.headers.get('content-type')]).toEqual([200, '', plain])
    const post = handler(new Request('http://localhost/', { method: 'POST' }))
    expect([post.status, post.headers.get('allow')]).toEqual([405, 'GET, HEAD'])
  })

  test('refuses what is no registry', () => {
    for (const wrong of [undefined, null, {}]) expect(() => metricsHandler(wrong as never)).toThrow(expect.objectContaining({ code: 'ERR_OUTRIGGER_INVALID_OPTION' }))
  })
})

describe.runIf(hasPrometheus())('a real Prometheus', () => {
  let server: Server | undefined
  let prometheus: PrometheusServer | undefined
  afterEach(async () => {
    await prometheus?.stop()
    server?.closeAllConnections()
    await new Promise((resolve) => (server === undefined ? resolve(undefined) : server.close(resolve)))
  })

  test('scrapes us in OpenMetrics, finds every number, and the prediction behind a bucket', async () => {
    const metrics = modelMetrics({ maxSeries: 6 })
    const predict = pipe(predictor((km: number) => {
      if (km < 0) throw new RangeError('negative')
      return km
    }, { name: 'delay "é"', version: '3', digest: 'ab'.repeat(32) }), fallback({ name: 'rule', use: () => 0, when: ['timeout'] }))
    predict.observe(metrics.observer)
    for (let km = 0; km < 40; km += 1) await predict(km, { id: `flight-${km}` })
    await predict(-1).catch(() => {})
    const layered = pipe(predictor((km: number) => km, { name: 'layered' }), metered(metrics))
    await layered.batch([1, 2, 3])
    const users = metrics.counter({ name: 'app.users', description: 'By a label that somebody else fills.', attributes: ['user'] })
    for (let user = 0; user < 1000; user += 1) users.add(1, { user: `${user}"\n` })

    const requests: IncomingMessage[] = []
    const scrapes = new Promise<void>((resolve) => {
      const listener = nodeListener(metricsHandler(metrics))
      server = createServer((request, response) => {
        requests.push(request)
        // When it asks the third time it has stored the first answer.
        if (requests.length === 3) resolve()
        listener(request, response)
      })
    })
    await new Promise<void>((resolve) => server!.listen(0, '127.0.0.1', resolve))
    prometheus = await startPrometheus([`127.0.0.1:${(server!.address() as AddressInfo).port}`])
    await scrapes
    expect(requests[0]!.headers.accept).toContain('application/openmetrics-text')

    const query = async (text: string): Promise<Record<string, string>> => {
      const { result } = (await prometheus!.ask('query', { query: text })) as { result: { metric: Record<string, string>; value: [number, string] }[] }
      return Object.fromEntries(result.map(({ metric, value }) => [Object.entries(metric).filter(([name]) => !['__name__', 'instance', 'job'].includes(name)).map(([name, text]) => `${name}=${text}`).join(), value[1]]))
    }
    expect(await query('up')).toEqual({ '': '1' })
    expect(await query('sum by (ml_model_name, ml_outcome) (ml_inference_requests_total)')).toEqual({ 'ml_model_name=delay "é",ml_outcome=ok': '40', 'ml_model_name=delay "é",ml_outcome=error': '1', 'ml_model_name=layered,ml_outcome=ok': '3' })
    expect(await query('sum by (ml_outcome) (ml_inference_duration_seconds_count{ml_model_name!="layered"})')).toEqual({ 'ml_outcome=ok': '40', 'ml_outcome=error': '1' })
    expect(await query('ml_batch_size_sum')).toEqual({ 'ml_model_name=layered,ml_model_version=0': '3' })
    expect(await query('ml_model_info{ml_model_version="3"}')).toEqual({ 'ml_model_digest=abababababab,ml_model_name=delay "é",ml_model_version=3': '1' })
    expect(Number(Object.values(await query('histogram_quantile(0.99, sum by (le) (ml_inference_duration_seconds_bucket))'))[0])).toBeGreaterThan(0)
    expect([await query('count(app_users_total)'), await query('sum(app_users_total)'), await query('app_users_total{otel_metric_overflow="true"}')]).toEqual([{ '': '6' }, { '': '1000' }, { 'otel_metric_overflow=true': '995' }])
    // Prometheus has the description, the type and the unit too.
    expect(await prometheus.ask('metadata', { metric: 'ml_inference_duration_seconds' })).toMatchObject({ ml_inference_duration_seconds: [{ type: 'histogram', unit: 'seconds' }] })
    const now = Date.now() / 1000
    const exemplars = (await prometheus.ask('query_exemplars', { query: 'ml_inference_duration_seconds_bucket', start: String(now - 3600), end: String(now + 3600) })) as { exemplars: { labels: Record<string, string> }[] }[]
    expect(exemplars.flatMap((series) => series.exemplars.map(({ labels }) => labels['prediction_id'])).some((id) => /^flight-\d+$/.test(id ?? ''))).toBe(true)
  }, 30_000)
})
