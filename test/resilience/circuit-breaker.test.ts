import { circuitBreaker, fallback, layer, OutriggerError, pipe, RowFailure, timeout, type CircuitBreakerOptions, type ModelCall } from 'outrigger'
import type { Call } from 'outrigger/core'
import { bulkhead } from 'outrigger/resilience'
import { breakerControl, slowCalls, timeWindow } from 'outrigger/resilience'
import { describe, expect, test } from 'vitest'
import { eventsOf, fateOf, recordsOf, rig } from './_rig.js'

const down = new Error('down')
const quick: CircuitBreakerOptions = { minimumCalls: 2, windowSize: 4, openForMs: 1000, jitter: 0 }

describe('opening', () => {
  test('circuitBreaker rejects without calling the model, and says when to come back', async () => {
    const { clock, model, inner } = rig()
    const breaker = circuitBreaker(quick)
    const predict = pipe(inner, breaker)
    model.fails(down)
    for (let call = 0; call < 2; call += 1) await expect(predict(call)).rejects.toBe(down)
    await clock.advance(300)
    await expect(predict(3)).rejects.toMatchObject({ code: 'ERR_OUTRIGGER_CIRCUIT_OPEN', name: 'CircuitOpenError', retryAfterMs: 700 })
    expect((await predict.detailedBatch([1, 2])).map((row) => !row.ok && (row.error as OutriggerError).code)).toEqual(new Array(2).fill('ERR_OUTRIGGER_CIRCUIT_OPEN'))
    expect([model.arrivals.length, breaker.state]).toEqual([2, 'open'])
  })

  test.each(['call', 'batch'] as const)('circuitBreaker is not opened by callers who leave, whatever error the model makes of that: a %s', async (kind) => {
    const breaker = circuitBreaker({ minimumCalls: 2, windowSize: 4 })
    const stopped = (signal: AbortSignal): Promise<never> =>
      new Promise((_, reject) => signal.addEventListener('abort', () => reject(new DOMException('This operation was aborted', 'AbortError')), { once: true }))
    const predict = pipe({ predict: (_: number, call) => stopped(call.signal), predictBatch: (_: readonly number[], call) => stopped(call.signal) }, breaker)
    for (let call = 0; call < 10; call += 1) {
      const leaving = new AbortController()
      const fate = fateOf<unknown>(kind === 'call' ? predict(1, { signal: leaving.signal }) : predict.batch([1, 2], { signal: leaving.signal }))
      leaving.abort()
      await new Promise(setImmediate)
      expect(fate.state).toBe('rejected')
    }
    expect([breaker.state, breaker.failureRate]).toEqual(['closed', 0])
  })

  test('circuitBreaker counts timeouts farther in, and not what the caller aborted, what was rejected, and invalid inputs', async () => {
    const { clock, model, inner } = rig()
    const breaker = circuitBreaker({ minimumCalls: 1, windowSize: 1 })
    const predict = pipe(inner, bulkhead({ concurrency: 1 }), timeout({ ms: 100 }), breaker)
    const leaving = new AbortController()
    const hanging = fateOf(predict(1, { signal: leaving.signal }))
    await expect(predict(2)).rejects.toMatchObject({ code: 'ERR_OUTRIGGER_BULKHEAD_FULL' })
    leaving.abort()
    ;(await model.next()).fail(new OutriggerError('ERR_OUTRIGGER_ABORTED', 'stopped'))
    await clock.settle()
    expect(hanging.code).toBe('ERR_OUTRIGGER_ABORTED')
    model.fails(new OutriggerError('ERR_OUTRIGGER_INVALID_INPUT', 'no such airport'))
    await expect(predict(3)).rejects.toThrow('no such airport')
    expect([breaker.state, breaker.failureRate]).toEqual(['closed', 0])
    model.hangs()
    const late = fateOf(predict(4))
    await clock.advance(100)
    expect([late.code, breaker.state]).toEqual(['ERR_OUTRIGGER_TIMEOUT', 'open'])
  })

  test('circuitBreaker counts what `isFailure` says', async () => {
    const { model, inner } = rig()
    const breaker = circuitBreaker({ minimumCalls: 1, windowSize: 1, isFailure: (error) => (error as Error).message === 'overloaded' })
    const predict = pipe(inner, breaker)
    model.fails(down)
    await expect(predict(1)).rejects.toBe(down)
    expect(breaker.state).toBe('closed')
    model.fails(new Error('overloaded'))
    await expect(predict(1)).rejects.toThrow('overloaded')
    expect(breaker.state).toBe('open')
  })

  test('circuitBreaker whose `isFailure` throws goes by its default, says so, and leaks no permit around it', async () => {
    const { model, inner } = rig()
    const breaker = circuitBreaker({
      ...quick,
      isFailure: () => {
        throw new Error('the filter is broken')
      },
    })
    const predict = pipe(inner, breaker, bulkhead({ concurrency: 1 }))
    const { notices } = eventsOf(predict)
    model.fails(down)
    for (let call = 0; call < 2; call += 1) await expect(predict(call)).rejects.toBe(down)
    await expect(predict(3)).rejects.toMatchObject({ code: 'ERR_OUTRIGGER_CIRCUIT_OPEN' })
    expect([breaker.state, notices.length]).toEqual(['open', 2])
  })

  test('circuitBreaker reads no clock and sets no timer while it is closed', async () => {
    const { clock, model, inner } = rig()
    const predict = pipe(inner, circuitBreaker({ minimumCalls: 50 }))
    model.answers(1)
    for (let call = 0; call < 20; call += 1) await predict(call)
    model.fails(down)
    for (let call = 0; call < 10; call += 1) await predict(call).catch(() => {})
    expect([clock.reads, clock.timersSet]).toEqual([0, 0])
  })

  test('circuitBreaker refuses options that make no sense', () => {
    for (const options of [{ failureRate: 0 }, { failureRate: 50 }, { minimumCalls: 0 }, { windowSize: 10, minimumCalls: 11 }, { windowSize: 0 }, { openForMs: 0 }, { probes: 0 }, { isFailure: 1 }, { threshold: 1 }, { confidence: 1 }, { consecutiveFailures: 0 }, { maxOpenForMs: 5 }, { jitter: 2 }, { probeTimeoutMs: 0 }, { ramp: [0] }, { ramp: [0.5, 0.2] }, { ramp: [2] }, { rampCalls: 0 }, { maxScopes: 0 }, { isBadAnswer: 1 }, { scope: 1 }, null]) {
      expect(() => circuitBreaker(options as CircuitBreakerOptions), `${JSON.stringify(options)}`).toThrow(expect.objectContaining({ code: 'ERR_OUTRIGGER_INVALID_OPTION' }))
    }
    expect(() => timeWindow({ ms: 5 })).toThrow(expect.objectContaining({ code: 'ERR_OUTRIGGER_INVALID_OPTION' }))
  })
})

