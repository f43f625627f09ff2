import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { circuitBreaker, pipe, predictor, seededRandom, type PredictionRecord, type Predictor } from 'outrigger'
import { capture, functionSink, type Capture, type CapturedLine, type CaptureOptions, type RecordSink, type StoredPrediction, type StoredRecord } from 'outrigger/capture'
import { layer } from 'outrigger/core'
import { defineSchema } from 'outrigger/schema'
import { fakeClock, type FakeClock } from 'outrigger/testing'
import { channels, type NoticeEvent } from '../../src/core/events.js'

let clock: FakeClock
let notices: NoticeEvent[]
const hear = (message: unknown): void => void notices.push(message as NoticeEvent)
beforeEach(() => {
  clock = fakeClock()
  notices = []
  channels.notice.subscribe(hear)
})
afterEach(() => void channels.notice.unsubscribe(hear))
const code = (name: string): unknown => expect.objectContaining({ code: `ERR_OUTRIGGER_${name}` })

const listed = (): { readonly sink: RecordSink; readonly lines: CapturedLine[]; readonly records: () => StoredRecord[] } => {
  const lines: CapturedLine[] = []
  return { sink: functionSink((batch) => void lines.push(...batch)), lines, records: () => lines.map(({ text }) => JSON.parse(text) as StoredRecord) }
}
const captured = (options: Partial<CaptureOptions> & Pick<CaptureOptions, 'sink'>): Capture => capture({ clock, random: seededRandom('capture'), ...options })
/** Records of a model that does what its input says. */
const model = (): Predictor<number, number> => predictor((x: number) => {
  if (x < 0) throw new Error('below zero')
  return x
}, { clock, random: seededRandom('model'), name: 'model' })
/** Lets the writer and its sinks come to rest. */
const settle = async (one: Capture): Promise<void> => {
  const done = one.flush()
  await clock.advance(0)
  await done
}

