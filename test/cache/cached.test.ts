import { fallback, layer, pipe, predictor, timeout } from 'outrigger'
import { bulkhead } from 'outrigger/resilience'
import { cached, type CachedOptions } from 'outrigger/cache'
import { fakeClock, mockModel } from 'outrigger/testing'
import { describe, expect, test } from 'vitest'
import { swappable } from '../../src/testing/_swappable.js'
import { countedStream, deferred, eventsOf, fateOf, recordsOf, rig } from '../resilience/_rig.js'

/** A cached model, and the inputs that reached it. */
const asked = <I, O>(model: (input: I) => O, options: CachedOptions<I> = {}): { readonly cache: ReturnType<typeof cached<I>>; readonly predict: (input: I) => Promise<Awaited<O>>; readonly inputs: I[]; readonly clock: ReturnType<typeof fakeClock> } => {
  const clock = fakeClock()
  const inputs: I[] = []
  const cache = cached<I>(options)
  const predict = pipe(
    predictor(
      (input: I) => {
        inputs.push(input)
        return model(input)
      },
      { clock },
    ),
    cache,
  )
  return { cache, predict, inputs, clock }
}

describe('hits', () => {
  test('cached asks the model once for equal inputs, whatever the order of their keys', async () => {
    const { predict, inputs, cache } = asked(({ x, y }: { x: number; y: number }) => x - y)
    expect([await predict({ x: 5, y: 2 }), await predict({ y: 2, x: 5 }), await predict({ x: 2, y: 5 })]).toEqual([3, 3, -3])
    expect([inputs.length, cache.counts]).toEqual([2, expect.objectContaining({ hits: 1, misses: 2, coalesced: 0, entries: 2 })])
  })

  for (const answer of [undefined, null, false, 0, Number.NaN, '']) {
    test(`cached keeps the answer ${String(answer) || "''"} like any other`, async () => {
      const { predict, inputs } = asked((_: number) => answer)
      expect([await predict(1), await predict(1)]).toEqual([answer, answer])
      expect(inputs).toHaveLength(1)
    })
  }

  test('cached keeps typed arrays of equal values and other types apart', async () => {
    const { predict, inputs } = asked((row: Float32Array | Int32Array | Float64Array) => row.constructor.name)
    const rows = [new Float32Array([1, 2]), new Int32Array([1, 2]), new Float64Array([1, 2])]
    for (let round = 0; round < 2; round += 1) for (const row of rows) expect(await predict(row)).toBe(row.constructor.name)
    expect(inputs).toHaveLength(3)
  })

  test('cached records where an answer came from, and that a hit asked no model', async () => {
    const { model, inner } = rig()
    model.answers(1)
    const predict = pipe(inner, cached())
    const records = recordsOf(predict)
    await predict(1)
    await predict(1)
    expect(records.map(({ source, attempts }) => [source, attempts])).toEqual([['model', 1], ['cache', 0]])
  })

  test('cached without a TTL reads no clock and sets no timer', async () => {
    const { predict, clock } = asked((x: number) => x)
    for (let call = 0; call < 3; call += 1) await predict(1)
    expect([clock.reads, clock.timersSet]).toEqual([0, 0])
  })
})

describe('key', () => {
  test('cached keys by what the function gives', async () => {
    const { predict, inputs } = asked((row: { id: string; at: number }) => row.at, { key: ({ id }) => id })
    expect([await predict({ id: 'a', at: 1 }), await predict({ id: 'a', at: 2 }), await predict({ id: 'b', at: 3 })]).toEqual([1, 1, 3])
    expect(inputs).toHaveLength(2)
  })

  for (const [what, key] of [
    ['throws', () => JSON.parse('{') as unknown],
    ['gives what cannot be keyed', () => () => 1],
  ] as const) {
    test(`cached lets a row pass when the function ${what}, counts it and tells observers`, async () => {
      const clock = fakeClock()
      const model = mockModel<number, number>({ batches: true }).answers((x) => x)
      const cache = cached<number>({ key: (x) => (x < 0 ? key() : x) })
      const predict = pipe(predictor(model, { clock }), cache)
      const { notices } = eventsOf(predict)
      expect([await predict(-1), await predict.batch([1, -1, 2]), await predict(2)]).toEqual([-1, [1, -1, 2], 2])
      expect(model.arrivals.map(({ inputs }) => inputs)).toEqual([[-1], [-1], [1, 2]])
      expect(cache.counts).toMatchObject({ unkeyed: 2, misses: 2, hits: 1 })
      expect(notices).toEqual(new Array(2).fill(expect.stringContaining('`key` function threw')))
    })
  }

  test('cached rejects an input that cannot be keyed by code', async () => {
    const { predict, inputs } = asked((input: unknown) => input)
    await expect(predict(() => 1)).rejects.toMatchObject({ code: 'ERR_OUTRIGGER_UNCACHEABLE' })
    expect(inputs).toEqual([])
  })
})