describe('half-open', () => {
  const opened = async (options: CircuitBreakerOptions = {}): Promise<ReturnType<typeof rig> & { predict: ReturnType<typeof pipe<number, number>>; breaker: ReturnType<typeof circuitBreaker> }> => {
    const parts = rig({ batches: true })
    const breaker = circuitBreaker({ ...quick, ...options })
    const predict = pipe(parts.inner, breaker)
    parts.model.fails(down)
    for (let call = 0; call < 2; call += 1) await predict(call).catch(() => {})
    parts.model.hangs()
    for (let call = 0; call < 2; call += 1) await parts.model.next()
    await parts.clock.advance(1000)
    return { ...parts, predict, breaker }
  }

  test('circuitBreaker lets `probes` of 100 concurrent callers through, and the rest wait for nobody', async () => {
    const { clock, model, predict, breaker } = await opened({ probes: 3 })
    const before = model.arrivals.length
    const fates = Array.from({ length: 100 }, (_, call) => fateOf(predict(call)))
    await clock.settle()
    expect(model.arrivals.length - before).toBe(3)
    expect(fates.filter(({ code }) => code === 'ERR_OUTRIGGER_CIRCUIT_OPEN')).toHaveLength(97)
    for (const probe of model.arrivals.slice(before)) probe.answer(1)
    await clock.settle()
    expect([breaker.state, fates.filter(({ state }) => state === 'fulfilled').length]).toEqual(['closed', 3])
  })

  test('circuitBreaker opens again for twice the time when a probe fails, and drops the other probes', async () => {
    const { clock, model, predict, breaker } = await opened({ probes: 2 })
    const fates = [fateOf(predict(1)), fateOf(predict(2))]
    const [first, second] = [await model.next(), await model.next()]
    first.fail(down)
    await clock.settle()
    expect(breaker.state).toBe('open')
    second.answer(5)
    await clock.advance(999)
    expect([fates[1]?.value, breaker.state]).toEqual([5, 'open'])
    await expect(predict(3)).rejects.toMatchObject({ code: 'ERR_OUTRIGGER_CIRCUIT_OPEN', retryAfterMs: 1001 })
  })

  test('circuitBreaker is not held up by a probe that never ends: it has failed after `probeTimeoutMs`, and others try later', async () => {
    const { clock, model, predict, breaker } = await opened({ probeTimeoutMs: 500 })
    const before = model.arrivals.length
    fateOf(predict(1))
    await clock.advance(499)
    await expect(predict(2)).rejects.toMatchObject({ code: 'ERR_OUTRIGGER_CIRCUIT_OPEN' })
    expect(breaker.state).toBe('half-open')
    await clock.advance(1)
    await expect(predict(3)).rejects.toMatchObject({ code: 'ERR_OUTRIGGER_CIRCUIT_OPEN', retryAfterMs: 2000 })
    await clock.advance(2000)
    const answer = predict(3)
    await clock.settle()
    expect(model.arrivals.length - before).toBe(2)
    model.arrivals.at(-1)?.answer(5)
    expect([await answer, breaker.state]).toEqual([5, 'closed'])
  })

  test('circuitBreaker gives the permit of a probe back that its caller aborted', async () => {
    const { clock, model, predict, breaker } = await opened()
    const leaving = new AbortController()
    fateOf(predict(1, { signal: leaving.signal }))
    const probe = await model.next()
    leaving.abort()
    probe.fail(new OutriggerError('ERR_OUTRIGGER_ABORTED', 'stopped'))
    await clock.settle()
    const answer = predict(2)
    ;(await model.next()).answer(5)
    expect([await answer, breaker.state]).toEqual([5, 'closed'])
  })

  test('circuitBreaker gives the permit of a probe back that was rejected farther in', async () => {
    const { clock, model, inner } = rig()
    const breaker = circuitBreaker({ minimumCalls: 1, windowSize: 1, openForMs: 1000 })
    const inside = pipe(inner, bulkhead({ concurrency: 1 }))
    const predict = pipe(inside, breaker)
    model.fails(down)
    await predict(1).catch(() => {})
    await clock.advance(1000)
    model.hangs()
    const occupying = inside(2)
    await expect(predict(3)).rejects.toMatchObject({ code: 'ERR_OUTRIGGER_BULKHEAD_FULL' })
    model.arrivals.at(-1)?.answer(2)
    await occupying
    model.answers(3)
    expect([await predict(3), breaker.state]).toEqual([3, 'closed'])
  })

  test('circuitBreaker takes a batch for one probe, however its rows end', async () => {
    const aborted = (): RowFailure => new RowFailure(new OutriggerError('ERR_OUTRIGGER_ABORTED', 'stopped'))
    for (const [rows, state, free] of [
      [[aborted(), aborted(), aborted()], 'half-open', 2],
      [[1, 2, aborted()], 'half-open', 1],
      [[1, 2, 3], 'half-open', 1],
      [[1, new RowFailure(down), 3], 'open', 0],
    ] as const) {
      const { clock, model, predict, breaker } = await opened({ probes: 2 })
      const batch = predict.detailedBatch([1, 2, 3])
      ;(await model.next()).answer(...(rows as unknown as number[]))
      await batch
      expect(breaker.state).toBe(state)
      const before = model.arrivals.length
      for (let call = 0; call < 10; call += 1) fateOf(predict(call))
      await clock.settle()
      expect(model.arrivals.length - before, `${rows.length} rows`).toBe(free)
    }
  })
})

