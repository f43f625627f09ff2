import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { gunzipSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { circuitBreaker, fallback, layer, pipe, predictor, seededRandom, type PredictionRecord } from 'outrigger'
import { driftMonitor, referenceProfile, SlicedProfile } from 'outrigger/drift'
import { failureMetric } from 'outrigger/experiment'
import { nodeListener } from 'outrigger/models'
import { alerts, objectives } from 'outrigger/observe'
import { rollout, shadow, split } from 'outrigger/route'
import { defineSchema } from 'outrigger/schema'
import { dashboard, type DashboardData } from 'outrigger/serve'
import { fakeClock, faults, type FakeClock } from 'outrigger/testing'

const page = '<!doctype html><style>p { color: red }</style><script>run()</script>'
const get = (path: string, init: RequestInit = {}): Request => new Request(`http://localhost${path}`, init)
const dataOf = async (handler: (request: Request) => Promise<Response>): Promise<DashboardData> => (await (await handler(get('/data.json'))).json()) as DashboardData
/** Timers that fire by hand, so that open pages hear when the test says so. */
const double = (clock: FakeClock = fakeClock()) => ({ clock, predict: predictor((x: number) => 2 * x, { name: 'double', version: '3', clock }) })

describe('the data of a dashboard', () => {
  it('are the sums of the records, by predictor, outcome, source, version and variant', async () => {
    const clock = fakeClock()
    const random = seededRandom('traffic')
    const model = (version: string) => predictor(async (x: number) => (await clock.advance(random.integer(40)), x), { name: 'trip', version, clock })
    const broken = faults({ error: 0.3, seed: 4 })
    const predict = pipe(split({ name: 'ab', variants: { a: model('1'), b: model('2') }, weights: { a: 0.5, b: 0.5 }, by: (x: number) => String(x) }), broken, fallback({ use: (x: number) => -x, when: () => random.next() < 0.5 }))
    const records: PredictionRecord[] = []
    predict.observe((event) => void (event.type === 'prediction' && records.push(event.record)))
    const board = dashboard({ trips: predict }, { clock, page })
    for (let x = 0; x < 300; x += 1) {
      await predict(x).catch(() => {})
      await clock.advance(random.integer(40_000))
    }
    const [data] = (await dataOf(board)).predictors
    expect(data?.totals.rows).toBe(300)
    for (const outcome of ['ok', 'error']) expect(data?.totals.byOutcome[outcome] ?? 0).toBe(records.filter((one) => one.outcome === outcome).length)
    for (const source of ['model', 'fallback']) expect(data?.totals.bySource[source] ?? 0).toBe(records.filter((one) => one.source === source).length)
    const from = data!.series.from
    const hour = records.filter(({ at }) => at >= from)
    expect(hour.length).toBeGreaterThan(50)
    expect(hour.length).toBeLessThan(300)
    expect(data?.hour).toMatchObject({ rows: hour.length, failed: hour.filter(({ outcome }) => outcome !== 'ok').length, degraded: hour.filter(({ source }) => source === 'fallback').length })
    expect(data?.served.reduce((sum, { rows }) => sum + rows, 0)).toBe(hour.length)
    for (const line of data!.served) {
      const mine = hour.filter(({ identity, variants }) => identity.name === line.name && identity.version === line.version && variants.map(({ split: name, variant }) => `${name}: ${variant}`).join() === line.variant)
      expect([line.rows, line.failed, line.degraded]).toEqual([mine.length, mine.filter(({ outcome }) => outcome !== 'ok').length, mine.filter(({ source }) => source === 'fallback').length])
    }
    expect(data?.failures.map(({ id }) => id)).toEqual(records.filter(({ outcome }) => outcome !== 'ok').reverse().slice(0, 50).map(({ id }) => id))
    expect(data?.fallbacks.map(({ id }) => id)).toEqual(records.filter(({ source }) => source === 'fallback').reverse().slice(0, 50).map(({ id }) => id))
    const slow = records.filter(({ at }) => at >= clock.wall() - 3_600_000).map(({ durations }) => durations.totalMs).sort((a, b) => b - a).slice(0, 20)
    expect(data?.slowest.map(({ totalMs }) => totalMs)).toEqual(slow)
    expect(data?.errors.map(({ error, rows }) => [error, rows])).toEqual([['ERR_OUTRIGGER_INJECTED', records.filter(({ outcome }) => outcome !== 'ok').length]])
    board.close()
    await predict(1).catch(() => {})
    expect(board.data().predictors[0]?.totals.rows).toBe(300)
  })

  it('tell breakers, changes, objectives, drift by feature and segment, rollouts and shadows', async () => {
    const clock = fakeClock()
    const reference = referenceProfile(Array.from({ length: 2000 }, (_, i) => ({ km: i % 500, city: ['Oslo', 'Rome'][i % 2] as string })))
    const monitor = driftMonitor({ reference, clock })
    const segments = new SlicedProfile(reference, { segments: ['north'] })
    const plan = { steps: [{ weight: 0.1, minUnits: 10 }], promotion: 'unless-worse' as const, evidence: { metrics: [failureMetric()] } }
    const candidate = shadow((trip: { km: number; city: string }) => trip.km + 1, { agree: (a: number, b: number) => a === b })
    const release = await rollout({ name: 'release', control: predictor((x: number) => x, { name: 'm', version: '1', clock }), candidate: predictor((x: number) => x, { name: 'm', version: '2', clock }), plan, everyMs: 0 })
    const fault = faults({ seed: 1 })
    const predict = pipe(predictor((trip: { km: number; city: string }) => trip.km, { clock, name: 'km' }), fault, monitor, candidate, circuitBreaker({ consecutiveFailures: 3 }))
    const watch = alerts({ objectives: objectives([{ kind: 'availability', objective: 0.99 }]), clock, everyMs: Infinity })
    predict.observe(watch.observer)
    const board = dashboard([predict], { clock, page, alerts: watch, drift: { trips: { monitor, segments } }, rollouts: { release }, shadows: { next: candidate } })
    for (let i = 0; i < 600; i += 1) {
      const row = { km: i < 300 ? i : 5000, city: 'Oslo' }
      segments.count(row, { at: clock.wall(), segment: 'north' })
      await predict(row)
    }
    await candidate.idle()
    fault.set({ error: 1 })
    for (let i = 0; i < 20; i += 1) await predict({ km: 1, city: 'Rome' }).catch(() => {})
    const data = await dataOf(board)
    expect(data.failed).toEqual([])
    expect(data.predictors[0]?.name).toBe('km')
    expect(data.predictors[0]?.breakers).toMatchObject([{ subject: 'km', to: 'open' }])
    expect(data.predictors[0]?.changes[0]).toMatchObject({ layer: 'circuit-breaker', from: 'closed', to: 'open' })
    expect(data.objectives).toMatchObject([{ name: 'availability', isBurning: true, bad: 20, events: 620 }])
    const [drift] = data.drift
    expect(drift?.features.map(({ feature, state }) => `${feature} ${state}`).sort()).toEqual(['city drifted', 'km drifted'])
    const city = drift?.features.find(({ feature }) => feature === 'city')
    expect(city?.cells.slice(0, 2)).toEqual([{ cell: '"Oslo"', before: 0.5, after: 600 / 603 }, { cell: '"Rome"', before: 0.5, after: 3 / 603 }])
    expect(drift?.segments).toMatchObject([{ segment: 'north', state: 'drifted', rows: 600 }])
    expect(data.rollouts).toMatchObject([{ name: 'release', stage: 'idle' }])
    expect(data.shadows).toMatchObject([{ name: 'next', rows: candidate.comparison.summary().rows, agreement: 0, rate: 1 }])
    expect(data.shadows[0]?.worst.length).toBeGreaterThan(0)
    await release.close()
    await watch.close()
  })

  it('show the other parts when one cannot be read, and say why', async () => {
    const { clock, predict } = double()
    const broken = { state: 'ok', verdict: () => { throw new Error('no disk') }, live: () => undefined } as never
    const board = dashboard({ predict }, { clock, page, drift: { broken } })
    const data = await dataOf(board)
    expect(data.failed).toEqual([{ part: 'drift broken', error: 'Error' }])
    expect(data.predictors).toHaveLength(1)
  })

  it('stay small, whatever comes', async () => {
    const clock = fakeClock()
    let turn = 0
    const predict = predictor(() => { throw Object.assign(new Error('x'), { code: `E${turn}` }) }, { name: 'm', clock })
    const noisy = pipe(predict, layer('noisy', (host) => ({ one: async (next, input, call) => {
      host.emit({ type: 'state', subject: `s${turn}`, from: 'a', to: 'b', reason: 'r' })
      host.emit({ type: 'notice', message: `n${turn}` })
      call.note().identity = { name: 'm', version: `v${turn}`, digest: undefined }
      return await next(input, call)
    } })))
    const board = dashboard({ noisy }, { clock, page, remember: 10 })
    for (turn = 0; turn < 3000; turn += 1) await noisy(undefined as never).catch(() => {})
    const [data] = board.data().predictors
    expect(data?.totals.rows).toBe(3000)
    expect([data?.errors.length, data?.failures.length, data?.changes.length, data?.notices.length, data?.slowest.length]).toEqual([50, 50, 50, 50, 20])
    expect(data?.served).toHaveLength(51)
    expect(data?.served[0]).toMatchObject({ name: 'others', rows: 2950 })
    expect((await (await board(get('/data.json'))).text()).length).toBeLessThan(100_000)
  })
})

describe('who served lately', () => {
  it('what served long ago makes room, though nobody looked in between', async () => {
    const clock = fakeClock()
    let identity = { name: 'm', version: 'v0', digest: undefined }
    const predict = pipe(predictor((x: number) => x, { name: 'm', clock }), layer('versions', () => ({ one: async (next, input, call) => {
      call.note().identity = identity
      return await next(input, call)
    } })))
    const board = dashboard({ predict }, { clock, page })
    for (let version = 0; version < 60; version += 1) {
      identity = { name: 'm', version: `v${version}`, digest: undefined }
      await predict(1)
    }
    // The last one is among the others, and stays what serves.
    await clock.advance(61 * 60_000)
    for (let time = 0; time < 3; time += 1) await predict(1)
    expect(board.data().predictors[0]?.served).toMatchObject([{ version: 'v59', rows: 3 }])
  })
})

describe('the handler of a dashboard', () => {
  it('gives the page with a policy that lets only its own script and style in, packed where that is understood', async () => {
    const { clock, predict } = double()
    const board = dashboard({ predict }, { clock, page })
    for (const path of ['/', '/ops', '/ops/', '/a/b/ops']) {
      const answer = await board(get(path))
      expect(answer.status).toBe(200)
      expect(await answer.text()).toBe(page)
      const policy = answer.headers.get('content-security-policy') as string
      expect(policy).toMatch(/^default-src 'none'; script-src 'sha256-[\w+/]{43}='; style-src 'sha256-[\w+/]{43}='; connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'$/)
      expect(policy).not.toContain('unsafe')
      expect(answer.headers.get('cache-control')).toBe('no-store')
    }
    const packed = await board(get('/', { headers: { 'accept-encoding': 'gzip, br' } }))
    expect(packed.headers.get('content-encoding')).toBe('gzip')
    expect(gunzipSync(Buffer.from(await packed.arrayBuffer())).toString()).toBe(page)
  })

  it('only reads', async () => {
    const { clock, predict } = double()
    const board = dashboard({ predict }, { clock, page })
    for (const method of ['POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS']) {
      const answer = await board(get('/data.json', { method }))
      expect([answer.status, answer.headers.get('allow')]).toEqual([405, 'GET, HEAD'])
    }
    const head = await board(get('/', { method: 'HEAD' }))
    expect([head.status, await head.text()]).toEqual([200, ''])
    expect((await board(get('/events', { method: 'HEAD' }))).headers.get('content-type')).toBe('text/event-stream')
  })

  it('asks whether one may read before it says anything, and fails closed', async () => {
    const { clock, predict } = double()
    const asked: string[] = []
    const verdicts: Record<string, () => boolean | Response> = {
      yes: () => true,
      no: () => false,
      elsewhere: () => new Response(null, { status: 302, headers: { location: '/login' } }),
      broken: () => { throw new Error('no session store') },
    }
    const board = dashboard({ predict }, { clock, page, authorize: async ({ headers, url }) => (asked.push(url), verdicts[headers.get('x-who') ?? 'no']!()) })
    for (const path of ['/', '/data.json', '/events', '/prediction?id=a']) {
      expect((await board(get(path))).status).toBe(401)
      expect((await board(get(path, { headers: { 'x-who': 'elsewhere' } }))).status).toBe(302)
      await expect(board(get(path, { headers: { 'x-who': 'broken' } }))).rejects.toThrow('no session store')
    }
    expect((await board(get('/data.json', { headers: { 'x-who': 'yes' } }))).status).toBe(200)
    expect(asked).toHaveLength(13)
    expect((await dashboard({ predict }, { clock, page, authorize: () => undefined as never })(get('/'))).status).toBe(401)
  })

  it('shows one prediction by its id: masked, also when it is only among the captured records, and nothing else', async () => {
    const clock = fakeClock()
    const input = defineSchema({ km: { type: 'number' }, mail: { type: 'string', tags: ['pii'] } })
    const predict = predictor((row: { km: number; mail: string }) => row.km, { clock, input })
    const old = { kind: 'prediction', id: 'old', at: 1 }
    const reads: unknown[] = []
    const board = dashboard({ predict }, { clock, page, remember: 2, records: { read: async function* (filter) { reads.push(filter); if (filter?.ids?.includes('old') === true) yield old as never } } })
    for (const id of ['first', 'a b/ü&', 'third']) await predict({ km: 3, mail: 'SECRET' }, { id })
    const ask = async (id: string) => await board(get(`/prediction?id=${encodeURIComponent(id)}`))
    const found = await (await ask('a b/ü&')).json()
    expect(found).toMatchObject({ id: 'a b/ü&', input: { km: 3 } })
    expect(JSON.stringify(found)).not.toContain('SECRET')
    expect(await (await ask('old')).json()).toEqual(old)
    // It is one of the slowest.
    expect((await ask('first')).status).toBe(200)
    for (const id of ['gone', '', 'x'.repeat(201)]) expect((await ask(id)).status).toBe(404)
    expect(reads).toEqual([{ ids: ['old'], kinds: ['prediction'] }, { ids: ['gone'], kinds: ['prediction'] }])
  })

  it('tells open pages what is new, keeps nothing for one that does not read, and stops when all have left', async () => {
    const { clock, predict } = double()
    const board = dashboard({ predict }, { clock, page, everyMs: 1000, maxPages: 2 })
    const reader = (await board(get('/events'))).body!.getReader()
    const idle = (await board(get('/events'))).body!
    expect((await board(get('/events'))).status).toBe(503)
    const next = async (): Promise<DashboardData> => JSON.parse(/^data: (.*)\n\n$/m.exec(new TextDecoder().decode((await reader.read()).value).replace(/^retry: 3000\n/, ''))![1] as string) as DashboardData
    expect((await next()).predictors[0]?.totals.rows).toBe(0)
    for (let turn = 1; turn <= 5; turn += 1) {
      await predict(turn)
      await clock.advance(1000)
      expect((await next()).predictors[0]?.totals.rows).toBe(turn)
    }
    await reader.cancel()
    const other = idle.getReader()
    expect(new TextDecoder().decode((await other.read()).value)).toContain('"rows":0')
    await clock.advance(1000)
    expect(new TextDecoder().decode((await other.read()).value)).toContain('"rows":5')
    await other.cancel()
    expect(clock.pending).toBe(0)
    const last = (await board(get('/events'))).body!.getReader()
    board.close()
    await last.read()
    expect((await last.read()).done).toBe(true)
  })

  it('answers through node:http, and lets go of a page that is closed', async () => {
    const { predict } = double()
    const board = dashboard({ predict }, { everyMs: 100, page })
    const server = createServer(nodeListener(board))
    await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve))
    const base = `http://127.0.0.1:${(server.address() as AddressInfo).port}/ops`
    expect(await (await fetch(base)).text()).toBe(page)
    const controller = new AbortController()
    const stream = (await fetch(`${base}/events`, { signal: controller.signal })).body!.getReader()
    await stream.read()
    await stream.read()
    controller.abort()
    await new Promise<void>((resolve) => void server.close(() => resolve()))
    board.close()
  })

  it('sends away who asks after it was closed, so that a server can close while pages are open', async () => {
    const { predict } = double()
    const board = dashboard({ predict }, { everyMs: 100, page })
    const server = createServer(nodeListener(board))
    await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve))
    const base = `http://127.0.0.1:${(server.address() as AddressInfo).port}/ops`
    const stream = (await fetch(`${base}/events`)).body!.getReader()
    board.close()
    while (!(await stream.read()).done);
    // As an open page does, which keeps its connection.
    const [again, data] = [await fetch(`${base}/events`), await fetch(`${base}/data.json`)]
    expect([again.status, again.headers.get('connection'), data.status, await data.text()]).toEqual([204, 'close', 503, 'The dashboard is closed.\n'])
    await new Promise<void>((resolve) => void server.close(() => resolve()))
  })

  it('gives the answer of `authorize` each time, though it is one and the same', async () => {
    const { predict } = double()
    const board = dashboard({ predict }, { page, authorize: () => refused })
    const refused = new Response('not you', { status: 403 })
    for (let time = 0; time < 2; time += 1) expect(await (await board(get('/'))).text()).toBe('not you')
    board.close()
  })

  it('opens the latest prediction of an id', async () => {
    const { clock, predict } = double()
    const board = dashboard({ predict }, { clock, page, remember: 2 })
    for (let time = 0; time < 5; time += 1) {
      await predict(1, { id: 'same' })
      await clock.advance(1000)
    }
    expect(await (await board(get('/prediction?id=same'))).json()).toMatchObject({ at: clock.wall() - 1000 })
    board.close()
  })

  it('writes numbers that JSON has not as texts, and what is large as texts', async () => {
    const { clock, predict } = double()
    const board = dashboard({ predict }, { clock, page, records: { read: async function* () { yield { odd: [Infinity, -Infinity, Number.NaN, 12n] } as never } } })
    expect(await (await board(get('/prediction?id=x'))).json()).toEqual({ odd: ['Infinity', '-Infinity', 'NaN', '12'] })
  })

  it('refuses what makes no sense', () => {
    const { predict } = double()
    for (const make of [() => dashboard([]), () => dashboard({ predict: 3 as never }), () => dashboard(undefined as never), () => dashboard({ predict }, { everyMs: 1 }), () => dashboard({ predict }, { colour: 'red' } as never), () => dashboard({ predict }, { drift: { x: {} as never } }), () => dashboard({ predict }, { authorize: 'me' as never }), () => dashboard({ predict }, { rollouts: { r: {} as never } }), () => dashboard({ predict }, { shadows: { s: {} as never } })]) {
      expect(make).toThrow(expect.objectContaining({ code: 'ERR_OUTRIGGER_INVALID_OPTION' }))
    }
  })
})
