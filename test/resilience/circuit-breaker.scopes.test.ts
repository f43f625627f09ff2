import { circuitBreaker, fallback, pipe, predictor, RowFailure, type Predictor } from 'outrigger'
import { modelLoader } from 'outrigger/models'
import { breakerControl, goldenProbe } from 'outrigger/resilience'
import { split } from 'outrigger/route'
import { fakeClock, mockModel, type FakeClock, type MockModel } from 'outrigger/testing'
import { describe, expect, test } from 'vitest'
import { storeOf } from '../models/loader/_loader-kit.js'
import { eventsOf, fateOf, rig } from './_rig.js'

const down = new Error('down')
const open = { code: 'ERR_OUTRIGGER_CIRCUIT_OPEN' }
const codes = (rows: readonly { readonly ok: boolean; readonly error?: unknown; readonly output?: unknown }[]): unknown[] => rows.map((row) => (row.ok ? row.output : ((row.error as { code?: string }).code ?? (row.error as Error).message)))

interface Swapped {
  readonly clock: FakeClock
  /** The models of versions 1 and 2. */
  readonly models: readonly MockModel<number, number>[]
  readonly loader: Predictor<number, number> & { use(version: number): Promise<unknown> }
}

const swapped = async (): Promise<Swapped> => {
  const clock = fakeClock()
  const store = await storeOf(2)
  const models = [1, 2].map(() => mockModel<number, number>({ clock, batches: true }))
  const loader = modelLoader<number, number>({ store, name: 'delay', follow: 1, clock, load: (files) => models[Number(files.text('number.json')) - 1] as MockModel<number, number> })
  await loader.whenReady()
  return { clock, models, loader }
}

describe('versions', () => {
  test('circuitBreaker lets a new version start afresh, and late failures of the old one count against the old one', async () => {
    const { models, loader } = await swapped()
    const [old, fresh] = models as [MockModel<number, number>, MockModel<number, number>]
    const control = breakerControl()
    const breaker = circuitBreaker({ minimumCalls: 2, windowSize: 4, openForMs: 1000, control })
    const predict = pipe(loader, breaker)
    const { states } = eventsOf(predict)
    // Three calls of the old version are in flight, in two runs of one and one of a batch, while it is swapped away.
    const late = [fateOf(predict(1)), fateOf(predict(2)), fateOf(predict.batch([3, 4]))]
    const arrivals = [await old.next(), await old.next(), await old.next()]
    await loader.use(2)
    fresh.answers(7)
    expect([await predict(5), await predict.batch([6])]).toEqual([7, [7]])
    for (const arrival of arrivals) arrival.fail(down)
    await expect.poll(() => late.map(({ state }) => state)).toEqual(['rejected', 'rejected', 'rejected'])
    expect([...control.scopes].map(([name, state]) => [name.slice(0, 7), state])).toEqual([['delay@2', 'closed'], ['delay@1', 'open']])
    expect([await predict(8), breaker.state, breaker.failureRate]).toEqual([7, 'closed', 0])
    expect(states.filter(({ layer }) => layer === 'circuit-breaker').map(({ to, data }) => [to, String(data?.['scope']).slice(0, 7)])).toEqual([['open', 'delay@1']])
    // Back to the old one: its breaker is as it was left.
    await loader.use(1)
    await expect(predict(9)).rejects.toMatchObject(open)
  })

  test('circuitBreaker helps at once when a broken version is swapped away', async () => {
    const { models, loader } = await swapped()
    const breaker = circuitBreaker({ consecutiveFailures: 2 })
    const predict = pipe(loader, breaker, fallback(() => -1))
    models[0]?.fails(down)
    for (let call = 0; call < 3; call += 1) expect(await predict(call)).toBe(-1)
    expect([breaker.state, models[0]?.arrivals.length]).toEqual(['open', 2])
    await loader.use(2)
    models[1]?.answers(7)
    expect([await predict(1), breaker.state]).toEqual([7, 'closed'])
  })

  test('circuitBreaker keeps one breaker per arm of a split, in a batch too: the rows of a broken canary alone are rejected', async () => {
    const [good, bad] = [mockModel<number, number>({ batches: true }).answers(1), mockModel<number, number>({ batches: true }).fails(down)]
    const arms = split({ variants: { control: predictor(good, { name: 'delay', version: '1' }), canary: predictor(bad, { name: 'delay', version: '2' }) }, weights: { control: 0.5, canary: 0.5 } })
    const predict = pipe(arms, circuitBreaker({ consecutiveFailures: 2 }))
    const keys = Array.from({ length: 20 }, (_, unit) => `user ${unit}`)
    const inputs = keys.map((_, unit) => unit)
    // A run that fails as a whole is one failure, of the canary.
    for (let round = 0; round < 2; round += 1) await predict.detailedBatch(inputs, { keys })
    const rows = codes(await predict.detailedBatch(inputs, { keys }))
    const rejectedRows = rows.filter((row) => row === open.code).length
    expect(new Set(rows)).toEqual(new Set([1, open.code]))
    expect([rejectedRows > 4, rejectedRows < 16, bad.arrivals.length]).toEqual([true, true, 2])
  })

  test('a golden probe does not answer for a version that is no longer live', async () => {
    const { clock, models, loader } = await swapped()
    const control = breakerControl()
    const breaker = circuitBreaker<number, number>({ consecutiveFailures: 1, openForMs: 1000, jitter: 0, control, probe: goldenProbe({ input: 21, accept: () => true }) })
    const predict = pipe(loader, breaker)
    models[0]?.fails(down)
    await predict(1).catch(() => {})
    await loader.use(2)
    models[1]?.answers(7)
    expect(await predict(1)).toBe(7)
    await clock.advance(5000)
    expect(models[1]?.arrivals.map(({ input }) => input)).toEqual([1])
    // Swapped back, its probe is its own.
    await loader.use(1)
    models[0]?.answers(5)
    await clock.advance(2000)
    expect([await predict(2), breaker.state]).toEqual([5, 'closed'])
    await predict.close()
    await loader.close()
    expect(clock.pending).toBe(0)
  })
})