describe('batches', () => {
  const counted = async (...runs: ((rows: number) => (number | RowFailure)[] | Error)[]): Promise<readonly number[]> => {
    const { model, inner } = rig<number | RowFailure>({ batches: true })
    const control = breakerControl()
    const breaker = circuitBreaker({ windowSize: 100, minimumCalls: 100, control })
    const predict = pipe(inner, breaker)
    for (const run of runs) {
      const result = predict.detailedBatch([1, 2, 3, 4])
      const arrival = await model.next()
      const rows = run(4)
      if (rows instanceof Error) arrival.fail(rows)
      else arrival.answer(...rows)
      await result
    }
    return control.export().scopes['']?.window ?? []
  }

  test('circuitBreaker counts a run that fails as a whole once', async () => {
    expect(await counted(() => down, () => down)).toEqual([1, 1])
  })

  test('circuitBreaker counts a run in which every row succeeds once', async () => {
    expect(await counted(() => [1, 2, 3, 4])).toEqual([0])
  })

  test('circuitBreaker counts by row when only some rows fail', async () => {
    expect(await counted(() => [1, new RowFailure(down), 3, new RowFailure(down)])).toEqual([0, 1, 0, 1])
  })

  test('circuitBreaker counts rows that failed together once', async () => {
    const together = new RowFailure(down)
    expect(await counted(() => [1, together, together, together])).toEqual([0, 1])
  })

  test('circuitBreaker judges the rows of a run together, wherever the failed ones stand', async () => {
    const { model, inner } = rig<number | RowFailure>({ batches: true })
    const breaker = circuitBreaker({ failureRate: 0.5, minimumCalls: 20, windowSize: 100 })
    const result = pipe(inner, breaker).detailedBatch(Array.from({ length: 100 }, (_, row) => row))
    ;(await model.next()).answer(...Array.from({ length: 100 }, (_, row) => (row < 20 ? new RowFailure(new Error(`row ${row}`)) : row)))
    await result
    expect([breaker.state, breaker.failureRate]).toEqual(['closed', 0.2])
  })

  test('circuitBreaker drops a run that began in an earlier period', async () => {
    const { model, inner } = rig<number | RowFailure>({ batches: true })
    const breaker = circuitBreaker({ minimumCalls: 1, windowSize: 1, openForMs: 1000 })
    const predict = pipe(inner, breaker)
    const [slow, quickOne] = [predict.detailedBatch([1, 2]), predict.detailedBatch([3])]
    const first = await model.next()
    ;(await model.next()).fail(down)
    await quickOne
    first.answer(1, 2)
    await slow
    expect([breaker.state, breaker.failureRate]).toEqual(['open', 1])
  })
})

