/**
 * 500 planted canaries: texts that nobody may ever see again outside of the call, each in one of ten places where a caller, a model or an operator may put
 * something private; and the traffic that carries them.
 */
import { createHash } from 'node:crypto'
import { circuitBreaker, fallback, pipe, predictor, seededRandom, timeout, type Observer, type Predictor } from 'outrigger'
import { cached } from 'outrigger/cache'
import { layer, type NeutralLayer } from 'outrigger/core'
import { defineSchema } from 'outrigger/schema'

const places = ['pii field', 'secret field', 'key field', 'undeclared field', 'call key', 'error message', 'abort reason', 'nested object', 'output', 'label'] as const
export type Place = (typeof places)[number]
const each = 50

/** Place → its canaries. A canary holds no place's name, so that the page that finds one says which it was. */
export const canaries: Readonly<Record<Place, readonly string[]>> = (() => {
  const random = seededRandom('canaries')
  const letters = 'abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789'
  const one = (): string => `cnry${Array.from({ length: 20 }, () => letters[random.integer(letters.length)]).join('')}`
  return Object.fromEntries(places.map((place) => [place, Array.from({ length: each }, one)])) as unknown as Record<Place, string[]>
})()

/** All canaries that a text holds, with their places: as they are, in another case or encoding, or as a plain hash, which can be guessed back. */
export const leaksIn = (text: string): string[] => {
  const lower = text.toLowerCase()
  const found: string[] = []
  for (const place of places) {
    for (const canary of canaries[place]) {
      const bytes = Buffer.from(canary)
      // What is encoded together with something else shows its middle only.
      const base64 = [0, 1, 2].map((shift) => Buffer.concat([Buffer.alloc(shift), bytes]).toString('base64').slice(4, -4))
      const hashes = ['sha256', 'sha1', 'md5'].map((name) => createHash(name).update(canary).digest('hex'))
      const forms = [canary.toLowerCase(), bytes.toString('hex'), ...hashes]
      const how = forms.some((form) => lower.includes(form)) || base64.some((form) => text.includes(form)) || text.includes(createHash('sha256').update(canary).digest('base64'))
      if (how) found.push(`${place}: ${canary}`)
    }
  }
  return found
}

/** A row of the service. */
export interface CanaryRow {
  readonly n: number
  readonly city: unknown
  readonly mail: string
  readonly token: string
  readonly user: string
  readonly note?: string
  readonly more?: object
  readonly fails?: string
  readonly hangs?: boolean
}
export interface CanaryAnswer {
  readonly score: number
  readonly person: string
  readonly extra: { readonly deep: string }
  readonly rest: string
}

/** What hears the traffic. */
export interface Ears {
  /** Layers around the model, nearest to it first: for a sink that is a layer. */
  readonly inside?: NeutralLayer
  /** A layer around the whole stack. */
  readonly outside?: NeutralLayer
  readonly observers?: readonly Observer[]
  /** Told of every row with its canary as a value. */
  readonly label?: (id: string, value: unknown, at: number) => void
  readonly override?: (override: { id: string; actor: string; reason: string; before: unknown; after: unknown; at: number }) => void
  /** Hears of both predictors before the traffic: for a page or a handler over predictors. */
  readonly started?: (...predictors: readonly Predictor<CanaryRow, CanaryAnswer>[]) => void | Promise<void>
  /** Hears when the traffic is over, while they are open. */
  readonly ended?: (...predictors: readonly Predictor<CanaryRow, CanaryAnswer>[]) => void | Promise<void>
}

export const canaryInput = defineSchema({
  n: { type: 'integer' },
  city: { type: 'string' },
  mail: { type: 'string', tags: ['pii'] },
  token: { type: 'string', tags: ['secret'] },
  user: { type: 'string', tags: ['key'] },
})
export const canaryOutput = defineSchema({ score: { type: 'number' }, person: { type: 'string', tags: ['pii'] } })

/** What is declared: it has to come out somewhere, or a sink that says nothing at all would pass. */
export const visible = 'Frankfurt'

/**
 * Runs all canaries through a stack of breaker, timeout, cache and fallback: rows that are answered, cached, fail, time out and are aborted, one by one
 * and in batches. What callers are told is not looked at: it is theirs.
 */
