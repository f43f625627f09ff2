/**
 * Any interleaving of calls, batches, answers, faults, aborts, swaps, invalidations and time, held against what may be
 * answered: never the answer to another input; never an older version's, one past its time or one that was asked for
 * before an invalidation, unless it is marked stale and was still allowed to stand in; and nobody waits for ever.
 */
import fc from 'fast-check'
import { OutriggerError, pipe, RowFailure, type Prediction, type RowResult } from 'outrigger'
import { cached, memoryStore, type CachedOptions, type CacheStore, type OpenCacheStore } from 'outrigger/cache'
import { fakeClock, mockModel, type FakeClock } from 'outrigger/testing'
import { expect, test } from 'vitest'
import { swappable } from '../../src/testing/_swappable.js'

const ttlMs = 100
const windowMs = 50
const inputs = [0, 1, 2, 3]
const tagOf = (input: number): string => (input % 2 === 0 ? 'even' : 'odd')

type Step =
  | { readonly do: 'call'; readonly input: number; readonly job: boolean }
  | { readonly do: 'batch'; readonly inputs: readonly number[]; readonly job: boolean }
  | { readonly do: 'answer' | 'fail' | 'reject' | 'abort'; readonly which: number }
  | { readonly do: 'wait'; readonly ms: number }
  | { readonly do: 'swap'; readonly version: '1' | '2' }
  | { readonly do: 'forget'; readonly what: { readonly input: number } | { readonly tag: string } | { readonly version: string } | 'all' }

const input = fc.constantFrom(...inputs)
const which = fc.nat(5)
const job = fc.boolean()
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 5, arbitrary: fc.record({ do: fc.constant('call' as const), input, job }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('batch' as const), inputs: fc.array(input, { minLength: 1, maxLength: 5 }), job }) },
  { weight: 6, arbitrary: fc.record({ do: fc.constant('answer' as const), which }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constantFrom('fail' as const, 'reject' as const, 'abort' as const), which }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('wait' as const), ms: fc.constantFrom(1, 3, 20, 60, 101, 200) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('swap' as const), version: fc.constantFrom('1' as const, '2' as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('forget' as const), what: fc.oneof(fc.record({ input }), fc.record({ tag: fc.constantFrom('even', 'odd') }), fc.record({ version: fc.constantFrom('1', 'digest of 2') }), fc.constant('all' as const)) }) },
)

/** What the model said: to what, when it was asked, and when it answered. */
interface Said {
  readonly version: string
  readonly input: number
  readonly serial: number
}

/** A store that does everything 3 ms later, in order. */
const laterStore = (clock: FakeClock): CacheStore => ({
  open: (host) => {
    const inner = memoryStore({ max: 50 }).open(host)
    const later = <T>(work: () => T): Promise<T> => new Promise((resolve) => clock.setTimeout(() => resolve(work()), 3))
    const store: OpenCacheStore = {
      getMany: (keys, use) => {
        const kept = keys.map((key) => key.kept())
        return later(() => inner.getMany(kept, use)) as never
      },
      set: (fills) => later(() => inner.set(fills)) as never,
      invalidate: (what) => later(() => inner.invalidate(what)) as never,
    }
    return store
  },
  describe: () => 'later',
})