describe('TTL', () => {
  test('cached uses an answer until its time is over, also one that was stored at time 0', async () => {
    for (const start of [0, 12_345]) {
      const { predict, inputs, clock } = asked((x: number) => x, { ttlMs: 1000 })
      await clock.advance(start)
      await predict(1)
      await clock.advance(1000)
      await predict(1)
      expect(inputs).toHaveLength(1)
      await clock.advance(1)
      await predict(1)
      expect(inputs).toHaveLength(2)
      await clock.advance(1000)
      await predict(1)
      expect(inputs).toHaveLength(2)
    }
  })

  test('cached does not make an answer younger by using it, and sets no timer', async () => {
    const { predict, inputs, clock } = asked((x: number) => x, { ttlMs: 1000 })
    for (let at = 0; at <= 1100; at += 100) {
      await predict(1)
      await clock.advance(100)
    }
    expect([inputs.length, clock.timersSet]).toEqual([2, 0])
  })
})

describe('bounds', () => {
  test('cached forgets the least recently used answer first', async () => {
    const { predict, inputs, cache } = asked((x: number) => x, { max: 3 })
    for (const x of [1, 2, 3, 1, 4]) await predict(x)
    expect([inputs, cache.counts.entries]).toEqual([[1, 2, 3, 4], 3])
    for (const x of [1, 3, 4]) await predict(x)
    expect(inputs).toHaveLength(4)
    await predict(2)
    expect(inputs).toHaveLength(5)
  })

  test('cached holds about maxBytes, keys included', async () => {
    const { predict, cache } = asked((x: number) => new Float64Array(125).fill(x), { maxBytes: 10_000 })
    for (let x = 0; x < 100; x += 1) await predict(x)
    expect(cache.counts.entries).toBeGreaterThanOrEqual(7)
    expect(cache.counts.entries).toBeLessThanOrEqual(9)
    const longKeys = asked((_: string) => 1, { maxBytes: 10_000 })
    for (let x = 0; x < 100; x += 1) await longKeys.predict('x'.repeat(1000) + x)
    expect(longKeys.cache.counts.entries).toBeLessThanOrEqual(9)
  })

  test('cached passes on an answer that is larger than maxBytes, and does not keep it', async () => {
    const { predict, cache, inputs } = asked((x: number) => new Float64Array(1000).fill(x), { maxBytes: 1000 })
    expect([(await predict(1)).length, (await predict(1)).length, inputs.length, cache.counts.entries]).toEqual([1000, 1000, 2, 0])
  })

  test('cached refuses options that make no sense when it is made', () => {
    // 2²⁴ is the most that a Map of V8 holds.
    for (const options of [{ max: 0 }, { max: 1.5 }, { max: 2 ** 24 + 1 }, { maxBytes: 0 }, { maxBytes: 10.5 }, { ttlMs: 0 }, { ttlMs: 0.5 }, { ttlMs: -1 }, { key: 'id' }, { ttl: 1 }]) {
      expect(() => cached(options as CachedOptions<unknown>), `${JSON.stringify(options)}`).toThrow(expect.objectContaining({ code: 'ERR_OUTRIGGER_INVALID_OPTION' }))
    }
  })
})

