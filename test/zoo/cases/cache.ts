/** Caches. */
import { pipe, predictor } from 'outrigger'
import { cached, type CachedOptions, type CacheStore } from 'outrigger/cache'
import { fateOf, issue, judge, lacks, tell, zooCase, type Build, type Kit, type ZooCase } from '../kit.js'
import type { AsyncCacheDedupe, CacheableModule, DataLoaderClass, Default, LruCacheModule, Opossum } from '../rivals.js'

/** A model behind a cache. */
interface Cached {
  call(input: unknown, signal?: AbortSignal): Promise<unknown>
}

const ours = (options: CachedOptions<unknown> = {}): Build<Cached> => {
  return ({ model, clock, random }) => {
    const predict = pipe(predictor((input: unknown, call) => model.run(input, call.signal), { clock, random }), cached(options))
    return { call: (input, signal) => predict(input, { signal }) }
  }
}

const lruCache = (options: Readonly<Record<string, unknown>> = {}): Build<Cached> => {
  return async ({ model, load }) => {
    const { LRUCache } = await load<LruCacheModule>('lru-cache')
    const cache = new LRUCache({ max: 1000, fetchMethod: (key: unknown, _stale: unknown, { signal }: { signal: AbortSignal }) => model.run(key, signal), ...options })
    return { call: (input, signal) => cache.fetch(input, { signal }) }
  }
}

const cacheable = (options: Readonly<Record<string, unknown>> = {}): Build<Cached> => {
  return async ({ model, load }) => {
    const { Cacheable } = await load<CacheableModule>('cacheable')
    const cache = new Cacheable(options)
    const wrapped = cache.wrap((input) => model.run(input), { ttl: '1h', keyPrefix: 'model' })
    return { call: (input) => wrapped(input) }
  }
}

const asyncCacheDedupe = (options: Readonly<Record<string, unknown>> = {}): Build<Cached> => {
  return async ({ model, load }) => {
    const { createCache } = await load<AsyncCacheDedupe>('async-cache-dedupe')
    const cache = createCache({ ttl: 3600, storage: { type: 'memory' }, ...options }).define('predict', (input) => model.run(input))
    return { call: (input) => (cache['predict'] as (input: unknown) => Promise<unknown>)(input) }
  }
}

const opossum = (options: Readonly<Record<string, unknown>> = {}): Build<Cached> => {
  return async ({ model, load }) => {
    const { default: CircuitBreaker } = await load<Default<Opossum>>('opossum')
    const breaker = new CircuitBreaker((input: unknown) => model.run(input), { cache: true, volumeThreshold: 100, ...options })
    return { call: (input) => breaker.fire(input) }
  }
}

const noKey = lacks('the caller makes the key')
const noSignal = lacks('a call has no signal')
const byContent = { outrigger: ours(), 'lru-cache': noKey, cacheable: cacheable(), 'async-cache-dedupe': asyncCacheDedupe(), opossum: opossum() }
const byText = { ...byContent, 'lru-cache': lruCache() }

const noStale = lacks('it serves no stale answers')
const inMemory = lacks('it keeps answers in memory only')

/** Our cache over a store whose every operation does the same. */
const overStore = (operation: () => Promise<never>): Build<Cached & { errors(): number }> => {
  return ({ model, clock, random }) => {
    const store: CacheStore = { open: () => ({ getMany: operation, set: operation, invalidate: operation }), describe: () => 'a dead store' }
    const layer = cached({ store })
    const predict = pipe(predictor((input: unknown) => model.run(input), { clock, random, version: '1' }), layer)
    return { call: (input) => predict(input), errors: () => layer.counts.storeErrors + layer.counts.storeTimeouts }
  }
}

/** Redis, as the others' adapters see it, whose every operation does the same. */
const deadMap = (operation: () => Promise<never>): Readonly<Record<string, unknown>> => ({ get: operation, set: operation, setex: operation, has: operation, delete: operation, del: operation, clear: operation, on: () => {}, ttl: operation })

