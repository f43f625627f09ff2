import { describe, expect, test } from 'vitest'
import { circuitBreaker, fallback, pipe, predictor, retry, timeout, type NeutralLayer, type PredictionRecord } from 'outrigger'
import { cached } from 'outrigger/cache'
import { failRows, layer } from 'outrigger/core'
import { metered, modelMetrics, prometheusText, type ModelMetrics } from 'outrigger/observe'
import { bulkhead, rateLimit } from 'outrigger/resilience'
import { shadow, split } from 'outrigger/route'
import { fakeClock, mockModel } from 'outrigger/testing'

/** Samples by name with labels, without the `ml_` of each label. */
const samples = (metrics: ModelMetrics, name: string): Record<string, number> =>
  Object.fromEntries(
    prometheusText(metrics)
      .split('\n')
      .filter((line) => line.startsWith(`${name}{`) || line.startsWith(`${name} `))
      .map((line) => [line.slice(name.length, line.lastIndexOf(' ')).replaceAll(/ml_model_|ml_|route_/g, ''), Number(line.slice(line.lastIndexOf(' ') + 1))]),
  )

const clock = () => fakeClock({ wallMs: 1_700_000_000_000 })
const turn = () => new Promise((resolve) => setImmediate(resolve))

/** The two ways in, each around the same stack. */
const ways: Record<string, (metrics: ModelMetrics, stack: ReturnType<typeof pipe<number, number>>) => typeof stack> = {
  observer: (metrics, stack) => {
    stack.observe(metrics.observer)
    return stack
  },
  metered: (metrics, stack) => metered(metrics)(stack),
}

