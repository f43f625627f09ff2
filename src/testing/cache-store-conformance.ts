/** What every store of a cache must do, as checks that its author can run. */
import { inspect, isDeepStrictEqual } from 'node:util'
import { CacheKey, type Scope } from '../cache/cache-key.js'
import type { CachedAnswer, CacheReading, CacheStore, CacheStoreHost, CacheUse, Invalidation, OpenCacheStore } from '../cache/cache-store.js'
import { encodeWithParts, type Parts } from '../cache/content-key.js'
import { InvalidOptionError } from '../core/errors.js'
import { optionsObject, requiredFunction } from '../core/options.js'
import { fakeClock } from './fake-clock.js'

/** The names of the checks, for `except`. */
export type CacheStoreCheckName =
  | 'an empty store knows nothing'
  | 'an answer comes back exactly'
  | 'a refusal comes back'
  | 'look-alike inputs are told apart'
  | 'versions are told apart'
  | 'many keys are answered in order'
  | 'no keys are no answers'
  | 'the answer that was stored last is given'
  | 'an input is forgotten, in every version'
  | 'a tag is forgotten'
  | 'a version is forgotten, by number and by digest'
  | 'everything is forgotten'
  | 'what was forgotten can be stored again'
  | 'what a job reads is what others stored'
  | 'another process finds what this one stored'
  | 'another process forgets what this one stored'
  | 'a fill that began before another process forgot it is never given out'
  | 'closing twice is closing once'

/** One check. `run` rejects with a plain `Error` that says what is wrong. */
export interface CacheStoreCheck {
  readonly name: CacheStoreCheckName
  run(): Promise<void>
}

/** What {@link cacheStoreConformance} needs to know about a store. */
export interface CacheStoreConformanceOptions {
  /** Whether several processes share what it keeps: opened twice it is the same. @default false */
  readonly isShared?: boolean
  /** Checks that do not apply, each with the reason. */
  readonly except?: Partial<Readonly<Record<CacheStoreCheckName, string>>>
}

/**
 * The checks that every {@link CacheStore} has to pass, whoever wrote it. They run against the real thing, with any test
 * runner; each makes a store of its own.
 *
 * @param make - makes an empty store: of a shared one, under a prefix that nobody else uses
 * @throws `ERR_OUTRIGGER_INVALID_OPTION`
 *
 * @example
 * ```ts
 * import { memoryStore } from 'outrigger/cache'
 * import { cacheStoreConformance } from 'outrigger/testing'
 * // With vitest, Jest or node:test: for (const { name, run } of cacheStoreConformance(…)) test(name, run)
 * for (const { run } of cacheStoreConformance(() => memoryStore())) await run()
 *
 * const forgetful = { open: () => ({ getMany: (keys: readonly unknown[]) => keys.map(() => ({ answer: undefined })), set: () => {}, invalidate: () => {} }), describe: () => 'nowhere' }
 * const check = cacheStoreConformance(() => forgetful).find(({ name }) => name === 'an answer comes back exactly')
 * await assert.rejects(check!.run(), /Expected an answer/)
 * ```
 */
export const cacheStoreConformance = (make: () => CacheStore | PromiseLike<CacheStore>, options: CacheStoreConformanceOptions = {}): CacheStoreCheck[] => {
  const owner = 'a cache store conformance suite'
  optionsObject(owner, options, ['isShared', 'except'])
  requiredFunction(owner, 'make', make)
  const { isShared = false, except = {} } = options
  for (const name of Object.keys(except)) {
    if (!Object.hasOwn(checks, name)) throw new InvalidOptionError(`Cannot create ${owner} as \`except\` must name its checks: current value is ${name}`)
  }
  return (Object.keys(checks) as CacheStoreCheckName[])
    .filter((name) => !Object.hasOwn(except, name) && (isShared || !needsSharing.has(name)))
    .map((name) => ({
      name,
      run: async () => {
        const opened: OpenCacheStore[] = []
        const store = await make()
        const open = (): Kit => {
          const kit = new Kit(store)
          opened.push(kit.store)
          return kit
        }
        try {
          await checks[name](open)
        } catch (error) {
          throw new Error(`The store does not hold "${name}": ${error instanceof Error ? error.message : inspect(error)}`, { cause: error })
        } finally {
          for (const one of opened) await one.close?.()
        }
      },
    }))
}

