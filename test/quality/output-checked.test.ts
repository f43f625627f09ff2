import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { circuitBreaker, fallback, pipe, predictor, type NoticeEvent, type StateEvent } from 'outrigger'
import { cached } from 'outrigger/cache'
import { outputChecked } from 'outrigger/quality'
import { split } from 'outrigger/route'
import { fakeClock } from 'outrigger/testing'
import { OutputWatch } from '../../src/quality/_output-watch.js'
import { seeded } from '../drift/_seeded.js'

const bad = (check: string): object => ({ code: 'ERR_OUTRIGGER_BAD_ANSWER', check })
const statesOf = (predict: { observe: (listener: (event: unknown) => void) => unknown }): StateEvent[] => {
  const states: StateEvent[] = []
  predict.observe((event) => {
    if ((event as StateEvent).type === 'state') states.push(event as StateEvent)
  })
  return states
}

describe('outputChecked', () => {
  it.each([
    ['finite', {}, NaN],
    ['finite', {}, [1, -Infinity]],
    ['range', { range: [0, 10] }, 11],
    ['shape', { shape: [2] }, [1]],
    ['shape', { shape: [2], finite: false }, undefined],
    ['sumsToOne', { sumsToOne: 1e-6 }, [0.4, 0.5]],
    ['sumsToOne', { sumsToOne: 1e-6 }, [-0.2, 1.2]],
    ['finite', { sumsToOne: 1e-6 }, [NaN, 1]],
  ] as const)('makes a failure of an answer that fails the check %s', async (check, options, answer) => {
    const checks = outputChecked(options as never)
    const predict = pipe((_: number): unknown => answer, checks)
    await expect(predict(1)).rejects.toMatchObject({ ...bad(check), reason: expect.any(String) as string })
    expect(checks.counts).toEqual({ rows: 1, bad: 1, by: { [check]: 1 } })
  })

  it('lets good answers pass as they are, in a batch the others of a bad row', async () => {
    const checks = outputChecked({ of: ({ scores }: { scores: number[] }) => scores, sumsToOne: 1e-6 })
    const good = { scores: [0.25, 0.75], label: NaN }
    const predict = pipe((x: number) => (x === 2 ? { scores: [2, 3], label: 0 } : good), checks)
    expect(await predict(1)).toBe(good)
    const rows = await predict.detailedBatch([1, 2, 3])
    expect(rows.map((row) => (row.ok ? row.output : (row.error as { code: string }).code))).toEqual([good, 'ERR_OUTRIGGER_BAD_ANSWER', good])
    expect(rows[1]?.record).toMatchObject({ outcome: 'error', marks: ['bad-answer:sumsToOne'], error: { code: 'ERR_OUTRIGGER_BAD_ANSWER' } })
  })

  it('opens a circuit breaker around it, behind which the fallback answers and the model rests, until its answers are good again', async () => {
    const clock = fakeClock()
    let isNonsense = true
    let asked = 0
    const model = predictor((x: number) => { asked += 1; return isNonsense ? NaN : x }, { clock })
    const breaker = circuitBreaker({ consecutiveFailures: 3, openForMs: 1000, probes: 1 })
    const predict = pipe(model, outputChecked(), breaker, fallback((_: number) => 'rule'))
    for (let call = 0; call < 3; call += 1) expect(await predict(call)).toBe('rule')
    expect(breaker.state).toBe('open')
    expect(await predict(9)).toBe('rule')
    expect(await predict.batch([7, 8])).toEqual(['rule', 'rule'])
    expect(asked).toBe(3)
    isNonsense = false
    await clock.advance(60_000)
    expect(await predict(4)).toBe(4)
    expect(breaker.state).toBe('closed')
  })

  it('opens it by the rows of a batch, each counted', async () => {
    const breaker = circuitBreaker({ minimumCalls: 10, windowSize: 20, failureRate: 0.5 })
    const rate = 0.8
    const predict = pipe((x: number) => (x < 20 * rate ? NaN : x), outputChecked(), breaker, fallback((_: number) => -1))
    const answers = await predict.batch(Array.from({ length: 20 }, (_, x) => x))
    expect(answers.map((answer) => answer === -1)).toEqual(answers.map((_, x) => x < 16))
    expect(breaker.failureRate).toBeCloseTo(rate)
    expect(breaker.state).toBe('open')
  })

  it('fails an answer that stays the same from the given number of different inputs on, until another one comes', async () => {
    let answer = 0.5
    const checks = outputChecked({ stuckAfter: 3 })
    const predict = pipe((_: number) => answer, checks)
    const states = statesOf(predict)
    const seen: string[] = []
    predict.observe((event) => {
      if (event.type === 'state') seen.push(checks.state)
    })
    expect(await predict.batch([1, 1, 2, 2, 1, 2])).toEqual([0.5, 0.5, 0.5, 0.5, 0.5, 0.5])
    await expect(predict(3)).rejects.toMatchObject(bad('stuck'))
    await expect(predict(1)).rejects.toMatchObject(bad('stuck'))
    expect(checks.state).toBe('stuck')
    answer = 0.6
    expect(await predict(1)).toBe(0.6)
    expect(checks.state).toBe('ok')
    expect(states.map(({ layer, from, to }) => `${layer} ${from} ${to}`)).toEqual(['output-checked ok stuck', 'output-checked stuck ok'])
    expect(seen).toEqual(['stuck', 'ok'])
  })

  it('is not stuck by an input that comes a thousand times, nor by what an answer does not depend on', async () => {
    const checks = outputChecked({ stuckAfter: 3, collapsed: { spread: 1, over: 16 }, inputOf: ({ x }: { x: number; id: number }) => x })
    const predict = pipe(({ x }: { x: number; id: number }) => x, checks)
    await predict.batch(Array.from({ length: 1000 }, (_, id) => ({ x: 5, id })))
    expect(checks.state).toBe('ok')
  })

  it('fails answers that hardly differ, and passes the first one that does, as a probe needs it', async () => {
    const random = seeded(3)
    let isCollapsed = true
    const checks = outputChecked({ collapsed: { spread: 0.01, over: 64 } })
    const predict = pipe((_: number) => [0.3 + (isCollapsed ? 0.001 : 0.5) * random.normal(), 0.7], checks)
    const states = statesOf(predict)
    const rows = await predict.detailedBatch(Array.from({ length: 100 }, (_, x) => x))
    expect(rows.findIndex(({ ok }) => !ok)).toBe(63)
    expect(rows.slice(63).every(({ ok }) => !ok)).toBe(true)
    isCollapsed = false
    const later = await predict.detailedBatch(Array.from({ length: 400 }, (_, x) => 1000 + x))
    expect(later.findIndex(({ ok }) => ok)).toBeLessThan(3)
    expect(later.slice(64).every(({ ok }) => ok)).toBe(true)
    expect(states.at(-1)?.to).toBe('ok')
  })

  it('a collapsed model opens the breaker, and its first good probe closes it', async () => {
    const clock = fakeClock()
    let isCollapsed = true
    const model = predictor((x: number) => (isCollapsed ? 0.5 : x), { clock })
    const breaker = circuitBreaker({ consecutiveFailures: 3, openForMs: 1000, probes: 1 })
    const predict = pipe(model, outputChecked({ collapsed: { spread: 0.01, over: 16 } }), breaker, fallback((_: number) => -1))
    for (let x = 0; x < 20; x += 1) await predict(x)
    expect(breaker.state).toBe('open')
    isCollapsed = false
    await clock.advance(60_000)
    expect(await predict(77)).toBe(77)
    expect(breaker.state).toBe('closed')
  })

  it('watches each version for itself', async () => {
    const one = predictor((_: number) => 1, { name: 'm', version: '1' })
    const two = predictor((x: number) => x, { name: 'm', version: '2' })
    const release = split({ name: 'r', variants: { one, two }, weights: { one: 0.5, two: 0.5 }, by: (x: number) => String(x) })
    const checks = outputChecked({ stuckAfter: 5 })
    const predict = pipe(release, checks)
    const rows = await predict.detailedBatch(Array.from({ length: 60 }, (_, x) => x))
    expect(rows.filter(({ ok, record }) => !ok && record.identity.version === '2')).toEqual([])
    const stuck = rows.filter(({ record }) => record.identity.version === '1').map(({ ok }) => ok)
    expect(stuck.slice(0, 4)).toEqual([true, true, true, true])
    expect(stuck.slice(4).some(Boolean)).toBe(false)
  })

  it('remembers a version that answers all the time, however many others come and go', async () => {
    const checks = outputChecked({ stuckAfter: 12 })
    const variants = Object.fromEntries(Array.from({ length: 16 }, (_, i) => [`v${i}`, predictor((_: number) => 1, { name: 'm', version: String(i) })]))
    const release = split({ name: 'r', variants, weights: Object.fromEntries(Object.keys(variants).map((name) => [name, 1 / 16])), by: (x: number) => String(x) } as never)
    const predict = pipe(release as never, checks) as (x: number) => Promise<number>
    const versionOf = new Map<number, string>()
    const probe = release as unknown as { detailed: (x: number) => Promise<{ record: { identity: { version: string } } }> }
    for (let x = 0; x < 400; x++) versionOf.set(x, (await probe.detailed(x)).record.identity.version)
    const of = (version: string): number[] => [...versionOf].flatMap(([x, v]) => (v === version ? [x] : []))
    const steady = of('0').slice(0, 12)
    expect(steady).toHaveLength(12)
    for (const x of steady.slice(0, 11)) {
      await predict(x)
      await predict(of(String(1 + steady.indexOf(x)))[0] as number)
    }
    await expect(predict(steady[11] as number)).rejects.toMatchObject(bad('stuck'))
  })

  it('tells of an `of` that throws, and checks the whole answer instead', async () => {
    const predict = pipe((x: number) => x, outputChecked({ of: (_: number): unknown => { throw new Error('of') }, range: [0, 1] }))
    const notices: NoticeEvent[] = []
    predict.observe((event) => {
      if (event.type === 'notice') notices.push(event)
    })
    expect(await predict(1)).toBe(1)
    await expect(predict(2)).rejects.toMatchObject(bad('range'))
    expect(notices).toHaveLength(2)
  })

  it('keeps bad answers out of a cache around it, and streams as they are', async () => {
    let answer: unknown = NaN
    const predict = pipe((_: number): unknown => answer, outputChecked(), cached())
    await expect(predict(1)).rejects.toMatchObject(bad('finite'))
    answer = 1
    expect(await predict(1)).toBe(1)
    const stream = async function* (): AsyncGenerator<number> { yield NaN }
    const open = pipe((_: number) => stream(), outputChecked())
    for await (const part of await open(1)) expect(part).toBeNaN()
  })

  it('is neutral on answers that are good, single and batched', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.double({ noNaN: true, noDefaultInfinity: true }), { maxLength: 30 }), async (inputs) => {
        const model = (x: number): number[] => [x, x / 2]
        const predict = pipe(model, outputChecked({ shape: [2], stuckAfter: 40, collapsed: { spread: 0, over: 64 } }))
        expect(await predict.batch(inputs)).toEqual(inputs.map(model))
        for (const input of inputs.slice(0, 3)) expect(await predict(input)).toEqual(model(input))
      }),
      { numRuns: 50, seed: 1 },
    )
  })

  it.each([
    [{ finite: false }],
    [{ stuckAfter: 2 }],
    [{ collapsed: { spread: -1 } }],
    [{ collapsed: { spread: 1, over: 15 } }],
    [{ collapsed: { range: 1 } }],
    [{ constantOver: 3 }],
    [{ of: 1 }],
    [{ range: [1, 0] }],
    [{ name: '' }],
  ])('refuses %j', (options) => {
    expect(() => outputChecked(options as never)).toThrow(expect.objectContaining({ code: 'ERR_OUTRIGGER_INVALID_OPTION' }) as Error)
  })
})

