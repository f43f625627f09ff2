import { numberOption, optionsObject, stringOption } from '../core/options.js'
import { OutriggerError } from '../core/errors.js'
import { redisCommand, type RedisClient, type RedisCommand } from '../store/redis.js'
import type { CacheKey, Scope } from './cache-key.js'
import type { CachedAnswer, CacheFill, CacheReading, CacheStore, CacheStoreHost, Invalidation, OpenCacheStore } from './cache-store.js'
import { openAnswer, scopeDigest, sealAnswer } from './_envelope.js'

/** Options of {@link redisStore}. */
export interface RedisStoreOptions {
  /** A connected client of ioredis or node-redis. It stays yours: nothing here closes it. */
  readonly client: RedisClient
  /**
   * What all keys begin with. One prefix for one stack: the same models, the same layers inside of `cached`, the same
   * `key`. On a cluster it must hold a hash tag, as in `{flights}`.
   */
  readonly prefix: string
  /** No answer is kept longer, in milliseconds. @default a week */
  readonly maxAgeMs?: number
  /** A larger answer is not stored, in bytes. @default 1 MiB */
  readonly maxEntryBytes?: number
}

/** The server's time and the values, in one go: what is invalidated later has a later time. */
const read = "local t = redis.call('TIME') return {t[1], t[2], redis.call('MGET', unpack(KEYS))}"
const mark = "local t = redis.call('TIME') return redis.call('SET', KEYS[1], t[1] .. string.format('%06d', tonumber(t[2])), 'PX', ARGV[1])"

/** Lua gives no more arguments to one command than about 8000. */
const rowsPerRead = 1000

/**
 * Keeps answers in Redis, where all processes of a service find them.
 *
 * An answer is one value under the SHA-256 of its input and of its version. It carries both, and a checksum: what is
 * no answer to just this key (garbage, another format, a mix-up) is a counted miss. A look-up of any number of rows
 * is one command.
 *
 * Invalidating writes the server's time under the input, the tag, the version or all of it. An answer counts only if
 * the look-up from which it was computed is later than all marks on it. So nothing is searched for or deleted, what
 * was under way in any process at the time is not given out either, and answers leave by their time (`PX`). The
 * price: one command more for look-ups that find answers with tags.
 *
 * Rows of scoring jobs are read here, and not stored.
 *
 * @throws `ERR_OUTRIGGER_INVALID_OPTION`
 * @example
 * ```ts
 * import { pipe, predictor } from 'outrigger'
 * import { cached, redisStore } from 'outrigger/cache'
 * // A client whose server is down. Nobody notices but the counts.
 * const client = { callBuffer: async () => Promise.reject(new Error('connect ECONNREFUSED')) }
 * const cache = cached({ store: redisStore({ client, prefix: 'flights' }), ttlMs: 60_000 })
 * const predict = pipe(predictor((x: number) => x * 2, { name: 'double', version: '3' }), cache)
 * assert.equal(await predict(21), 42)
 * assert.equal(cache.counts.storeErrors, 1)
 * ```
 */
export const redisStore = (options: RedisStoreOptions): CacheStore => {
  const owner = 'a Redis store'
  optionsObject(owner, options, ['client', 'prefix', 'maxAgeMs', 'maxEntryBytes'])
  const { maxAgeMs = 7 * 24 * 3_600_000, maxEntryBytes = 2 ** 20 } = options
  const send = redisCommand(owner, options.client)
  const prefix = stringOption(owner, 'prefix', options.prefix)
  const limits = { maxAgeMs: numberOption(owner, 'maxAgeMs', maxAgeMs, { min: 1 }), maxEntryBytes: numberOption(owner, 'maxEntryBytes', maxEntryBytes, { min: 1 }) }
  return { open: (host) => new RedisStore(send, prefix, limits, host), describe: () => `in Redis under ${prefix}` }
}

/** What the server has under a key, or nothing. */
type Value = Buffer | null

interface Found {
  readonly position: number
  readonly answer: CachedAnswer
  readonly asOf: number
}

class RedisStore implements OpenCacheStore {
  readonly #send: RedisCommand
  readonly #prefix: string
  readonly #limits: { readonly maxAgeMs: number; readonly maxEntryBytes: number }
  readonly #host: CacheStoreHost
  readonly #digests = new WeakMap<Scope, Buffer>()

  constructor(send: RedisCommand, prefix: string, limits: { readonly maxAgeMs: number; readonly maxEntryBytes: number }, host: CacheStoreHost) {
    this.#send = send
    this.#prefix = prefix
    this.#limits = limits
    this.#host = host
  }

