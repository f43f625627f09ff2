import { getEventListeners } from 'node:events'
import fc from 'fast-check'
import { pipe, predictor, RowFailure, seededRandom, type CallOptions, type Clock, type Predictor } from 'outrigger'
import { microBatched, type MicroBatchedOptions } from 'outrigger/batch'
import { fakeClock, type FakeClock } from 'outrigger/testing'
import { expect, test } from 'vitest'

const optionsArb: fc.Arbitrary<MicroBatchedOptions<number>> = fc.record({
  maxSize: fc.integer({ min: 1, max: 9 }),
  concurrency: fc.integer({ min: 1, max: 3 }),
  maxQueue: fc.constantFrom(3, 20, 1000),
  maxDelayMs: fc.constantFrom(0, 0, 7),
  adaptive: fc.boolean(),
  objectiveMs: fc.constantFrom(5, 50),
  whenFull: fc.constantFrom('reject-newest', 'reject-lowest-priority'),
  groupBy: fc.constantFrom((x: number) => String(x % 2), () => ''),
})

const stepArb = fc.oneof(
  { weight: 6, arbitrary: fc.record({ type: fc.constant('call' as const), key: fc.constantFrom(undefined, 'a', 'b'), priority: fc.constantFrom(0, 0, 3), timeoutMs: fc.constantFrom(undefined, undefined, 1, 15), aborts: fc.constantFrom(undefined, undefined, 0, 1, 4), idempotent: fc.constantFrom(true, true, false) }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('batch' as const), rows: fc.nat(12), aborts: fc.constantFrom(undefined, 0, 2) }) },
  { weight: 3, arbitrary: fc.record({ type: fc.constant('advance' as const), ms: fc.nat(12) }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('jump' as const), ms: fc.integer({ min: -1000, max: 1000 }) }) },
)

/** A clock whose reading may jump; timers go by the time that really passes. */
const jumping = (base: FakeClock): { readonly clock: Clock; jump(ms: number): void } => {
  let offset = 0
  return {
    clock: { now: () => base.now() + offset, wall: base.wall, setTimeout: base.setTimeout, clearTimeout: base.clearTimeout, setImmediate: base.setImmediate },
    jump: (ms) => (offset += ms),
  }
}

/** Lets time pass until the promise has settled. */
const until = async <T>(clock: FakeClock, work: Promise<T>): Promise<T> => {
  let isDone = false
  void work.finally(() => (isDone = true)).catch(() => {})
  await clock.settle()
  for (let turn = 0; !isDone && turn < 5000; turn += 1) await clock.advance(5)
  expect(isDone).toBe(true)
  return await work
}

