/** What every sink of records must do, as checks that its author can run. */
import { inspect } from 'node:util'
import { capture, type Capture } from '../capture/capture.js'
import type { CapturedLine } from '../capture/captured-line.js'
import { functionSink, type RecordSink } from '../capture/record-sink.js'
import type { StoredRecord } from '../capture/stored-record.js'
import { requiredFunction } from '../core/options.js'
import { predictor } from '../core/predictor.js'
import { defineSchema } from '../schema/schema.js'

/** One check. `run` rejects with a plain `Error` that says what is wrong. */
export interface RecordSinkCheck {
  readonly name: string
  run(): Promise<void>
}

/** A sink over an empty place, and what reads the place. */
export interface RecordSinkKit {
  readonly sink: RecordSink
  /** All that is there. */
  read(): AsyncIterable<StoredRecord>
  /** Another sink of the same place, as another process would have it. */
  another(): RecordSink | PromiseLike<RecordSink>
}

const text = { type: 'string' } as const
const predict = predictor((row: { readonly text: string; readonly n: number }) => {
  if (row.text === 'fail') throw new Error('as asked')
  return { n: row.n * 2 }
}, { name: 'doubling', input: defineSchema({ text, n: { type: 'number' } }), output: defineSchema({ n: { type: 'number' } }) })

/** The lines of what a capture hears: no other lines exist. */
const lines = async (use: (captured: Capture) => Promise<void> | void): Promise<readonly CapturedLine[]> => {
  const made: CapturedLine[] = []
  const captured = capture({
    sink: functionSink((batch) => void made.push(...batch)),
    classOf: (kind, record) => (kind !== 'prediction' ? 'later' : record?.tags?.['class'] ?? 'standard'),
    values: { fields: { n: {} } },
  })
  const stop = predict.observe(captured.observer)
  await use(captured)
  stop()
  await captured.close()
  return made
}

const predicted = (count: number, text = 'plain', tags: Record<string, string> = {}): Promise<readonly CapturedLine[]> =>
  lines(async () => void (await predict.detailedBatch(Array.from({ length: count }, (_, n) => ({ text, n })), { ids: Array.from({ length: count }, (_, n) => `p${n}`), tags })))

const read = async (kit: RecordSinkKit): Promise<StoredRecord[]> => {
  const records: StoredRecord[] = []
  for await (const record of kit.read()) records.push(record)
  return records
}

const sorted = (value: unknown): unknown =>
  typeof value !== 'object' || value === null ? value : Array.isArray(value) ? value.map(sorted) : Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)).map(([name, part]) => [name, sorted(part)]))
const shown = (value: unknown): string => inspect(value, { depth: 4, maxStringLength: 80, maxArrayLength: 5 })
const same = (what: string, found: unknown, wanted: unknown): void => {
  if (JSON.stringify(sorted(found)) !== JSON.stringify(sorted(wanted))) throw new Error(`Expected ${what} to be ${shown(wanted)}; got ${shown(found)}`)
}
const written = (batch: readonly CapturedLine[]): unknown[] => batch.map((line) => JSON.parse(line.text) as unknown)
const idsOf = (records: readonly StoredRecord[]): string[] => records.map(({ id }) => id)

