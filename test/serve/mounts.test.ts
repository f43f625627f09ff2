/** The dashboard in the servers that people have: under a path, with and without a slash at its end. */
import { createServer, type RequestListener } from 'node:http'
import { createRequire } from 'node:module'
import type { AddressInfo } from 'node:net'
import fastify from 'fastify'
import { Hono } from 'hono'
import { afterEach, describe, expect, it } from 'vitest'
import { predictor } from 'outrigger'
import { nodeListener } from 'outrigger/models'
import { dashboard } from 'outrigger/serve'

/** It has no types of its own. */
const express = createRequire(import.meta.url)('express') as () => { use(path: string, listener: RequestListener): RequestListener }
const page = '<style>p{}</style><script>run()</script>'
const make = () => {
  const predict = predictor((x: number) => x, { name: 'double' })
  return { predict, board: dashboard({ predict }, { page, everyMs: 100, authorize: ({ headers }) => headers.get('x-token') === 'right' }) }
}
const ends: (() => unknown)[] = []
afterEach(async () => {
  for (const end of ends.splice(0)) await end()
})
const listen = async (listener: RequestListener): Promise<(path: string, init?: RequestInit) => Promise<Response>> => {
  const server = createServer(listener)
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve))
  ends.push(() => (server.closeAllConnections(), new Promise((resolve) => void server.close(resolve))))
  return async (path, init = {}) => await fetch(`http://127.0.0.1:${(server.address() as AddressInfo).port}${path}`, { headers: { 'x-token': 'right' }, ...init })
}

/** What has to hold wherever it is mounted at `/ops`. */
const holds = async (ask: (path: string, init?: RequestInit) => Promise<Response>, predict: (x: number) => Promise<number>): Promise<void> => {
  await predict(1)
  for (const path of ['/ops', '/ops/']) {
    const answer = await ask(path)
    expect([answer.status, await answer.text()]).toEqual([200, page])
    expect(answer.headers.get('content-security-policy')).toContain("default-src 'none'")
  }
  expect(((await (await ask('/ops/data.json')).json()) as { predictors: { totals: { rows: number } }[] }).predictors[0]?.totals.rows).toBe(1)
  expect((await ask('/ops/prediction?id=none')).status).toBe(404)
  expect((await ask('/ops/data.json', { headers: {} })).status).toBe(401)
  const controller = new AbortController()
  const events = (await ask('/ops/events', { signal: controller.signal })).body!.getReader()
  const decoder = new TextDecoder()
  expect(decoder.decode((await events.read()).value)).toMatch(/^retry: 3000\ndata: \{"v":1/)
  await predict(2)
  let text = ''
  while (!text.includes('"rows":2')) text += decoder.decode((await events.read()).value)
  controller.abort()
}

describe('a dashboard is mounted in', () => {
  it('node:http', async () => {
    const { predict, board } = make()
    ends.push(() => board.close())
    await holds(await listen(nodeListener(board)), predict)
  })

  it('Express', async () => {
    const { predict, board } = make()
    ends.push(() => board.close())
    await holds(await listen(express().use('/ops', nodeListener(board))), predict)
  })

  it('Fastify', async () => {
    const { predict, board } = make()
    const app = fastify()
    app.get('/ops*', (request, reply) => {
      reply.hijack()
      nodeListener(board)(request.raw, reply.raw)
    })
    await app.ready()
    ends.push(() => board.close(), () => app.close())
    await holds(await listen((request, response) => app.routing(request, response)), predict)
  })

  it('Hono', async () => {
    const { predict, board } = make()
    ends.push(() => board.close())
    const app = new Hono()
    app.all('/ops', (context) => board(context.req.raw))
    app.all('/ops/*', (context) => board(context.req.raw))
    await holds(async (path, init = {}) => await app.fetch(new Request(`http://localhost${path}`, { headers: { 'x-token': 'right' }, ...init })), predict)
  })
})
