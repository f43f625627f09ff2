import { circuitBreaker, fallback, pipe, type RowFailure } from 'outrigger'
import { answerChecks, breakerControl } from 'outrigger/resilience'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { countedStream, eventsOf, rig } from './_rig.js'

describe('answerChecks', () => {
  test('finds NaN and infinities, wherever they are', () => {
    const check = answerChecks()
    for (const good of [0, -1.5, [1, 2], new Float32Array([1, 2]), { a: [{ b: 1 }] }, new Map([['x', 1]]), 'NaN', null, undefined, [], 10n]) expect(check(good)).toBeUndefined()
    expect(check(Number.NaN)).toBe('NaN')
    expect(check([1, [2, Infinity]])).toBe('Infinity at 1.1')
    expect(check(new Float32Array([1, Number.NaN]))).toBe('NaN at 1')
    expect(check({ scores: { late: -Infinity } })).toBe('-Infinity at scores.late')
    expect(check(new Map([['late', [Number.NaN]]]))).toBe('NaN at late.0')
    expect(answerChecks({ finite: false })(Number.NaN)).toBeUndefined()
  })

  test('finds a wrong shape, of nested arrays and of typed ones', () => {
    const check = answerChecks({ shape: [2, null, 3] })
    expect(check([[[1, 2, 3]], [[1, 2, 3]]])).toBeUndefined()
    expect(check(new Float32Array(12))).toBeUndefined()
    expect(check([new Float32Array(6), new Float32Array(3)])).toBeUndefined()
    expect(check([[[1, 2, 3]]])).toBe('1 elements instead of 2')
    expect(check([[[1, 2]], [[1, 2, 3]]])).toBe('2 elements instead of 3')
    expect(check(new Float32Array(8))).toBe('8 elements instead of a multiple of 6')
    expect(check([[1], [2]])).toBe('2 dimensions instead of 3')
    expect(check([[[[1], [2], [3]]], [[[1], [2], [3]]]])).toBe('more than 3 dimensions')
    expect(check(7)).toBe('0 dimensions instead of 3')
    expect([answerChecks({ shape: [] })(7), answerChecks({ shape: [] })([7])]).toEqual([undefined, 'more than 0 dimensions'])
  })

  test('finds numbers out of range, and probabilities that are none', () => {
    expect(answerChecks({ range: [0, 1440] })({ minutes: 1500 })).toBe('1500 at minutes, out of 0 to 1440')
    const check = answerChecks({ sumsToOne: 1e-6 })
    expect(check(new Float32Array([0.1, 0.2, 0.7]))).toBeUndefined()
    expect(check([0.5, 0.6])).toBe('probabilities that sum to 1.1')
    expect(check([])).toBe('probabilities that sum to 0')
    expect(check([1.5, -0.5])).toMatch(/^1.5 at 0, out of/)
    expect(answerChecks({ sumsToOne: 1e-6, finite: false })([Number.NaN])).toBe('probabilities that sum to NaN')
  })

  test('accepts every softmax', () => {
    const check = answerChecks({ sumsToOne: 1e-6, shape: [null] })
    fc.assert(
      fc.property(fc.array(fc.double({ min: -50, max: 50, noNaN: true }), { minLength: 1 }), (logits) => {
        const powers = logits.map(Math.exp)
        const sum = powers.reduce((total, power) => total + power, 0)
        expect(check(powers.map((power) => power / sum))).toBeUndefined()
      }),
      { seed: 7 },
    )
  })

  test('finds an answer that stays the same for different inputs, and forgives one input asked again', () => {
    const check = answerChecks({ constantOver: 3 })
    const same = (input: unknown): string | undefined => check({ label: 'cat', scores: new Float32Array([0.5, 0.5]) }, input)
    expect([same([1]), same([2]), same([3]), same([4])]).toEqual([undefined, undefined, 'the same answer to 3 different inputs', 'the same answer to 4 different inputs'])
    expect(check({ label: 'dog', scores: new Float32Array([0.5, 0.5]) }, [5])).toBeUndefined()
    expect([same([6]), same([6]), same([6]), same([6])]).toEqual([undefined, undefined, undefined, undefined])
    // An array that the caller uses again for the next input is another input.
    const reused = [0]
    const again = answerChecks({ constantOver: 3 })
    expect([1, 2, 3].map((value) => ((reused[0] = value), again(7, reused)))).toEqual([undefined, undefined, 'the same answer to 3 different inputs'])
  })

  test('tells -0, dates, maps, sets and nesting apart where it looks for constant answers', () => {
    const values = [0, -0, '0', [0], [[0]], { a: 0 }, { b: 0 }, new Map([['c', 0]]), new Set([0]), new Date(0), null, undefined, true, 1n, Number.NaN]
    for (const [index, one] of values.entries()) {
      const check = answerChecks({ finite: false, constantOver: 2 })
      check(one, 1)
      expect(check(one, 2)).toBeDefined()
      for (const other of values.slice(index + 1)) {
        check(one, 3)
        expect(check(other, 4), `${String(one)} and ${String(other)}`).toBeUndefined()
      }
    }
  })

  test('checks a part of the answer', () => {
    const check = answerChecks({ of: (output: { readonly scores: readonly number[]; readonly took: number }) => output.scores, sumsToOne: 1e-6 })
    expect([check({ scores: [1], took: 99 }), check({ scores: [2], took: 1 })]).toEqual([undefined, expect.stringMatching(/^2 at 0/)])
    expect(check.checks).toEqual(['finite', 'sumsToOne'])
  })

  test('refuses options that make no sense', () => {
    for (const options of [{ shape: 3 }, { shape: [-1] }, { shape: [1.5] }, { range: [2, 1] }, { sumsToOne: 2 }, { constantOver: 1 }, { of: 1 }, { finit: true }]) {
      expect(() => answerChecks(options as never), JSON.stringify(options)).toThrow(expect.objectContaining({ code: 'ERR_OUTRIGGER_INVALID_OPTION' }))
    }
  })
})

