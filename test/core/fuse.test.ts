import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { circuitBreaker, fallback, layer, pipe, predictor, retry, seededRandom } from 'outrigger'
import { bulkhead } from 'outrigger/resilience'
import type { NeutralLayer } from 'outrigger'
import { fakeClock, mockModel } from 'outrigger/testing'
import { applyGuard } from '../../src/core/layer.js'

/** What stands between guards so that they cannot be fused. */
const separator: NeutralLayer = layer<never, never>('separator', { one: async (next, input, call) => await next(input, call), many: async (next, inputs, batch) => await next(inputs, batch) }) as unknown as NeutralLayer

/** A guard whose hook throws for some errors. */
const touchy: NeutralLayer = (inner) =>
  applyGuard(inner, 'touchy', () => ({
    guard: {
      fail: (_permit, error) => {
        if (error instanceof Error && error.message.endsWith('3')) throw new Error(`touchy about ${error.message}`)
      },
    },
    many: async (next, inputs, batch) => await next(inputs, batch),
  }))

/** A guard that makes failures of some answers. */
const picky: NeutralLayer = (inner) =>
  applyGuard(inner, 'picky', () => ({
    guard: {
      pass: (_permit, output) => {
        if ((output as number) % 40 === 0) throw new Error(`picky about ${String(output)}`)
        return output
      },
    },
    many: async (next, inputs, batch) => await next(inputs, batch),
  }))

const guards: Record<string, () => NeutralLayer> = {
  retry: () => retry({ retries: 2, minDelayMs: 10 }),
  breaker: () => circuitBreaker({ minimumCalls: 2, windowSize: 3, openForMs: 25 }),
  bulkhead: () => bulkhead({ concurrency: 1, queue: 1 }),
  wide: () => bulkhead({ concurrency: 2 }),
  fallback: () => fallback((x: never) => { if ((x as number) % 2 === 1) throw new Error('no rule'); return -1 as never }) as unknown as NeutralLayer,
  touchy: () => touchy,
  picky: () => picky,
}

type Step = { readonly kind: 'start' } | { readonly kind: 'answer' | 'fail' | 'rude'; readonly pick: number } | { readonly kind: 'wait'; readonly ms: number } | { readonly kind: 'abort'; readonly pick: number }
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 4, arbitrary: fc.constant({ kind: 'start' as const }) },
  { weight: 6, arbitrary: fc.record({ kind: fc.constantFrom('answer' as const, 'fail' as const, 'fail' as const, 'rude' as const), pick: fc.nat({ max: 3 }) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('wait' as const), ms: fc.integer({ min: 1, max: 40 }) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('abort' as const), pick: fc.nat({ max: 3 }) }) },
)

/** Everything that can be seen of a stack while a script runs. */
const play = async (names: readonly string[], script: readonly Step[], isFused: boolean): Promise<unknown> => {
  const clock = fakeClock()
  const model = mockModel<number, number>({ clock })
  let predict = predictor(model, { clock, random: seededRandom(5) })
  for (const name of names) {
    predict = (guards[name] as () => NeutralLayer)()(predict)
    if (!isFused) predict = separator(predict)
  }
  const seen: unknown[] = []
  const told: unknown[] = []
  predict.observe((event) => {
    if (event.type === 'prediction') seen.push(['record', event.record.outcome, event.record.source, event.record.attempts, event.record.error, event.record.durations])
    else if (event.type === 'state') seen.push(['state', event.from, event.to, event.reason, event.at])
  })
  const open: number[] = []
  let arrived = 0
  let started = 0
  const controllers: AbortController[] = []
  const settle = async (ms = 0): Promise<void> => {
    await clock.advance(ms)
    for (; arrived < model.arrivals.length; arrived += 1) open.push(arrived)
  }
  const finish = (index: number, kind: 'answer' | 'fail' | 'rude'): void => {
    const arrival = model.arrivals[index]!
    if (kind === 'answer') arrival.answer(arrival.input * 10)
    else arrival.fail(kind === 'fail' ? new Error(`down ${arrival.input}`) : `rude ${arrival.input}`)
  }
  const results: Promise<void>[] = []
  for (const one of script) {
    if (one.kind === 'start') {
      const input = started
      started += 1
      const controller = new AbortController()
      controllers.push(controller)
      results.push(predict(input, input % 3 === 0 ? { signal: controller.signal } : undefined).then((output) => void (told[input] = output), (error: Error & { code?: string }) => void (told[input] = [error.message, error.code])))
    } else if (one.kind === 'wait') await settle(one.ms)
    else if (one.kind === 'abort') controllers[one.pick]?.abort()
    else if (open.length > 0) finish(open.splice(one.pick % open.length, 1)[0]!, one.kind)
    await settle()
  }
  for (let round = 0; round < 100 && open.length + clock.pending > 0; round += 1) {
    // One at a time: which of two answers of one turn comes out first is no promise of anybody.
    for (const index of open.splice(0)) {
      finish(index, 'answer')
      await settle()
    }
    await settle(10)
  }
  await Promise.all(results)
  return { seen, told, asked: model.arrivals.map(({ input }) => input), description: predict.describe().split('\n').filter((line) => !line.includes('separator')).map((line) => line.replace(/^[ │└─]*/, '')) }
}

