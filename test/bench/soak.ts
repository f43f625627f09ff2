/**
 * Ten million calls with faults, aborts and time limits, on the machine's clock: is anything left behind?
 *
 *     npm run build
 *     node --expose-gc --import tsx test/bench/soak.ts                    # 10 million, some minutes
 *     node --expose-gc --import tsx test/bench/soak.ts --calls 200000     # a quick one
 *
 * A row counts as a call: a single call is one, a batch of twenty is twenty; three quarters of the rows come in batches.
 * They go through three stacks: a full one, a micro-batched one, and a cascade with an ensemble. In the model about 5 % of
 * the rows fail, and 1 % of the runs hang until they are aborted; 2 % of the callers abort, and 1 % wait no longer than
 * 2 ms. Every answer is compared with the right one.
 *
 * After 200 000 calls to warm up, everything is let come to rest at ten points, and looked at: the heap after garbage
 * collection (median of seven), timers and immediates that hold the process, listeners on a signal that all callers
 * share. The heap must be flat: the growth that a line through the last six points (Theil and Sen: the median slope of all
 * pairs) shows for the whole run must be below 512 kB; at ten million that is 0.05 bytes a call.
 */
import { getEventListeners } from 'node:events'
import { parseArgs } from 'node:util'
import type * as outrigger from 'outrigger'
import type { ModelBatchCall, ModelCall, Predictor, RowFailure as Failure, RowOutcome } from 'outrigger'
import type * as batching from 'outrigger/batch'
import type * as caching from 'outrigger/cache'
import type * as composing from 'outrigger/compose'
import type * as observing from 'outrigger/observe'
import type * as policies from 'outrigger/policy'
import type * as resilience from 'outrigger/resilience'
import { median } from './measure.js'

/** The built package, as users run it. */
const built = async <T>(path: string): Promise<T> => (await import(new URL(`../../dist/esm/${path}index.js`, import.meta.url).href)) as T
const { BatchPredictionError, circuitBreaker, fallback, isOutriggerError, owned, pipe, retry, RowFailure, seededRandom, timeout } = await built<typeof outrigger>('')
const { microBatched } = await built<typeof batching>('batch/')
const { cached } = await built<typeof caching>('cache/')
const { cascade, ensemble } = await built<typeof composing>('compose/')
const { observed } = await built<typeof observing>('observe/')
const { extraWorkBudget } = await built<typeof policies>('policy/')
const { adaptiveConcurrency, bulkhead, hedge, loadShedding, rateLimit } = await built<typeof resilience>('resilience/')

const { values } = parseArgs({ options: { calls: { type: 'string', default: '10000000' }, workers: { type: 'string', default: '64' } } })
const total = Number(values.calls)
const workers = Number(values.workers)
const points = 10
/** Caches fill, and V8 compiles. */
const warmUp = 200_000
const maxGrowthBytes = 512 * 1024
const { gc } = globalThis as { gc?: () => void }
if (gc === undefined || !(total >= 10_000) || !(workers >= 1)) throw new Error('Run it with --expose-gc, at least 10000 --calls and at least one of --workers.')

const random = seededRandom('soak')
const right = (x: number): number => x * 2 + 1
const rule = -1

/** The model: about one row in twenty fails, about one in a hundred hangs until nobody wants it any more. */
const asked = { rows: 0, failed: 0, hung: 0 }
const hang = (signal: AbortSignal): Promise<never> =>
  new Promise((_, reject) => {
    asked.hung += 1
    signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true })
  })
const pause = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve))
const fails = (): boolean => {
  asked.rows += 1
  const isBad = random.next() < 0.05
  if (isBad) asked.failed += 1
  return isBad
}
const predict = async (x: number, call: ModelCall): Promise<number> => {
  if (fails()) throw new Error('down')
  if (random.next() < 0.01) return await hang(call.signal)
  if (random.next() < 0.1) await pause()
  return right(x)
}
const predictBatch = async (inputs: readonly number[], call: ModelBatchCall): Promise<(number | Failure)[]> => {
  if (random.next() < 0.01) return await hang(call.signal)
  if (random.next() < 0.5) await pause()
  return inputs.map((x) => (fails() ? new RowFailure(new Error('down')) : right(x)))
}