describe('OutputWatch', () => {
  it('gives no false alarm in 20 000 answers of a healthy model whose answers are rounded', () => {
    const random = seeded(11)
    const watch = new OutputWatch({ stuckAfter: 8, spread: 0.01, over: 256 })
    let alarms = 0
    for (let row = 0; row < 20_000; row += 1) if (watch.look(Math.round(random.uniform() * 100) / 100, row) !== 'ok') alarms += 1
    expect(alarms).toBe(0)
  })

  it('is stuck by chance as often as the share of the most frequent answer says', () => {
    // A streak of k: a run of Bernoulli(p); its rate per answer is p^k (1 - p).
    const random = seeded(5)
    const [p, k, rows] = [0.5, 8, 200_000]
    const watch = new OutputWatch({ stuckAfter: k, spread: undefined, over: 256 })
    let [runs, before] = [0, 'ok']
    for (let row = 0; row < rows; row += 1) {
      const state = watch.look(random.uniform() < p ? 0 : random.uniform(), row)
      if (state === 'stuck' && before === 'ok') runs += 1
      before = state
    }
    const expected = rows * p ** k * (1 - p)
    expect(Math.abs(runs - expected)).toBeLessThan(4 * Math.sqrt(expected))
  })

  it('gives an input that comes again and again the weight of one', () => {
    const watch = new OutputWatch({ stuckAfter: undefined, spread: 0.1, over: 16 })
    let bad = 0
    for (let row = 0; row < 64; row += 1) {
      watch.look(row % 7, row)
      for (let again = 0; again < 2000; again += 1) if (watch.look(3, -1) !== 'ok') bad += 1
    }
    expect(bad).toBe(0)
  })

  it('keeps the middle of a collapse where it was, so that answers which creep away from it end it', () => {
    const watch = new OutputWatch({ stuckAfter: undefined, spread: 0.1, over: 16 })
    const states = Array.from({ length: 80 }, (_, row) => watch.look(row * 0.01, row))
    const begin = states.indexOf('collapsed')
    expect(begin).toBe(15)
    // From the middle of the first 16 answers, 0.075, it is 0.4 to 0.475.
    expect(states.indexOf('ok', begin)).toBe(48)
  })

  it('keeps a bounded memory over answers of any size, and starts again when their length changes', () => {
    const watch = new OutputWatch({ stuckAfter: undefined, spread: 0, over: 16 })
    for (let row = 0; row < 100; row += 1) watch.look(new Float32Array(10_000), row)
    expect(watch.look(new Float32Array(10_000), -1)).toBe('collapsed')
    expect(watch.look([0], -2)).toBe('ok')
    expect(watch.look('a label', -3)).toBe('ok')
    expect(watch.look({ score: 1, raw: new DataView(new ArrayBuffer(4)) }, -4)).toBe('ok')
  })
})