test('microBatched answers each call once and with its own row, whatever fails, leaves, comes late or jumps', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(stepArb, { maxLength: 60 }), optionsArb, fc.nat(1000), fc.constantFrom(0, 0.1, 0.4), async (steps, options, seed, faults) => {
      const base = fakeClock()
      const { clock, jump } = jumping(base)
      const random = seededRandom(seed)
      const answered = new Map<number, number>()
      let running = 0
      const model = {
        predictBatch: async (rows: readonly number[]): Promise<(number | RowFailure)[]> => {
          expect(rows.length).toBeLessThanOrEqual(options.maxSize as number)
          expect(new Set(rows.map((x) => options.groupBy?.(x))).size).toBe(1)
          expect(new Set(rows).size).toBe(rows.length)
          running += 1
          await new Promise<void>((resolve) => clock.setTimeout(resolve, random.integer(12)))
          running -= 1
          if (rows.some((x) => x % 17 === 0) || random.next() < faults) throw new Error('run')
          if (random.next() < faults / 2) return []
          return rows.map((x) => {
            if (random.next() < faults / 4) return new RowFailure(new Error('row'))
            answered.set(x, (answered.get(x) ?? 0) + 1)
            return x * 10
          })
        },
      }
      const batching = microBatched<number>(options)
      const predict = pipe(predictor<number, number>(model, { clock, random: seededRandom(seed) }), batching) as Predictor<number, number>
      const settled = new Map<number, string[]>()
      const settle = (x: number, how: string): void => void settled.set(x, [...(settled.get(x) ?? []), how])
      const work: Promise<unknown>[] = []
      const signals: AbortSignal[] = []
      const aborts: { at: number; controller: AbortController }[] = []
      let next = 1
      for (const [index, step] of steps.entries()) {
        for (const { controller } of aborts.filter(({ at }) => at === index)) controller.abort()
        if (step.type === 'advance') await base.advance(step.ms)
        else if (step.type === 'jump') jump(step.ms)
        else {
          const controller = new AbortController()
          if (step.aborts !== undefined) aborts.push({ at: index + 1 + step.aborts, controller })
          signals.push(controller.signal)
          if (step.type === 'call') {
            const x = (next += 1)
            const call: CallOptions = { key: step.key, priority: step.priority, timeoutMs: step.timeoutMs, idempotent: step.idempotent, signal: step.aborts === undefined ? undefined : controller.signal }
            work.push(predict(x, call).then((output) => settle(x, `${output}`), () => settle(x, 'failed')))
          } else {
            const rows = Array.from({ length: step.rows }, () => (next += 1))
            work.push(predict.detailedBatch(rows, { signal: controller.signal }).then((results) => results.forEach((result, row) => settle(rows[row] as number, result.ok ? `${result.output}` : 'failed')), () => rows.forEach((x) => settle(x, 'failed'))))
          }
        }
      }
      await until(base, Promise.all(work))
      for (let x = 2; x <= next; x += 1) {
        const how = settled.get(x)
        expect(how?.length, `how often ${x} settled`).toBe(1)
        if (how?.[0] !== 'failed') expect(how).toEqual([`${x * 10}`])
        // The model answered a row once, and was not asked again for one that it had answered.
        expect(answered.get(x) ?? 0).toBeLessThanOrEqual(1)
      }
      await until(base, predict.close())
      expect(running).toBe(0)
      expect(batching.state).toMatchObject({ waiting: 0, running: 0 })
      expect(base.pending).toBe(0)
      for (const signal of signals) expect(getEventListeners(signal, 'abort').length).toBe(0)
    }),
    { numRuns: 150 },
  )
})

test('microBatched gives as a batch, as single calls at once and as single calls in turn what the model gives', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.integer({ min: 0, max: 50 }), { maxLength: 40 }), optionsArb, async (rows, options) => {
      const clock = fakeClock()
      const wrap = (): Predictor<number, string> => pipe(predictor<number, string>({ predictBatch: async (inputs: readonly number[]) => inputs.map((x) => `${x}`) }, { clock }), microBatched<number>({ ...options, maxQueue: 1000 }))
      const expected = rows.map((x) => `${x}`)
      expect(await until(clock, wrap().batch(rows))).toEqual(expected)
      const predict = wrap()
      expect(await until(clock, Promise.all(rows.map((x) => predict(x))))).toEqual(expected)
      const [mixed, singles] = await until(clock, Promise.all([predict.batch(rows), Promise.all(rows.map((x) => predict(x, { key: `${x % 3}` })))]))
      expect([mixed, singles]).toEqual([expected, expected])
      for (const x of rows.slice(0, 3)) expect(await until(clock, predict(x))).toBe(`${x}`)
    }),
    { numRuns: 100 },
  )
})

test('microBatched asks for the rows of each key in the order of their calls', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.record({ key: fc.constantFrom('a', 'b', 'c', undefined), waitMs: fc.constantFrom(0, 0, 0, 1, 5) }), { maxLength: 60 }), fc.integer({ min: 1, max: 5 }), async (calls, maxSize) => {
      const clock = fakeClock()
      const seen: number[] = []
      const predict = pipe(
        predictor<number, number>({ predictBatch: (rows: readonly number[]) => new Promise<number[]>((resolve) => (seen.push(...rows), clock.setTimeout(() => resolve([...rows]), 3))) }, { clock }),
        microBatched({ adaptive: false, maxSize }),
      )
      const work: Promise<number>[] = []
      for (const [x, { key, waitMs }] of calls.entries()) {
        work.push(predict(x, { key }))
        if (waitMs > 0) await clock.advance(waitMs)
      }
      await until(clock, Promise.all(work))
      for (const key of ['a', 'b', 'c', undefined]) {
        const order = seen.filter((x) => calls[x]?.key === key)
        expect(order).toEqual([...order].sort((a, b) => a - b))
      }
      expect([...seen].sort((a, b) => a - b)).toEqual(calls.map((_, x) => x))
    }),
    { numRuns: 100 },
  )
})
