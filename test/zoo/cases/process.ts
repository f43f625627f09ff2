/** What a library does to the process it lives in. */
import { circuitBreaker, pipe, predictor, retry, timeout } from 'outrigger'
import { cached } from 'outrigger/cache'
import { issue, judge, zooCase, type Build, type Kit, type ZooCase } from '../kit.js'
import type { AsyncCacheDedupe, Bottleneck, CacheableModule, Cockatiel, DataLoaderClass, Default, LruCacheModule, Opossum } from '../rivals.js'

interface Used {
  call(input: unknown): Promise<unknown>
}

const used = <T>(name: string, make: (module: T, kit: Kit) => (input: unknown) => Promise<unknown>): Build<Used> => {
  return async (kit) => ({ call: make(await kit.load<T>(name), kit) })
}

export const processCases: readonly ZooCase[] = [
  zooCase<Used>({
    id: 'idle-timers-hold-the-process',
    title: 'What nobody uses any more keeps the process alive',
    issues: [issue('nodeshift/opossum', 378), issue('yammer/circuit-breaker-js', 7)],
    story: 'Timers for statistics and clean-up ran on after the work was done. Scripts did not end, and test runners reported open handles.',
    correct: 'When all calls have settled, nothing holds the process.',
    scenario: async ({ call }, kit) => {
      kit.model.answers()
      for (const input of ['a', 'b', 'a']) await call(input)
      await kit.settle()
      const holds = kit.holdsProcess()
      return judge(!holds, holds ? 'a timer holds the process' : 'nothing holds the process')
    },
    subjects: {
      outrigger: ({ model, clock, random }) => {
        const predict = pipe(predictor((input: unknown) => model.run(input), { clock, random }), timeout({ ms: 1000 }), retry({ retries: 1 }), circuitBreaker(), cached({ ttlMs: 60_000 }))
        return { call: (input) => predict(input) }
      },
      cockatiel: used<Cockatiel>('cockatiel', ({ circuitBreaker: breakerOf, ConsecutiveBreaker, handleAll, retry: retryOf, timeout: timeoutOf, TimeoutStrategy, wrap }, { model }) => {
        const policy = wrap(breakerOf(handleAll, { halfOpenAfter: 1000, breaker: new ConsecutiveBreaker(5) }), retryOf(handleAll, { maxAttempts: 1 }), timeoutOf(1000, TimeoutStrategy.Aggressive))
        return (input) => policy.execute(() => model.run(input))
      }),
      opossum: used<Default<Opossum>>('opossum', ({ default: CircuitBreaker }, { model }) => {
        const breaker = new CircuitBreaker((input: unknown) => model.run(input), { cache: true, cacheTTL: 60_000 })
        return (input) => breaker.fire(input)
      }),
      bottleneck: used<Default<Bottleneck>>('bottleneck', ({ default: Limiter }, { model }) => {
        const limiter = new Limiter({ maxConcurrent: 2 })
        return (input) => limiter.schedule(() => model.run(input))
      }),
      'lru-cache': used<LruCacheModule>('lru-cache', ({ LRUCache }, { model }) => {
        const cache = new LRUCache({ max: 100, ttl: 60_000, fetchMethod: (input: unknown) => model.run(input) })
        return (input) => cache.fetch(input)
      }),
      cacheable: used<CacheableModule>('cacheable', ({ Cacheable }, { model }) => new Cacheable({ ttl: '1m' }).wrap((input) => model.run(input), { keyPrefix: 'model' })),
      'async-cache-dedupe': used<AsyncCacheDedupe>('async-cache-dedupe', ({ createCache }, { model }) => createCache({ ttl: 60, storage: { type: 'memory' } }).define('predict', (input) => model.run(input))['predict'] as (input: unknown) => Promise<unknown>),
      dataloader: used<Default<DataLoaderClass>>('dataloader', ({ default: DataLoader }, { model }) => {
        const loader = new DataLoader((keys) => Promise.all(keys.map((key) => model.run(key))))
        return (input) => loader.load(input)
      }),
    },
  }),
]