const model = { predict, predictBatch } as { predict: typeof predict; predictBatch(inputs: readonly number[], call: ModelBatchCall): Promise<number[]> }
const budget = extraWorkBudget({ ratio: 0.2, burst: 10_000 })
const guards = [timeout({ ms: 5 }), retry({ retries: 1, minDelayMs: 0.5, maxDelayMs: 1, budget }), circuitBreaker({ failureRate: 0.9, windowSize: 1000, minimumCalls: 1000 })] as const
const memory = () => cached({ max: 1000, ttlMs: 50, staleWhileRevalidateMs: 20, audit: { rate: 0.001 } })

/** What the calls go through, and how many of a hundred. */
const stacks: readonly { readonly share: number; readonly predict: Predictor<number, number> }[] = [
  { share: 60, predict: pipe(pipe(model, ...guards, hedge({ delayMs: 2, budget }), bulkhead({ concurrency: workers, queue: workers * 100 }), rateLimit({ perSecond: 1e9 })), memory(), observed(), fallback(() => rule)) },
  { share: 30, predict: pipe(model, ...guards, microBatched({ maxSize: 64, maxQueue: 100_000 }), memory(), fallback(() => rule)) },
  {
    share: 10,
    predict: pipe(
      owned(cascade({ predict: right, predictBatch: (inputs: readonly number[]) => inputs.map(right) }, ensemble({ a: model, b: model, c: model }, { minimum: 1, waitMs: 2 }), { isUnsure: (_, x) => x % 2 === 1 })),
      ...guards,
      adaptiveConcurrency({ min: workers, initial: workers, queue: workers * 100 }),
      loadShedding({ rowsInFlight: 10 * workers }),
      fallback(() => rule),
    ),
  },
]

// ---- callers

const outcomes = new Map<string, number>()
const count = (what: string, rows = 1): void => void outcomes.set(what, (outcomes.get(what) ?? 0) + rows)
let started = 0
let settled = 0
let wrong = 0
/** Lives as long as the process: whoever forgets a listener on it leaks. */
const lasting = new AbortController()

const tell = (x: number, outcome: RowOutcome<number>): void => {
  settled += 1
  if (!outcome.ok) {
    const { error } = outcome
    if (!isOutriggerError(error) && !(error instanceof Error && error.message === 'down')) wrong += 1
    count(isOutriggerError(error) ? error.code.replace('ERR_OUTRIGGER_', '').toLowerCase() : 'down')
  } else if (outcome.output === rule) count('fallback')
  else if (outcome.output === right(x)) count('answer')
  else wrong += 1
}

/** The outcomes of the rows of a batch, which may reject with all of them, or as a whole. */
const outcomesOf = async (batch: Promise<number[]>, size: number): Promise<readonly RowOutcome<number>[]> => {
  try {
    return (await batch).map((output) => ({ ok: true, output }))
  } catch (error) {
    return error instanceof BatchPredictionError ? (error.results as readonly RowOutcome<number>[]) : new Array<RowOutcome<number>>(size).fill({ ok: false, error })
  }
}

/** Few inputs come often, most seldom: about a third of the rows are in the cache. */
const draw = (): number => (random.next() < 0.4 ? Math.floor(random.next() * 200) : Math.floor(random.next() * 1e9))

const call = async (): Promise<void> => {
  const dice = random.next()
  let share = random.next() * 100
  const { predict: ask } = stacks.find((stack) => (share -= stack.share) < 0) ?? stacks[0]!
  const leaving = dice < 0.02 ? new AbortController() : undefined
  const options = dice < 0.02 ? { signal: leaving!.signal } : dice < 0.03 ? { timeoutMs: 2 } : dice < 0.2 ? { signal: lasting.signal } : undefined
  if (leaving !== undefined) void (random.next() < 0.5 ? Promise.resolve() : pause()).then(() => leaving.abort())
  if (random.next() < 1 / 7) {
    const inputs = Array.from({ length: 20 }, draw)
    started += inputs.length
    // Every second batch asks for records.
    const rows = random.next() < 0.5 ? await ask.detailedBatch(inputs, options) : await outcomesOf(ask.batch(inputs, options), inputs.length)
    rows.forEach((row, index) => tell(inputs[index]!, row))
    if (rows.length !== inputs.length) wrong += 1
    return
  }
  const x = draw()
  started += 1
  try {
    tell(x, { ok: true, output: await ask(x, options) })
  } catch (error) {
    tell(x, { ok: false, error })
  }
}

