/** What must hold of retry, timeout, hedge and fallback together, whatever delays, faults, aborts and clocks do. */
import { getEventListeners } from 'node:events'
import fc from 'fast-check'
import { fallback, pipe, retry, RowFailure, seededRandom, timeout, type Predictor, type PredictionRecord } from 'outrigger'
import { extraWorkBudget } from 'outrigger/policy'
import { hedge } from 'outrigger/resilience'
import { fakeClock } from 'outrigger/testing'
import { expect, test } from 'vitest'
import { swappable } from '../../src/testing/_swappable.js'

/** What one run of the model does. */
interface Fate {
  readonly ms: number
  readonly does: 'answer' | 'fail' | 'fail some' | 'throw'
  /** Whether it stops when its signal fires, or runs on. */
  readonly heeds: boolean
}
interface Step {
  readonly does: 'call' | 'batch' | 'abort' | 'wait' | 'jump' | 'swap'
  readonly amount: number
}

const fate: fc.Arbitrary<Fate> = fc.record({
  ms: fc.oneof({ weight: 3, arbitrary: fc.nat(30) }, { weight: 1, arbitrary: fc.integer({ min: 30, max: 400 }) }),
  does: fc.oneof({ weight: 5, arbitrary: fc.constant('answer' as const) }, { weight: 3, arbitrary: fc.constantFrom('fail' as const, 'fail some' as const, 'throw' as const) }),
  heeds: fc.boolean(),
})
const step: fc.Arbitrary<Step> = fc.record({
  does: fc.oneof({ weight: 5, arbitrary: fc.constantFrom('call' as const, 'batch' as const) }, { weight: 4, arbitrary: fc.constantFrom('wait' as const, 'abort' as const) }, { weight: 1, arbitrary: fc.constantFrom('jump' as const, 'swap' as const) }),
  amount: fc.nat(60),
})
const stack = fc.record({
  timeoutMs: fc.option(fc.integer({ min: 5, max: 120 })),
  graceMs: fc.constantFrom(0, 20, Infinity),
  hedgeMs: fc.option(fc.integer({ min: 1, max: 60 })),
  max: fc.integer({ min: 1, max: 2 }),
  retries: fc.option(fc.integer({ min: 1, max: 3 })),
  jitter: fc.constantFrom('none' as const, 'full' as const, 'decorrelated' as const),
  outerMs: fc.option(fc.integer({ min: 20, max: 300 })),
  hasFallback: fc.boolean(),
  burst: fc.integer({ min: 1, max: 8 }),
})

const down = new Error('down')