const run = async (steps: readonly Step[], storeOf: (clock: FakeClock) => CacheStore | undefined, options: CachedOptions<number, Said>): Promise<void> => {
  const clock = fakeClock()
  let serial = 0
  const askedAt = new Map<number, number>()
  const answeredAt = new Map<number, number>()
  const mocks = { 1: mockModel<number, Said>({ clock, batches: true }), 2: mockModel<number, Said>({ clock, batches: true }) }
  /** Runs of the models that were not answered yet. */
  const open: { readonly version: string; readonly rows: readonly Said[]; readonly arrival: (typeof mocks)[1]['arrivals'][0] }[] = []
  const watch = (version: '1' | '2') => ({
    predictBatch: (rows: readonly number[], call: never) => {
      const mock = mocks[version]
      const answer = (mock as unknown as { predictBatch(rows: readonly number[], call: never): Promise<Said[]> }).predictBatch(rows, call)
      const said = rows.map((row) => {
        serial += 1
        askedAt.set(serial, clock.now())
        return { version, input: row, serial }
      })
      open.push({ version, rows: said, arrival: mock.arrivals.at(-1) as never })
      return answer
    },
  })
  const models = swappable<number, Said>({ 1: watch('1'), 2: watch('2') } as never, { clock })
  const store = storeOf(clock)
  const cache = cached<number, Said>({ ttlMs, tags: (row) => [tagOf(row)], ...options, ...(store === undefined ? { max: 50 } : { store }) })
  const predict = pipe(models.predictor, cache)
  let live: '1' | '2' = '1'
  /** Serials up to this one were asked for before the input was last forgotten. */
  const forgotten = new Map<string, number>()
  const flows: { readonly done: Promise<void>; readonly leaving: AbortController }[] = []
  let rowsWanted = 0
  let rowsSettled = 0

  const check = (asked: number, version: string, startedAt: number, floor: ReadonlyMap<string, number>, prediction: Prediction<Said>): void => {
    const { output, record } = prediction
    expect(output.input).toBe(asked)
    expect(output.serial, 'it was asked for before it was forgotten').toBeGreaterThan(floor.get(`${output.version} ${asked}`) ?? 0)
    const answered = answeredAt.get(output.serial) as number
    if (record.source === 'stale') {
      expect(record.cache?.status).toBe('stale')
      const after = answered + ttlMs
      expect(startedAt, 'it is too old even for an error').toBeLessThanOrEqual(after + windowMs)
      expect(record.identity.version).toBe(output.version)
      return
    }
    expect(output.version).toBe(version)
    expect(startedAt, 'it is past its time').toBeLessThanOrEqual(answered + ttlMs)
    if (record.source === 'model') expect(answered).toBeGreaterThanOrEqual(startedAt)
  }

  for (const one of steps) {
    if (one.do === 'call' || one.do === 'batch') {
      const version = live
      const startedAt = clock.now()
      const floor = new Map(forgotten)
      const leaving = new AbortController()
      const rows = one.do === 'call' ? [one.input] : one.inputs
      rowsWanted += rows.length
      const shared = { signal: leaving.signal, workload: one.job ? ('batch' as const) : ('online' as const) }
      const work = async (): Promise<void> => {
        let results: readonly RowResult<Said>[]
        if (one.do === 'batch') results = await predict.detailedBatch(rows, shared)
        else results = [await predict.detailed(one.input, shared).then((prediction) => ({ ok: true as const, ...prediction }), (error: unknown) => ({ ok: false as const, error, record: undefined as never }))]
        expect(results).toHaveLength(rows.length)
        results.forEach((result, index) => {
          rowsSettled += 1
          if (result.ok) check(rows[index] as number, version, startedAt, floor, result)
          else expect(['down', 'ERR_OUTRIGGER_RATE_LIMITED', 'ERR_OUTRIGGER_ABORTED']).toContain((result.error as { code?: string }).code ?? (result.error as Error).message)
        })
      }
      flows.push({ done: work(), leaving })
      void flows.at(-1)?.done.catch(() => {})
    } else if (one.do === 'wait') await clock.advance(one.ms)
    else if (one.do === 'swap') models.swap((live = one.version))
    else if (one.do === 'abort') flows[flows.length - 1 - one.which]?.leaving.abort()
    else if (one.do === 'forget') {
      const until = serial
      const done = one.what === 'all' ? cache.clear() : cache.invalidate(one.what)
      if (store !== undefined) await clock.advance(3)
      await done
      const { what } = one
      for (const version of ['1', '2']) for (const row of inputs) {
        const isMeant = what === 'all' || ('input' in what ? what.input === row : 'tag' in what ? tagOf(row) === what.tag : what.version === version || what.version === `digest of ${version}`)
        if (isMeant) forgotten.set(`${version} ${row}`, until)
      }
    } else {
      const [run] = open.splice(one.which % Math.max(1, open.length), 1)
      if (run === undefined) continue
      for (const said of run.rows) answeredAt.set(said.serial, clock.now())
      if (one.do === 'fail') run.arrival.fail(new Error('down'))
      else if (one.do === 'reject') run.arrival.answer(...run.rows.map((said, index) => (index % 2 === 0 ? (new RowFailure(new OutriggerError('ERR_OUTRIGGER_RATE_LIMITED', 'no')) as never) : said)))
      else run.arrival.answer(...run.rows)
    }
    await clock.settle()
  }
  // Everybody gets something in the end.
  for (let round = 0; round < 20; round += 1) {
    for (const { rows, arrival } of open.splice(0)) {
      for (const said of rows) answeredAt.set(said.serial, clock.now())
      arrival.answer(...rows)
    }
    await clock.advance(3)
  }
  await Promise.all(flows.map(({ done }) => done))
  expect(rowsSettled).toBe(rowsWanted)
  await cache.idle()
  const closing = predict.close()
  await clock.advance(100)
  await closing
  expect([models.leases('1'), models.leases('2'), models.askedUnleased, clock.pending]).toEqual([0, 0, 0, 0])
  expect(cache.counts).toMatchObject({ storeErrors: 0, storeTimeouts: 0, garbage: 0, unkept: 0 })
}

const everything: CachedOptions<number, Said> = { staleWhileRevalidateMs: windowMs, staleIfErrorMs: windowMs, earlyRefresh: 1 }
for (const [name, store, options] of [
  ['in memory', () => undefined, {}],
  ['in memory, with stale answers', () => undefined, everything],
  ['in a store that answers later', laterStore, {}],
  ['in a store that answers later, with stale answers', laterStore, everything],
] as const) {
  test(`cached ${name} gives only answers that may be given, whatever happens in whatever order`, async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 40 }), async (steps) => await run(steps, store, options)),
      { numRuns: 300, seed: 11 },
    )
  }, 60_000)
}