// ---- points

/** What holds the process: timers and immediates that are not unref'ed. */
const holding = (): string[] => process.getActiveResourcesInfo().filter((kind) => kind === 'Timeout' || kind === 'Immediate')
const rest = async (): Promise<void> => {
  for (let round = 0; round < 100 && (round < 3 || holding().length > 0); round += 1) await new Promise((resolve) => void setTimeout(resolve, 10))
}
const heap = async (): Promise<number> => {
  const seen: number[] = []
  for (let round = 0; round < 7; round += 1) {
    await pause()
    gc()
    seen.push(process.memoryUsage().heapUsed)
  }
  return median(seen)
}

interface Point {
  readonly rows: number
  readonly heapBytes: number
}
const seen: Point[] = []
const problems: string[] = []
const mustBe = (what: string, found: number, wanted: number): void => {
  if (found !== wanted) problems.push(`${what}: ${found} instead of ${wanted}`)
}
const beginning = process.hrtime.bigint()
console.log('     calls   heap MB   rss MB   calls/s   timers   listeners')
const until = async (rows: number): Promise<unknown> => await Promise.all(Array.from({ length: workers }, async () => { while (started < rows) await call() }))
await until(warmUp)
for (let point = 1; point <= points; point += 1) {
  const before = started
  const begin = process.hrtime.bigint()
  await until(warmUp + Math.round((total / points) * point))
  const seconds = Number(process.hrtime.bigint() - begin) / 1e9
  await rest()
  const heapBytes = await heap()
  const listeners = getEventListeners(lasting.signal, 'abort').length
  const timers = holding().length
  seen.push({ rows: started, heapBytes })
  mustBe(`calls that settled of the first ${started}`, settled, started)
  mustBe(`timers and immediates that hold the process after ${started} calls`, timers, 0)
  mustBe(`listeners on the signal that all callers share after ${started} calls`, listeners, 0)
  console.log([String(started).padStart(10), (heapBytes / 1e6).toFixed(2).padStart(9), (process.memoryUsage().rss / 1e6).toFixed(0).padStart(8), Math.round((started - before) / seconds).toString().padStart(9), String(timers).padStart(8), String(listeners).padStart(11)].join(' '))
}
await Promise.all(stacks.map(({ predict: stack }) => stack.close()))
await rest()
mustBe('timers and immediates that hold the process after close', holding().length, 0)
mustBe('wrong answers and unknown errors', wrong, 0)

const later = seen.slice(-6)
const slope = median(later.flatMap((b, index) => later.slice(0, index).map((a) => (b.heapBytes - a.heapBytes) / (b.rows - a.rows))))
const growth = slope * total
if (!(growth < maxGrowthBytes)) problems.push(`growth of the heap over the run: ${(growth / 1024).toFixed(0)} kB instead of less than ${maxGrowthBytes / 1024} kB`)

const percent = (rows: number): string => `${((100 * rows) / settled).toFixed(2)} %`
console.log(`\n${[...outcomes].sort(([, a], [, b]) => b - a).map(([what, rows]) => `${what} ${percent(rows)}`).join(', ')}`)
console.log(`The models were asked for ${asked.rows} rows, failed ${asked.failed} of them, and hung ${asked.hung} times.`)
console.log(`Growth of the heap over the run: ${(growth / 1024).toFixed(0)} kB (${slope.toFixed(4)} bytes a call). ${(Number(process.hrtime.bigint() - beginning) / 1e9).toFixed(0)} s on Node ${process.versions.node}.`)
for (const problem of problems) console.log(`FAILED  ${problem}`)
if (problems.length === 0) console.log('ok: nothing is lost, and nothing is left behind.')
process.exitCode = problems.length === 0 ? 0 : 1
