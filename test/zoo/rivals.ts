/** The rivals, as far as the zoo uses them: typed by the methods used, since they are not installed with the package. */

type Run = (context: { readonly signal: AbortSignal }) => unknown

export interface CockatielPolicy {
  execute(run: Run, signal?: AbortSignal): Promise<unknown>
}

export interface CockatielBreaker extends CockatielPolicy {
  readonly state: number
  toJSON(): unknown
}

export interface Cockatiel {
  readonly handleAll: unknown
  handleWhenResult(predicate: (output: unknown) => boolean): unknown
  handleWhen(predicate: (error: Error) => boolean): unknown
  circuitBreaker(policy: unknown, options: { readonly halfOpenAfter: number; readonly breaker: unknown; readonly initialState?: unknown }): CockatielBreaker
  readonly ConsecutiveBreaker: new (threshold: number) => unknown
  readonly SamplingBreaker: new (options: { readonly threshold: number; readonly duration: number; readonly minimumRps?: number }) => unknown
  readonly ConstantBackoff: new (ms: number) => unknown
  readonly ExponentialBackoff: new (options?: { readonly initialDelay?: number; readonly maxDelay?: number }) => unknown
  readonly TimeoutStrategy: { readonly Cooperative: string; readonly Aggressive: string }
  timeout(ms: number, strategy: string): CockatielPolicy
  retry(policy: unknown, options: { readonly maxAttempts: number; readonly backoff?: unknown }): CockatielPolicy
  bulkhead(limit: number, queue?: number): CockatielPolicy
  fallback(policy: unknown, value: unknown): CockatielPolicy
  wrap(...policies: readonly CockatielPolicy[]): CockatielPolicy
}

export interface OpossumBreaker {
  fire(...args: readonly unknown[]): Promise<unknown>
  fallback(run: (...args: readonly unknown[]) => unknown): this
  readonly opened: boolean
  readonly halfOpen: boolean
  readonly closed: boolean
  readonly stats: unknown
  getSignal(): AbortSignal
  shutdown(): void
  toJSON(): { readonly state: unknown; readonly status: { readonly stats?: unknown } }
}

export type Opossum = new (action: (...args: never[]) => unknown, options?: Readonly<Record<string, unknown>>) => OpossumBreaker

export type PRetry = (run: (attempt: number) => unknown, options: { readonly retries: number; readonly minTimeout?: number; readonly factor?: number; readonly maxRetryTime?: number; readonly signal?: AbortSignal | undefined; readonly unref?: boolean }) => Promise<unknown>

export type PTimeout = (promise: Promise<unknown>, options: { readonly milliseconds: number; readonly signal?: AbortSignal | undefined }) => Promise<unknown>

export type PLimit = (concurrency: number) => (run: () => unknown) => Promise<unknown>

export type Bottleneck = new (options: { readonly maxConcurrent: number; readonly highWater?: number; readonly strategy?: number }) => { schedule(run: () => Promise<unknown>): Promise<unknown> }

export interface LruCache<V = unknown> {
  fetch(key: unknown, options?: { readonly signal?: AbortSignal | undefined; readonly context?: unknown }): Promise<V>
  get(key: unknown): V | undefined
  set(key: unknown, value: V): unknown
}

export interface LruCacheModule {
  readonly LRUCache: new (options: Readonly<Record<string, unknown>>) => LruCache
}

export interface CacheableInstance {
  wrap(run: (input: unknown) => Promise<unknown>, options?: { readonly ttl?: number | string; readonly keyPrefix?: string }): (input: unknown) => Promise<unknown>
  on(event: string, listener: (...args: readonly unknown[]) => void): unknown
  readonly stats: { readonly hits: number; readonly misses: number }
}

export interface CacheableModule {
  readonly Cacheable: new (options?: Readonly<Record<string, unknown>>) => CacheableInstance
  readonly Keyv: new (options: Readonly<Record<string, unknown>>) => unknown
  readonly KeyvCacheableMemory: new (options: Readonly<Record<string, unknown>>) => unknown
}

export interface AsyncCacheDedupe {
  createCache(options: Readonly<Record<string, unknown>>): {
    define(name: string, run: (input: unknown) => unknown): { readonly [name: string]: (input: unknown) => Promise<unknown> }
  }
}

export interface DataLoaderInstance {
  load(key: unknown): Promise<unknown>
}

export type DataLoaderClass = new (run: (keys: readonly unknown[]) => Promise<readonly unknown[]>, options?: Readonly<Record<string, unknown>>) => DataLoaderInstance

/** CommonJS modules come with what they export as `default`. */
export interface Default<T> {
  readonly default: T
}