describe('fuse', () => {
  it('guards do the same fused and apart, whatever the model and the callers do', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.constantFrom(...Object.keys(guards)), { minLength: 2, maxLength: 5 }), fc.array(step, { minLength: 3, maxLength: 22 }), async (names, script) => {
        expect(await play(names, script, true)).toEqual(await play(names, script, false))
      }),
      { seed: 21, numRuns: 200 },
    )
  }, 60_000)

  it('a hook that throws keeps no guard farther out from hearing of the end', async () => {
    const predict = pipe(async (_: number): Promise<number> => { throw new Error('down 3') }, touchy, bulkhead({ concurrency: 1 }))
    for (let index = 0; index < 3; index += 1) await expect(predict(1)).rejects.toThrow('touchy about down 3')
  })

  it('an answer that a guard makes a failure of gives every permit back, and can be recovered farther out', async () => {
    const narrow = pipe(async (x: number) => x, picky, bulkhead({ concurrency: 1 }))
    for (let index = 0; index < 3; index += 1) await expect(narrow(40)).rejects.toThrow('picky about 40')
    expect(await narrow(41)).toBe(41)
    expect(await pipe(async (x: number) => x, picky, fallback(() => 'rule'))(40)).toBe('rule')
  })

  it('an answer that a guard gives in the place of a failure passes the guards outside of it, and not its own', async () => {
    const log: string[] = []
    const named = (name: string, rescues: boolean): NeutralLayer => (inner) =>
      applyGuard(inner, name, () => ({
        guard: { pass: (_permit, output) => (log.push(`${name} passed`), output), fail: () => void log.push(`${name} failed`), ...(rescues ? { recover: async () => 7 as never } : {}) },
        many: async (next, inputs, batch) => await next(inputs, batch),
      }))
    const predict = pipe(async (_: number): Promise<number> => { throw new Error('down') }, named('inner', false), named('rescuer', true), named('outer', false))
    expect(await predict(1)).toBe(7)
    expect(log).toEqual(['inner failed', 'rescuer failed', 'outer passed'])
  })

  it('a recover that throws, synchronously or not, passes its error on outwards', async () => {
    const rescuing = (recover: () => Promise<never>): NeutralLayer => (inner) => applyGuard(inner, 'rescue', () => ({ guard: { recover }, many: async (next, inputs, batch) => await next(inputs, batch) }))
    for (const recover of [() => { throw new Error('rescue') }, async () => { throw 'rescue' }]) {
      const predict = pipe(async (_: number): Promise<number> => { throw new Error('down') }, rescuing(recover), bulkhead({ concurrency: 1 }))
      for (let index = 0; index < 2; index += 1) await expect(predict(1)).rejects.toSatisfy((error) => String((error as Error).cause ?? (error as Error).message) === 'rescue')
    }
  })
})
