/** What every source over HTTP can be told about its server. */
import { systemClock, type Clock } from '../../core/clock.js'
import { InvalidOptionError } from '../../core/errors.js'
import { functionOption, numberOption } from '../../core/options.js'
import { systemRandom, type Random } from '../../core/random.js'

/** The part of an answer that is looked at. A `Response` fits. */
export interface FetchAnswer {
  readonly status: number
  readonly headers: { get(name: string): string | null }
  readonly body: ReadableStream<Uint8Array> | null
}

/** The part of `fetch` that is used. The global one fits, and that of undici with a dispatcher of your own. */
export type FetchLike = (
  url: string,
  init: { readonly method: 'GET'; readonly headers: Record<string, string>; readonly redirect: 'manual'; readonly signal: AbortSignal },
) => Promise<FetchAnswer>

/** Headers of every request to the server, such as `authorization`; or a function that gives them anew, where tokens expire. */
export type HeadersOption = Readonly<Record<string, string>> | (() => Readonly<Record<string, string>> | Promise<Readonly<Record<string, string>>>)

/** Options of every source over HTTP. */
export interface HttpOptions {
  /** Where the server is: `https://models.example.com/`. A query in it (a shared access signature) is sent with every request. */
  readonly url: string | URL
  /** Headers of every request to that server. They are never sent anywhere else. @default none */
  readonly headers?: HeadersOption
  /** @default the global `fetch` */
  readonly fetch?: FetchLike
  /**
   * How long an answer may take, in milliseconds. A large file may take longer, if within every such time another
   * kilobyte per second arrives.
   * @default 10_000
   */
  readonly timeoutMs?: number
  /** How often in a row a request that failed for the moment is made again, after 200 ms, 400 ms… with jitter. @default 2 */
  readonly retries?: number
  /** Other origins that the server may redirect to, such as that of its CDN. @default none */
  readonly redirectOrigins?: readonly string[]
  /** The time source. @default the machine's */
  readonly clock?: Clock
  /** The randomness of the pauses. @default seeded by the operating system */
  readonly random?: Random
}

/** The names of {@link HttpOptions}. */
export const httpOptionNames: readonly (keyof HttpOptions)[] = ['url', 'headers', 'fetch', 'timeoutMs', 'retries', 'redirectOrigins', 'clock', 'random']

/** {@link HttpOptions}, checked and complete. */
export interface CheckedHttpOptions extends Required<Omit<HttpOptions, 'url'>> {
  /** Its path ends in `/`. */
  readonly base: URL
}

const refuse = (owner: string, constraint: string, value: unknown): never => {
  throw new InvalidOptionError(`Cannot create ${owner} as ${constraint}: current value is ${String(value)}`)
}

const baseOf = (owner: string, url: unknown): URL => {
  if (!(url instanceof URL) && (typeof url !== 'string' || !URL.canParse(url))) return refuse(owner, '`url` must be an absolute URL', url)
  const base = new URL(url)
  if (base.protocol !== 'http:' && base.protocol !== 'https:') refuse(owner, '`url` must begin with http: or https:', base.protocol)
  if (base.username !== '' || base.password !== '') refuse(owner, '`url` must not hold a name or a password (see `headers`)', 'one that does')
  base.hash = ''
  if (!base.pathname.endsWith('/')) base.pathname += '/'
  return base
}

export const checkHttpOptions = (owner: string, options: HttpOptions): CheckedHttpOptions => {
  const { url, headers = {}, fetch = globalThis.fetch, timeoutMs = 10_000, retries = 2, redirectOrigins = [], clock = systemClock, random = systemRandom() } = options
  if (typeof headers !== 'function' && (typeof headers !== 'object' || headers === null)) refuse(owner, '`headers` must be an object or a function', headers)
  for (const origin of redirectOrigins) {
    if (!URL.canParse(origin) || new URL(origin).origin !== origin) refuse(owner, '`redirectOrigins` must be origins such as "https://cdn.example.com"', origin)
  }
  functionOption(owner, 'fetch', fetch)
  numberOption(owner, 'timeoutMs', timeoutMs, { min: 1 })
  numberOption(owner, 'retries', retries, { min: 0, integer: true })
  return { base: baseOf(owner, url), headers, fetch, timeoutMs, retries, redirectOrigins, clock, random }
}
