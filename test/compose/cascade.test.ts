import { fallback, isRowFailure, owned, pipe, predictor, RowFailure, timeout } from 'outrigger'
import { cached } from 'outrigger/cache'
import { cascade, ensemble } from 'outrigger/compose'
import { extraWorkBudget } from 'outrigger/policy'
import { fakeClock, mockModel, type MockModel } from 'outrigger/testing'
import { describe, expect, test } from 'vitest'
import { swappable } from '../../src/testing/_swappable.js'
import { countedStream, fateOf } from '../resilience/_rig.js'

const down = new Error('down')
const code = (suffix: string): object => expect.objectContaining({ code: `ERR_OUTRIGGER_${suffix}` }) as object

/** The cheap model is unsure of odd inputs; the large one gives the negative. */
const two = (batches = false, options: object = {}) => {
  const clock = fakeClock()
  const small = mockModel<number, number>({ clock, batches }).answers((x) => x)
  const big = mockModel<number, number>({ clock, batches }).answers((x) => -x)
  const cheap = predictor(small, { clock, name: 'small', version: '1', digest: 'd1' })
  const large = predictor(big, { clock, name: 'big', version: '9', digest: 'd9' })
  const predict = cascade(cheap, large, { isUnsure: (output) => output % 2 === 1, ...options })
  return { clock, small, big, predict }
}
const asked = ({ arrivals }: MockModel<number, number>): (readonly number[])[] => arrivals.map(({ inputs }) => inputs)

describe('deciding', () => {
  test('cascade asks the large model only when the cheap one is unsure, and says who answered', async () => {
    const { small, big, predict } = two()
    const sure = await predict.detailed(2)
    const unsure = await predict.detailed(3)
    expect([sure.output, unsure.output, asked(small), asked(big)]).toEqual([2, -3, [[2], [3]], [[3]]])
    expect(sure.record).toMatchObject({ source: 'model', attempts: 1, rung: { index: 0, name: 'small' }, identity: { name: 'small', version: '1' } })
    expect(unsure.record).toMatchObject({ source: 'model', attempts: 2, rung: { index: 1, name: 'big' }, identity: { name: 'big', version: '9' } })
    expect([predict.counts, predict.escalationRate]).toEqual([{ rows: 2, escalated: 1, overBudget: 0, cheapFailed: 0, largeFailed: 0 }, 0.5])
  })

  test('cascade sends only the unsure rows of a batch on, together, and puts their answers in their places', async () => {
    const { small, big, predict } = two(true)
    const rows = await predict.detailedBatch([1, 2, 3, 4])
    expect(rows.map((row) => row.ok && row.output)).toEqual([-1, 2, -3, 4])
    expect(rows.map(({ record }) => record.rung?.index)).toEqual([1, 0, 1, 0])
    expect([asked(small), asked(big)]).toEqual([[[1, 2, 3, 4]], [[1, 3]]])
    expect(await predict.batch([2, 4])).toEqual([2, 4])
    expect(big.arrivals).toHaveLength(1)
  })

  for (const [what, output, isSure] of [
    ['a field `confidence`', { label: 'x', confidence: 0.8 }, true],
    ['a field `confidence` that is low', { label: 'x', confidence: 0.79 }, false],
    ['a field `confidence` of NaN', { confidence: Number.NaN }, false],
    ['class probabilities', [0.1, 0.9], true],
    ['class probabilities in a typed array', Float64Array.of(0.1, 0.8, 0.1), true],
    ['class probabilities that are spread', [0.5, 0.5], false],
    ['class probabilities by name', { cat: 0.9, dog: 0.1 }, true],
    ['a probability near 1', 0.85, true],
    ['a probability near 0', 0.15, true],
    ['a probability in the middle', 0.5, false],
    ['no probability', 12, false],
    ['a label', 'cat', false],
    ['nothing', null, false],
    ['an empty array', [], false],
    ['an array that holds something else', [0.9, 'x'], false],
    ['bytes of any kind', new DataView(new ArrayBuffer(1)), false],
  ] as const) {
    test(`cascade by minimumConfidence ${isSure ? 'keeps' : 'sends on'} ${what}`, async () => {
      const predict = cascade(() => output as unknown, () => 'large', { minimumConfidence: 0.8 })
      expect(await predict(1)).toEqual(isSure ? output : 'large')
    })
  }

  test('cascade whose isUnsure throws asks the large model, and says so', async () => {
    const notices: string[] = []
    const predict = cascade((x: number) => x, (x: number) => -x, { isUnsure: () => { throw down } })
    predict.observe((event) => event.type === 'notice' && notices.push(`${event.layer}: ${event.message}`))
    expect([await predict(1), await predict.batch([2])]).toEqual([-1, [-2]])
    expect(notices).toEqual(new Array(2).fill('cascade: `isUnsure` threw; the large model is asked.'))
  })
})