const checks: Readonly<Record<string, (kit: RecordSinkKit) => Promise<void>>> = {
  'an empty place has nothing': async (kit) => {
    await kit.sink.close?.()
    same('what is there', await read(kit), [])
  },
  'what was written is there, whole and in order': async (kit) => {
    const batches = [await predicted(3), await predicted(1, 'fail')]
    for (const batch of batches) await kit.sink.write(batch)
    same('what is there before it is closed', await read(kit), batches.flatMap(written))
    await kit.sink.close?.()
    same('what is there after', await read(kit), batches.flatMap(written))
  },
  'texts come back exactly': async (kit) => {
    const texts = ['', '"', '\\', '\n', '\r\n', '\t', '\u2028', '😀', 'é\u0301', "'; drop table records; --", '\\u0041', '{"kind":"footer"}', 'x'.repeat(200_000)]
    const batch = await lines(async () => {
      for (const [n, text] of texts.entries()) await predict({ text, n }, { id: `${n} ${text.slice(0, 20)}` })
    })
    await kit.sink.write(batch)
    await kit.sink.close?.()
    same('what is there', await read(kit), written(batch))
  },
  'a text that the place cannot hold costs no other line': async (kit) => {
    const texts = ['before', 'a\0b', '\ud800', '\\\0', 'after']
    const batch = await lines(async () => {
      for (const [n, text] of texts.entries()) await predict({ text, n }, { id: text })
    })
    await kit.sink.write(batch)
    const found = await read(kit)
    same('the numbers that are there', found.map((record) => (record.kind === 'prediction' ? record.input?.['n'] : undefined)), [0, 1, 2, 3, 4])
    same('the ids of the others', [idsOf(found)[0], idsOf(found)[4]], ['before', 'after'])
  },
  'every kind of record comes back': async (kit) => {
    const batch = await lines((captured) => {
      captured.observer({ type: 'state', layer: 'circuit-breaker', subject: 'doubling', from: 'closed', to: 'open', reason: 'too many failures', at: 5, data: { failureRate: 1 } })
      captured.label('p0', { n: 3, name: 'Ada' }, 7.5)
      captured.label('p1', true, 8)
      captured.override({ id: 'p0', actor: 'ann', reason: 'seen by eye', before: 1, after: null, at: 9 })
    })
    await kit.sink.write(batch)
    await kit.sink.close?.()
    const found = await read(kit)
    same('what is there', found, written(batch))
    same('the kinds', found.map(({ kind, at }) => [kind, at]), [['change', 5], ['label', 7.5], ['label', 8], ['override', 9]])
  },
  'a batch that is told again is there once': async (kit) => {
    const batch = await predicted(5)
    const later = await predicted(2, 'later')
    for (const told of [batch, batch, later, later]) await kit.sink.write(told)
    await kit.sink.close?.()
    same('what is there', await read(kit), [...written(batch), ...written(later)])
  },
  'two records that are alike are two': async (kit) => {
    for (let time = 0; time < 2; time += 1) await kit.sink.write(await lines((captured) => captured.label('p', 1, 1)))
    same('what is there', idsOf(await read(kit)), ['p', 'p'])
  },
  'records of several classes are all there': async (kit) => {
    const batches = [await predicted(2, 'a', { class: 'short' }), await predicted(2, 'b', { class: 'long-1' }), await predicted(1, 'c', { class: 'short' })]
    await kit.sink.write(batches.flat())
    await kit.sink.close?.()
    same('the classes that are there', (await read(kit)).map((record) => record.class).sort(), ['long-1', 'long-1', 'short', 'short', 'short'])
  },
  'several sinks write into one place': async (kit) => {
    const sinks = [kit.sink, await kit.another(), await kit.another()]
    const batches: (readonly CapturedLine[])[] = []
    for (const index of sinks.keys()) batches.push(await predicted(20, `of ${index}`))
    await Promise.all(sinks.map(async (sink, index) => {
      for (let from = 0; from < 20; from += 5) await sink.write((batches[index] as readonly CapturedLine[]).slice(from, from + 5))
      await sink.close?.()
    }))
    const order = (records: readonly unknown[]): string[] => records.map((record) => JSON.stringify(sorted(record))).sort()
    same('what is there', order(await read(kit)), order(batches.flatMap(written)))
  },
  'many lines are all there': async (kit) => {
    const batch = await predicted(3000)
    await kit.sink.write(batch)
    await kit.sink.close?.()
    same('the ids that are there', idsOf(await read(kit)), batch.map(({ id }) => id))
  },
  'what a capture hands over is there when it is closed': async (kit) => {
    const captured = capture({ sink: kit.sink })
    const stop = predict.observe(captured.observer)
    for (let n = 0; n < 50; n += 1) await predict({ text: 'one', n }, { id: `c${n}` })
    stop()
    await captured.close()
    same('the ids that are there', idsOf(await read(kit)), Array.from({ length: 50 }, (_, n) => `c${n}`))
    same('what is lost', captured.counts.sinks.map(({ written, dropped, pending }) => [written, dropped, pending]), [[50, 0, 0]])
  },
}

/**
 * The checks that every {@link RecordSink} has to pass, whoever wrote it. They run against the real thing, with any test runner.
 *
 * @param make - gives a sink over an empty place that nobody else uses, and what reads it
 * @throws `ERR_OUTRIGGER_INVALID_OPTION`
 * @example
 * ```ts
 * import { functionSink, type StoredRecord } from 'outrigger/capture'
 * import { recordSinkConformance } from 'outrigger/testing'
 * const make = () => {
 *   const kept = new Map<string, string>()
 *   const another = () => functionSink((lines) => { for (const { key, text } of lines) kept.set(key, text) })
 *   return { sink: another(), another, read: async function* () { for (const text of kept.values()) yield JSON.parse(text) as StoredRecord } }
 * }
 * // With vitest, Jest or node:test: for (const { name, run } of recordSinkConformance(make)) test(name, run)
 * for (const { run } of recordSinkConformance(make)) await run()
 * ```
 */
export const recordSinkConformance = (make: () => RecordSinkKit | PromiseLike<RecordSinkKit>): RecordSinkCheck[] => {
  requiredFunction('a record sink conformance suite', 'make', make)
  return Object.entries(checks).map(([name, check]) => ({
    name,
    run: async () => {
      try {
        await check(await make())
      } catch (error) {
        throw new Error(`The sink does not hold "${name}": ${error instanceof Error ? error.message : inspect(error)}`, { cause: error })
      }
    },
  }))
}