describe('what it tells', () => {
  test('circuitBreaker emits each change with its reason, through the layers around it', async () => {
    const { clock, model, inner } = rig()
    const predict = pipe(inner, circuitBreaker(quick), fallback(() => -1))
    const { states } = eventsOf(predict)
    model.fails(down)
    for (let call = 0; call < 3; call += 1) expect(await predict(call)).toBe(-1)
    await clock.advance(1000)
    model.answers(7)
    expect(await predict(9)).toBe(7)
    expect(states.map(({ layer, from, to, reason, at, data }) => [layer, from, to, reason, at - Date.UTC(2026, 0, 1), data])).toEqual([
      ['circuit-breaker', 'closed', 'open', '2 of the last 2 calls failed', 0, { failureRate: 1, scope: '' }],
      ['circuit-breaker', 'open', 'half-open', 'it was open for 1000 ms', 1000, { failureRate: 1, scope: '' }],
      ['circuit-breaker', 'half-open', 'closed', 'the probe succeeded', 1000, { failureRate: 0, scope: '' }],
    ])
  })

  test('circuitBreaker records a rejected call as one that asked no model', async () => {
    const { model, inner } = rig()
    const predict = pipe(inner, circuitBreaker({ minimumCalls: 1, windowSize: 1 }))
    const records = recordsOf(predict)
    model.fails(down)
    for (let call = 0; call < 2; call += 1) await predict(call).catch(() => {})
    expect(records.map(({ outcome, attempts }) => [outcome, attempts])).toEqual([['error', 1], ['rejected', 0]])
  })

  test('circuitBreaker around two predictors is one breaker, and both hear of it', async () => {
    const { model, inner } = rig()
    const breaker = circuitBreaker({ minimumCalls: 1, windowSize: 1 })
    const [one, other] = [pipe(inner, breaker), pipe(inner, breaker)]
    const heard = [eventsOf(one), eventsOf(other)]
    model.fails(down)
    await one(1).catch(() => {})
    await expect(other(1)).rejects.toMatchObject({ code: 'ERR_OUTRIGGER_CIRCUIT_OPEN' })
    expect(heard.map(({ states }) => states.length)).toEqual([1, 1])
    expect(other.describe()).toContain('circuit-breaker open')
  })
})