describe('failures', () => {
  test('cascade sends a row on that the cheap model failed, by default, and not with onCheapFailure throw', async () => {
    for (const batches of [false, true]) {
      const { small, predict } = two(batches)
      small.fails(down)
      expect([await predict(2), await predict.batch([2, 4])]).toEqual([-2, [-2, -4]])
      expect((await predict.detailed(2)).record).toMatchObject({ source: 'model', rung: { index: 1 } })
      expect(predict.counts).toMatchObject({ cheapFailed: 4, escalated: 4 })
    }
    const { small, big, predict } = two(true, { onCheapFailure: 'throw' })
    small.fails(down)
    await expect(predict(2)).rejects.toBe(down)
    expect(await predict.detailedBatch([2])).toMatchObject([{ ok: false, error: down }])
    expect(big.arrivals).toHaveLength(0)
  })

  test('cascade never sends an input on that the cheap model found invalid', async () => {
    const { small, big, predict } = two()
    small.fails(Object.assign(new (await import('outrigger')).OutriggerError('ERR_OUTRIGGER_INVALID_INPUT', 'no')))
    await expect(predict(2)).rejects.toEqual(code('INVALID_INPUT'))
    expect(big.arrivals).toHaveLength(0)
  })

  test('cascade throws what the large model throws, by default', async () => {
    const { big, predict } = two(true)
    big.fails(down)
    await expect(predict(1)).rejects.toBe(down)
    expect(await predict.detailedBatch([1, 2])).toMatchObject([{ error: down }, { output: 2 }])
    expect(predict.counts.largeFailed).toBe(2)
  })

  test('cascade with onLargeFailure cheap serves the unsure answer, marked as a fallback that no cache keeps', async () => {
    const { big, predict } = two(true, { onLargeFailure: 'cheap' })
    const outer = pipe(predict, cached())
    big.fails(down)
    expect((await outer.detailed(1)).record).toMatchObject({ source: 'fallback', attempts: 2, rung: { index: 0, name: 'small' }, identity: { name: 'small' } })
    expect((await predict.detailedBatch([1, 2])).map(({ record }) => [record.source, record.rung?.index])).toEqual([['fallback', 0], ['model', 0]])
    big.answers((x) => -x)
    expect([await outer(1), (await outer.detailed(1)).record.source]).toEqual([-1, 'cache'])
  })

  test('cascade with onLargeFailure cheap fails when both fail, with the error of the large one', async () => {
    const { small, big, predict } = two(false, { onLargeFailure: 'cheap' })
    small.fails(new Error('small'))
    big.fails(down)
    await expect(predict(1)).rejects.toBe(down)
  })

  test('cascade sends nothing on for a caller who has left', async () => {
    for (const batches of [false, true]) {
      const { clock, small, big, predict } = two(batches)
      small.hangs()
      const leaving = new AbortController()
      const one = fateOf(predict(1, { signal: leaving.signal }))
      const rows = fateOf(predict.detailedBatch([1, 3], { signals: [leaving.signal, undefined] }))
      await clock.settle()
      leaving.abort()
      for (const { inputs, answer } of small.arrivals) answer(...inputs)
      await clock.settle()
      expect(one.code).toBe('ERR_OUTRIGGER_ABORTED')
      expect(rows.value).toMatchObject([{ error: { code: 'ERR_OUTRIGGER_ABORTED' } }, { output: -3 }])
      expect(asked(big)).toEqual([[3]])
    }
  })

  test('cascade does not let a cheap answer serve for a caller who left while the large model worked', async () => {
    const { clock, big, predict } = two(false, { onLargeFailure: 'cheap' })
    big.hangs()
    const outer = pipe(predict, timeout({ ms: 10 }))
    const fate = fateOf(outer(1))
    await clock.advance(10)
    big.arrivals[0]!.fail(down)
    await clock.settle()
    expect(fate.code).toBe('ERR_OUTRIGGER_TIMEOUT')
    expect(clock.holding).toBe(0)
  })

  test('cascade refuses a stream of the cheap model, and lets one of the large model pass', async () => {
    const cheapStream = countedStream()
    const largeStream = countedStream()
    const predict = cascade(() => cheapStream.stream as unknown, () => largeStream.stream, { isUnsure: () => false })
    const seen: number[] = []
    for await (const part of (await predict(1)) as AsyncIterable<number>) seen.push(part)
    expect([seen, cheapStream.ended(), largeStream.ended()]).toEqual([[1, 2], true, true])
    const strict = cascade(() => countedStream().stream as unknown, () => 1, { isUnsure: () => false, onCheapFailure: 'throw' })
    await expect(strict(1)).rejects.toMatchObject({ code: 'ERR_OUTRIGGER_BAD_ANSWER', reason: 'stream' })
    expect(await strict.detailedBatch([1])).toMatchObject([{ error: { code: 'ERR_OUTRIGGER_BAD_ANSWER' } }])
  })
})