describe.each(Object.entries(ways))('%s', (_, into) => {
  test('counts calls by how they ended and from where the answer came', async () => {
    const metrics = modelMetrics({ clock: clock() })
    const model = predictor((x: number) => {
      if (x < 0) throw Object.assign(new Error('no'), { code: 'E_NEGATIVE' })
      if (x === 0) throw new RangeError('zero')
      return x
    }, { name: 'delay', version: '3', clock: clock() })
    const predict = into(metrics, pipe(model, cached({ max: 10 })))
    for (const x of [1, 1, 2, -1, 0]) await predict(x).catch(() => {})
    expect(samples(metrics, 'ml_inference_requests_total')).toEqual({
      '{name="delay",version="3",outcome="ok",source="model"}': 2,
      '{name="delay",version="3",outcome="ok",source="cache"}': 1,
      '{name="delay",version="3",outcome="error",error_type="E_NEGATIVE"}': 1,
      '{name="delay",version="3",outcome="error",error_type="RangeError"}': 1,
    })
    expect(samples(metrics, 'ml_inference_duration_seconds_count')).toEqual(samples(metrics, 'ml_inference_requests_total'))
    expect(samples(metrics, 'ml_cache_lookups_total')).toEqual({ '{name="delay",version="3",cache_result="miss"}': 4, '{name="delay",version="3",cache_result="hit"}': 1 })
    expect(samples(metrics, 'ml_inference_attempts_total')).toEqual({ '{name="delay",version="3"}': 4 })
    expect(samples(metrics, 'ml_model_info')).toEqual({ '{name="delay",version="3"}': 1 })
  })

  test('a duration is from the entry to the answer, in seconds', async () => {
    const time = clock()
    const metrics = modelMetrics({ clock: time })
    const predict = into(metrics, pipe(predictor(async (x: number) => {
      await time.advance(30)
      return x
    }, { clock: time })))
    await predict(1)
    expect(samples(metrics, 'ml_inference_duration_seconds_sum')).toEqual({ '{name="model",version="0",outcome="ok",source="model"}': 0.03 })
    expect(samples(metrics, 'ml_inference_duration_seconds_bucket')).toMatchObject({ '{name="model",version="0",outcome="ok",source="model",le="0.025"}': 0, '{name="model",version="0",outcome="ok",source="model",le="0.05"}': 1 })
  })

  test('a duration on a bound is in the bucket of that bound', async () => {
    const time = clock()
    const metrics = modelMetrics({ clock: time, buckets: [0.05, 1] })
    const predict = into(metrics, pipe(predictor(async (x: number) => {
      await time.advance(50)
      return x
    }, { clock: time })))
    await predict(1)
    expect(Object.values(samples(metrics, 'ml_inference_duration_seconds_bucket'))).toEqual([1, 1, 1])
  })

  test('a batch is one duration and one size, and counts row by row', async () => {
    const metrics = modelMetrics({ clock: clock() })
    const predict = into(metrics, pipe(predictor({ predictBatch: (xs: readonly number[]) => xs.map((x) => (x < 0 ? failRows(1, new RangeError('negative'))[0]! : x)) as number[] }, { clock: clock() })))
    await predict.detailedBatch([1, 2, 3])
    await predict.detailedBatch([1, -1, -2])
    await predict.detailedBatch([])
    expect(samples(metrics, 'ml_inference_requests_total')).toEqual({ '{name="model",version="0",outcome="ok",source="model"}': 4, '{name="model",version="0",outcome="error",error_type="RangeError"}': 2 })
    expect(samples(metrics, 'ml_inference_duration_seconds_count')).toEqual({ '{name="model",version="0",outcome="ok",source="model"}': 1, '{name="model",version="0",outcome="error",error_type="RangeError"}': 1 })
    expect([samples(metrics, 'ml_batch_size_count'), samples(metrics, 'ml_batch_size_sum')]).toEqual([{ '{name="model",version="0"}': 2 }, { '{name="model",version="0"}': 6 }])
  })

  test('the rung of a fallback is told, with the version that answered', async () => {
    const metrics = modelMetrics({ clock: clock() })
    const rule = predictor((_: number) => 0, { name: 'rule', version: '1', clock: clock() })
    const predict = into(metrics, pipe(predictor((_: number): number => {
      throw new Error('down')
    }, { clock: clock() }), fallback({ name: 'by-rule', use: rule })))
    await predict(1)
    expect(samples(metrics, 'ml_inference_requests_total')).toEqual({ '{name="rule",version="1",outcome="ok",source="fallback"}': 1 })
    expect(samples(metrics, 'ml_fallback_answers_total')).toEqual({ '{name="rule",version="1",fallback_rung="by-rule"}': 1 })
  })

  test('attempts are counted through retries, and a call once', async () => {
    const metrics = modelMetrics({ clock: clock() })
    let asked = 0
    const predict = into(metrics, pipe(predictor((x: number) => {
      asked += 1
      if (asked < 3) throw new Error('down')
      return x
    }, { name: 'm' }), retry({ retries: 3, minDelayMs: 0, maxDelayMs: 0 })))
    await predict(1)
    expect([samples(metrics, 'ml_inference_requests_total'), samples(metrics, 'ml_inference_attempts_total')]).toEqual([{ '{name="m",version="0",outcome="ok",source="model"}': 1 }, { '{name="m",version="0"}': 3 }])
  })

  test('waiting for a permit is told, of those that waited', async () => {
    const time = clock()
    const metrics = modelMetrics({ clock: time })
    const model = mockModel<number, number>({ clock: time })
    const predict = into(metrics, pipe(predictor(model, { clock: time }), bulkhead({ concurrency: 1, queue: 5 }), timeout({ ms: 60_000 })))
    const answers = [predict(1), predict(2)]
    await time.settle()
    await time.advance(40)
    model.arrivals[0]!.answer(1)
    await time.settle()
    model.arrivals[1]!.answer(2)
    await Promise.all(answers)
    expect([samples(metrics, 'ml_queue_duration_seconds_count'), samples(metrics, 'ml_queue_duration_seconds_sum')]).toEqual([{ '{name="model",version="0"}': 1 }, { '{name="model",version="0"}': 0.04 }])
  })

  test('waiting for tokens is told, also of a batch', async () => {
    const time = clock()
    const metrics = modelMetrics({ clock: time })
    const predict = into(metrics, pipe(predictor((x: number) => x, { clock: time }), rateLimit({ perSecond: 10, burst: 1, maxWaitMs: 10_000 })))
    await predict(1)
    const waiting = predict.batch([2])
    await time.advance(100)
    await waiting
    expect(samples(metrics, 'ml_queue_duration_seconds_sum')).toEqual({ '{name="model",version="0"}': 0.1 })
  })

  test('the variant of a split is told, whether the call has a record or not', async () => {
    const metrics = modelMetrics({ clock: clock() })
    const control = predictor((x: number) => x, { name: 'm', version: '1', clock: clock() })
    const canary = predictor((x: number) => x, { name: 'm', version: '2', clock: clock() })
    const predict = into(metrics, split({ name: 'release', variants: { control, canary }, weights: { control: 0, canary: 1 } }) as never)
    await predict(1, { key: 'ann' })
    await predict.batch([1, 2], { keys: ['ann', 'bob'] })
    expect(samples(metrics, 'ml_inference_requests_total')).toEqual({ '{name="m",version="2",outcome="ok",source="model",variant="canary"}': 3 })
    expect(samples(metrics, 'ml_inference_duration_seconds_count')).toEqual({ '{name="m",version="2",outcome="ok",source="model",variant="canary"}': 2 })
  })

  test('a caller who leaves is counted at that moment, once, even if the model goes on', async () => {
    const time = clock()
    const metrics = modelMetrics({ clock: time })
    const model = mockModel<number, number>({ clock: time })
    const predict = into(metrics, pipe(predictor(model, { clock: time })))
    const controller = new AbortController()
    const left = predict(1, { signal: controller.signal }).catch(() => {})
    const late = predict(2, { timeoutMs: 10 }).catch(() => {})
    const rows = predict.batch([3, 4], { signals: [controller.signal, controller.signal] }).catch(() => {})
    await time.settle()
    controller.abort()
    await time.advance(10)
    await Promise.all([left, late, rows])
    await turn()
    const told = { '{name="model",version="0",outcome="aborted",error_type="ERR_OUTRIGGER_ABORTED"}': 3, '{name="model",version="0",outcome="timeout",error_type="ERR_OUTRIGGER_TIMEOUT"}': 1 }
    expect(samples(metrics, 'ml_inference_requests_total')).toEqual(told)
    for (const arrival of model.arrivals) arrival.answer(0)
    await time.settle()
    expect(samples(metrics, 'ml_inference_requests_total')).toEqual(told)
  })

  test('hostile names of models, variants and errors are values, under the cap', async () => {
    const metrics = modelMetrics({ clock: clock(), maxSeries: 10 })
    for (let index = 0; index < 50; index += 1) {
      const predict = into(metrics, pipe(predictor((): number => {
        throw Object.assign(new Error('x'), { name: `Error"\n${index}` })
      }, { name: `m"\\\n${index}`, clock: clock() })))
      await predict(1).catch(() => {})
    }
    const requests = samples(metrics, 'ml_inference_requests_total')
    expect([Object.keys(requests).length, requests['{otel_metric_overflow="true"}']]).toEqual([10, 41])
  })
})

