/** Alerts by HTTP: {@link webhook}. */
import { systemClock, type Clock } from '../../core/clock.js'
import { InvalidOptionError, OutriggerError } from '../../core/errors.js'
import { functionOption, numberOption, optionsObject } from '../../core/options.js'
import { systemRandom, type Random } from '../../core/random.js'
import { backoffDelay } from '../../policy/backoff.js'
import { retryAfterOf } from '../../policy/retry-after.js'
import type { AlertMessage, AlertSink } from './alert-message.js'

/** Options of {@link webhook}. */
export interface WebhookOptions {
  /** What is posted, as JSON: `({ title }) => ({ text: title })` for a chat. @default the message */
  readonly body?: (message: AlertMessage) => unknown
  readonly headers?: Readonly<Record<string, string>>
  /** The longest time for one attempt, in milliseconds. @default 10_000 */
  readonly timeoutMs?: number
  /** Further attempts after no answer, 408, 429 or 5xx. @default 3 */
  readonly retries?: number
  /** The wait before the first of them; it doubles, is spread by chance, and gives way to a `retry-after` of up to 30 s. @default 1000 */
  readonly minDelayMs?: number
  /** @default the global one */
  readonly fetch?: typeof fetch
  /** @default the machine's */
  readonly clock?: Clock
  readonly random?: Random
}

const owner = 'a webhook'
const maxDelayMs = 30_000

/**
 * A sink of alerts that posts them as JSON.
 *
 * An answer of 2xx is success. Redirects are not followed. Each message has a `key`: a receiver that got one twice, as its answer was lost, can tell by it and `at`.
 * Errors name the host only, as the path of a webhook is often its password.
 *
 * @throws `ERR_OUTRIGGER_INVALID_OPTION`; of a message, `ERR_OUTRIGGER_ALERT_FAILED`
 * @example
 * ```ts
 * import { webhook } from 'outrigger/observe'
 * const posted: unknown[] = []
 * const chat = webhook('https://chat.example/hooks/secret', {
 *   body: ({ title }) => ({ text: title }),
 *   fetch: async (_, init) => (posted.push(init?.body), new Response()),
 * })
 * await chat({ title: 'flights: availability burns' } as never, new AbortController().signal)
 * assert.deepEqual(posted, ['{"text":"flights: availability burns"}'])
 * ```
 */
export const webhook = (url: string | URL, options: WebhookOptions = {}): AlertSink => {
  optionsObject(owner, options, ['body', 'headers', 'timeoutMs', 'retries', 'minDelayMs', 'fetch', 'clock', 'random'])
  if (!URL.canParse(String(url)) || !/^https?:$/.test(new URL(url).protocol)) throw new InvalidOptionError(`Cannot create ${owner} as its URL must be one of HTTP: current value is none`)
  const target = new URL(url)
  if (target.username !== '' || target.password !== '') throw new InvalidOptionError(`Cannot create ${owner} as its URL must have no user and no password, which fetch refuses: current value is one of ${target.host}`)
  const { headers = {}, clock = systemClock, random = systemRandom() } = options
  const bodyOf = functionOption(owner, 'body', options.body) ?? ((message: AlertMessage) => message)
  const send = functionOption(owner, 'fetch', options.fetch) ?? fetch
  const timeoutMs = numberOption(owner, 'timeoutMs', options.timeoutMs ?? 10_000, { min: 1 })
  const retries = numberOption(owner, 'retries', options.retries ?? 3, { min: 0, integer: true })
  const backoff = { minDelayMs: numberOption(owner, 'minDelayMs', options.minDelayMs ?? 1000, { min: 0 }), maxDelayMs, factor: 2, jitter: 'full' } as const

  const failed = (value: string, data: Readonly<Record<string, unknown>> = {}): OutriggerError =>
    new OutriggerError('ERR_OUTRIGGER_ALERT_FAILED', `Cannot deliver an alert as the webhook at ${target.host} must answer with success: current value is ${value}`, data)

  /** One attempt: what went wrong, and after how long another may be made. */
  const attempt = async (body: string, outer: AbortSignal): Promise<{ readonly error: OutriggerError; readonly mayRetry: boolean } | undefined> => {
    const controller = new AbortController()
    const leave = (): void => controller.abort(outer.reason)
    const timer = clock.setTimeout(() => controller.abort(), timeoutMs)
    outer.addEventListener('abort', leave, { once: true })
    try {
      const response = await send(target, { method: 'POST', headers: { 'content-type': 'application/json', ...headers }, body, redirect: 'manual', signal: controller.signal })
      await response.body?.cancel()
      if (response.ok) return undefined
      const { status } = response
      return { error: failed(`status ${status}`, { status, retryAfter: response.headers.get('retry-after') ?? undefined }), mayRetry: status >= 500 || status === 408 || status === 429 }
    } catch (error) {
      // Its message may hold the whole URL; its code does not.
      const { code } = Object((error as { readonly cause?: unknown } | null)?.cause) as { readonly code?: unknown }
      return { error: failed(controller.signal.aborted ? `none within ${timeoutMs} ms` : `none (${typeof code === 'string' ? code : 'no connection'})`), mayRetry: !outer.aborted }
    } finally {
      clock.clearTimeout(timer)
      outer.removeEventListener('abort', leave)
    }
  }

  const sleep = (ms: number, signal: AbortSignal): Promise<void> =>
    new Promise((resolve) => {
      const end = (): void => {
        clock.clearTimeout(timer)
        signal.removeEventListener('abort', end)
        resolve()
      }
      const timer = clock.setTimeout(end, ms)
      signal.addEventListener('abort', end)
    })

  return async (message, signal) => {
    const body = JSON.stringify(bodyOf(message))
    for (let made = 1; ; made += 1) {
      const bad = await attempt(body, signal)
      if (bad === undefined) return
      if (!bad.mayRetry || made > retries || signal.aborted) throw bad.error
      await sleep(Math.min(maxDelayMs, retryAfterOf(bad.error, () => clock.wall()) ?? backoffDelay(backoff, made, random)), signal)
      if (signal.aborted) throw bad.error
    }
  }
}
