import { describe, expect, it } from 'vitest'
import { circuitBreaker, layer, pipe, predictor } from 'outrigger'
import type { NeutralLayer } from 'outrigger'
import { fakeClock, mockModel } from 'outrigger/testing'
import { BatchCall } from '../../src/core/batch-call.js'
import { Call } from '../../src/core/call.js'
import { deriveMany } from '../../src/core/derive-batch.js'
import { RowFailure } from '../../src/core/rows.js'
import { runtimeOf } from '../../src/core/runtime.js'

const tick = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))
const runtime = runtimeOf()
const batchOf = (size: number): BatchCall => new BatchCall(runtime, Array.from({ length: size }, () => new Call(runtime, undefined, undefined, undefined)))

describe('deriveMany', () => {
  it('what the rows ask travels as one batch, also through several layers of one form', async () => {
    const model = mockModel<number, number>({ batches: true }).answers((x) => x * 2)
    const plain = layer<number, number>('plain', { one: async (next, input, call) => await next(input + 1, call) })
    expect(await pipe(model, plain, plain, plain).batch([1, 2, 3])).toEqual([8, 10, 12])
    expect(model.arrivals.map(({ inputs }) => inputs)).toEqual([[4, 5, 6]])
  })

  it('rows that answer for themselves are not asked for, and the others still travel together', async () => {
    const model = mockModel<number, number>({ batches: true }).answers((x) => x * 2)
    const odd = layer<number, number>('odd', { one: async (next, input, call) => (input % 2 === 0 ? 0 : await next(input, call)) })
    expect(await pipe(model, odd).batch([1, 2, 3, 4])).toEqual([2, 0, 6, 0])
    expect(model.arrivals.map(({ inputs }) => inputs)).toEqual([[1, 3]])
  })

  it('a row that waits for something else holds up nobody', async () => {
    const model = mockModel<number, number>({ batches: true }).answers((x) => x)
    let release = (): void => {}
    const gate = new Promise<void>((resolve) => (release = resolve))
    const slow = layer<number, number>('slow', { one: async (next, input, call) => {
      if (input === 2) await gate
      return await next(input, call)
    } })
    const answer = pipe(model, slow).batch([1, 2, 3])
    await tick()
    await tick()
    expect(model.arrivals.map(({ inputs }) => inputs)).toEqual([[1, 3]])
    release()
    expect(await answer).toEqual([1, 2, 3])
  })

  it('a row may ask several times, one after the other or at once', async () => {
    const model = mockModel<number, number>({ batches: true }).answers((x) => x)
    const twice = layer<number, number>('twice', { one: async (next, input, call) => (await next(input, call)) + (await next(input * 10, call)) })
    // Each batch leaves as soon as its last row has asked: it needs no other turn of the loop, which never comes here.
    const clock = { ...fakeClock(), setImmediate: () => {} }
    expect(await pipe(predictor(model, { clock }), twice).batch([1, 2])).toEqual([11, 22])
    expect(model.arrivals.map(({ inputs }) => inputs)).toEqual([[1, 2], [10, 20]])
    const race = layer<number, number>('race', { one: async (next, input, call) => await Promise.race([next(input, call), next(input, call)]) })
    expect(await pipe(model, race).batch([1, 2, 3])).toEqual([1, 2, 3])
    const both = layer<number, number>('both', { one: async (next, input, call) => (await Promise.all([next(input, call), next(input, call)])).reduce((a, b) => a + b) })
    expect(await pipe(model, both).batch([1, 2, 3])).toEqual([2, 4, 6])
  })

  it('rows that failed together stay one failure, which a breaker counts once', async () => {
    const breaker = circuitBreaker({ minimumCalls: 2, windowSize: 10, failureRate: 0.5 })
    const plain: NeutralLayer = layer<never, never>('plain', { one: async (next, input, call) => await next(input, call) }) as unknown as NeutralLayer
    const predict = pipe({ predictBatch: async (_: readonly number[]): Promise<number[]> => { throw new Error('down') } }, plain, breaker)
    await predict.detailedBatch([1, 2, 3, 4])
    expect(breaker.state).toBe('closed')
    await predict.detailedBatch([1])
    expect(breaker.state).toBe('open')
  })

  it('rows that fail alone have a failure each', async () => {
    const rows = await deriveMany((_next, input: number) => { throw new Error(`row ${input}`) }, async () => [])([1, 2], batchOf(2))
    expect(new Set(rows).size).toBe(2)
  })

  it('what is inside and breaks its promise not to reject fails the rows, and nobody waits for ever', async () => {
    const many = deriveMany<number, number, number, number>((next, input, call) => next(input, call), async () => { throw new Error('broke it') })
    const rows = await many([1, 2], batchOf(2))
    expect(rows.map((row) => row instanceof RowFailure && String(row.error))).toEqual(['Error: broke it', 'Error: broke it'])
  })

  it('a synchronous one, a plain value and a custom thenable are rows too', async () => {
    const forms = [(): number => 7, () => ({ then: (resolve: (value: number) => void) => resolve(7) }) as PromiseLike<number>]
    for (const one of forms) expect(await pipe(predictor((x: number) => x), layer<number, number>('form', { one })).batch([1])).toEqual([7])
  })
})
