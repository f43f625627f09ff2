/** A handler of fetch-style requests as a listener of `node:http`. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type { ReadableStream as NodeReadableStream } from 'node:stream/web'
import { systemClock } from '../../core/clock.js'
import { EventHub } from '../../core/events.js'
import { requiredFunction } from '../../core/options.js'
import { errnoOf } from '../../store/file-system.js'
import type { HandlerRequest } from './store-handler.js'

const events = new EventHub()

/**
 * A listener for `createServer` of `node:http` or `node:https` that answers with a handler such as `storeHandler`.
 * Bodies of requests are not passed on. Where the handler fails the answer is 500, and the error is a notice on the
 * channel `outrigger:notice`, with the layer `node-listener`.
 *
 * @throws `ERR_OUTRIGGER_INVALID_OPTION`
 * @example
 * ```ts
 * import { createServer } from 'node:http'
 * import type { AddressInfo } from 'node:net'
 * import { nodeListener } from 'outrigger/models'
 * const server = createServer(nodeListener(async ({ method }) => new Response(method)))
 * await new Promise<void>((resolve) => { server.listen(0, '127.0.0.1', resolve) })
 * const answer = await fetch(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`)
 * assert.equal(await answer.text(), 'GET')
 * server.close()
 * ```
 */
export const nodeListener = (handler: (request: HandlerRequest) => Response | Promise<Response>): ((request: IncomingMessage, response: ServerResponse) => void) => {
  requiredFunction('nodeListener', 'handler', handler)
  return (request, response) => {
    answer(handler, request, response).catch((error: unknown) => {
      response.destroy()
      // Who asked has left: nobody's fault.
      if (errnoOf(error) === 'ERR_STREAM_PREMATURE_CLOSE') return
      events.emit({ type: 'notice', layer: 'node-listener', message: `Answering ${request.method} ${request.url} failed.`, error, at: systemClock.wall() })
    })
  }
}

const answer = async (handler: Parameters<typeof nodeListener>[0], request: IncomingMessage, response: ServerResponse): Promise<void> => {
  const url = `http://localhost${request.url ?? '/'}`
  if (!URL.canParse(url)) return void response.writeHead(400).end()
  const headers = new Headers()
  for (const [name, value] of Object.entries(request.headers)) headers.set(name, Array.isArray(value) ? value.join(', ') : value ?? '')
  let found: Response
  try {
    found = await handler({ method: request.method ?? 'GET', url, headers })
  } catch (error) {
    response.writeHead(500).end()
    throw error
  }
  response.writeHead(found.status, Object.fromEntries(found.headers))
  if (found.body === null) response.end()
  else await pipeline(Readable.fromWeb(found.body as NodeReadableStream), response)
}