describe('capture', () => {
  it('only pushes where the caller is: nothing is asked, serialised or written before the next turn', async () => {
    const { sink, lines } = listed()
    let asked = 0
    const one = captured({ sink, sampling: { isWanted: () => (asked += 1) > 0 }, classOf: () => ((asked += 1), 'standard') })
    const predict = model()
    predict.observe(one.observer)
    for (let x = 0; x < 5; x += 1) await predict(x)
    expect([asked, one.counts.waiting, lines.length]).toEqual([0, 5, 0])
    await settle(one)
    expect([asked, one.counts.waiting, lines.length]).toEqual([10, 0, 5])
  })

  it('works in turns of sliceMs and lets others run in between', async () => {
    const { sink } = listed()
    let now = 0
    const turns: (() => void)[] = []
    // Each record takes 0.2 ms.
    const slow = { ...clock, now: () => now, wall: () => 0, setImmediate: (turn: () => void) => void turns.push(turn) }
    const one = captured({ sink, clock: slow, sliceMs: 1, sampling: { isWanted: () => ((now += 0.2), false) } })
    const predict = model()
    predict.observe(one.observer)
    await predict.batch(Array.from({ length: 100 }, (_, x) => x))
    const taken: number[] = []
    for (let turn = turns.shift(); turn !== undefined; turn = turns.shift()) {
      turn()
      taken.push(100 - one.counts.waiting)
    }
    // It looks at the clock after 16.
    expect(taken).toEqual([16, 32, 48, 64, 80, 96, 100])
  })

  it('drops what does not fit, with a count and one notice in ten seconds', async () => {
    const { sink, lines } = listed()
    const one = captured({ sink, maxPending: 10 })
    const predict = model()
    predict.observe(one.observer)
    await predict.batch(Array.from({ length: 25 }, (_, x) => x))
    expect(one.counts).toMatchObject({ offered: 25, dropped: 15, waiting: 10, kept: 0 })
    await settle(one)
    expect(lines).toHaveLength(10)
    expect(notices.map(({ layer, message }) => [layer, message])).toEqual([['capture', 'Records are dropped, as the writer is behind.']])
  })

  it('accounts for every record, whatever the traffic, the room, the sampling and the sinks', async () => {
    await fc.assert(fc.asyncProperty(
      fc.record({ bursts: fc.array(fc.integer({ min: 0, max: 60 }), { maxLength: 6 }), maxPending: fc.integer({ min: 1, max: 80 }), rate: fc.double({ min: 0, max: 1, noNaN: true }), failing: fc.double({ min: 0, max: 1, noNaN: true }), maxPendingBytes: fc.constantFrom(500, 5000, 1e9), seed: fc.integer() }),
      async ({ bursts, maxPending, rate, failing, maxPendingBytes, seed }) => {
        const random = seededRandom(seed)
        const kept: [Set<string>, Set<string>] = [new Set(), new Set()]
        const sinks = kept.map((own) => functionSink((lines) => {
          if (random.next() < failing) throw new Error('down')
          for (const { key } of lines) own.add(key)
        }, { maxBytes: 2000, maxMs: 5 }))
        const one = captured({ sink: sinks, maxPending, maxPendingBytes, sampling: { rate }, retries: 1, backoff: { minDelayMs: 1, maxDelayMs: 5 } })
        const predict = model()
        predict.observe(one.observer)
        for (const burst of bursts) {
          await predict.detailedBatch(Array.from({ length: burst }, () => random.integer(10) - 1))
          one.label('x', burst, 0)
          await clock.advance(random.integer(8))
          const { offered, dropped, sampledOut, waiting } = one.counts
          expect(one.counts.kept).toBe(offered - dropped - sampledOut - waiting)
        }
        const closing = one.close()
        await clock.advance(60)
        await closing
        expect(one.counts.waiting).toBe(0)
        one.counts.sinks.forEach((sink, index) => {
          expect(sink.written + sink.dropped).toBe(one.counts.kept)
          expect(sink.written).toBe(kept[index]?.size)
          expect(sink.pending).toBe(0)
        })
      },
    ), { numRuns: 60 })
  })

  it('tells a sink that failed the same batch again, with growing waits, then drops it with a count and a notice, and goes on', async () => {
    const told: { readonly at: number; readonly lines: readonly CapturedLine[] }[] = []
    let isDown = true
    const sink = functionSink((lines) => {
      told.push({ at: clock.now(), lines })
      if (isDown) throw new Error('down')
    })
    const start = clock.now()
    const one = captured({ sink, retries: 3, backoff: { minDelayMs: 100, maxDelayMs: 150, jitter: 'none' } })
    one.label('a', 1, 0)
    const flushed = one.flush()
    await clock.advance(10_000)
    await flushed
    expect(told.map(({ at }) => at - start)).toEqual([0, 100, 250, 400])
    expect(new Set(told.map(({ lines }) => lines)).size).toBe(1)
    expect(one.counts.sinks).toEqual([{ name: 'function', written: 0, dropped: 1, retried: 3, pending: 0 }])
    expect(notices).toMatchObject([{ message: 'A sink refused a batch 4 times.', data: { sink: 'function', lines: 1 } }])
    isDown = false
    one.label('b', 1, 0)
    await settle(one)
    expect(one.counts.sinks[0]).toMatchObject({ written: 1, dropped: 1 })
  })

  it('hands a batch over when it is large or old', async () => {
    const sizes: number[] = []
    const one = captured({ sink: functionSink((lines) => void sizes.push(lines.length), { maxBytes: 1000, maxMs: 50 }) })
    for (let n = 0; n < 25; n += 1) one.label(`id-${n}`, 'x'.repeat(30), 0)
    await clock.advance(0)
    expect([sizes.length > 1, sizes.reduce((a, b) => a + b, 0) < 25]).toEqual([true, true])
    await clock.advance(49)
    const before = sizes.length
    await clock.advance(1)
    expect([sizes.length - before, sizes.reduce((a, b) => a + b, 0)]).toEqual([1, 25])
  })

  it('a sink that hangs holds up no other for longer than a second, and loses what does not fit', async () => {
    const { sink, lines } = listed()
    const hanging: RecordSink = { name: 'hanging', batch: { maxBytes: 100 }, write: async () => await new Promise(() => {}) }
    const one = captured({ sink: [hanging, sink], maxPendingBytes: 1000 })
    for (let n = 0; n < 100; n += 1) one.label(`id-${n}`, n, 0)
    // It may be slow and no more, for a second.
    await clock.advance(900)
    expect(one.counts.sinks[0]).toMatchObject({ dropped: 0 })
    await clock.advance(2000)
    expect(lines).toHaveLength(100)
    const [first] = one.counts.sinks
    expect(first).toMatchObject({ written: 0, dropped: expect.any(Number) as number })
    expect(first?.dropped).toBeGreaterThan(80)
    const closing = one.close({ deadlineMs: 100 })
    await clock.advance(100)
    await closing
    expect(one.counts.sinks[1]).toMatchObject({ written: 100, dropped: 0 })
  })

  it('waits for room when its only sink has none, and then goes on', async () => {
    let open = (): void => {}
    const lines: CapturedLine[] = []
    const gated = functionSink(async (batch) => {
      await new Promise<void>((resolve) => (open = resolve))
      lines.push(...batch)
    }, { maxBytes: 100, maxMs: 0 })
    const one = captured({ sink: gated, maxPendingBytes: 300, maxPending: 1000 })
    for (let n = 0; n < 100; n += 1) one.label(`id-${n}`, n, 0)
    await clock.advance(10)
    expect(one.counts.waiting).toBeGreaterThan(50)
    for (let time = 0; time < 200; time += 1) {
      open()
      await clock.advance(1)
    }
    expect(lines.map(({ id }) => id)).toEqual(Array.from({ length: 100 }, (_, n) => `id-${n}`))
    expect(one.counts).toMatchObject({ dropped: 0, waiting: 0 })
  })

  it('closes by its deadline, counts what was lost, closes its sinks once, and takes nothing more', async () => {
    let closed = 0
    const down: RecordSink = { name: 'down', write: () => { throw new Error('down') }, close: () => void (closed += 1) }
    const one = captured({ sink: down, retries: 1000, backoff: { minDelayMs: 50, maxDelayMs: 50, factor: 1, jitter: 'none' } })
    one.label('a', 1, 0)
    const closing = one.close({ deadlineMs: 200 })
    expect(one.close()).toBe(closing)
    await clock.advance(200)
    await closing
    one.label('b', 1, 0)
    expect(closed).toBe(1)
    expect(one.counts).toMatchObject({ offered: 2, kept: 1, dropped: 1, sinks: [{ written: 0, dropped: 1, pending: 0 }] })
    await clock.advance(50)
    expect(clock.pending).toBe(0)
  })

  it('passes on that a sink failed to close', async () => {
    const one = captured({ sink: { name: 'x', write: () => {}, close: () => { throw new Error('no') } } })
    const closing = one.close()
    closing.catch(() => {})
    await clock.advance(0)
    await expect(closing).rejects.toThrow('no')
  })

  it('keeps changes of state without their data, and reasons only that the library wrote', async () => {
    const { sink, records } = listed()
    const one = captured({ sink, texts: ['trusted'] })
    const mood = (name: string) => layer<number, number>(name, (host) => ({
      one: async (next, input, call) => {
        host.emit({ type: 'state', subject: 'mood', from: 'a', to: 'b', reason: 'a text', data: { x: 1 } })
        return await next(input, call)
      },
    }))
    const predict = pipe(model(), mood('stranger'), mood('trusted'), circuitBreaker({ consecutiveFailures: 1 }))
    predict.observe(one.observer)
    await predict(-1).catch(() => {})
    await settle(one)
    const changes = records().filter(({ kind }) => kind === 'change')
    expect(changes).toMatchObject([{ layer: 'trusted', reason: 'a text' }, { layer: 'stranger', subject: 'mood', from: 'a', to: 'b', reason: '', v: 1, class: 'standard' }, { layer: 'circuit-breaker', from: 'closed', to: 'open', reason: expect.stringMatching(/./) as string }])
    expect(changes.every((change) => !('data' in change) && change.id !== '')).toBe(true)
  })

  it('keeps of labels and overrides plain values, and of records what `values` declare', async () => {
    const { sink, records } = listed()
    const bare = captured({ sink })
    bare.label('a', 1.5, 7)
    bare.label('a', { y: 1 }, 8)
    bare.label('a', Number.NaN, 9)
    bare.override({ id: 'a', actor: 'ann', reason: 'why', before: null, after: ['x'], at: 10 })
    await settle(bare)
    expect(records()).toEqual([
      { kind: 'label', class: 'standard', v: 1, id: 'a', at: 7, value: 1.5 },
      { kind: 'label', class: 'standard', v: 1, id: 'a', at: 8 },
      { kind: 'label', class: 'standard', v: 1, id: 'a', at: 9, value: 'NaN' },
      { kind: 'override', class: 'standard', v: 1, id: 'a', at: 10, actor: 'ann', reason: 'why', before: null },
    ])
    expect(notices).toMatchObject([{ message: expect.stringContaining('was left out') as string }])
    const told = listed()
    const declared = captured({ sink: told.sink, values: defineSchema({ y: { type: 'number' }, who: { type: 'string', tags: ['pii'] } }) })
    declared.label('a', { y: 1, who: 'Ada', more: 2 }, 7)
    await settle(declared)
    expect(told.records()).toMatchObject([{ value: { y: 1 } }])
    expect(told.lines[0]?.text).not.toMatch(/Ada|more/)
    // Of a schema of one field a plain value is that field's.
    for (const [tags, value] of [[['pii'], undefined], [[], 'Ada']] as const) {
      const single = listed()
      const one = captured({ sink: single.sink, values: defineSchema({ who: { type: 'string', tags } }) })
      one.label('a', 'Ada', 7)
      await settle(one)
      expect(single.records()).toMatchObject([{ kind: 'label' }])
      expect((single.records()[0] as { value?: unknown }).value).toBe(value)
    }
  })

  it('refuses with codes', () => {
    const sink = functionSink(() => {})
    for (const bad of [{}, { sink: [] }, { sink: {} }, { sink: { write: () => {} } }, { sink, typo: 1 }, { sink, secret: 'short' }, { sink, maxPending: 0 }, { sink, sliceMs: -1 }, { sink, retries: 0.5 }, { sink, sampling: { rate: 2 } }, { sink, sampling: { typo: 1 } }, { sink, sampling: { isWanted: 1 } }, { sink, classOf: 1 }, { sink, backoff: { typo: 1 } }, { sink, texts: 'x' }]) {
      expect(() => capture(bad as unknown as CaptureOptions), JSON.stringify(bad)).toThrow(code('INVALID_OPTION'))
    }
    const one = captured({ sink })
    expect(() => one.label(7 as never, 1, 0)).toThrow(code('INVALID_OPTION'))
    expect(() => one.label('a', 1, Number.NaN)).toThrow(code('INVALID_OPTION'))
    expect(() => one.override({ id: 'a', actor: '', reason: 'x', before: 1, after: 2, at: 0 })).toThrow(code('INVALID_OPTION'))
    expect(() => functionSink(7 as never)).toThrow(code('INVALID_OPTION'))
    expect(() => functionSink(() => {}, { maxBytes: 0 })).toThrow(code('INVALID_OPTION'))
    expect(one.counts.offered).toBe(0)
  })

  it('gives the class of a function, and `standard` where that throws or names none', async () => {
    const { sink, records } = listed()
    const one = captured({ sink, classOf: (kind, record) => (kind === 'label' ? 'No Name' : record?.id === 'b' ? (() => { throw new Error('no') })() : 'audit') })
    const predict = model()
    predict.observe(one.observer)
    await predict(1, { id: 'a' })
    await predict(1, { id: 'b' })
    one.label('a', 1, 0)
    await settle(one)
    expect(records().map((record) => record.class)).toEqual(['audit', 'standard', 'standard'])
    expect(notices).toHaveLength(1)
  })
})

