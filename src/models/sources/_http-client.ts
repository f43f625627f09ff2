/** GET requests to one server: what may be sent where, how long an answer may take, and what it means. */
import type { Clock } from '../../core/clock.js'
import { isOutriggerError, OutriggerError } from '../../core/errors.js'
import { onAbortOf } from '../../core/signals.js'
import { retryAfterOf } from '../../policy/retry-after.js'
import { isTransientStatus, sourceFailed, sourceNotFound, sourceTooLarge } from './_source-errors.js'
import type { CheckedHttpOptions, FetchAnswer } from './http-options.js'

/** What is asked. */
export interface GetRequest {
  /** What the request is for: `read the index of delay`. */
  readonly action: string
  /** Below the base, its segments encoded. */
  readonly path: string
  readonly query?: Readonly<Record<string, string>>
  readonly headers?: Readonly<Record<string, string>>
  readonly signal?: AbortSignal | undefined
  /** The whole answer must arrive within the limit; otherwise it is enough that it goes on arriving. @default false */
  readonly isSmall?: boolean
  /** Statuses of failure whose answers the caller wants to read. @default none */
  readonly accepts?: readonly number[]
}

/** An answer with a status of 200, 206, 304 or 416, or another one that the caller accepts. */
export interface Answer {
  readonly status: number
  readonly headers: { get(name: string): string | null }
  /** The next bytes of the body, empty at its end. Fails as the connection or the time limit does. */
  next(): Promise<Uint8Array>
  /** Gives the connection back, whatever is still to come. Call it always; twice is fine. */
  end(): void
}

const maxRedirects = 5
/** What a server must bring to have its time limit set back: who trickles is as bad as who hangs. */
const minBytesPerSecond = 1024
const nothing = new Uint8Array()

export class HttpClient {
  readonly #options: CheckedHttpOptions

  constructor(options: CheckedHttpOptions) {
    this.#options = options
  }

  /** What it asks, for messages. */
  get host(): string {
    return this.#options.base.host
  }

  /**
   * @throws `ERR_OUTRIGGER_SOURCE_FAILED`, `ERR_OUTRIGGER_MODEL_NOT_FOUND` (404 and 410), `ERR_OUTRIGGER_ABORTED`
   */
  async get(request: GetRequest): Promise<Answer> {
    const { base, timeoutMs, clock } = this.#options
    const { action, isSmall = false } = request
    const watch = new RequestWatch(action, timeoutMs, clock, request.signal)
    let answer: FetchAnswer
    try {
      answer = await watch.within(this.#follow(request, this.#url(request), watch.signal))
      if (![200, 206, 304, 416, ...request.accepts ?? []].includes(answer.status)) throw statusError(action, answer, base, () => clock.wall())
    } catch (error) {
      watch.end()
      throw watch.errorOf(error)
    }
    return new HttpAnswer(answer, watch, isSmall ? Infinity : Math.ceil(minBytesPerSecond * timeoutMs / 1000))
  }

  async #ownHeaders(action: string): Promise<Readonly<Record<string, string>>> {
    const { headers } = this.#options
    if (typeof headers !== 'function') return headers
    try {
      return await headers()
    } catch (error) {
      throw sourceFailed(action, '`headers` must give headers', causeOf(error), { retryable: true, cause: error })
    }
  }

  #url({ path, query = {} }: GetRequest): URL {
    const url = new URL(this.#options.base)
    url.pathname += path
    for (const [name, value] of Object.entries(query)) url.searchParams.append(name, value)
    return url
  }

  async #follow({ action, headers }: GetRequest, start: URL, signal: AbortSignal): Promise<FetchAnswer> {
    const { base, fetch, redirectOrigins } = this.#options
    const own = await this.#ownHeaders(action)
    let url = start
    for (let redirects = 0; ; redirects += 1) {
      // What the user adds (credentials) goes to the server that the user named, and to nobody else.
      const sent = { 'accept-encoding': 'identity', ...(url.origin === base.origin ? own : {}), ...headers }
      const answer = await fetch(url.href, { method: 'GET', headers: sent, redirect: 'manual', signal })
      const location = answer.headers.get('location')
      if (![301, 302, 303, 307, 308].includes(answer.status) || location === null) return answer
      await answer.body?.cancel()
      if (redirects === maxRedirects) throw sourceFailed(action, `there may be at most ${maxRedirects} redirects`, 'one more', { retryable: false, status: answer.status })
      const next = URL.canParse(location, url.href) ? new URL(location, url) : undefined
      if (next === undefined || (next.origin !== base.origin && !redirectOrigins.includes(next.origin))) {
        throw sourceFailed(action, `a redirect must stay at ${[base.origin, ...redirectOrigins].join(' or ')}`, next?.origin ?? 'no URL', { retryable: false, status: answer.status })
      }
      url = next
    }
  }
}

class HttpAnswer implements Answer {
  readonly status: number
  readonly headers: FetchAnswer['headers']
  readonly #reader: ReadableStreamDefaultReader<Uint8Array> | undefined
  readonly #watch: RequestWatch
  readonly #bytesPerLimit: number
  #missing: number