describe('the default rule', () => {
  test('circuitBreaker opens after seven failures when there were no calls before, and after fourteen when there were many', async () => {
    for (const [healthy, failures] of [[0, 7], [200, 14]] as const) {
      const { model, inner } = rig()
      const breaker = circuitBreaker()
      const predict = pipe(inner, breaker)
      model.answers(1)
      for (let call = 0; call < healthy; call += 1) await predict(call)
      model.fails(down)
      for (let call = 1; call < failures; call += 1) await predict(call).catch(() => {})
      expect(breaker.state).toBe('closed')
      await predict(0).catch(() => {})
      expect([healthy, breaker.state]).toEqual([healthy, 'open'])
    }
  })

  test('circuitBreaker whose window is too short for its confidence opens when all of it failed', async () => {
    for (const [options, failures] of [[{ windowSize: 5 }, 5], [{ failureRate: 1, windowSize: 30 }, 30]] as const) {
      const { model, inner } = rig()
      const breaker = circuitBreaker(options)
      const predict = pipe(inner, breaker)
      model.fails(down)
      for (let call = 1; call < failures; call += 1) await predict(call).catch(() => {})
      expect(breaker.state).toBe('closed')
      await predict(0).catch(() => {})
      expect(breaker.state).toBe('open')
    }
  })

  test('circuitBreaker with `consecutiveFailures` alone opens by nothing else', async () => {
    const { model, inner } = rig()
    const breaker = circuitBreaker({ consecutiveFailures: 3 })
    const predict = pipe(inner, breaker)
    for (let call = 0; call < 100; call += 1) {
      model.fails(down)
      for (let failure = 0; failure < 2; failure += 1) await predict(call).catch(() => {})
      model.answers(1)
      await predict(call)
    }
    expect(breaker.state).toBe('closed')
    model.fails(down)
    for (let failure = 0; failure < 3; failure += 1) await predict(0).catch(() => {})
    expect(breaker.state).toBe('open')
    expect(predict.describe()).toContain('opens after 3 failures in a row')
  })

  test('circuitBreaker by time forgets failures that are older than the window', async () => {
    const { clock, model, inner } = rig()
    const breaker = circuitBreaker({ window: timeWindow({ ms: 10_000 }), minimumCalls: 4 })
    const predict = pipe(inner, breaker)
    model.fails(down)
    for (let call = 0; call < 10; call += 1) {
      await predict(call).catch(() => {})
      await clock.advance(4000)
    }
    expect([breaker.state, clock.timersSet]).toEqual(['closed', 0])
    for (let call = 0; call < 3; call += 1) await predict(call).catch(() => {})
    expect(breaker.state).toBe('open')
  })
})

describe('the way back', () => {
  test('circuitBreaker ramps up: a probe, a twentieth, a quarter, all; and the rest get the fallback at once', async () => {
    const { clock, model, inner } = rig()
    const breaker = circuitBreaker({ ...quick, ramp: [0.05, 0.25] })
    const predict = pipe(inner, breaker, fallback(() => -1))
    const { states } = eventsOf(predict)
    model.fails(down)
    for (let call = 0; call < 2; call += 1) await predict(call)
    await clock.advance(1000)
    model.answers(1)
    const shares: number[] = []
    while (breaker.state !== 'closed') {
      let [through, calls] = [0, 0]
      const step = states.length
      while (states.length === step || step === 1) {
        calls += 1
        through += Number((await predict(calls)) === 1)
        if (step === 1 && through === 1) break
      }
      shares.push(through / calls)
    }
    expect(shares).toHaveLength(3)
    expect(shares[0]).toBe(1)
    expect(shares[1]).toBeGreaterThan(0.02)
    expect(shares[1]).toBeLessThan(0.12)
    expect(shares[2]).toBeGreaterThan(0.12)
    expect(shares[2]).toBeLessThan(0.5)
    expect(states.map(({ to }) => to)).toEqual(['open', 'half-open', 'half-open', 'half-open', 'closed'])
  })

  test('circuitBreaker falls back to open on a failing ramp, for longer', async () => {
    const { clock, model, inner } = rig()
    const breaker = circuitBreaker({ ...quick, ramp: [1], rampCalls: 4 })
    const predict = pipe(inner, breaker)
    model.fails(down)
    for (let call = 0; call < 2; call += 1) await predict(call).catch(() => {})
    await clock.advance(1000)
    model.answers(1)
    await predict(1)
    model.fails(down)
    for (let call = 0; call < 2; call += 1) await expect(predict(call)).rejects.toBe(down)
    await expect(predict(1)).rejects.toMatchObject({ code: 'ERR_OUTRIGGER_CIRCUIT_OPEN', retryAfterMs: 2000 })
  })

  test('circuitBreaker of many processes with one seed each do not probe together', async () => {
    const due = new Set<number>()
    for (let process = 0; process < 20; process += 1) {
      const { model, inner } = rig({ seed: process })
      const predict = pipe(inner, circuitBreaker({ minimumCalls: 1, windowSize: 1, openForMs: 30_000 }))
      model.fails(down)
      await predict(1).catch(() => {})
      const error = (await predict(1).catch((thrown: unknown) => thrown)) as { retryAfterMs: number }
      expect(error.retryAfterMs).toBeGreaterThan(24_000)
      expect(error.retryAfterMs).toBeLessThanOrEqual(30_000)
      due.add(Math.round(error.retryAfterMs))
    }
    expect(due.size).toBeGreaterThan(15)
  })
})