const needsSharing: ReadonlySet<string> = new Set<CacheStoreCheckName>(['another process finds what this one stored', 'another process forgets what this one stored', 'a fill that began before another process forgot it is never given out'])

const scopes: readonly Scope[] = ['1', '2'].map((version, index) => ({ id: index + 1, text: `digest-${version}`, identity: { name: 'model', version, digest: `digest-${version}` } }))

const keyOf = (value: unknown, version = 1): CacheKey => {
  const parts: Parts = []
  const text = encodeWithParts(value, parts)
  return CacheKey.of(scopes[version - 1] as Scope, text, parts, 7)
}

const answerOf = (output: unknown, tags: readonly string[] = [], version = 1): CachedAnswer => ({ output, refusal: undefined, at: 1_750_000_000_123.25, freshUntil: Infinity, tookMs: 12.5, tags, identity: (scopes[version - 1] as Scope).identity })

/** An open store, and what is said to it all the time. */
class Kit {
  readonly store: OpenCacheStore
  readonly events: string[] = []

  constructor(store: CacheStore) {
    const host: CacheStoreHost = { clock: fakeClock(), count: (event, error) => void this.events.push(error === undefined ? event : `${event}: ${String(error)}`) }
    this.store = store.open(host)
  }

  async read(keys: readonly CacheKey[], use: CacheUse = 'online'): Promise<readonly CacheReading[]> {
    const readings = await this.store.getMany(keys, use)
    if (readings.length !== keys.length) throw new Error(`Expected ${keys.length} readings; got ${readings.length}`)
    return readings
  }

  async asOf(key: CacheKey): Promise<unknown> {
    return (await this.read([key]))[0]?.asOf
  }

  async keep(key: CacheKey, answer: CachedAnswer, asOf?: unknown): Promise<void> {
    await this.store.set([{ key: key.kept(), answer, keepForMs: 60_000, use: 'online', asOf: asOf ?? (await this.asOf(key)) }])
  }

  async has(key: CacheKey, output: unknown): Promise<void> {
    const [reading] = await this.read([key])
    if (reading?.answer === undefined) throw new Error(`Expected an answer; there is none (${this.events.join(', ')})`)
    if (!isDeepStrictEqual(reading.answer.output, output)) throw new Error(`Expected ${inspect(output)}; got ${inspect(reading.answer.output)}`)
    if (this.store.get !== undefined && !isDeepStrictEqual((await this.store.get(key, 'online')).answer?.output, output)) throw new Error('`get` gives something else than `getMany`')
  }

  async hasNot(key: CacheKey): Promise<void> {
    const [reading] = await this.read([key])
    if (reading?.answer !== undefined) throw new Error(`Expected no answer; got ${inspect(reading.answer.output)}`)
  }
}

const shaped = Object.assign(new Float32Array([1, -0, Number.NaN]), { shape: [3, 1] })

/** Outputs that formats lose or change. */
const outputs: readonly unknown[] = [undefined, null, false, 0, -0, Number.NaN, Infinity, '', 'ü ☃ 💥 \ud800', 12345678901234567890n, new Date(5), [], [1, undefined, null], Object.assign(new Array(3), { 1: 'x' }), {}, { a: undefined, b: { c: [-0] } }, new Map<unknown, unknown>([[1, 'a'], ['1', new Map()]]), new Set([1, '1']), new Float64Array([0.1, -0]), shaped, Buffer.from([0, 255]), new Uint8Array([0, 255]), new BigInt64Array([-1n]), new Uint8Array([1, 2]).buffer]

