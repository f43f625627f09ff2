/** Hedges, limits and retries around `fetch` and a real server, on the real clock: waits on events, never on time. */
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { pipe, predictor, retry, timeout, type PredictorOptions } from 'outrigger'
import { hedge } from 'outrigger/resilience'
import { fakeClock } from 'outrigger/testing'
import { afterEach, expect, test } from 'vitest'

type Handler = (request: IncomingMessage, response: ServerResponse, count: number) => void

const cleanups: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const clean of cleanups.splice(0)) await clean()
})

/** A model on a server of its own, and how often that was asked. */
const remote = async (handle: Handler, options: PredictorOptions = {}) => {
  let count = 0
  const server = createServer((request, response) => handle(request, response, (count += 1)))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  cleanups.push(async () => {
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  })
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const model = predictor(
    async (x: number, call) => {
      const response = await fetch(`${url}/${x}`, { signal: call.signal })
      if (!response.ok) throw Object.assign(new Error(`status ${response.status}`), { response })
      return Number(await response.text())
    },
    { name: 'remote', ...options },
  )
  return { model, asked: () => count }
}

test('hedge around fetch ends the request that lost, at the server', async () => {
  let lost = (): void => {}
  const isLost = new Promise<void>((resolve) => (lost = resolve))
  const { model, asked } = await remote((_request, response, count) => {
    if (count === 1) response.on('close', lost)
    else response.end('42')
  })
  const hedged = hedge({ delayMs: 300 })
  const { output, record } = await pipe(model, hedged).detailed(1)
  expect([output, record.marks, asked()]).toEqual([42, ['hedge-answered'], 2])
  await isLost
  expect(hedged.counts).toMatchObject({ won: 1, failed: 0 })
}, 10_000)

test('timeout around fetch ends the request at the server', async () => {
  let [came, left] = [(): void => {}, (): void => {}]
  const hasCome = new Promise<void>((resolve) => (came = resolve))
  const hasLeft = new Promise<void>((resolve) => (left = resolve))
  const clock = fakeClock()
  const { model } = await remote((_request, response) => {
    response.on('close', left)
    came()
  }, { clock })
  const answer = expect(pipe(model, timeout({ ms: 20 }))(1)).rejects.toMatchObject({ code: 'ERR_OUTRIGGER_TIMEOUT' })
  // However long the machine takes to connect: before that there would be no request to end.
  await hasCome
  await clock.advance(20)
  await answer
  await hasLeft
}, 10_000)

test('retry around fetch reads the Retry-After of a real response', async () => {
  const { model, asked } = await remote((_request, response, count) => {
    if (count === 1) response.writeHead(429, { 'retry-after': '3600' }).end()
    else if (count === 2) response.writeHead(503, { 'retry-after': '0' }).end()
    else response.end('42')
  })
  const predict = pipe(model, retry({ retries: 3, minDelayMs: 0 }))
  await expect(predict(1)).rejects.toThrow('status 429')
  expect(asked()).toBe(1)
  expect([await predict(1), asked()]).toEqual([42, 3])
}, 10_000)