describe('metered', () => {
  test('makes no record, and tells no call of one', async () => {
    const records: PredictionRecord[] = []
    let noted: unknown
    const metrics = modelMetrics()
    const spy = layer<number, number>('spy', { one: async (next, input, call) => {
      noted = [call.startedAt, call.notes]
      return await next(input, call)
    } })
    const predict = pipe(predictor((x: number) => x), spy, metered(metrics))
    await predict(1)
    expect([records, noted]).toEqual([[], [undefined, undefined]])
  })

  test('inside of a retry it counts the attempts of each try, not those before', async () => {
    const [metrics, outer] = [modelMetrics(), modelMetrics()]
    let calls = 0
    const flaky = (x: number): number => {
      if ((calls += 1) % 3 !== 0) throw new Error('again')
      return x
    }
    const predict = pipe(flaky, metered(metrics), retry({ retries: 2, minDelayMs: 0 }), metered(outer))
    await predict(1)
    await predict(1, { timeoutMs: 10_000 })
    await predict.batch([1])
    for (const counted of [metrics, outer]) expect(prometheusText(counted)).toMatch(/^ml_inference_attempts_total\{.*\} 9$/m)
    expect(prometheusText(metrics)).toMatch(/^ml_inference_requests_total\{.*ml_outcome="error".*\} 6$/m)
  })

  test('two of them in one stack each count what they see', async () => {
    const [inner, outer] = [modelMetrics({ clock: clock() }), modelMetrics({ clock: clock() })]
    let asked = 0
    const predict = pipe(
      predictor((x: number) => {
        asked += 1
        if (asked < 3) throw new Error('down')
        return x
      }, { clock: clock() }),
      metered(inner),
      retry({ retries: 3, minDelayMs: 0, maxDelayMs: 0 }),
      metered(outer),
    )
    await predict(1)
    await predict(1, { timeoutMs: 1000 })
    await predict.batch([1, 2])
    expect(samples(inner, 'ml_inference_requests_total')).toEqual({ '{name="model",version="0",outcome="ok",source="model"}': 4, '{name="model",version="0",outcome="error",error_type="Error"}': 2 })
    expect(samples(outer, 'ml_inference_requests_total')).toEqual({ '{name="model",version="0",outcome="ok",source="model"}': 4 })
  })

  test('hears the states and notices of what it wraps, once, also if somebody else listens', async () => {
    const metrics = modelMetrics()
    const predict = pipe(predictor((_: number): number => {
      throw new Error('down')
    }, { name: 'm' }), circuitBreaker({ consecutiveFailures: 2 }), metered(metrics), fallback(() => 0))
    predict.observe(metrics.observer, { predictions: false })
    for (let call = 0; call < 3; call += 1) await predict(call)
    expect(samples(metrics, 'ml_breaker_state')).toEqual({ '{name="m",state="closed"}': 0, '{name="m",state="open"}': 1 })
    expect(samples(metrics, 'ml_state_changes_total')).toEqual({ '{layer="circuit-breaker",subject="m",state="open"}': 1 })
  })

  test('stops listening when it is closed', async () => {
    const metrics = modelMetrics()
    const inner = pipe(predictor((_: number): number => {
      throw new Error('down')
    }), circuitBreaker({ consecutiveFailures: 1 }))
    const outer = pipe(inner, metered(metrics))
    await outer.close()
    await inner(1).catch(() => {})
    expect(samples(metrics, 'ml_state_changes_total')).toEqual({})
  })

  test('refuses what is no metrics', () => {
    for (const wrong of [undefined, {}, 3]) expect(() => metered(wrong as never)).toThrow(expect.objectContaining({ code: 'ERR_OUTRIGGER_INVALID_OPTION' }))
  })
})

describe('the observer', () => {
  test('leaves out what only listens', async () => {
    const metrics = modelMetrics()
    const predict = pipe((x: number) => x, shadow((x: number) => x + 1) as NeutralLayer)
    predict.observe(metrics.observer)
    await predict(1)
    await turn()
    expect(Object.values(samples(metrics, 'ml_inference_requests_total'))).toEqual([1])
  })

  test('tells the time in the model and the marks of a record', async () => {
    const time = clock()
    const metrics = modelMetrics({ clock: time })
    const predict = pipe(predictor(async (x: number) => {
      await time.advance(5)
      return x
    }, { name: 'm', clock: time }), layer<number, number>('marking', { one: async (next, input, call) => {
      call.mark('imputed:km')
      call.mark('imputed:hour')
      return await next(input, call)
    } }))
    predict.observe(metrics.observer)
    await predict(1)
    expect(samples(metrics, 'ml_model_duration_seconds_sum')).toEqual({ '{name="m",version="0"}': 0.005 })
    expect(samples(metrics, 'ml_inference_marks_total')).toEqual({ '{name="m",mark="imputed"}': 2 })
  })
})
