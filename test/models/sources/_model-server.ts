/** A real server of models on loopback for one test, whose answers a test may spoil. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { systemClock, type Clock } from 'outrigger/core'
import { memoryDepot, modelStore, nodeListener, storeHandler, type ModelStore } from 'outrigger/models'

/** One request as the server saw it. */
export interface SeenRequest {
  readonly path: string
  readonly method: string
  readonly headers: IncomingMessage['headers']
}

/** Answers a request in the place of the store; `serve` is what the store would do. */
export type Answerer = (request: IncomingMessage, response: ServerResponse, serve: () => void) => void

export interface ModelServer {
  readonly url: string
  readonly store: ModelStore
  readonly seen: SeenRequest[]
  /** How it answers. Default: as the store does. */
  answer: Answerer
  /** Takes it off the network; {@link ModelServer.start} brings it back on the same port. */
  stop(): Promise<void>
  start(): Promise<void>
}

export const startModelServer = async (store: ModelStore = modelStore({ depot: memoryDepot() })): Promise<ModelServer> => {
  const listener = nodeListener(storeHandler(store, { indexMs: 0 }))
  let server: Server
  let port = 0
  const start = async (): Promise<void> => {
    server = createServer((request, response) => {
      served.seen.push({ path: request.url ?? '', method: request.method ?? '', headers: request.headers })
      served.answer(request, response, () => listener(request, response))
    })
    await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve))
    port = (server.address() as AddressInfo).port
  }
  const stop = async (): Promise<void> => {
    const closed = new Promise((resolve) => server.close(resolve))
    server.closeAllConnections()
    await closed
  }
  const seen: SeenRequest[] = []
  const served: { seen: SeenRequest[]; answer: Answerer } = { seen, answer: (_, __, serve) => serve() }
  await start()
  return Object.assign(served, { url: `http://127.0.0.1:${port}/`, store, start, stop })
}

/** Lets so many bytes of the body through and then cuts the connection. */
export const cutAfter = (response: ServerResponse, bytes: number): void => {
  let left = bytes
  const write = response.write.bind(response) as (chunk: Uint8Array) => boolean
  response.write = ((chunk: Uint8Array, ...rest: unknown[]): boolean => {
    const callback = rest.find((item) => typeof item === 'function') as (() => void) | undefined
    if (chunk.length < left) {
      left -= chunk.length
      callback?.()
      return write(chunk)
    }
    write(chunk.subarray(0, left))
    response.socket?.destroySoon()
    return false
  }) as typeof response.write
}

/** The machine's clock, but pauses between attempts are over at once; only longer limits last. */
export const hastyClock: Clock = {
  ...systemClock,
  setTimeout: (callback, delayMs) => systemClock.setTimeout(callback, delayMs > 5_000 ? delayMs : 0),
}