test('retry, timeout, hedge and fallback lose no result, double none, keep to their limits and leave nothing behind', async () => {
  const unhandled: unknown[] = []
  const listener = (error: unknown): void => void unhandled.push(error)
  process.on('unhandledRejection', listener)
  const seen = { answered: 0, rescued: 0, failed: 0, aborted: 0, hedged: 0, retried: 0 }
  await fc.assert(
    fc.asyncProperty(stack, fc.array(fate, { minLength: 1, maxLength: 12 }), fc.array(step, { minLength: 1, maxLength: 14 }), fc.integer(), async (shape, fates, steps, seed) => {
      const base = fakeClock()
      let skew = 0
      const clock = { ...base, now: () => base.now() + skew, wall: () => base.wall() - skew }
      let runs = 0
      const askedFor = new Map<number, number>()
      const rescued = new Map<number, number>()
      const run = (inputs: readonly number[], { signal }: { readonly signal: AbortSignal }): Promise<(number | RowFailure)[]> => {
        const { ms, does, heeds } = fates[runs++ % fates.length] as Fate
        for (const input of inputs) askedFor.set(input, (askedFor.get(input) ?? 0) + 1)
        if (does === 'throw') throw down
        return new Promise((resolve, reject) => {
          const done = (): void => {
            signal.removeEventListener('abort', stop)
            if (does === 'fail') reject(down)
            else resolve(inputs.map((input) => (does === 'fail some' && input % 2 === 0 ? new RowFailure(down) : input * 10)))
          }
          const timer = base.setTimeout(done, ms)
          const stop = (): void => {
            base.clearTimeout(timer)
            reject(signal.reason as Error)
          }
          if (heeds) signal.addEventListener('abort', stop, { once: true })
        })
      }
      const model = {
        predict: async (input: number, call: { readonly signal: AbortSignal }): Promise<number> => {
          const [row] = await run([input], call)
          if (row instanceof RowFailure) throw row.error
          return row as number
        },
        predictBatch: run,
      }
      const loader = swappable<number, number>({ old: model as never, new: model as never }, { clock, random: seededRandom(seed) } as never)
      const budget = extraWorkBudget({ ratio: 0, minimumPerSecond: 0, burst: shape.burst })
      let predict: Predictor<number, number> = loader.predictor
      if (shape.timeoutMs !== null) predict = pipe(predict, timeout({ ms: shape.timeoutMs, graceMs: shape.graceMs }))
      if (shape.hedgeMs !== null) predict = pipe(predict, hedge({ delayMs: shape.hedgeMs, max: shape.max, budget }))
      if (shape.retries !== null) predict = pipe(predict, retry({ retries: shape.retries, minDelayMs: 5, jitter: shape.jitter, budget }))
      if (shape.outerMs !== null) predict = pipe(predict, timeout({ ms: shape.outerMs, msPerRow: 1 }))
      if (shape.hasFallback) {
        predict = pipe(predict, fallback((x: number) => {
          rescued.set(x, (rescued.get(x) ?? 0) + 1)
          return -x
        }))
      }
      const records: PredictionRecord[] = []
      predict.observe((event) => event.type === 'prediction' && records.push(event.record))

      const settled = new Map<number, number>()
      const signals: AbortController[] = []
      let next = 1
      const settle = (input: number, outcome: unknown): void => {
        settled.set(input, (settled.get(input) ?? 0) + 1)
        if (outcome === input * 10) seen.answered += 1
        else if (outcome === -input) {
          seen.rescued += 1
          expect(shape.hasFallback).toBe(true)
        } else {
          expect(outcome).toBeInstanceOf(Error)
          if ((outcome as { code?: string }).code === 'ERR_OUTRIGGER_ABORTED') seen.aborted += 1
          else seen.failed += 1
        }
      }
      const started: Promise<unknown>[] = []
      for (const { does, amount } of steps) {
        if (does === 'call' || does === 'batch') {
          const controller = new AbortController()
          signals.push(controller)
          const limit = amount % 3 === 0 ? { timeoutMs: 1 + amount * 4 } : {}
          const inputs = Array.from({ length: does === 'call' ? 1 : 1 + (amount % 4) }, () => next++)
          if (does === 'call') {
            const [input] = inputs as [number]
            started.push(predict(input, { signal: controller.signal, ...limit }).then((output) => settle(input, output), (error: unknown) => settle(input, error)))
          } else {
            const perRow = inputs.map((_, index) => (index === 0 ? controller.signal : undefined))
            started.push(predict.detailedBatch(inputs, { signals: perRow, ...limit }).then((rows) => rows.forEach((row, index) => settle(inputs[index] as number, row.ok ? row.output : row.error))))
          }
        } else if (does === 'abort') signals[amount % Math.max(1, signals.length)]?.abort()
        else if (does === 'jump') skew += amount * 10
        else if (does === 'swap') loader.swap(amount % 2 === 0 ? 'new' : 'old')
        else await base.advance(amount)
      }
      await base.advance(5000)
      await Promise.all(started)

      const rows = next - 1
      expect([...settled.values()], 'each row settles once').toEqual(new Array(rows).fill(1))
      expect(records, 'each row has one record').toHaveLength(rows)
      const perAttempt = shape.hedgeMs === null ? 1 : 1 + shape.max
      const most = perAttempt * (1 + (shape.retries ?? 0))
      for (const times of askedFor.values()) expect(times, 'attempts of a row').toBeLessThanOrEqual(most)
      for (const times of rescued.values()) expect(times, 'a rung is asked once').toBe(1)
      const extra = [...askedFor.values()].reduce((sum, times) => sum + times - 1, 0)
      expect(extra, 'extra work').toBeLessThanOrEqual(Math.min(shape.burst, budget.counts.spent))
      for (const { signal } of signals) expect(getEventListeners(signal, 'abort'), 'listeners of a caller').toHaveLength(0)
      expect(base.holding, 'timers that hold the process').toBe(0)
      expect([loader.leases('old'), loader.leases('new'), loader.askedUnleased], 'leases').toEqual([0, 0, 0])
      await predict.close()
      expect(base.pending, 'timers').toBe(0)
      seen.hedged += records.filter(({ marks }) => marks.includes('hedged') || marks.includes('hedge-answered')).length
      seen.retried += extra
    }),
    { seed: 7, numRuns: 300 },
  )
  process.off('unhandledRejection', listener)
  expect(unhandled).toEqual([])
  // It has seen all that it is about.
  for (const [what, times] of Object.entries(seen)) expect(times, what).toBeGreaterThan(50)
}, 60_000)