describe('what is kept', () => {
  test('cached keeps no failures', async () => {
    const { model, inner } = rig()
    const predict = pipe(inner, cached())
    model.fails(new Error('down'))
    await expect(predict(1)).rejects.toThrow('down')
    model.answers(5)
    expect([await predict(1), model.arrivals.length]).toEqual([5, 2])
  })

  test('cached keeps no answers of a fallback farther in', async () => {
    const { model, inner } = rig({ batches: true })
    const cache = cached<number>()
    const predict = pipe(inner, fallback(() => -1), cache)
    model.fails(new Error('down'))
    const { output, record } = await predict.detailed(1)
    expect([output, record.source, record.rung?.index]).toEqual([-1, 'fallback', 1])
    expect([await predict.batch([1, 2]), cache.counts.entries]).toEqual([[-1, -1], 0])
    model.answers(5)
    expect([await predict(1), await predict(1), model.arrivals.length]).toEqual([5, 5, 3])
  })

  test('cached keeps an answer that came through a timeout or a retry', async () => {
    const { model, inner } = rig()
    model.answers(5)
    const predict = pipe(inner, timeout({ ms: 100 }), cached())
    await predict(1)
    await predict(1)
    expect(model.arrivals).toHaveLength(1)
  })

  test('cached forgets everything when it is cleared, also what is still under way', async () => {
    const { clock, model, inner } = rig()
    const cache = cached<number>()
    const predict = pipe(inner, cache)
    const before = fateOf(predict(1))
    await clock.settle()
    await cache.clear()
    const after = fateOf(predict(1))
    await clock.settle()
    expect(model.arrivals).toHaveLength(2)
    model.arrivals[1]?.answer(2)
    await clock.settle()
    model.arrivals[0]?.answer(1)
    await clock.settle()
    expect([before.value, after.value, await predict(1)]).toEqual([1, 2, 2])
    await cache.clear()
    expect(cache.counts.entries).toBe(0)
  })

  test('cached lets go of its answers when it is closed', async () => {
    const { model, inner } = rig()
    model.answers(1)
    const cache = cached<number>()
    const predict = pipe(inner, cache)
    await predict(1)
    await predict.close()
    expect(cache.counts.entries).toBe(0)
  })

  test('cached around two predictors keeps their answers apart, and counts them together', async () => {
    const cache = cached<number>()
    const [one, other] = [pipe((x: number) => x + 1, cache), pipe((x: number) => x + 2, cache)]
    expect([await one(1), await other(1), await one(1), await other(1)]).toEqual([2, 3, 2, 3])
    expect(cache.counts).toMatchObject({ hits: 2, misses: 2, entries: 2 })
  })
})

describe('copies', () => {
  interface Answer {
    scores: number[]
    at: Date
    by: Map<string, { n: number }>
    data: Float32Array
  }
  const answer = (): Answer => ({ scores: [1, 2], at: new Date(5), by: new Map([['a', { n: 1 }]]), data: new Float32Array([1, 2]) })
  const spoil = (given: Answer): void => {
    given.scores.push(9)
    given.at.setTime(9)
    ;(given.by.get('a') as { n: number }).n = 9
    given.data[0] = 9
  }

  test('cached gives every caller a copy of his own: the first, the later ones, and those who waited', async () => {
    const inner = deferred<Answer>()
    const predict = pipe((_: number) => inner.promise, cached())
    const waiting = [predict(1), predict(1)]
    const theModels = answer()
    inner.resolve(theModels)
    const given = await Promise.all(waiting)
    for (const one of [...given, await predict(1), ...(await predict.batch([1, 1]))]) {
      expect(one).toEqual(answer())
      spoil(one)
    }
    expect(theModels).toEqual(answer())
    // A model that goes on using what it gave does not change what is kept.
    spoil(theModels)
    expect(await predict(1)).toEqual(answer())
  })

  test('cached does not see a change of the input after the call', async () => {
    const { predict, inputs } = asked((row: Float32Array) => row[0] as number)
    const row = new Float32Array([1])
    await predict(row)
    row[0] = 2
    expect([await predict(row), inputs.length]).toEqual([2, 2])
  })

  class Tensor {
    data = 1
  }
  for (const [what, output] of [
    ['an instance of a class', () => new Tensor()],
    ['an instance inside of plain data', () => ({ a: [new Tensor()] })],
    ['a function', () => () => 1],
    ['a stream', () => countedStream().stream],
  ] as const) {
    test(`cached refuses ${what} by code, and keeps nothing`, async () => {
      const { predict, cache } = asked((_: number): unknown => output())
      await expect(predict(1)).rejects.toMatchObject({ code: 'ERR_OUTRIGGER_UNCACHEABLE' })
      expect(cache.counts.entries).toBe(0)
    })
  }

  test('cached ends the stream that it refuses, so that a permit farther in is given back', async () => {
    const streams = [countedStream(), countedStream()]
    let call = 0
    const predict = pipe(() => (streams[call++] as (typeof streams)[0]).stream, bulkhead({ concurrency: 1 }), cached())
    for (const { ended } of streams) {
      await expect(predict(call)).rejects.toMatchObject({ code: 'ERR_OUTRIGGER_UNCACHEABLE' })
      expect(ended()).toBe(true)
    }
  })
})