describe('what a capture hashes', () => {
  const input = defineSchema({ n: { type: 'number' }, user: { type: 'string', tags: ['key'] }, mail: { type: 'string', tags: ['key', 'pii'] } })
  const row = { n: 1, user: 'ada', mail: 'ada@example.org' }
  const hashed = async (secret: string | undefined, key = 'ada'): Promise<StoredPrediction> => {
    const { sink, records, lines } = listed()
    const one = captured({ sink, ...(secret === undefined ? {} : { secret }) })
    const predict = predictor((_: typeof row) => 1, { clock, input })
    predict.observe(one.observer)
    await predict(row, { key })
    await settle(one)
    await one.close()
    expect(lines[0]?.text).not.toContain('ada')
    return records()[0] as StoredPrediction
  }

  it('is the key of the call and the fields tagged key, by HMAC-SHA-256 with the secret', async () => {
    const first = await hashed('a secret that is long enough')
    expect(first.subject).toMatch(/^[0-9a-f]{32}$/)
    expect(first.keyed).toEqual({ user: expect.stringMatching(/^[0-9a-f]{32}$/) as string })
    // As openssl has it: printf 'subject\nada' | openssl dgst -sha256 -hmac 'a secret that is long enough'
    expect(first.subject).toBe('14e8d05f93616572aa50c36a2ebd8b41')
    expect(first.keyed?.['user']).toBe('efe5a0f6915dcc8a7bf151690e61e302')
    expect(await hashed('a secret that is long enough')).toMatchObject({ subject: first.subject, keyed: first.keyed })
    expect((await hashed('another secret, as long as it')).subject).not.toBe(first.subject)
    expect((await hashed('a secret that is long enough', 'bob')).subject).not.toBe(first.subject)
  })

  it('is nothing without a secret', async () => {
    const record = await hashed(undefined)
    expect('subject' in record || 'keyed' in record).toBe(false)
  })
})