describe('streams', () => {
  const parts = async function* (...given: (number | Error)[]): AsyncGenerator<number> {
    for (const part of given) {
      if (part instanceof Error) throw part
      yield part
    }
  }
  const read = async (stream: AsyncIterable<number>): Promise<void> => {
    for await (const _ of stream) { /* on */ }
  }

  test('circuitBreaker opens for streams that break, and not for those that end or whose reader leaves', async () => {
    const { model, inner } = rig<AsyncGenerator<number>>()
    const breaker = circuitBreaker(quick)
    const predict = pipe(inner, breaker)
    model.answers(() => parts(1, 2))
    for (let call = 0; call < 4; call += 1) await read(await predict(call))
    for await (const _ of await predict(4)) break
    expect(breaker.failureRate).toBe(0)
    model.answers(() => parts(1, down))
    for (let call = 0; call < 2; call += 1) await expect(read(await predict(call))).rejects.toBe(down)
    expect(breaker.state).toBe('open')
  })

  test('circuitBreaker does not count a stream that broke as its caller left', async () => {
    const breaker = circuitBreaker(quick)
    const predict = pipe(async function* (_: number, { signal }: ModelCall): AsyncGenerator<number> {
      yield 1
      if (signal.aborted) throw new DOMException('This operation was aborted', 'AbortError')
    }, breaker)
    for (let call = 0; call < 4; call += 1) {
      const leaving = new AbortController()
      const stream = await predict(call, { signal: leaving.signal })
      await stream.next()
      leaving.abort()
      await expect(stream.next()).rejects.toThrow('aborted')
    }
    expect([breaker.state, breaker.failureRate]).toEqual(['closed', 0])
  })

  test('circuitBreaker closes at the first part of a stream that is a probe, and opens again when there is none', async () => {
    const { clock, model, inner } = rig<AsyncGenerator<number>>()
    const breaker = circuitBreaker({ ...quick, maxOpenForMs: 1000, slow: slowCalls() })
    const predict = pipe(inner, breaker)
    model.answers(() => parts(down))
    for (let call = 0; call < 2; call += 1) await expect(read(await predict(call))).rejects.toBe(down)
    await clock.advance(1000)
    const dead = await predict(3)
    expect(breaker.state).toBe('half-open')
    await expect(read(dead)).rejects.toBe(down)
    expect(breaker.state).toBe('open')
    await clock.advance(1000)
    model.answers(() => parts(1, down))
    const alive = await predict(4)
    await alive.next()
    expect(breaker.state).toBe('closed')
    await expect(alive.next()).rejects.toBe(down)
    expect([breaker.state, breaker.failureRate]).toEqual(['closed', 0])
  })
})

test.each([[[0, 1]], [[1, 0]]])('circuitBreaker lets those rows of a batch by for which it is the last resort, and no others: %j', async (order) => {
  const { model, inner } = rig({ batches: true })
  const breaker = circuitBreaker(quick)
  const marked = layer<number, number>('marked', {
    one: (next, input, call) => next(input, call),
    many: (next, inputs, batch) => {
      for (const [index, call] of batch.rows.entries()) (call as Call).isLastResort = order[index] === 1
      return next(inputs, batch)
    },
  })
  const predict = pipe(inner, breaker, marked)
  model.fails(down)
  for (let call = 0; call < 2; call += 1) await expect(predict(call)).rejects.toBe(down)
  model.answers((x) => x)
  const rows = await predict.detailedBatch([...order])
  expect(rows.map((row) => (row.ok ? row.output : (row.error as OutriggerError).code))).toEqual(order.map((isLast) => (isLast === 1 ? 1 : 'ERR_OUTRIGGER_CIRCUIT_OPEN')))
  expect(breaker.state).toBe('open')
})