describe('versions', () => {
  test('cached never serves the answer of one version for another, and finds it again after a swap back', async () => {
    const calls: string[] = []
    const version = (name: string) => (x: number) => {
      calls.push(`${name} ${x}`)
      return `${name} ${x}`
    }
    const models = swappable({ 1: version('one'), 2: version('two') })
    const predict = pipe(models.predictor, cached())
    expect([await predict(7), await predict(7)]).toEqual(['one 7', 'one 7'])
    models.swap('2')
    expect([await predict(7), await predict.batch([7, 8])]).toEqual(['two 7', ['two 7', 'two 8']])
    models.swap('1')
    expect(await predict(7)).toBe('one 7')
    expect(calls).toEqual(['one 7', 'two 7', 'two 8'])
  })

  test('cached stores an answer that comes after a swap under the version that gave it, and holds its lease so long', async () => {
    const [one, two] = [mockModel<number, string>(), mockModel<number, string>()]
    const models = swappable({ 1: one, 2: two })
    const predict = pipe(models.predictor, cached())
    const early = predict.detailed(7)
    const slow = await one.next()
    models.swap('2')
    const late = predict.detailed(7)
    // The same input, but another version: nobody waits for the other one's work.
    ;(await two.next()).answer('two')
    expect([(await late).output, (await late).record.identity.version, models.leases('1')]).toEqual(['two', '2', 2])
    slow.answer('one')
    expect([(await early).output, (await early).record.identity.version]).toEqual(['one', '1'])
    await new Promise((resolve) => setImmediate(resolve))
    expect([models.leases('1'), models.leases('2'), models.askedUnleased]).toEqual([0, 0, 0])
    expect(await predict(7)).toBe('two')
    models.swap('1')
    expect([await predict(7), one.arrivals.length, two.arrivals.length]).toEqual(['one', 1, 1])
  })

  test('cached keeps the answers of predictors with equal names apart by their digest', async () => {
    const cache = cached<number>()
    const [one, other] = ['a', 'b'].map((digest) => pipe(predictor((x: number) => `${digest} ${x}`, { name: 'same', digest }), cache))
    expect([await one?.(1), await other?.(1)]).toEqual(['a 1', 'b 1'])
  })
})

test('cached refuses an output that contains itself, and data too deep for the stack, by code', async () => {
  const cyclic: { self?: unknown } = {}
  cyclic.self = [cyclic]
  let deep: unknown = 1
  for (let level = 0; level < 20_000; level += 1) deep = { deep }
  const refusal = { code: 'ERR_OUTRIGGER_UNCACHEABLE' }
  for (const output of [cyclic, deep]) await expect(pipe((_: number) => output, cached())(1)).rejects.toMatchObject(refusal)
  for (const options of [{}, { quantise: 1 }]) await expect(pipe((_: unknown) => 1, cached(options))(deep)).rejects.toMatchObject(refusal)
})

test('cached gives each caller the dimensions of a tensor as a copy, too', async () => {
  const predict = pipe((_: number) => Object.assign(new Float32Array(4), { shape: [2, 2] }), cached())
  for (let round = 0; round < 3; round += 1) {
    const tensor = await predict(1)
    expect(tensor.shape).toEqual([2, 2])
    tensor.shape[0] = 99
  }
})

test('cached starts no work for a caller who had left before he reached it', async () => {
  const { clock, model, inner } = rig()
  const mapping = deferred<number>()
  const predict = pipe(
    inner,
    cached<number>(),
    layer<number, number>('slow', { one: async (next, input, call) => await next(await mapping.promise.then(() => input), call) }),
  )
  const leaving = new AbortController()
  const [left, stays] = [fateOf(predict(1, { signal: leaving.signal })), fateOf(predict(2))]
  const rows = fateOf(predict.detailedBatch([3, 4], { signals: [leaving.signal, undefined] }))
  leaving.abort()
  mapping.resolve(0)
  model.answers((x) => x)
  await clock.settle()
  expect([left.code, stays.value, rows.value?.map(({ ok }) => ok)]).toEqual(['ERR_OUTRIGGER_ABORTED', 2, [false, true]])
  expect(model.arrivals.map(({ input }) => input).sort()).toEqual([2, 4])
})