describe('segments', () => {
  test('circuitBreaker opens for the segment that fails, and splits a batch by it', async () => {
    const { model, inner } = rig<number | RowFailure>({ batches: true })
    const predict = pipe(inner, circuitBreaker({ consecutiveFailures: 2, scope: (input: number) => (input < 10 ? 'short' : 'long') }))
    model.fails(down)
    for (let call = 0; call < 2; call += 1) await predict(99).catch(() => {})
    model.hangs()
    for (let call = 0; call < 2; call += 1) await model.next()
    const batch = predict.detailedBatch([1, 50, 2, 60])
    const run = await model.next()
    expect(run.inputs).toEqual([1, 2])
    run.answer(10, 20)
    expect(codes(await batch)).toEqual([10, open.code, 20, open.code])
    expect(codes(await predict.detailedBatch([50, 60]))).toEqual([open.code, open.code])
  })

  test('circuitBreaker counts the rows of a batch for their own segments', async () => {
    const { model, inner } = rig<number | RowFailure>({ batches: true })
    const control = breakerControl()
    const predict = pipe(inner, circuitBreaker({ minimumCalls: 50, control, scope: (input: number) => String(input % 3) }))
    const batch = predict.detailedBatch([0, 1, 2, 3, 4, 5])
    const [own, shared] = [new RowFailure(down), new RowFailure(down)]
    ;(await model.next()).answer(1, shared, 1, own, shared, 1)
    await batch
    const windows = Object.fromEntries(Object.entries(control.export().scopes).map(([scope, { window }]) => [scope, window]))
    // One good and one bad row; two rows that failed together; two good rows, which are one good run.
    expect(windows).toEqual({ '0': [0, 1], '1': [1], '2': [0] })
  })

  test('circuitBreaker keeps at most `maxScopes`, and forgets the one that was asked least recently', async () => {
    const { model, inner } = rig()
    const control = breakerControl()
    const predict = pipe(inner, circuitBreaker({ consecutiveFailures: 1, maxScopes: 3, control, scope: (input: number) => `s${input}` }))
    model.fails(down)
    await predict(0).catch(() => {})
    model.answers(1)
    for (const input of [1, 2, 1]) await predict(input)
    await expect(predict(0)).rejects.toMatchObject(open)
    for (const input of [3, 4, 3, 4]) await predict(input)
    expect([...control.scopes]).toEqual([['s0', 'open'], ['s3', 'closed'], ['s4', 'closed']])
    for (let input = 5; input < 5000; input += 1) await predict(input)
    expect(control.scopes.size).toBe(3)
    // Forgotten, and so closed.
    expect(await predict(0)).toBe(1)
  })

  test('circuitBreaker whose `scope` throws goes on, with a notice', async () => {
    const { model, inner } = rig({ batches: true })
    const predict = pipe(
      inner,
      circuitBreaker<number, number>({
        scope: () => {
          throw new Error('the scope is broken')
        },
      }),
    )
    const { notices } = eventsOf(predict)
    model.answers(5)
    expect([await predict(1), await predict.batch([2])]).toEqual([5, [5]])
    expect(notices).toEqual(new Array(2).fill('`scope` threw; the default decided instead.'))
  })

  test('trip opens one scope, or all of them', async () => {
    const { model, inner } = rig()
    const control = breakerControl()
    const predict = pipe(inner, circuitBreaker({ control, scope: (input: number) => `s${input}` }))
    model.answers(1)
    for (const input of [1, 2]) await predict(input)
    control.trip('drift of s1', 's1')
    expect(await predict(2)).toBe(1)
    await expect(predict(1)).rejects.toMatchObject(open)
    control.trip('drift')
    await expect(predict(2)).rejects.toMatchObject(open)
  })
})
