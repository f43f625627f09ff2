import { createServer, type IncomingMessage, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, describe, expect, test } from 'vitest'
import { seededRandom } from 'outrigger'
import { webhook, type AlertMessage, type WebhookOptions } from 'outrigger/observe'
import { fakeClock } from 'outrigger/testing'

const message = { v: 1, state: 'firing', title: 'flights: availability burns', key: 'flights/availability/page' } as AlertMessage
const never = new AbortController().signal
const settled = async (clock: ReturnType<typeof fakeClock>, work: Promise<unknown>): Promise<unknown> => {
  let done = false
  const end = work.then(() => 'sent', (error: unknown) => error).finally(() => (done = true))
  for (let turn = 0; turn < 200 && !done; turn += 1) await clock.advance(1000)
  return end
}
/** A webhook over answers that are given one after the other. */
const over = (answers: readonly (() => Promise<Response> | Response)[], options: WebhookOptions = {}) => {
  const clock = fakeClock()
  const at: number[] = []
  const sent: RequestInit[] = []
  const send = webhook('https://hooks.example/path/secret-token', {
    clock, random: seededRandom(1),
    fetch: (async (_: unknown, init: RequestInit) => {
      at.push(clock.now())
      sent.push(init)
      return answers[at.length - 1]!()
    }) as typeof fetch,
    ...options,
  })
  return { clock, at, sent, send }
}
const status = (code: number, headers: Record<string, string> = {}) => () => new Response(null, { status: code, headers })

describe('webhook', () => {
  let server: Server | undefined
  afterEach(() => {
    server?.closeAllConnections()
    server?.close()
  })

  test('webhook posts the message as JSON to a real server', async () => {
    const got: [IncomingMessage, string][] = []
    server = createServer(async (request, response) => {
      let body = ''
      for await (const part of request) body += String(part)
      got.push([request, body])
      response.end('thanks')
    })
    await new Promise<void>((resolve) => server!.listen(0, '127.0.0.1', resolve))
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/alerts`
    await webhook(url, { headers: { authorization: 'Bearer x' } })(message, never)
    await webhook(url, { body: ({ title }) => ({ text: title }) })(message, never)
    expect(got.map(([{ method, url: path, headers }, body]) => [method, path, headers['content-type'], headers.authorization, JSON.parse(body)])).toEqual([
      ['POST', '/alerts', 'application/json', 'Bearer x', message],
      ['POST', '/alerts', 'application/json', undefined, { text: message.title }],
    ])
  })

  test('webhook asks again what may pass, with growing waits, and not what will not', async () => {
    const { clock, at, send } = over([status(503), () => Promise.reject(new TypeError('fetch failed')), status(429, { 'retry-after': '7' }), status(200)])
    expect(await settled(clock, send(message, never) as Promise<void>)).toBe('sent')
    expect(at).toHaveLength(4)
    expect(at[1]! - at[0]!).toBeLessThanOrEqual(1000)
    expect(at[3]! - at[2]!).toBe(7000)
    const refused = over([status(404), status(200)])
    expect(await settled(refused.clock, refused.send(message, never) as Promise<void>)).toMatchObject({ code: 'ERR_OUTRIGGER_ALERT_FAILED', status: 404 })
    expect(refused.at).toHaveLength(1)
  })

  test('webhook gives up after its retries, and an attempt after its time; no redirect is followed', async () => {
    const always = over([status(500), status(500), status(500)], { retries: 2 })
    expect(await settled(always.clock, always.send(message, never) as Promise<void>)).toMatchObject({ code: 'ERR_OUTRIGGER_ALERT_FAILED', status: 500 })
    expect(always.at).toHaveLength(3)
    const clock = fakeClock()
    const slow = webhook('https://hooks.example/', { clock, retries: 0, timeoutMs: 2000, fetch: ((_: unknown, { signal }: RequestInit) => new Promise((_resolve, reject) => signal!.addEventListener('abort', () => reject(signal!.reason as Error)))) as typeof fetch })
    expect(await settled(clock, slow(message, never) as Promise<void>)).toMatchObject({ message: 'Cannot deliver an alert as the webhook at hooks.example must answer with success: current value is none within 2000 ms' })
    const moved = over([status(302, { location: 'https://evil.example' })])
    expect(await settled(moved.clock, moved.send(message, never) as Promise<void>)).toMatchObject({ status: 302 })
    expect(moved.sent[0]!.redirect).toBe('manual')
  })

  test('webhook ends when its alerts close, also while it waits', async () => {
    const controller = new AbortController()
    const { clock, send, at } = over([status(500), status(200)], { minDelayMs: 30_000 })
    const end = (send(message, controller.signal) as Promise<void>).catch((error: unknown) => error)
    await clock.settle()
    controller.abort()
    expect(await end).toMatchObject({ status: 500 })
    expect([at.length, clock.pending]).toEqual([1, 0])
  })

  test('webhook never names its path, which is often its password', async () => {
    const { clock, send } = over([() => Promise.reject(Object.assign(new TypeError('fetch failed https://hooks.example/path/secret-token'), { cause: { code: 'ECONNREFUSED' } }))], { retries: 0 })
    const error = (await settled(clock, send(message, never) as Promise<void>)) as Error
    expect(error.message).toContain('hooks.example must answer with success: current value is none (ECONNREFUSED)')
    expect(JSON.stringify([error.message, error.stack, error, error.cause])).not.toContain('secret-token')
    expect(() => webhook('secret-token')).toThrow(expect.objectContaining({ message: expect.not.stringContaining('secret-token') as string }))
    expect(() => webhook('ftp://a')).toThrow()
  })
})