describe('sampling', () => {
  const record = (more: Partial<PredictionRecord> & { readonly totalMs?: number }): PredictionRecord =>
    ({ v: 1, id: 'a', at: 0, outcome: 'ok', source: 'model', durations: { totalMs: more.totalMs ?? 1 }, marks: [], variants: [], ...more }) as unknown as PredictionRecord
  const sampled = async (options: CaptureOptions['sampling'], records: readonly PredictionRecord[]): Promise<Map<string, StoredPrediction['sample']>> => {
    const { sink, records: kept } = listed()
    const one = captured({ sink, ...(options === undefined ? {} : { sampling: options }) })
    for (const each of records) one.observer({ type: 'prediction', record: each })
    await settle(one)
    expect(one.counts.sampledOut).toBe(records.length - kept().length)
    return new Map(kept().map((prediction) => [prediction.id, (prediction as StoredPrediction).sample]))
  }

  it('keeps errors, fallbacks, slow ones, and what functions say, with a probability of 1, in this order', async () => {
    const kept = await sampled(
      { rate: 0, slowMs: 100, isLowConfidence: ({ output }) => (output as { p: number } | undefined)?.p === 0.5, isDrifted: ({ tags }) => tags?.['d'] === '1', isWanted: ({ id }) => id === 'wanted' },
      [
        record({ id: 'plain' }),
        record({ id: 'timeout', outcome: 'timeout', totalMs: 500 }),
        record({ id: 'fallback', source: 'fallback', totalMs: 500 }),
        record({ id: 'slow', totalMs: 100.1, output: { p: 0.5 } as never }),
        record({ id: 'exact', totalMs: 100 }),
        record({ id: 'unsure', output: { p: 0.5 } as never, tags: { d: '1' } }),
        record({ id: 'drifted', tags: { d: '1' } }),
        record({ id: 'wanted' }),
      ],
    )
    expect([...kept].map(([id, { reason, probability }]) => [id, reason, probability])).toEqual([['timeout', 'error', 1], ['fallback', 'fallback', 1], ['slow', 'slow', 1], ['unsure', 'low-confidence', 1], ['drifted', 'drifted', 1], ['wanted', 'wanted', 1]])
  })

  it('takes by the hash of the id: the same in every process, more with a larger rate, as many as it says', async () => {
    const records = Array.from({ length: 5000 }, (_, n) => record({ id: `trip-${n}` }))
    const [some, again, more] = await Promise.all([sampled({ rate: 0.2 }, records), sampled({ rate: 0.2 }, [...records].reverse()), sampled({ rate: 0.5 }, records)])
    expect(new Set(again.keys())).toEqual(new Set(some.keys()))
    expect([...some.keys()].every((id) => more.has(id))).toBe(true)
    // Within five standard deviations.
    expect(Math.abs(some.size - 1000)).toBeLessThan(5 * Math.sqrt(5000 * 0.2 * 0.8))
    expect([...some.values()].every(({ reason, probability }) => reason === 'head' && probability === 0.2)).toBe(true)
  })

  it('weighs to what there was, also where some are always kept', async () => {
    const random = seededRandom('weights')
    const records = Array.from({ length: 20_000 }, (_, n) => record({ id: `trip-${n}`, totalMs: 10 * random.next(), outcome: random.next() < 0.05 ? 'error' : 'ok' }))
    const kept = await sampled({ rate: 0.1, slowMs: 9.5 }, records)
    const sum = (of: (record: PredictionRecord) => number): number => records.reduce((total, each) => total + of(each), 0)
    const estimate = (of: (record: PredictionRecord) => number): number => records.reduce((total, each) => total + (kept.has(each.id) ? of(each) / (kept.get(each.id)?.probability ?? 1) : 0), 0)
    expect(estimate(({ outcome }) => Number(outcome === 'error'))).toBe(sum(({ outcome }) => Number(outcome === 'error')))
    expect(Math.abs(estimate(() => 1) / 20_000 - 1)).toBeLessThan(0.1)
    expect(Math.abs(estimate(({ durations }) => durations.totalMs) / sum(({ durations }) => durations.totalMs) - 1)).toBeLessThan(0.1)
  })

  it('knows the slow by a quantile of those before', async () => {
    const random = seededRandom('slow')
    const records = Array.from({ length: 5000 }, (_, n) => record({ id: `trip-${n}`, totalMs: 100 * random.next() }))
    const kept = await sampled({ rate: 0, slowQuantile: 0.95 }, records)
    expect(kept.size).toBeGreaterThan(5000 * 0.05 * 0.7)
    expect(kept.size).toBeLessThan(5000 * 0.05 * 1.5)
    expect([...kept.keys()].some((id) => Number(id.slice(5)) < 100)).toBe(false)
    expect((await sampled({ rate: 0, slowQuantile: 0.95 }, records.slice(0, 99))).size).toBe(0)
  })

  it('goes on where a function throws', async () => {
    const kept = await sampled({ isWanted: () => { throw new Error('no') } }, [record({})])
    expect(kept.get('a')).toEqual({ reason: 'head', probability: 1 })
    expect(notices).toMatchObject([{ message: 'A function of `sampling` threw; it does not count.' }])
  })
})