export const canaryTraffic = async (ears: Ears): Promise<void> => {
  const at = (place: Place, n: number): string => canaries[place][n % each] as string
  const model = predictor(async (row: CanaryRow, call: { readonly signal: AbortSignal }): Promise<CanaryAnswer> => {
    if (row.hangs === true) await new Promise((_, reject) => call.signal.addEventListener('abort', () => reject(call.signal.reason as Error), { once: true }))
    if (row.fails !== undefined) throw Object.assign(new TypeError(row.fails, { cause: new Error(row.fails) }), { input: row })
    return { score: row.n / 2, person: at('output', row.n), extra: { deep: at('output', row.n) }, rest: at('output', row.n) }
  }, { name: 'canaries', version: '1', input: canaryInput, output: canaryOutput })
  const none: NeutralLayer = (inner) => inner
  // A layer of somebody else, who puts into events what should not be there.
  const careless = layer<CanaryRow, CanaryAnswer>('careless', (host) => ({
    one: async (next, row, call) => {
      const canary = at('error message', row.n)
      host.emit({ type: 'state', subject: 'mood', from: 'calm', to: 'careless', reason: canary, data: { canary, deep: { canary } } })
      host.emit({ type: 'notice', message: `It is ${canary}`, error: new Error(canary), data: { canary } })
      return await next(row, call)
    },
  }))
  const failing = pipe(
    pipe(model, careless),
    ears.inside ?? none,
    timeout({ ms: 5000 }),
    // A breaker's scopes are names that metrics and events show, as `tags` are.
    circuitBreaker({ consecutiveFailures: 1, scope: (row: CanaryRow) => `${row.n % each}${row.fails === undefined ? '' : ' failing'}` }),
    ears.outside ?? none,
  )
  const predict = pipe(failing, cached({ max: 1000, key: (row: CanaryRow) => [row.n, row.mail, row.fails ?? null] }), fallback({ use: (row: CanaryRow): CanaryAnswer => ({ score: 0, person: row.mail, extra: { deep: row.token }, rest: row.user }), when: ['ERR_OUTRIGGER_CIRCUIT_OPEN'] }))
  const heard = [predict, failing].flatMap((one) => (ears.observers ?? []).map((observer) => one.observe(observer)))
  await ears.started?.(predict, failing)
  const row = (n: number, more: Partial<CanaryRow> = {}): CanaryRow => ({
    n,
    city: n % 3 === 0 ? { deep: [at('nested object', n)], toString: () => at('nested object', n), toJSON: () => at('nested object', n) } : visible,
    mail: at('pii field', n),
    token: at('secret field', n),
    user: at('key field', n),
    note: at('undeclared field', n),
    more: { name: at('nested object', n), list: [{ deeper: at('nested object', n) }] },
    ...more,
  })
  const numbers = Array.from({ length: each }, (_, n) => n)
  for (const n of numbers) {
    const key = at('call key', n)
    await predict(row(n), { key, id: `row-${n}` })
    await predict(row(n), { key }) // from the cache
    await predict(row(n, { fails: at('error message', n) }), { key }).catch(() => {})
    await predict(row(n, { fails: at('error message', n) }), { key }).catch(() => {}) // its circuit is open
    ears.label?.(`row-${n}`, n % 2 === 0 ? { person: at('label', n), [at('label', n)]: 1 } : { list: [at('label', n)] }, n)
    ears.override?.({ id: `row-${n}`, actor: 'ann', reason: 'by hand', before: { person: at('label', n) }, after: { deep: { person: at('label', n) } }, at: n })
  }
  await Promise.all(numbers.map(async (n) => {
    const controller = new AbortController()
    const answer = failing(row(n, { hangs: true }), { key: at('call key', n), signal: controller.signal }).catch(() => {})
    controller.abort(n % 2 === 0 ? new Error(at('abort reason', n)) : at('abort reason', n))
    await answer
  }))
  await predict.detailedBatch(numbers.map((n) => row(n + each, n % 5 === 0 ? { fails: `${at('error message', n)} in a batch` } : {})), { keys: numbers.map((n) => at('call key', n)) })
  await failing.batch(numbers.map((n) => row(n, { fails: at('error message', n) }))).catch(() => {})
  await ears.ended?.(predict, failing)
  for (const stop of heard) stop()
  await Promise.all([predict.close(), failing.close(), model.close()])
}
