/** A call stays with the version that it was bound to at the entry, whatever happens to the live one meanwhile. */
import { describe, expect, it } from 'vitest'
import { fallback, layer, pipe, retry, timeout } from 'outrigger'
import { mapInput, mapOutput } from 'outrigger/compose'
import { bulkhead } from 'outrigger/resilience'
import { cached } from 'outrigger/cache'
import { split } from 'outrigger/route'
import { mockModel } from 'outrigger/testing'
import type { MockModel } from 'outrigger/testing'
import { swappable, type Swappable } from '../../src/testing/_swappable.js'

const tick = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

interface Two {
  readonly v1: MockModel<number, string>
  readonly v2: MockModel<number, string>
  readonly loader: Swappable<number, string>
}
const two = (batches = false): Two => {
  const v1 = mockModel<number, string>({ batches })
  const v2 = mockModel<number, string>({ batches }).answers((x) => `v2 ${x}`)
  return { v1, v2, loader: swappable<number, string>({ v1, v2 }) }
}

describe('a bound call', () => {
  it('is served by the version that was live when it entered, though it waits in a queue during the swap', async () => {
    const { v1, loader } = two()
    const predict = pipe(loader.predictor, bulkhead({ concurrency: 1, queue: 2 }))
    const answers = [predict.detailed(1), predict.detailed(2)]
    const first = await v1.next()
    loader.swap('v2')
    first.answer('v1 1')
    ;(await v1.next()).answer('v1 2')
    const results = await Promise.all(answers)
    expect(results.map(({ output, record }) => [output, record.identity.version])).toEqual([['v1 1', 'v1'], ['v1 2', 'v1']])
    expect((await predict.detailed(3)).record.identity.version).toBe('v2')
  })

  it('keeps its version through retries and timeouts, which fork it', async () => {
    const { v1, v2, loader } = two()
    const predict = pipe(loader.predictor, timeout({ ms: 10_000 }), retry({ retries: 2, minDelayMs: 0 }))
    const answer = predict.detailed(1)
    const first = await v1.next()
    loader.swap('v2')
    first.fail(new Error('once'))
    ;(await v1.next()).answer('v1 again')
    const { output, record } = await answer
    expect([output, record.identity.version, record.attempts]).toEqual(['v1 again', 'v1', 2])
    expect(v2.arrivals).toHaveLength(0)
    expect(loader.leases('v1')).toBe(0)
  })

  it('fills the cache under its own version, and never answers another version\'s caller', async () => {
    const { v1, v2, loader } = two()
    const predict = pipe(loader.predictor, cached())
    const old = predict(1)
    const arrival = await v1.next()
    loader.swap('v2')
    const fresh = predict(1)
    arrival.answer('v1 1')
    expect([await old, await fresh]).toEqual(['v1 1', 'v2 1'])
    expect(await predict(1)).toBe('v2 1')
    expect([v1.arrivals.length, v2.arrivals.length]).toEqual([1, 1])
    loader.swap('v1')
    const { output, record } = await predict.detailed(1)
    expect([output, record.source, record.identity.version]).toEqual(['v1 1', 'cache', 'v1'])
  })

  it('in a batch stays with its version, and the records say so', async () => {
    for (const batches of [false, true]) {
      const { v1, loader } = two(batches)
      const predict = pipe(loader.predictor, cached(), timeout({ ms: 10_000 }), retry({ retries: 1, minDelayMs: 0 }))
      for (const options of [undefined, { signal: new AbortController().signal }]) {
        loader.swap('v1')
        const start = options === undefined ? 1 : 10
        const answer = predict.detailedBatch([start, start + 1], options)
        await tick()
        loader.swap('v2')
        for (let arrivals = batches ? 1 : 2; arrivals > 0; arrivals -= 1) {
          const arrival = await v1.next()
          arrival.answer(...arrival.inputs.map((x) => `v1 ${x}`))
        }
        const results = await answer
        expect(results.map((result) => result.ok && result.output)).toEqual([`v1 ${start}`, `v1 ${start + 1}`])
        expect(results.map(({ record }) => record.identity.version)).toEqual(['v1', 'v1'])
      }
      expect([loader.leases('v1'), loader.leases('v2'), loader.askedUnleased]).toEqual([0, 0, 0])
    }
  })

  it('a call whose caller has left holds its lease until the work has ended', async () => {
    const { v1, loader } = two()
    const predict = pipe(loader.predictor, timeout({ ms: 10_000 }), cached())
    const controller = new AbortController()
    const answer = predict(1, { signal: controller.signal })
    const arrival = await v1.next()
    controller.abort()
    await expect(answer).rejects.toMatchObject({ code: 'ERR_OUTRIGGER_ABORTED' })
    expect(loader.leases('v1')).toBeGreaterThan(0)
    arrival.answer('late')
    await tick()
    expect(loader.leases('v1')).toBe(0)
  })

  it('every lease is given back after answers, failures, row failures, aborts and refusals', async () => {
    const { v1, loader } = two()
    const predict = pipe(loader.predictor, timeout({ ms: 10_000 }), retry({ retries: 1, minDelayMs: 0 }), cached(), bulkhead({ concurrency: 1 }), fallback((x) => `rule ${x}`))
    v1.answers((x) => {
      if (x % 3 === 0) throw new Error('down')
      return `v1 ${x}`
    })
    const work: Promise<unknown>[] = []
    for (let index = 0; index < 30; index += 1) {
      const controller = new AbortController()
      work.push(Promise.allSettled([predict(index), predict(index, { signal: controller.signal }), predict.batch([index, index + 1, index + 2], { signals: [controller.signal, undefined, undefined] })]))
      if (index % 4 === 0) controller.abort()
      if (index % 5 === 0) await tick()
    }
    await Promise.all(work)
    await tick()
    expect([loader.leases('v1'), loader.askedUnleased]).toEqual([0, 0])
  })

  it('stays with its variant while the weights change under it, in single calls and in batches', async () => {
    const a = mockModel<number, string>()
    const b = mockModel<number, string>().answers('b')
    const router = split({ variants: { a, b }, weights: { a: 1, b: 0 } })
    const predict = pipe(router, timeout({ ms: 10_000 }), retry({ retries: 1, minDelayMs: 0 }), cached())
    const single = predict.detailed(1, { key: 'unit' })
    const rows = predict.detailedBatch([2], { keys: ['unit'] })
    const arrivals = [await a.next(), await a.next()]
    router.setWeights({ a: 0, b: 1 })
    for (const arrival of arrivals) arrival.fail(new Error('once'))
    for (const arrival of [await a.next(), await a.next()]) arrival.answer('a')
    expect([(await single).output, (await single).record.variants[0]?.variant]).toEqual(['a', 'a'])
    expect((await rows).map(({ record }) => [record.variants[0]?.variant, record.variants.length])).toEqual([['a', 1]])
    expect(await predict(1, { key: 'unit' })).toBe('b')
  })

  it('is bound through a layer that has a bind of its own', async () => {
    const { v1, loader } = two()
    const bound: unknown[] = []
    const predict = pipe(loader.predictor, layer<number, string>('mine', { bind: (_call, input) => void bound.push(input), one: async (next, input, call) => (await tick(), await next(input, call)) }))
    v1.answers('v1')
    const answer = predict(1)
    loader.swap('v2')
    expect(await answer).toBe('v1')
    expect(bound).toEqual([1])
  })

  it('is bound through mapInput, which maps a call once', async () => {
    let mapped = 0
    const { v1, loader } = two()
    const predict = pipe(loader.predictor, mapInput((text: string) => ((mapped += 1), text.length)), mapOutput((text) => text.toUpperCase()), timeout({ ms: 10_000 }), cached())
    v1.answers((x) => `v1 ${x}`)
    const answer = predict('abc')
    loader.swap('v2')
    expect(await answer).toBe('V1 3')
    expect(mapped).toBe(1)
    expect(await predict.batch(['abcd'])).toEqual(['V2 4'])
    expect(mapped).toBe(2)
  })

  it('a router inside of mapInput chooses by the mapped input, which is mapped once for the call and its attempts', async () => {
    let mapped = 0
    const seen: number[] = []
    const router = split({ variants: { a: (x: number) => (seen.push(x), 'a'), b: (x: number) => (seen.push(x), 'b') }, weights: { a: 1, b: 0 }, by: (x) => `unit ${x}` })
    const predict = pipe(router, mapInput((text: string) => ((mapped += 1), text.length)), timeout({ ms: 10_000 }), retry({ retries: 1 }), cached())
    expect(await predict('abc')).toBe('a')
    expect(await predict.batch(['abcd', 'abcde'])).toEqual(['a', 'a'])
    expect([mapped, seen]).toEqual([3, [3, 4, 5]])
  })

  it('a router inside of a mapInput that throws is not asked: a fallback outside answers', async () => {
    const router = split({ variants: { a: (_: number) => 'a', b: (_: number) => 'b' }, weights: { a: 1, b: 0 }, by: (x) => `unit ${x}` })
    const predict = pipe(router, mapInput((text: string): number => { throw new Error(text) }), fallback((text) => `rule ${text}`))
    expect(await predict('x')).toBe('rule x')
    expect(await predict.batch(['y'])).toEqual(['rule y'])
  })

  it('a fallback outside of a mapInput that throws answers, also where something binds inside', async () => {
    const { loader } = two()
    const predict = pipe(loader.predictor, mapInput((text: string): number => { throw new Error(text) }), fallback((text) => `rule ${text}`))
    expect(await predict('x')).toBe('rule x')
    expect(await predict.batch(['y'])).toEqual(['rule y'])
    expect([loader.leases('v1'), loader.askedUnleased]).toEqual([0, 0])
  })

  it('an asynchronous mapInput binds too', async () => {
    const { v1, loader } = two()
    const predict = pipe(loader.predictor, mapInput(async (text: string) => (await tick(), text.length)))
    v1.answers((x) => `v1 ${x}`)
    const answer = predict('abc')
    loader.swap('v2')
    expect(await answer).toBe('v1 3')
  })
})
