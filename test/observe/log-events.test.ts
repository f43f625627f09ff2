import { Writable } from 'node:stream'
import { context, trace } from '@opentelemetry/api'
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks'
import { BasicTracerProvider } from '@opentelemetry/sdk-trace-base'
import { pino } from 'pino'
import { afterEach, describe, expect, test } from 'vitest'
import { circuitBreaker, fallback, layer, pipe, predictor } from 'outrigger'
import type { PredictionRecord } from 'outrigger/core'
import { logEvents } from 'outrigger/observe'
import { fakeClock } from 'outrigger/testing'

type Line = Record<string, unknown> & { level: number; msg: string }
/** The real pino, writing into a list. */
const pinoLog = () => {
  const lines: Line[] = []
  const logger = pino({ base: null, timestamp: false }, new Writable({
    write: (chunk: Buffer, _, done) => {
      lines.push(...chunk.toString().trim().split('\n').map((line) => JSON.parse(line) as Line))
      done()
    },
  }))
  return { logger, lines }
}
const schema = { fields: { km: {}, name: { tags: ['pii'] } } }
const model = (row: { km: number; name: string }): number => {
  if (row.km < 0) throw Object.assign(new RangeError(`canary-message ${row.name}`), { code: 'E_KM' })
  return row.km
}
const row = { km: 5, name: 'canary-name' }
const bad = { km: -1, name: 'canary-name' }