describe('budget', () => {
  test('cascade serves unsure answers when the budget is used up, marked as fallbacks', async () => {
    const budget = extraWorkBudget({ ratio: 0.5, minimumPerSecond: 0, burst: 1 })
    const { big, predict } = two(true, { budget })
    const rows = await predict.detailedBatch([1, 3, 5, 7])
    expect(rows.map((row) => row.ok && row.output)).toEqual([-1, 3, -5, 7])
    expect(rows.map(({ record }) => record.source)).toEqual(['model', 'fallback', 'model', 'fallback'])
    expect(asked(big)).toEqual([[1, 5]])
    expect([predict.counts.overBudget, predict.counts.escalated]).toEqual([2, 2])
  })

  test('cascade keeps the escalation rate at the ratio of its budget in the long run', async () => {
    const { predict } = two(true, { budget: extraWorkBudget({ ratio: 0.25, minimumPerSecond: 0, burst: 1 }) })
    for (let index = 0; index < 200; index += 1) await predict(1)
    expect(predict.escalationRate).toBeGreaterThan(0.24)
    expect(predict.escalationRate).toBeLessThan(0.26)
  })

  test('cascade fails a row with the cheap model\'s error when there is no budget to send it on', async () => {
    const { small, predict } = two(false, { budget: extraWorkBudget({ ratio: 0, minimumPerSecond: 0, burst: 1 }) })
    small.fails(down)
    expect(await predict(2)).toBe(-2)
    await expect(predict(2)).rejects.toBe(down)
  })
})

