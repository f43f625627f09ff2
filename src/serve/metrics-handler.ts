import { InvalidOptionError } from '../core/errors.js'
import type { HandlerRequest } from '../models/sources/store-handler.js'
import { exposition } from '../observe/metrics/exposition.js'
import { MetricRegistry } from '../observe/metrics/metric-registry.js'
import { wantsOpenMetrics } from '../observe/metrics/negotiation.js'

/**
 * Answers with the metrics: OpenMetrics, with exemplars, where that is asked for (Prometheus does), else the text format 0.0.4.
 *
 * It is fetch-style, and answers whatever the path is: mount it at `/metrics`. `nodeListener` of `outrigger/models` makes it a listener
 * of `node:http`. What it tells is for those who run the service: keep it on a port or behind a check of your own.
 *
 * @throws `ERR_OUTRIGGER_INVALID_OPTION`
 * @example
 * ```ts
 * import { pipe } from 'outrigger'
 * import { metered, modelMetrics } from 'outrigger/observe'
 * import { metricsHandler } from 'outrigger/serve'
 * const metrics = modelMetrics()
 * const predict = pipe((km: number) => km * 1.6, metered(metrics))
 * await predict(100)
 * const answer = metricsHandler(metrics)(new Request('http://localhost/metrics'))
 * assert.equal(answer.headers.get('content-type'), 'text/plain; version=0.0.4; charset=utf-8')
 * assert.ok((await answer.text()).includes('ml_inference_requests_total{'))
 * ```
 */
export const metricsHandler = (registry: MetricRegistry): ((request: HandlerRequest) => Response) => {
  if (!(registry instanceof MetricRegistry)) throw new InvalidOptionError(`Cannot create a metrics handler as it must be given \`modelMetrics()\` or a registry: current value is of type ${registry === null ? 'null' : typeof registry}`)
  return ({ method, headers }) => {
    if (method !== 'GET' && method !== 'HEAD') return new Response(null, { status: 405, headers: { allow: 'GET, HEAD' } })
    const isOpen = wantsOpenMetrics(headers.get('accept'))
    const type = isOpen ? 'application/openmetrics-text; version=1.0.0; charset=utf-8' : 'text/plain; version=0.0.4; charset=utf-8'
    return new Response(method === 'HEAD' ? null : exposition(registry, isOpen), { headers: { 'content-type': type, 'cache-control': 'no-store', 'vary': 'accept' } })
  }
}