describe('logEvents', () => {
  afterEach(() => {
    trace.disable()
    context.disable()
  })

  test('logEvents: a line of pino per state change, none per call', async () => {
    const { logger, lines } = pinoLog()
    const clock = fakeClock()
    const predict = pipe(predictor(model, { clock, name: 'delay', version: '3', digest: 'abc' }), circuitBreaker({ consecutiveFailures: 2, openForMs: 1000, jitter: 0, rampCalls: 1 }), fallback(() => 0))
    const stop = logEvents(predict, { logger })
    for (const one of [row, bad, bad, bad, row]) await predict(one)
    await clock.advance(1000)
    for (let call = 0; call < 5; call += 1) await predict(row)
    expect(lines.map(({ level, msg }) => [level, msg])).toEqual([
      [40, 'circuit-breaker delay: closed → open'], [30, 'circuit-breaker delay: open → half-open'], [30, 'circuit-breaker delay: half-open → closed'],
    ])
    expect(lines[0]).toEqual({
      level: 40, msg: 'circuit-breaker delay: closed → open', event: 'state', layer: 'circuit-breaker', subject: 'delay', from: 'closed', to: 'open', reason: '2 calls in a row failed',
      model: { name: 'delay', version: '3', digest: 'abc' }, data: { failureRate: expect.any(Number) as number }, at: clock.wall() - 1000,
    })
    stop()
    for (const one of [bad, bad, bad]) await predict(one)
    expect(lines).toHaveLength(3)
  })

  test('logEvents: while no prediction is wanted, none has a record', async () => {
    const clock = fakeClock()
    const { logger, lines } = pinoLog()
    const predict = predictor(model, { clock })
    logEvents(predict, { logger })
    const { reads } = clock
    await predict(row)
    expect([clock.reads - reads, lines]).toEqual([0, []])
  })

  test('logEvents: a failed prediction has its id, its span and who was asked; of its error the name and code', async () => {
    const { logger, lines } = pinoLog()
    const clock = fakeClock()
    const traced = layer<{ km: number; name: string }, number>('traced', { one: (next, input, call) => {
      call.note().trace = { traceId: '4bf92f3577b34da6a3ce929d0e0e4736', spanId: '00f067aa0ba902b7' }
      return next(input, call)
    } })
    const predict = pipe(predictor(model, { clock, name: 'delay', version: '3', input: schema }), traced)
    logEvents(predict, { logger, predictions: 'errors' })
    await predict(row, { id: 'p-1', key: 'canary-key' })
    await predict(bad, { id: 'p-2', key: 'canary-key' }).catch(() => {})
    expect(lines).toEqual([{
      level: 40, msg: 'prediction error (E_KM)', event: 'prediction', prediction: 'p-2', trace_id: '4bf92f3577b34da6a3ce929d0e0e4736', span_id: '00f067aa0ba902b7', model: { name: 'delay', version: '3' },
      outcome: 'error', error: { name: 'RangeError', code: 'E_KM' }, attempts: 1, durations: { totalMs: 0, modelMs: 0 }, at: clock.wall(),
    }])
  })

  test('logEvents: a function chooses predictions, and `fields` adds what the schema allows', async () => {
    const { logger, lines } = pinoLog()
    const predict = predictor(model, { name: 'delay', input: schema, output: { fields: { km: {} } } })
    logEvents(predict, { logger, fields: true, predictions: ({ input }: PredictionRecord) => Number(input?.['km']) > 4 })
    await predict(row)
    await predict({ km: 1, name: 'canary-name' })
    expect(lines).toMatchObject([{ level: 30, msg: 'prediction ok', source: 'model', input: { km: 5 }, output: { km: 5 } }])
    expect(JSON.stringify(lines)).not.toContain('canary')
  })

  test('logEvents: other events have the span that was active', async () => {
    context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable())
    const provider = new BasicTracerProvider()
    trace.setGlobalTracerProvider(provider)
    const { logger, lines } = pinoLog()
    const predict = pipe(model, circuitBreaker({ consecutiveFailures: 1 }))
    logEvents(predict, { logger })
    const span = trace.getTracer('test').startSpan('request')
    await context.with(trace.setSpan(context.active(), span), () => predict(bad).catch(() => {}))
    span.end()
    expect(lines).toMatchObject([{ trace_id: span.spanContext().traceId, span_id: span.spanContext().spanId, to: 'open' }])
  })

  test('logEvents: texts that others may have written are left out, unless their layer is named', async () => {
    const says = (name: string) => layer<number, number>(name, ({ emit }) => ({ one: async (next, input, call) => {
      emit({ type: 'state', subject: 'x', from: 'a', to: 'b', reason: 'canary-reason', data: { text: 'canary-data', list: ['canary-list'], rows: 3 } })
      emit({ type: 'notice', message: 'canary-notice', error: new Error('canary-error'), data: { text: 'canary-data' } })
      return await next(input, call)
    } }))
    for (const name of ['mine', 'model-loader', 'isolation', 'drift-monitor']) {
      const [one, two] = [pinoLog(), pinoLog()]
      const predict = pipe((x: number) => x, says(name))
      logEvents(predict, { logger: one.logger })
      logEvents(predict, { logger: two.logger, texts: [name] })
      await predict(1)
      const out = JSON.stringify(one.lines)
      expect(out).not.toMatch(/canary-(reason|data|list|error)/)
      if (name === 'mine' || name === 'isolation') expect(out).not.toContain('canary')
      expect(one.lines).toMatchObject([{ data: { rows: 3 } }, { error: { name: 'Error' } }])
      expect(two.lines).toMatchObject([{ reason: 'canary-reason' }, { msg: `${name}: canary-notice` }])
      expect(JSON.stringify(two.lines)).not.toMatch(/canary-(data|list|error)/)
    }
  })

  test('logEvents: a storm of failures is cut off, and counted', async () => {
    const clock = fakeClock()
    const { logger, lines } = pinoLog()
    const predict = predictor(model, { clock })
    const stop = logEvents(predict, { logger, predictions: 'errors', maxPerSecond: 3 })
    const storm = async () => {
      for (let call = 0; call < 10; call += 1) await predict(bad).catch(() => {})
    }
    await storm()
    expect(lines).toHaveLength(3)
    await clock.advance(1000)
    await storm()
    expect(lines.map(({ event }) => event)).toEqual(['prediction', 'prediction', 'prediction', 'left-out', 'prediction', 'prediction', 'prediction'])
    expect(lines[3]).toMatchObject({ level: 40, lines: 7, msg: '7 lines of a log were left out' })
    stop()
    expect(lines.at(-1)).toMatchObject({ event: 'left-out', lines: 7 })
  })

  test('logEvents: a logger that throws disturbs no call', async () => {
    const broken = () => { throw new Error('disk full') }
    const predict = pipe(model, circuitBreaker({ consecutiveFailures: 1 }), fallback(() => 0))
    logEvents(predict, { logger: { info: broken, warn: broken }, predictions: () => true })
    const { logger, lines } = pinoLog()
    logEvents(predict, { logger })
    expect([await predict(row), await predict(bad)]).toEqual([5, 0])
    expect(lines.map(({ msg }) => msg)).toContain('observer: An observer threw.')
  })

  test('logEvents refuses what it cannot work with', () => {
    const predict = predictor(model)
    const { logger } = pinoLog()
    for (const options of [{}, { logger: {} }, { logger, predictions: 'all' }, { logger, texts: 'x' }, { logger, maxPerSecond: 0 }, { logger, level: 'info' }]) {
      expect(() => logEvents(predict, options as never)).toThrow(expect.objectContaining({ code: expect.stringMatching(/^ERR_OUTRIGGER_/) as string }))
    }
  })
})