  constructor({ status, headers, body }: FetchAnswer, watch: RequestWatch, bytesPerLimit: number) {
    this.status = status
    this.headers = headers
    this.#reader = body?.getReader()
    this.#watch = watch
    this.#bytesPerLimit = bytesPerLimit
    this.#missing = bytesPerLimit
  }

  async next(): Promise<Uint8Array> {
    try {
      for (;;) {
        const read = await this.#watch.within(this.#reader?.read() ?? Promise.resolve({ done: true, value: undefined } as const))
        if (read.done) return nothing
        this.#missing -= read.value.length
        if (this.#missing <= 0) {
          this.#missing = this.#bytesPerLimit
          this.#watch.grant()
        }
        if (read.value.length > 0) return read.value
      }
    } catch (error) {
      throw this.#watch.errorOf(error)
    }
  }

  end(): void {
    this.#watch.end()
  }
}

const statusError = (action: string, answer: FetchAnswer, base: URL, wall: () => number): OutriggerError => {
  const { status } = answer
  answer.body?.cancel().catch(() => {})
  if (status === 404 || status === 410) return sourceNotFound(action, `${base.host} must have it`, `status ${status}`)
  const constraint = status === 401 || status === 403 ? `${base.host} must let us (see \`headers\`)` : `${base.host} must answer with success`
  return sourceFailed(action, constraint, `status ${status}`, { retryable: isTransientStatus(status), status, retryAfterMs: retryAfterOf(answer, wall) })
}

/** The time limit of one request, and its end by whoever comes first: the limit, the caller, or we ourselves. */
class RequestWatch {
  readonly #controller = new AbortController()
  readonly #action: string
  readonly #limitMs: number
  readonly #clock: Clock
  readonly #unlisten: (() => void) | undefined
  #leftMs: number
  #reason: OutriggerError | undefined
  #fail: ((reason: OutriggerError) => void) | undefined

  constructor(action: string, limitMs: number, clock: Clock, caller: AbortSignal | undefined) {
    this.#action = action
    this.#limitMs = limitMs
    this.#leftMs = limitMs
    this.#clock = clock
    const abort = (): void => this.#stop(new OutriggerError('ERR_OUTRIGGER_ABORTED', `Cannot ${action} as the caller aborted it`, { cause: caller?.reason }))
    if (caller?.aborted === true) abort()
    else this.#unlisten = caller === undefined ? undefined : onAbortOf(caller, abort)
  }

  get signal(): AbortSignal {
    return this.#controller.signal
  }

  #stop(reason: OutriggerError): void {
    this.#reason = reason
    this.#controller.abort(reason)
    // Also a `fetch` that does not listen to its signal is left behind.
    this.#fail?.(reason)
  }

  /** Sets the limit back. */
  grant(): void {
    this.#leftMs = this.#limitMs
  }

  /** Waits for something. Only the time of such waits counts: who reads slowly does not make the server slow. */
  async within<T>(work: Promise<T>): Promise<T> {
    const started = this.#clock.now()
    const timer = this.#clock.setTimeout(() => {
      this.#stop(sourceFailed(this.#action, `the server must be quicker than ${this.#limitMs} ms`, 'slower', { retryable: true }))
    }, this.#leftMs)
    try {
      return await new Promise<T>((resolve, reject) => {
        this.#fail = reject
        work.then(resolve, reject)
        if (this.#reason !== undefined) reject(this.#reason)
      })
    } finally {
      this.#clock.clearTimeout(timer)
      this.#leftMs = Math.max(0, this.#leftMs - (this.#clock.now() - started))
    }
  }

  /** What a failure is for the caller: why we stopped, or that the network failed. */
  errorOf(error: unknown): unknown {
    if (this.#reason !== undefined) return this.#reason
    if (isOutriggerError(error)) return error
    return sourceFailed(this.#action, 'the server must be reachable', causeOf(error), { retryable: true, cause: error })
  }

  end(): void {
    this.#unlisten?.()
    this.#controller.abort()
  }
}

/** `fetch` hides what happened in the cause of its "fetch failed". */
const causeOf = (error: unknown): string => {
  const { cause, message } = Object(error) as { readonly cause?: { readonly code?: unknown; readonly message?: unknown }; readonly message?: unknown }
  return String(cause?.code ?? cause?.message ?? message ?? error)
}

/** The whole of a small answer. */
export const readSmall = async (answer: Answer, action: string, maxBytes: number): Promise<Uint8Array> => {
  const declared = Number(answer.headers.get('content-length') ?? 0)
  if (declared > maxBytes) throw sourceTooLarge(action, maxBytes, declared)
  const chunks: Uint8Array[] = []
  let bytes = 0
  for (let chunk = await answer.next(); chunk.length > 0; chunk = await answer.next()) {
    bytes += chunk.length
    if (bytes > maxBytes) throw sourceTooLarge(action, maxBytes, 'more')
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}