  async getMany(keys: readonly CacheKey[]): Promise<readonly CacheReading[]> {
    const parts: Promise<CacheReading[]>[] = []
    for (let start = 0; start < keys.length; start += rowsPerRead) parts.push(this.#readPart(keys.slice(start, start + rowsPerRead)))
    return (await Promise.all(parts)).flat()
  }

  async #readPart(keys: readonly CacheKey[]): Promise<CacheReading[]> {
    const identities = [...new Set(keys.map(({ scope }) => scope))].flatMap(({ identity: { version, digest } }) => (digest === undefined ? [version] : [version, digest]))
    const shared = [this.#allMark, ...[...new Set(identities)].map((version) => this.#versionMark(version))]
    const { asOf, values } = await this.#read([...shared, ...keys.map((key) => this.#inputMark(key)), ...keys.map((key) => this.#entry(key))])
    const latest = Math.max(...shared.map((_, index) => timeOf(values[index])))
    const found: Found[] = []
    keys.forEach((key, position) => {
      const bytes = values[shared.length + keys.length + position]
      if (bytes === null || bytes === undefined) return
      const opened = Buffer.isBuffer(bytes) ? openAnswer(bytes, key, this.#scope(key.scope)) : undefined
      if (opened === undefined) this.#host.count('garbage')
      else if (opened.asOf > latest && opened.asOf > timeOf(values[shared.length + position])) found.push({ position, ...opened })
    })
    const readings = keys.map((): CacheReading => ({ answer: undefined, asOf }))
    for (const { position, answer } of await this.#withoutRevoked(found)) readings[position] = { answer, asOf }
    return readings
  }

  /** Those of which no tag was invalidated since. */
  async #withoutRevoked(found: readonly Found[]): Promise<readonly Found[]> {
    const tags = [...new Set(found.flatMap(({ answer }) => answer.tags))]
    if (tags.length === 0) return found
    const times = new Map<string, number>()
    for (let start = 0; start < tags.length; start += rowsPerRead) {
      const part = tags.slice(start, start + rowsPerRead)
      const { values } = await this.#read(part.map((name) => this.#tagMark(name)))
      part.forEach((name, index) => times.set(name, timeOf(values[index])))
    }
    return found.filter(({ answer, asOf }) => answer.tags.every((name) => asOf > (times.get(name) as number)))
  }

  async #read(keys: readonly string[]): Promise<{ readonly asOf: number; readonly values: readonly Value[] }> {
    const reply = await this.#send('EVAL', read, String(keys.length), ...keys)
    const [seconds, micros, values] = Array.isArray(reply) ? (reply as unknown[]) : []
    const asOf = Number(String(seconds)) * 1e6 + Number(String(micros))
    if (!Array.isArray(values) || values.length !== keys.length || !Number.isSafeInteger(asOf)) throw new OutriggerError('ERR_OUTRIGGER_STORE_FAILED', 'Cannot use the reply of the server as it must be the time and one value per key: current value is something else')
    return { asOf, values: values as Value[] }
  }

  async set(fills: readonly CacheFill[]): Promise<void> {
    const { maxAgeMs, maxEntryBytes } = this.#limits
    const sent = fills.map(async ({ key, answer, keepForMs, use, asOf }) => {
      // Without the time of the look-up nobody could tell whether it was invalidated since.
      if (use === 'batch' || typeof asOf !== 'number') return
      const bytes = sealAnswer(answer, key, this.#scope(key.scope), asOf)
      if (bytes.length > maxEntryBytes) return
      await this.#send('SET', this.#entry(key), bytes, 'PX', String(Math.max(1, Math.ceil(Math.min(keepForMs, maxAgeMs)))))
    })
    await Promise.all(sent)
  }

  async invalidate(what: Invalidation): Promise<void> {
    const key = what === 'all' ? this.#allMark : 'input' in what ? this.#inputMark(what.input) : 'tag' in what ? this.#tagMark(what.tag) : this.#versionMark(what.version)
    // A mark outlives every answer that it is about, also one that is stored much later.
    await this.#send('EVAL', mark, '1', key, String(Math.ceil(2 * this.#limits.maxAgeMs)))
  }

  // ---- keys: entries begin with a digest, which holds no `!`

  #entry(key: CacheKey): string {
    return `${this.#prefix}:${key.digest}.${this.#scope(key.scope).toString('base64url', 0, 16)}`
  }

  get #allMark(): string {
    return `${this.#prefix}:!all`
  }

  #inputMark(key: CacheKey): string {
    return `${this.#prefix}:!input:${key.digest}`
  }

  #versionMark(version: string): string {
    return `${this.#prefix}:!version:${version}`
  }

  #tagMark(name: string): string {
    return `${this.#prefix}:!tag:${name}`
  }

  #scope(scope: Scope): Buffer {
    let digest = this.#digests.get(scope)
    if (digest === undefined) this.#digests.set(scope, (digest = scopeDigest(scope.text)))
    return digest
  }
}

/** When it was marked, in microseconds; 0 for never, and no answer is later than a mark that makes no sense. */
const timeOf = (value: Value | undefined): number => {
  if (value === null || value === undefined) return 0
  const time = Number(String(value))
  return Number.isSafeInteger(time) ? time : Infinity
}