describe('identity and binding', () => {
  test('cascade has the versions of both models, and the digest of both', () => {
    const { predict } = two()
    expect(predict.identity).toMatchObject({ name: 'cascade', version: '1+9', digest: expect.stringMatching(/^[0-9a-f]{64}$/) as string })
    expect(two(false, { onLargeFailure: 'cheap' }).predict.identity.digest).not.toBe(predict.identity.digest)
    expect(predict.describe().split('\n')).toEqual(['cascade cascade: the large model when `isUnsure`', '├─ cheap: small@1 (d1) (row by row)', '└─ large: big@9 (d9) (row by row)'])
  })

  test('cascade asks both models in the versions that were live when the call came, and a cache outside keeps them apart', async () => {
    const clock = fakeClock()
    const slow = mockModel<number, number>({ clock })
    const large = swappable<number, number>({ one: (x) => -x, two: (x) => x * 100 }, { clock })
    const predict = pipe(cascade(predictor(slow, { clock }), large.predictor, { isUnsure: () => true }), cached())
    const fate = fateOf(predict(1))
    await clock.settle()
    large.swap('two')
    slow.arrivals[0]!.answer(1)
    await clock.settle()
    expect([fate.value, large.leases('one')]).toEqual([-1, 0])
    slow.answers(1)
    expect((await predict.detailed(1)).record).toMatchObject({ source: 'model', identity: { version: 'two' } })
    large.swap('one')
    expect((await predict.detailed(1)).record.source).toBe('cache')
    expect([large.leases('one'), large.leases('two'), large.askedUnleased]).toEqual([0, 0, 0])
  })

  test('cascade treats a model that cannot be bound as one that failed', async () => {
    const { layer } = await import('outrigger')
    const picky = (target: number) => layer<number, number>('picky', { one: async (next, x, call) => await next(x, call), bind: (_, x) => { if (x === target) throw down } })
    const predict = cascade(pipe((x: number) => x, picky(1)), pipe((x: number) => -x, picky(2)), { isUnsure: () => true, onLargeFailure: 'cheap' })
    expect([await predict(1), await predict(2), await predict(3), await predict.batch([1, 2, 3])]).toEqual([-1, 2, -3, [-1, 2, -3]])
  })

  test('cascade forgets what the cheap model noted when the large one answers, but for its time and attempts', async () => {
    const clock = fakeClock()
    const slow = mockModel<number, number>({ clock }).delays(5, 1)
    const cheap = pipe(predictor((_: number): number => { throw down }, { clock }), fallback(slow))
    const members = ensemble({ a: predictor(slow, { clock }), b: (x: number) => x })
    for (const inner of [cheap, members]) {
      const fate = fateOf(cascade(inner, mockModel<number, number>({ clock }).delays(20, 7), { isUnsure: () => true }).detailed(1))
      await clock.advance(25)
      expect(fate.value).toMatchObject({ output: 7, record: { source: 'model', rung: { index: 1, name: 'large' }, members: undefined, attempts: 3, durations: { modelMs: 25 } } })
    }
    const kept = fateOf(cascade(cheap, () => 0, { isUnsure: () => false }).detailed(1))
    await clock.advance(5)
    expect(kept.value?.record).toMatchObject({ source: 'fallback', rung: { index: 0 }, identity: { name: 'model' } })
  })

  test('cascade in a cascade, as a rung and as a member, answers as it would alone', async () => {
    const { predict } = two()
    const outer = cascade(predict, (x: number) => x * 1000, { isUnsure: (output) => output < 0 })
    expect([await outer(2), await outer(3)]).toEqual([2, 3000])
    const rung = pipe((_: number): number => { throw down }, fallback(predict))
    expect([await rung(3), (await rung.detailed(3)).record.rung]).toEqual([-3, { index: 1, name: 'cascade' }])
    expect(await ensemble({ predict, plain: (x: number) => x })(3)).toBe(0)
  })

  test('cascade closes models made from functions and objects, and leaves predictors open unless owned', async () => {
    const made = mockModel<number, number>().answers(1)
    const borrowed = predictor((x: number) => x)
    await pipe(owned(cascade(borrowed, made, { isUnsure: () => true }))).close()
    expect([made.closed, await borrowed(1)]).toEqual([1, 1])
  })
})

describe('options', () => {
  test('cascade refuses options that make no sense', () => {
    for (const options of [{}, { isUnsure: () => true, minimumConfidence: 0.5 }, { isUnsure: true }, { minimumConfidence: 2 }, { minimumConfidence: Number.NaN }, { minimumConfidence: 0.5, onCheapFailure: 'cheap' }, { minimumConfidence: 0.5, onLargeFailure: 'large' }, { minimumConfidence: 0.5, budget: 5 }, { minimumConfidence: 0.5, name: '' }, { minimumConfidence: 0.5, threshold: 1 }, undefined]) {
      expect(() => cascade(() => 1, () => 2, options as never), JSON.stringify(options)).toThrow(code('INVALID_OPTION'))
    }
    for (const wrong of [null, 5, {}]) expect(() => cascade(wrong as never, () => 2, { minimumConfidence: 0.5 }), String(wrong)).toThrow(code('INVALID_OPTION'))
  })

  test('cascade passes failures of rows on as they are', async () => {
    const shared = new RowFailure(down)
    const predict = cascade({ predictBatch: (xs: readonly number[]) => xs.map((): number | RowFailure => shared) }, { predictBatch: (xs: readonly number[]) => xs.map((x): number | RowFailure => (x === 1 ? shared : x)) }, { isUnsure: () => false })
    const rows = await predict.detailedBatch([1, 2])
    expect(rows.map((row) => (row.ok ? row.output : row.error))).toEqual([down, 2])
    expect(rows.some(isRowFailure)).toBe(false)
  })
})