/** Asks for two inputs that a model tells apart: does the second get the first one's answer? */
const confuses = async ({ call }: Cached, { model }: Kit, one: unknown, other: unknown): Promise<boolean> => {
  model.answers((input) => (input === one ? 'one' : 'other'))
  await call(one)
  return (await call(other)) === 'one'
}

const confusions = async (cache: Cached, kit: Kit, pairs: readonly (readonly [string, unknown, unknown])[]): Promise<ReturnType<typeof judge>> => {
  const confused: string[] = []
  for (const [name, one, other] of pairs) if (await confuses(cache, kit, one, other)) confused.push(name)
  return judge(confused.length === 0, confused.length === 0 ? `all ${pairs.length} pairs told apart` : `one answer for both: ${confused.join(', ')}`)
}

/** Asks twice in a row; whether the second came without the model. */
const hits = async ({ call }: Cached, { model }: Kit, input: unknown): Promise<{ readonly isHit: boolean; readonly value: unknown }> => {
  await call(input)
  const before = model.calls
  const value = await call(input)
  return { isHit: model.calls === before, value }
}

export const cacheCases: readonly ZooCase[] = [
  zooCase<Cached>({
    id: 'keys-by-json',
    title: 'NaN, Infinity, undefined and null are one key',
    issues: [issue('sindresorhus/memoize', 22), issue('sindresorhus/memoize', 20)],
    story: 'The key was `JSON.stringify` of the arguments, which writes `null` for NaN, for Infinity and for undefined in an array. Different inputs shared an answer. For a model, where NaN is a missing value and Infinity an overflow, that is a wrong prediction.',
    correct: 'Different inputs have different answers.',
    scenario: (cache, kit) =>
      confusions(cache, kit, [
        ['[NaN] and [null]', [Number.NaN], [null]],
        ['[Infinity] and [null]', ['a', Infinity], ['a', null]],
        ['[undefined] and [null]', ['b', undefined], ['b', null]],
        ['{ x: NaN } and { x: null }', { x: Number.NaN }, { x: null }],
        ['{ y: Infinity } and { y: -Infinity }', { y: Infinity }, { y: -Infinity }],
      ]),
    subjects: byContent,
  }),

  zooCase<Cached>({
    id: 'keys-of-map-and-set',
    title: 'All Maps and Sets are one key',
    issues: [issue('farming-labs/farm.js', 569)],
    story: 'A stable serializer had no branch for Set and Map. They have no enumerable fields, so each became `{}`, and a sum over {9} was served from the one over {1, 2}.',
    correct: 'Maps and Sets with different content have different answers (or are refused).',
    scenario: (cache, kit) =>
      confusions(cache, kit, [
        ['Set {1, 2} and Set {9}', new Set([1, 2]), new Set([9])],
        ['Map {a} and Map {b}', new Map([['a', 1]]), new Map([['b', 2]])],
        ['{ tags: Set } of different tags', { tags: new Set(['cat']) }, { tags: new Set(['dog']) }],
      ]),
    subjects: byContent,
  }),

  zooCase<Cached>({
    id: 'keys-of-typed-arrays',
    title: 'Typed arrays of different types are one key',
    issues: [issue('langchain-ai/langgraph', 8744), issue('farming-labs/farm.js', 593), issue('PaddlePaddle/FastDeploy', 7196)],
    story: 'uint8 200 and int8 −56 are the same byte, and a Float32Array and an Int32Array of the same numbers have the same fields. Where a key holds only the bytes or only the fields, two tensors that mean different things share an answer.',
    correct: 'Element type, length and bytes belong to the key.',
    scenario: (cache, kit) =>
      confusions(cache, kit, [
        ['Float32Array [1, 2] and Int32Array [1, 2]', Float32Array.of(1, 2), Int32Array.of(1, 2)],
        ['Uint8Array [200] and Int8Array [-56], the same byte', Uint8Array.of(200), Int8Array.of(-56)],
        ['Float32Array [3] and { 0: 3 }', Float32Array.of(3), { 0: 3 }],
        ['ArrayBuffers of different bytes', Uint8Array.of(1).buffer, Uint8Array.of(2).buffer],
      ]),
    subjects: byContent,
  }),

  zooCase<Cached>({
    id: 'keys-with-proto',
    title: 'A field named __proto__ is lost from the key',
    issues: [issue('mastra-ai/mastra', 23912)],
    story: 'The serializer sorted the fields into a plain `{}`. Assigning `__proto__` there sets the prototype, so that the field vanished from the key and two different inputs shared an answer.',
    correct: 'It is a field like any other.',
    scenario: (cache, kit) =>
      confusions(cache, kit, [
        ['with and without __proto__', JSON.parse('{"__proto__":{"role":"admin"},"id":1}'), JSON.parse('{"id":1}')],
        ['two values of __proto__', JSON.parse('{"__proto__":"a","id":2}'), JSON.parse('{"__proto__":"b","id":2}')],
      ]),
    subjects: byContent,
  }),

  zooCase<Cached>({
    id: 'keys-with-separators',
    title: 'A separator in a value makes two inputs one key',
    issues: [issue('SchneiderDaniel/cheasee-pi', 664)],
    story: 'Parts of the key were joined with `::`. C++ has `std::cout`: patterns that hold the separator collided.',
    correct: 'No text in a value can look like structure.',
    scenario: (cache, kit) =>
      confusions(cache, kit, [
        ["['a::b', 'c'] and ['a', 'b::c']", ['a::b', 'c'], ['a', 'b::c']],
        ["['a,b'] and ['a', 'b']", ['a,b'], ['a', 'b']],
        ["{ k: '1\",\"l\":\"2' } and { k: '1', l: '2' }", { k: '1","l":"2' }, { k: '1', l: '2' }],
        ["[1] and ['1']", [1], ['1']],
      ]),
    subjects: byContent,
  }),

  zooCase<Cached>({
    id: 'falsy-answers-not-cached',
    title: 'Zero, false and the empty string are never cached',
    issues: [issue('jaredwray/cacheable', 25)],
    story: 'The cache asked whether it had found something truthy. A model that answers 0 or false, which is what classifiers do, was asked each time.',
    correct: 'Every answer is kept: 0, false, the empty string, NaN and null.',
    scenario: async (cache, kit) => {
      const missed: string[] = []
      for (const value of [0, false, '', Number.NaN, null]) {
        kit.model.answers(() => value)
        const second = await hits(cache, kit, `gives ${String(value)}`)
        if (!second.isHit) missed.push(`${value === '' ? "''" : String(value)} asked again`)
        else if (!Object.is(second.value, value)) missed.push(`${String(value)} came back as ${String(second.value)}`)
      }
      return judge(missed.length === 0, missed.length === 0 ? 'all kept' : missed.join(', '))
    },
    subjects: byText,
  }),

  zooCase<Cached>({
    id: 'failure-stays-cached',
    title: 'One transient failure is served again and again',
    issues: [issue('CleverCloud/clever-client.js', 226), issue('graphql/dataloader', 258), issue('jaredwray/cacheable', 896)],
    story: 'The promise itself was stored. It was a rejected one, and for a whole day everybody got the network error of that moment. (opossum runs with `coalesce`, which it offers against stampedes; a failure is kept there for as long as `coalesceTTL` says, unless `coalesceResetOn` names errors.)',
    correct: 'After a failure the next call asks the model.',
    scenario: async ({ call }, kit) => {
      kit.model.fails(() => new Error('503'))
      const first = fateOf(call('x'))
      await kit.settle()
      kit.model.answers()
      const second = fateOf(call('x'))
      await kit.wait(50)
      return judge(second.state === 'fulfilled' && second.value === 'x', `first: ${tell(first)}; second: ${tell(second)}`)
    },
    subjects: {
      ...byText,
      // With coalescing, which is what its documentation offers against stampedes.
      opossum: opossum({ coalesce: true }),
      dataloader: async ({ model, load }) => {
        const { default: DataLoader } = await load<Default<DataLoaderClass>>('dataloader')
        const loader = new DataLoader((keys) => Promise.all(keys.map((key) => model.run(key).catch((error: unknown) => error))))
        return { call: (input) => loader.load(input) }
      },
    },
  }),

  zooCase<Cached>({
    id: 'exception-becomes-undefined',
    title: 'The model\'s exception becomes undefined',
    issues: [issue('jaredwray/cacheable', 1147)],
    story: 'The wrapped function threw, and the wrapper resolved with undefined: the error went to an event that nobody listened to. A service that expects a score goes on without one.',
    correct: 'The caller gets the model\'s error.',
    scenario: async ({ call }, kit) => {
      kit.model.fails(() => new Error('model down'))
      const fate = fateOf(call('x'))
      await kit.wait(20)
      return judge(fate.state === 'rejected', tell(fate))
    },
    subjects: byText,
  }),

  zooCase<Cached>({
    id: 'stampede',
    title: 'Everybody who misses asks the model',
    issues: [issue('jaredwray/cacheable', 888), issue('jaredwray/cacheable', 977)],
    story: 'Calls for the same key that came together while it was not yet cached each ran the expensive function.',
    correct: 'Ten calls at once for one input ask the model once.',
    scenario: async ({ call }, kit) => {
      kit.model.hangs()
      const fates = Array.from({ length: 10 }, () => fateOf(call('x')))
      await kit.wait(20)
      const asked = kit.model.calls
      for (const { answer } of kit.model.arrivals) answer('y')
      await kit.wait(20)
      const answered = fates.filter(({ value }) => value === 'y').length
      return judge(asked === 1 && answered === 10, `10 calls, the model asked ${asked} times, ${answered} answered`)
    },
    subjects: { ...byText, opossum: opossum({ coalesce: true }) },
  }),

  zooCase<Cached>({
    id: 'eviction-aborts-flights',
    title: 'A full cache aborts what is under way',
    issues: [issue('isaacs/node-lru-cache', 320), issue('vltpkg/vltpkg', 1781), issue('powersync-ja/powersync-service', 711)],
    story: 'With one more request at once than the cache has places, the oldest was evicted while still under way, and its caller got an error that said "evicted". (An option, `ignoreFetchAbort`, turns it off.)',
    correct: 'With three places, six callers at once get six answers.',
    scenario: async ({ call }, kit) => {
      kit.model.hangs()
      const fates = Array.from({ length: 6 }, (_, index) => fateOf(call(`input ${index}`)))
      await kit.wait(20)
      for (const { input, answer } of kit.model.arrivals) answer(input)
      await kit.wait(20)
      const answered = fates.filter(({ state, value }, index) => state === 'fulfilled' && value === `input ${index}`).length
      const failed = fates.find(({ state }) => state === 'rejected')
      return judge(answered === 6, `${answered} of 6 answered${failed === undefined ? '' : `; ${tell(failed)}`}`)
    },
    subjects: {
      outrigger: ours({ max: 3 }),
      'lru-cache': lruCache({ max: 3 }),
      cacheable: async (kit) => {
        const { Keyv, KeyvCacheableMemory } = await kit.load<CacheableModule>('cacheable')
        return await (cacheable({ primary: new Keyv({ store: new KeyvCacheableMemory({ lruSize: 3 }) }) }) as (kit: Kit) => Promise<Cached>)(kit)
      },
      'async-cache-dedupe': asyncCacheDedupe({ storage: { type: 'memory', options: { size: 3 } } }),
      opossum: opossum({ cacheSize: 3, coalesce: true, coalesceSize: 3 }),
    },
  }),

  zooCase<Cached>({
    id: 'first-callers-abort-rejects-all',
    title: 'The first caller\'s abort rejects everybody who shares the call',
    issues: [issue('nodejs/undici', 5711)],
    story: 'Two callers shared one request. The first had a signal and aborted; the second, which had none, was rejected with the first one\'s AbortError.',
    correct: 'Who leaves disturbs nobody who stays.',
    scenario: async ({ call }, kit) => {
      kit.model.obeys()
      const controller = new AbortController()
      const first = fateOf(call('x', controller.signal))
      await kit.settle()
      const second = fateOf(call('x'))
      await kit.settle()
      controller.abort()
      await kit.settle()
      for (const { answer } of kit.model.arrivals) answer('y')
      await kit.wait(20)
      return judge(first.state === 'rejected' && second.state === 'fulfilled' && second.value === 'y', `the one who stayed: ${tell(second)}`)
    },
    subjects: { outrigger: ours(), 'lru-cache': lruCache(), cacheable: noSignal, 'async-cache-dedupe': noSignal, opossum: noSignal },
  }),

  zooCase<Cached>({
    id: 'background-fetch-lost',
    title: 'Work that goes on after a caller left is lost',
    issues: [issue('isaacs/node-lru-cache', 389), issue('isaacs/node-lru-cache', 388), issue('isaacs/node-lru-cache', 274)],
    story: 'Callers left early and the fetches went on, so that the next ones would find their values. With several under way at once, some of the values never arrived in the cache.',
    correct: 'Two inputs are under way, and the first of the two callers of each leaves: both answers are kept.',
    scenario: async ({ call }, kit) => {
      kit.model.hangs()
      const controller = new AbortController()
      const inputs = ['two', 'one']
      for (const input of inputs) fateOf(call(input, controller.signal))
      await kit.settle()
      for (const input of inputs) fateOf(call(input))
      await kit.settle()
      controller.abort()
      await kit.settle()
      for (const { input, answer } of [...kit.model.arrivals].reverse()) answer(input)
      await kit.wait(20)
      const asked = kit.model.calls
      kit.model.answers()
      for (const input of inputs) await call(input).catch(() => {})
      const again = kit.model.calls - asked
      return judge(again === 0, `${again} of 2 inputs asked again later`)
    },
    // The options that the issue uses, so that work goes on when a caller leaves.
    subjects: { outrigger: ours(), 'lru-cache': lruCache({ ttl: 10_000, ignoreFetchAbort: true, allowStaleOnFetchAbort: true }), cacheable: noSignal, 'async-cache-dedupe': noSignal, opossum: noSignal },
  }),

  zooCase<Cached>({
    id: 'mutated-output',
    title: 'A caller who changes an answer changes it for all',
    issues: [issue('jaredwray/cacheable', 137), issue('arthurfiorette/axios-cache-interceptor', 580)],
    story: 'A caller worked on what it got, in place. The next caller got the changed object from the cache.',
    correct: 'What a caller does to an answer nobody else sees.',
    scenario: async ({ call }, kit) => {
      kit.model.answers(() => ({ label: 'cat', scores: [0.9, 0.1] }))
      const seen: string[] = []
      for (let reader = 0; reader < 3; reader += 1) {
        const output = (await call('x')) as { label: string; scores: number[] }
        seen.push(`${output.label} ${output.scores.length}`)
        output.label = 'dog'
        output.scores.push(7)
      }
      return judge(seen.every((what) => what === 'cat 2'), `three readers saw: ${seen.join(', ')}`)
    },
    subjects: byText,
  }),

  zooCase<Cached>({
    id: 'typed-array-comes-back-as-object',
    title: 'A typed array comes back from the cache as a plain object',
    issues: [issue('jaredwray/cacheable', 1079)],
    story: 'The first caller got a Uint8Array, the second `{ "0": 1, "1": 2 }`: the cache had sent it through JSON.',
    correct: 'A cached Float32Array comes back as the same Float32Array, NaN and all.',
    scenario: async (cache, kit) => {
      kit.model.answers(() => ({ scores: Float32Array.of(0.25, Number.NaN, 3) }))
      const { value, isHit } = await hits(cache, kit, 'x')
      const { scores } = (value ?? {}) as { scores?: unknown }
      const isSame = scores instanceof Float32Array && [0.25, Number.NaN, 3].every((number, index) => Object.is(scores[index], number))
      return judge(isHit && isSame, `the second answer ${isHit ? 'from the cache' : 'from the model'}: ${scores instanceof Float32Array ? `Float32Array [${scores.join(', ')}]` : JSON.stringify(scores)}`)
    },
    subjects: byText,
  }),

  zooCase<Cached>({
    id: 'default-cache-grows',
    title: 'By default the cache grows for ever',
    issues: [issue('OpenCTI-Platform/opencti', 2878), issue('graphql-hive/gateway', 1085)],
    story: 'A batching helper was used for its batching. Its cache, which is on by default and forgets nothing, filled the memory.',
    correct: 'With default options (and the size, where one must be given) the first of 50 000 inputs is forgotten.',
    scenario: async ({ call }, kit) => {
      kit.model.answers(() => 1)
      for (let start = 0; start < 50_000; start += 100) {
        await Promise.all(Array.from({ length: 100 }, (_, index) => call(`input ${start + index}`)))
        kit.model.arrivals.length = 0
      }
      await call('input 0')
      return judge(kit.model.calls === 1, kit.model.calls === 1 ? 'the first input was forgotten' : 'all 50 000 are kept')
    },
    subjects: {
      ...byText,
      dataloader: async ({ model, load }) => {
        const { default: DataLoader } = await load<Default<DataLoaderClass>>('dataloader')
        const loader = new DataLoader((keys) => Promise.all(keys.map((key) => model.run(key))))
        return { call: (input) => loader.load(input) }
      },
    },
  }),

  zooCase<Cached>({
    id: 'stampede-on-stale',
    title: 'Everybody who finds a stale answer renews it',
    issues: [issue('mcollina/async-cache-dedupe', 164)],
    story: 'Calls were deduplicated while the cache was empty. Once the answer was stale, each of ten calls started a renewal of its own.',
    correct: 'Ten calls at once get the stale answer at once, and one renewal runs.',
    scenario: async ({ call }, kit) => {
      kit.model.answers(() => 'old')
      await call('x')
      await kit.wait(1300)
      kit.model.hangs()
      const before = kit.model.calls
      const fates = Array.from({ length: 10 }, () => fateOf(call('x')))
      await kit.wait(20)
      const atOnce = fates.filter(({ value }) => value === 'old').length
      const renewals = kit.model.calls - before
      for (const { answer } of kit.model.arrivals) answer('new')
      kit.model.answers(() => 'newest')
      await kit.wait(20)
      const next = await call('x')
      return judge(atOnce === 10 && renewals === 1 && next === 'new', `${atOnce} of 10 got the stale answer at once, ${renewals} renewals; then '${String(next)}'`)
    },
    subjects: {
      outrigger: ours({ ttlMs: 1000, staleWhileRevalidateMs: 60_000 }),
      'lru-cache': lruCache({ ttl: 1000, allowStale: true }),
      'async-cache-dedupe': asyncCacheDedupe({ ttl: 1, stale: 60 }),
      cacheable: noStale,
      opossum: noStale,
    },
  }),

  zooCase<Cached>({
    id: 'stale-if-error',
    title: 'The old answer is thrown away just when the model fails',
    issues: [issue('isaacs/node-lru-cache', 233)],
    story: 'A renewal failed, and with it the value that was still there: the request asked for what HTTP calls stale-if-error.',
    correct: 'While the model fails, callers get the answer that there was, and again.',
    scenario: async ({ call }, kit) => {
      kit.model.answers(() => 'old')
      await call('x')
      await kit.wait(1300)
      kit.model.fails()
      const fates = []
      for (let attempt = 0; attempt < 3; attempt += 1) {
        fates.push(fateOf(call('x')))
        await kit.wait(20)
      }
      return judge(fates.every(({ value }) => value === 'old') && kit.unhandled.length === 0, fates.map(tell).join('; '))
    },
    subjects: {
      outrigger: ours({ ttlMs: 1000, staleIfErrorMs: 60_000 }),
      'lru-cache': lruCache({ ttl: 1000, allowStaleOnFetchRejection: true, noDeleteOnFetchRejection: true }),
      'async-cache-dedupe': asyncCacheDedupe({ ttl: 1, stale: 60 }),
      cacheable: noStale,
      opossum: noStale,
    },
  }),

  zooCase<Cached>({
    id: 'store-that-hangs',
    title: 'A store that does not answer takes the service with it',
    issues: [issue('jaredwray/keyv', 1554), issue('jaredwray/keyv', 1496)],
    story: 'The Redis behind the in-memory cache was down. With the option `nonBlocking` it was expected that callers would not notice. They waited.',
    correct: 'With a store that never answers the model is asked within half a second.',
    scenario: async ({ call }, kit) => {
      kit.model.answers()
      const fate = fateOf(call('x'))
      await kit.wait(500)
      return judge(fate.state === 'fulfilled', `after half a second: ${tell(fate)}`)
    },
    subjects: {
      outrigger: overStore(() => new Promise<never>(() => {})),
      cacheable: async (kit) => {
        const { Keyv } = await kit.load<CacheableModule>('cacheable')
        return await (cacheable({ secondary: new Keyv({ store: deadMap(() => new Promise<never>(() => {})) }), nonBlocking: true }) as (kit: Kit) => Promise<Cached>)(kit)
      },
      'async-cache-dedupe': asyncCacheDedupe({ storage: { type: 'redis', options: { client: deadMap(() => new Promise<never>(() => {})) } } }),
      'lru-cache': inMemory,
      opossum: lacks('its stores answer at once or not at all'),
    },
  }),

  zooCase<Cached & { errors(): number }>({
    id: 'store-error-passes-for-a-miss',
    title: 'A failing store looks like an empty one',
    issues: [issue('koala73/worldmonitor', 3527), issue('koala73/worldmonitor', 8348)],
    story: 'The helper returned null for a miss and for every error of Redis. During an outage everything was a miss, all callers went to the upstream, and no figure told the two apart.',
    correct: 'The answer comes from the model, and the error is told apart from a miss.',
    scenario: async ({ call, errors }, kit) => {
      kit.model.answers()
      const fate = fateOf(call('x'))
      await kit.wait(100)
      return judge(fate.state === 'fulfilled' && errors() > 0, `${tell(fate)}; ${errors()} errors of the store told`)
    },
    subjects: {
      outrigger: async (kit) => await (overStore(() => Promise.reject(new Error('ECONNREFUSED'))) as (kit: Kit) => Promise<Cached & { errors(): number }>)(kit),
      cacheable: async ({ load, model }) => {
        const { Cacheable, Keyv } = await load<CacheableModule>('cacheable')
        let errors = 0
        const cache = new Cacheable({ secondary: new Keyv({ store: deadMap(() => Promise.reject(new Error('ECONNREFUSED'))), throwOnErrors: true }), nonBlocking: true })
        cache.on('error', () => void (errors += 1))
        const wrapped = cache.wrap((input) => model.run(input), { ttl: '1h', keyPrefix: 'model' })
        return { call: (input) => wrapped(input), errors: () => errors }
      },
      'async-cache-dedupe': async (kit) => {
        let errors = 0
        const log = { debug: () => {}, info: () => {}, warn: () => {}, error: () => void (errors += 1) }
        const cache = await (asyncCacheDedupe({ storage: { type: 'redis', options: { client: deadMap(() => Promise.reject(new Error('ECONNREFUSED'))), log } }, onError: () => void (errors += 1) }) as (kit: Kit) => Promise<Cached>)(kit)
        return { ...cache, errors: () => errors }
      },
      'lru-cache': inMemory,
      opossum: lacks('its stores answer at once or not at all'),
    },
  }),
]