const different: readonly unknown[] = [0, -0, '0', 0n, null, undefined, 'null', [0], [[0]], { a: 0 }, { a: undefined }, {}, new Float32Array(100), new Int32Array(100), new Float32Array(99), Object.assign(new Float32Array(100), { shape: [100] }), Object.assign(new Float32Array(100), { shape: [10, 10] }), '\ud800', '\udfff', '\ufffd']

const checks: Readonly<Record<CacheStoreCheckName, (open: () => Kit) => Promise<void>>> = {
  'an empty store knows nothing': async (open) => {
    const kit = open()
    for (const use of ['online', 'batch', 'refresh'] as const) {
      const [reading] = await kit.read([keyOf(1)], use)
      if (reading?.answer !== undefined || reading?.isUnavailable === true) throw new Error(`Expected nothing; got ${inspect(reading)}`)
    }
  },
  'an answer comes back exactly': async (open) => {
    const kit = open()
    for (const [index, output] of outputs.entries()) {
      const answer = answerOf(output, ['ü', 'b'])
      await kit.keep(keyOf(index), answer)
      await kit.has(keyOf(index), output)
      const found = (await kit.read([keyOf(index)]))[0]?.answer as CachedAnswer
      const { at, freshUntil, tookMs, tags, identity } = found
      if (!isDeepStrictEqual([at, freshUntil, tookMs, tags, identity], [answer.at, answer.freshUntil, answer.tookMs, answer.tags, answer.identity])) throw new Error(`Expected ${inspect(answer)}; got ${inspect(found)}`)
    }
  },
  'a refusal comes back': async (open) => {
    const kit = open()
    const refusal = { name: 'InvalidInputError', code: 'ERR_OUTRIGGER_INVALID_INPUT', message: 'too long', data: { length: 7 } }
    await kit.keep(keyOf(1), { ...answerOf(undefined), refusal })
    const [reading] = await kit.read([keyOf(1)])
    if (!isDeepStrictEqual(reading?.answer?.refusal, refusal)) throw new Error(`Expected the refusal; got ${inspect(reading?.answer)}`)
  },
  'look-alike inputs are told apart': async (open) => {
    const kit = open()
    for (const [index, input] of different.entries()) {
      await kit.hasNot(keyOf(input))
      await kit.keep(keyOf(input), answerOf(index))
    }
    for (const [index, input] of different.entries()) await kit.has(keyOf(input), index)
  },
  'versions are told apart': async (open) => {
    const kit = open()
    await kit.keep(keyOf(1, 1), answerOf('one'))
    await kit.hasNot(keyOf(1, 2))
    await kit.keep(keyOf(1, 2), answerOf('two', [], 2))
    await kit.has(keyOf(1, 1), 'one')
    await kit.has(keyOf(1, 2), 'two')
  },
  'many keys are answered in order': async (open) => {
    const kit = open()
    const count = 2500
    const asOf = await kit.asOf(keyOf(0))
    await kit.store.set(Array.from({ length: count }, (_, index) => ({ key: keyOf(index), answer: answerOf(index, [`tag ${index % 1500}`]), keepForMs: 60_000, use: 'online' as const, asOf })).filter((_, index) => index % 3 !== 0))
    const order = Array.from({ length: count }, (_, index) => (index * 7) % count)
    const readings = await kit.read(order.map((index) => keyOf(index)))
    order.forEach((index, position) => {
      const { answer } = readings[position] as CacheReading
      if (index % 3 === 0 ? answer !== undefined : answer?.output !== index) throw new Error(`Expected the answer to ${index} at ${position}; got ${inspect(answer)}`)
    })
  },
  'no keys are no answers': async (open) => {
    const kit = open()
    await kit.read([])
    await kit.store.set([])
  },
  'the answer that was stored last is given': async (open) => {
    const kit = open()
    await kit.keep(keyOf(1), answerOf('first', ['a']))
    await kit.keep(keyOf(1), answerOf('last', ['b']))
    await kit.has(keyOf(1), 'last')
    await kit.store.invalidate({ tag: 'a' })
    await kit.has(keyOf(1), 'last')
  },
  'an input is forgotten, in every version': async (open) => {
    const kit = open()
    for (const version of [1, 2]) for (const input of [1, 2]) await kit.keep(keyOf(input, version), answerOf(input, [], version))
    await kit.store.invalidate({ input: keyOf(1) })
    for (const version of [1, 2]) {
      await kit.hasNot(keyOf(1, version))
      await kit.has(keyOf(2, version), 2)
    }
  },
  'a tag is forgotten': async (open) => {
    const kit = open()
    await kit.keep(keyOf(1), answerOf(1, ['airport:ATL', 'x']))
    await kit.keep(keyOf(2), answerOf(2, ['x']))
    await kit.keep(keyOf(3), answerOf(3))
    await kit.store.invalidate({ tag: 'airport:ATL' })
    await kit.hasNot(keyOf(1))
    await kit.has(keyOf(2), 2)
    await kit.has(keyOf(3), 3)
  },
  'a version is forgotten, by number and by digest': async (open) => {
    for (const by of ['1', 'digest-1']) {
      const kit = open()
      for (const version of [1, 2]) await kit.keep(keyOf(1, version), answerOf(version, [], version))
      await kit.store.invalidate({ version: by })
      await kit.hasNot(keyOf(1, 1))
      await kit.has(keyOf(1, 2), 2)
    }
  },
  'everything is forgotten': async (open) => {
    const kit = open()
    for (const version of [1, 2]) await kit.keep(keyOf(1, version), answerOf(version, [], version))
    await kit.store.invalidate('all')
    for (const version of [1, 2]) await kit.hasNot(keyOf(1, version))
  },
  'what was forgotten can be stored again': async (open) => {
    const kit = open()
    const all: Invalidation[] = [{ input: keyOf(1) }, { tag: 'x' }, { version: '1' }, 'all']
    for (const what of all) {
      await kit.keep(keyOf(1), answerOf('old', ['x']))
      await kit.store.invalidate(what)
      await kit.hasNot(keyOf(1))
      await kit.keep(keyOf(1), answerOf('new', ['x']))
      await kit.has(keyOf(1), 'new')
    }
  },
  'what a job reads is what others stored': async (open) => {
    const kit = open()
    await kit.keep(keyOf(1), answerOf(1))
    const [reading] = await kit.read([keyOf(1)], 'batch')
    if (reading?.answer?.output !== 1) throw new Error(`Expected an answer; got ${inspect(reading)}`)
  },
  'another process finds what this one stored': async (open) => {
    await open().keep(keyOf(new Float32Array(100)), answerOf(1))
    await open().has(keyOf(new Float32Array(100)), 1)
  },
  'another process forgets what this one stored': async (open) => {
    const [mine, theirs] = [open(), open()]
    const all: Invalidation[] = [{ input: keyOf(1) }, { tag: 'x' }, { version: 'digest-1' }, 'all']
    for (const what of all) {
      await mine.keep(keyOf(1), answerOf(1, ['x']))
      await theirs.has(keyOf(1), 1)
      await theirs.store.invalidate(what)
      await mine.hasNot(keyOf(1))
    }
  },
  'a fill that began before another process forgot it is never given out': async (open) => {
    const [mine, theirs] = [open(), open()]
    const all: Invalidation[] = [{ input: keyOf(1) }, { tag: 'x' }, { version: '1' }, 'all']
    for (const what of all) {
      const before = await mine.asOf(keyOf(1))
      await theirs.store.invalidate(what)
      await mine.keep(keyOf(1), answerOf('old', ['x']), before)
      await mine.hasNot(keyOf(1))
      await theirs.hasNot(keyOf(1))
    }
  },
  'closing twice is closing once': async (open) => {
    const kit = open()
    await kit.keep(keyOf(1), answerOf(1))
    await kit.store.close?.()
    await kit.store.close?.()
  },
}