describe('a breaker of bad answers', () => {
  const options = { minimumCalls: 3, windowSize: 3, openForMs: 1000, jitter: 0 }

  test('rejects a bad answer, so that the fallback answers, and opens', async () => {
    const { model, inner } = rig()
    const breaker = circuitBreaker({ ...options, isBadAnswer: answerChecks() })
    const strict = pipe(inner, breaker)
    const predict = pipe(strict, fallback(() => -1))
    model.answers(Number.NaN)
    await expect(strict(1)).rejects.toMatchObject({ code: 'ERR_OUTRIGGER_BAD_ANSWER', name: 'BadAnswerError', reason: 'NaN' })
    expect([await predict(2), breaker.state, await predict(3), breaker.state]).toEqual([-1, 'closed', -1, 'open'])
    const { record } = await predict.detailed(4)
    expect([model.arrivals.length, record.source]).toEqual([3, 'fallback'])
  })

  test('passes it on with `passBadAnswers`, and opens all the same', async () => {
    const { model, inner } = rig({ batches: true })
    const breaker = circuitBreaker({ ...options, isBadAnswer: answerChecks(), passBadAnswers: true })
    const predict = pipe(inner, breaker)
    model.answers(Number.NaN)
    expect([await predict(1), await predict.batch([2])]).toEqual([Number.NaN, [Number.NaN]])
    await predict(3)
    expect(breaker.state).toBe('open')
  })

  test('counts by row in a batch, takes only the bad rows out, and holds each against its own input', async () => {
    const { model, inner } = rig<number | RowFailure>({ batches: true })
    const control = breakerControl()
    const predict = pipe(inner, circuitBreaker<number, number | RowFailure>({ minimumCalls: 100, control, isBadAnswer: (output, input) => (output === input * 2 ? undefined : `not twice ${input}`) }))
    const batch = predict.detailedBatch([1, 2, 3])
    ;(await model.next()).answer(2, 5, 6)
    const rows = await batch
    expect(rows.map((row) => (row.ok ? row.output : (row.error as Error).message))).toEqual([2, 'Cannot pass the answer on as a check found it bad: current value is not twice 2', 6])
    expect(control.export().scopes['']?.window).toEqual([0, 0, 1])
  })

  test('takes a bad answer of a probe for a failed probe', async () => {
    const { clock, model, inner } = rig()
    const breaker = circuitBreaker({ ...options, isBadAnswer: answerChecks() })
    const predict = pipe(inner, breaker)
    model.answers(Number.NaN)
    for (let call = 0; call < 3; call += 1) await predict(call).catch(() => {})
    await clock.advance(1000)
    await predict(1).catch(() => {})
    expect(breaker.state).toBe('open')
  })

  test('goes on when the check throws: the answer passes, and a notice says so', async () => {
    const { model, inner } = rig({ batches: true })
    const predict = pipe(
      inner,
      circuitBreaker<number, number>({
        isBadAnswer: () => {
          throw new Error('the check is broken')
        },
      }),
    )
    const { notices } = eventsOf(predict)
    model.answers(5)
    expect([await predict(1), await predict.batch([2])]).toEqual([5, [5]])
    expect(notices).toEqual(new Array(2).fill('`isBadAnswer` threw; the default decided instead.'))
  })

  test('leaves streams alone', async () => {
    const { model, inner } = rig<AsyncIterable<number>>()
    const predict = pipe(inner, circuitBreaker<number, AsyncIterable<number>>({ isBadAnswer: () => 'bad' }))
    const { stream } = countedStream()
    model.answers(stream)
    const seen: number[] = []
    for await (const part of await predict(1)) seen.push(part)
    expect(seen).toEqual([1, 2])
  })
})

test('answerChecks call bad what is nested without end, whatever they look for', () => {
  const cyclic: Record<string, unknown> = { score: 1 }
  cyclic['again'] = cyclic
  cyclic['more'] = [cyclic]
  let deep: unknown = 1
  for (let level = 0; level < 100_000; level += 1) deep = level % 2 === 0 ? [deep] : { deep }
  const map = new Map<string, unknown>()
  map.set('map', map)
  for (const check of [answerChecks(), answerChecks({ sumsToOne: 1e-6 }), answerChecks({ finite: false, constantOver: 2 })]) {
    for (const endless of [cyclic, deep, map]) expect(check(endless)).toBe('nested deeper than 100 levels, or a cycle')
  }
  let fair: unknown = 1
  for (let level = 0; level < 100; level += 1) fair = [fair]
  expect(answerChecks({ sumsToOne: 0 })(fair)).toBeUndefined()
})
