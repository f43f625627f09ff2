/** One request to a model server: bounded in time and in size, ended by its caller's signal, its failures with a code. */
import type { Clock } from '../../core/clock.js'
import { isOutriggerError, OutriggerError } from '../../core/errors.js'
import { abortErrorOf } from '../../core/model.js'
import { jsonOf } from './_json-tensors.js'
import type { RemoteAnswer, RemoteRequest } from './_remote-protocol.js'
import type { TensorCall } from './engine.js'

/** How requests are made. */
export interface RemoteFetchOptions {
  readonly fetch: typeof fetch
  readonly clock: Clock
  readonly timeoutMs: number
  readonly maxResponseBytes: number
  readonly headers: () => Readonly<Record<string, string>> | PromiseLike<Readonly<Record<string, string>>>
  /** Whether requests carry the trace context of their call. */
  readonly propagates: () => boolean
}

/** What went wrong, whether it may pass, and when to come back. */
const failed = (url: URL, value: string, data: { readonly retryable: boolean; readonly [field: string]: unknown }): OutriggerError =>
  new OutriggerError('ERR_OUTRIGGER_ENGINE_FAILED', `Cannot use the model behind ${url.origin}${url.pathname} as the server must answer: current value is ${value}`, data)

/** Reads no further than the limit. */
const bytesOf = async (response: Response, url: URL, limit: number): Promise<Uint8Array> => {
  const tooLarge = (): OutriggerError => failed(url, `an answer of more than ${limit} bytes (\`maxResponseBytes\`)`, { retryable: false })
  if (Number(response.headers.get('content-length')) > limit) {
    await response.body?.cancel()
    throw tooLarge()
  }
  const parts: Uint8Array[] = []
  let size = 0
  for await (const part of (response.body ?? []) as AsyncIterable<Uint8Array>) {
    size += part.length
    if (size > limit) throw tooLarge() // leaving the loop cancels the body
    parts.push(part)
  }
  return parts.length === 1 ? (parts[0] as Uint8Array) : Buffer.concat(parts)
}

const errorTextOf = (bytes: Uint8Array): string => {
  try {
    const { error } = Object(jsonOf(bytes)) as { readonly error?: unknown }
    if (error !== undefined) return String(error).slice(0, 500)
  } catch {
    // Something else in between answered.
  }
  return new TextDecoder().decode(bytes.subarray(0, 200))
}

const statusError = (response: Response, bytes: Uint8Array, url: URL): OutriggerError => {
  const { status } = response
  const retryAfter = response.headers.get('retry-after')
  return failed(url, `status ${status} (${errorTextOf(bytes)})`, { status, retryable: status >= 500 || status === 408 || status === 429, ...(retryAfter === null ? {} : { retryAfter }) })
}

/**
 * Sends a request, or GETs.
 *
 * @throws `ERR_OUTRIGGER_ENGINE_FAILED` with `retryable`, of an answer with `status` and `retryAfter`;
 * `ERR_OUTRIGGER_TIMEOUT`; the reason of the caller's signal
 */
export const remoteFetch = async (url: URL, request: RemoteRequest | undefined, call: TensorCall | undefined, options: RemoteFetchOptions): Promise<RemoteAnswer> => {
  const { clock, timeoutMs, maxResponseBytes } = options
  const signal = call?.signal
  if (signal?.aborted === true) throw abortErrorOf(signal.reason)
  const controller = new AbortController()
  const leave = (): void => controller.abort(abortErrorOf(signal?.reason))
  const late = (): void => controller.abort(new OutriggerError('ERR_OUTRIGGER_TIMEOUT', `Cannot wait for the model behind ${url.origin}${url.pathname} as it must answer within ${timeoutMs} ms: current value is no answer`, { timeoutMs }))
  const timer = clock.setTimeout(late, timeoutMs)
  signal?.addEventListener('abort', leave, { once: true })
  try {
    const headers = { accept: 'application/json', ...(options.propagates() ? call?.traceContext : undefined), ...(await options.headers()), ...request?.headers }
    controller.signal.throwIfAborted()
    // A redirect could lead to a host that nobody allowed.
    const response = await options.fetch(url, { method: request === undefined ? 'GET' : 'POST', headers, redirect: 'manual', signal: controller.signal, ...(request === undefined ? {} : { body: request.body }) })
    const bytes = await bytesOf(response, url, maxResponseBytes)
    if (!response.ok) throw statusError(response, bytes, url)
    return { headers: response.headers, bytes }
  } catch (error) {
    if (controller.signal.aborted) throw controller.signal.reason as Error
    if (isOutriggerError(error)) throw error
    // `fetch failed` says little; what it is caused by, more, if only by its code where two addresses were tried.
    const { message, code } = Object((error as { readonly cause?: unknown } | null)?.cause) as { readonly message?: string; readonly code?: string }
    throw failed(url, `none (${[message, code, String(error)].find((text) => text !== undefined && text !== '')})`, { cause: error, retryable: true })
  } finally {
    clock.clearTimeout(timer)
    signal?.removeEventListener('abort', leave)
  }
}
