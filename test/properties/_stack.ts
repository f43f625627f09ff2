/** Layers for tests of whole stacks, each in ways that change nothing and in ways that soon bite, and a model to put under them. */
import { circuitBreaker, fallback, layer, pipe, retry, RowFailure, timeout, type ModelBatchCall, type ModelCall, type NeutralLayer, type Predictor } from 'outrigger'
import { mapInput, mapOutput } from 'outrigger/compose'
import { bulkhead } from 'outrigger/resilience'
import { microBatched } from 'outrigger/batch'
import { cached } from 'outrigger/cache'
import { cascade, ensemble } from 'outrigger/compose'
import { checkpoint } from 'outrigger/debug'
import { adaptiveConcurrency, answerChecks, breakerControl, goldenProbe, hedge, loadShedding, rateLimit, slowCalls, timeWindow } from 'outrigger/resilience'
import { metered, modelMetrics, observed, spanned } from 'outrigger/observe'
import { outputChecked, validated } from 'outrigger/quality'
import { extraWorkBudget } from 'outrigger/policy'
import { shadow } from 'outrigger/route'
import { declared } from 'outrigger/schema'
import { fakeClock, faults, type FakeClock } from 'outrigger/testing'

type Make = () => NeutralLayer
/** A schema of any library that takes every number. */
const anyNumber = { '~standard': { version: 1, vendor: 'test', validate: (value: unknown) => (typeof value === 'number' ? { value } : { issues: [{ message: 'no number' }] }) } } as const
type Around = <O>(inner: Predictor<number, O>) => Predictor<number, O>
const neutral = (around: Around): NeutralLayer => around as never
const relay = { one: async (next: (input: number, call: never) => Promise<unknown>, input: number, call: unknown) => await next(input, call as never) }

/** Layers so set that they change no answer of a model that answers within a second. */
export const gentle: Readonly<Record<string, Make>> = {
  'timeout': () => timeout({ ms: 60_000 }),
  'timeout by row': () => timeout({ ms: 60_000, msPerRow: 10 }),
  'retry': () => retry({ retries: 1, minDelayMs: 5 }),
  'circuitBreaker': () => circuitBreaker({ minimumCalls: 1000, windowSize: 1000 }),
  'circuitBreaker by time and answers': () => neutral(circuitBreaker<number, unknown>({ window: timeWindow({ ms: 60_000 }), minimumCalls: 1000, isBadAnswer: answerChecks({ constantOver: 1000 }) }) as Around),
  'circuitBreaker that only counts': () => circuitBreaker({ control: breakerControl({ metricsOnly: true }) }),
  'loadShedding': () => loadShedding({ rowsInFlight: 1000 }),
  'bulkhead': () => bulkhead({ concurrency: 2, queue: 100 }),
  'bulkhead by rows': () => bulkhead({ rows: 100, bytes: 1e6, queue: 100 }),
  'cached': () => cached(),
  'cached for a while': () => cached({ ttlMs: 10, max: 2 }),
  'cached, renewed and audited': () => cached({ ttlMs: 5, staleWhileRevalidateMs: 10, staleIfErrorMs: 10, negativeTtlMs: 10, audit: { rate: 0.5 } }),
  'cached, frozen': () => cached({ freeze: true, max: 2 }),
  'hedge': () => hedge({ delayMs: 10 }),
  'hedge at a learned quantile': () => hedge({ quantile: 0.5 }),
  'adaptiveConcurrency': () => adaptiveConcurrency({ queue: 100 }),
  'adaptiveConcurrency, one at a time': () => adaptiveConcurrency({ algorithm: 'aimd', initial: 1, latencyMs: 10, queue: 100 }),
  'rateLimit': () => rateLimit({ perSecond: 1000, burst: 1000, maxWaitMs: 1000 }),
  'rateLimit that waits': () => rateLimit({ perSecond: 100, burst: 12, maxWaitMs: 10_000, largeBatches: 'split' }),
  'microBatched': () => microBatched(),
  'microBatched in pairs': () => microBatched({ maxSize: 2, adaptive: false, concurrency: 2 }),
  'observed': () => observed(),
  'metered': () => metered(modelMetrics()),
  'spanned': () => spanned('here'),
  'validated': () => neutral(validated(anyNumber as never) as never),
  'outputChecked': () => outputChecked(),
  'declared': () => declared({ input: { fields: { x: {} } } }),
  'checkpoint': () => checkpoint('here', { input: { fields: { x: {} } }, output: { fields: { y: {} } } }),
  'shadow': () => neutral(shadow<number, unknown>((input: number) => input, { timeoutMs: 50 })),
  'shadow at rest': () => neutral(shadow<number, unknown>((input: number) => input, { rate: 0 })),
  'mapInput': () => neutral(mapInput((input: number) => input)),
  'mapInput, asynchronous': () => neutral(mapInput(async (input: number) => input)),
  'mapOutput': () => neutral(mapOutput((output) => output) as Around),
  'fallback that refuses': () => neutral(fallback<number, string>({ use: (_: number) => 'no', when: () => false }) as never),
  'faults': () => faults(),
  'layer of one form': () => layer<number, unknown>('one', relay as never) as never,
  'ensemble of one': () => neutral((inner) => ensemble({ inner }, { combine: ([first]) => first!.output as never }) as never),
  'cascade that is sure': () => neutral((inner) => cascade(inner, inner, { isUnsure: () => false, onCheapFailure: 'throw' }) as never),
  'cascade that is not': () => neutral((inner) => cascade((_: number) => 'cheap', inner, { isUnsure: () => true }) as never),
}

/** What a fallback answers here. */
export const rule = 'rule'

/** Layers so set that they soon reject, time out, drop and answer in the model's place. */
export const strict: Readonly<Record<string, Make>> = {
  'timeout': () => timeout({ ms: 20 }),
  'timeout by row': () => timeout({ ms: 10, msPerRow: 10 }),
  'timeout with grace': () => timeout({ ms: 20, graceMs: 10 }),
  'retry': () => retry({ retries: 2, minDelayMs: 10 }),
  'retry within a budget': () => retry({ retries: 1, minDelayMs: 0, budget: extraWorkBudget({ burst: 2 }) }),
  'circuitBreaker': () => circuitBreaker({ minimumCalls: 2, windowSize: 4, openForMs: 50 }),
  'circuitBreaker with a ramp': () => circuitBreaker({ failureRate: 0.5, minimumCalls: 2, windowSize: 4, openForMs: 30, maxOpenForMs: 100, probes: 2, probeTimeoutMs: 20, ramp: [0.3, 0.6], rampCalls: 3 }),
  'circuitBreaker by time and segment': () => neutral(circuitBreaker<number, unknown>({ window: timeWindow({ ms: 100 }), slow: slowCalls({ factor: 2 }), openForMs: 30, scope: (input) => String(input % 2) }) as Around),
  'circuitBreaker with a golden probe': () => neutral(circuitBreaker<number, unknown>({ minimumCalls: 2, windowSize: 4, openForMs: 30, probeTimeoutMs: 20, probe: goldenProbe({ input: 0, accept: () => true }) }) as Around),
  'loadShedding': () => loadShedding({ rowsInFlight: 4, delay: { targetMs: 10 } }),
  'bulkhead': () => bulkhead({ concurrency: 2 }),
  'bulkhead with a queue': () => bulkhead({ concurrency: 1, queue: 1 }),
  'bulkhead by rows': () => bulkhead({ rows: 4, queue: 2, maxWaitMs: 30 }),
  'cached': () => cached(),
  'cached for a while': () => cached({ ttlMs: 20, max: 2 }),
  'cached, renewed and audited': () => cached({ ttlMs: 5, staleWhileRevalidateMs: 20, earlyRefresh: 1, negativeTtlMs: 10, audit: { rate: 0.5, concurrency: 1 }, refresh: { concurrency: 1, timeoutMs: 30 } }),
  'cached, stale if error': () => cached({ ttlMs: 5, staleIfErrorMs: 1000 }),
  'hedge': () => hedge({ delayMs: 5, max: 2, budget: extraWorkBudget({ burst: 50 }), concurrency: 2 }),
  'hedge at a learned quantile': () => hedge({ quantile: 0.5, budget: extraWorkBudget({ burst: 50 }) }),
  'adaptiveConcurrency': () => adaptiveConcurrency({ initial: 2, windowMs: 10 }),
  'adaptiveConcurrency with a queue': () => adaptiveConcurrency({ algorithm: 'aimd', initial: 1, latencyMs: 10, windowMs: 10, queue: 1, maxWaitMs: 30 }),
  'rateLimit': () => rateLimit({ perSecond: 20, burst: 5 }),
  'rateLimit that waits': () => rateLimit({ perSecond: 20, burst: 4, maxWaitMs: 100, largeBatches: 'split' }),
  'microBatched': () => microBatched(),
  'microBatched in pairs': () => microBatched({ maxSize: 2, adaptive: false, concurrency: 2, maxQueue: 4 }),
  'microBatched with a delay': () => microBatched({ maxDelayMs: 1, bisect: false }),
  'observed': () => observed(),
  'metered': () => metered(modelMetrics()),
  'spanned': () => spanned('here'),
  'validated': () => neutral(validated(anyNumber as never) as never),
  'outputChecked': () => outputChecked(),
  'declared': () => declared({ input: { fields: { x: {} } } }),
  'checkpoint': () => checkpoint('here', { input: { fields: { x: {} } }, output: { fields: { y: {} } } }),
  'shadow': () => neutral(shadow<number, unknown>((input: number) => { if (input % 2 === 1) throw new Error('candidate'); return new Promise(() => {}) }, { timeoutMs: 30, concurrency: 2 })),
  'mapInput, asynchronous': () => neutral(mapInput(async (input: number) => input)),
  'mapOutput': () => neutral(mapOutput(async (output) => await output) as never),
  'fallback': () => neutral(fallback((_: number) => rule) as never),
  'faults': () => faults({ error: 0.05, rowError: 0.05, latency: 0.1, latencyMs: 10 }),
  'layer of one form': () => layer<number, unknown>('one', relay as never) as never,
  'ensemble of one': () => neutral((inner) => ensemble({ inner }, { combine: ([first]) => first!.output as never }) as never),
  'ensemble of the quick': () => neutral((inner) => ensemble({ inner, rule: (_: number) => rule }, { minimum: 1, waitMs: 15, combine: ([first]) => first!.output as never }) as never),
  'cascade': () => neutral((inner) => cascade((_: number) => rule, inner, { isUnsure: (_, input) => input % 3 > 0, onLargeFailure: 'cheap' }) as never),
}

/** Strict layers that may give an answer of another version of the model, when the bound one fails. */
export const mayServeOld: ReadonlySet<string> = new Set(['cached, stale if error'])

/** How many calls at once a strict layer lets pass when nothing else goes on; without a number here, at least two. */
export const narrow: Readonly<Record<string, number>> = { 'circuitBreaker': 1, 'circuitBreaker by time and segment': 1, 'circuitBreaker with a golden probe': 1, 'loadShedding': 1, 'adaptiveConcurrency': 1, 'adaptiveConcurrency with a queue': 1 }

/** Strict layers that let only a share of the calls through until they trust the model again. */
export const wary: ReadonlySet<string> = new Set(['circuitBreaker with a ramp', 'circuitBreaker with a golden probe'])

/** The stack of these layers, innermost first. */
export const stackOf = <O>(model: Predictor<number, O>, layers: readonly NeutralLayer[]): Predictor<number, O> => (pipe as (model: unknown, ...layers: readonly NeutralLayer[]) => Predictor<number, O>)(model, ...layers)

/** A fake clock of which `now` can leap ahead of its timers, as after a suspended process, and `wall` in both directions. */
export interface JumpyClock extends FakeClock {
  jump(ms: number): void
  jumpWall(ms: number): void
}

export const jumpyClock = (): JumpyClock => {
  const inner = fakeClock()
  let ahead = 0
  let wall = 0
  return {
    ...inner,
    now: () => inner.now() + ahead,
    wall: () => inner.wall() + ahead + wall,
    get reads() {
      return inner.reads
    },
    get timersSet() {
      return inner.timersSet
    },
    get pending() {
      return inner.pending
    },
    get holding() {
      return inner.holding
    },
    jump: (ms) => void (ahead += ms),
    jumpWall: (ms) => void (wall += ms),
  }
}

/** What the model says to a row, and which of its versions said it. */
export interface Answer {
  readonly x: number
  readonly version: string
  readonly serial: number
}

/** A run of the model that waits for the test. */
export interface OpenRun {
  readonly inputs: readonly number[]
  /** One answer or `undefined`, for a failure, per row. */
  settle(ok: readonly boolean[], isRude: boolean): void
}

/** Versions of a model that answer when the test lets them, and what they have answered. */
export class OpenModel {
  readonly open: OpenRun[] = []
  /** From now on answers at once. */
  isQuick = false
  readonly #given = new Map<string, Set<number>>()
  #serial = 0

  /** Whether this is an answer that was really given to this input. */
  hasGiven(answer: Answer, input: number): boolean {
    return answer.x === input && this.#given.get(`${answer.version} ${answer.x}`)?.has(answer.serial) === true
  }

  version(version: string, options: { readonly batches: boolean; readonly isPolite: boolean }): { predict(input: number, call: ModelCall): Promise<Answer>; predictBatch?(inputs: readonly number[], call: ModelBatchCall): Promise<Answer[]> } {
    const answer = (x: number): Answer => {
      this.#serial += 1
      const key = `${version} ${x}`
      this.#given.set(key, (this.#given.get(key) ?? new Set()).add(this.#serial))
      return { x, version, serial: this.#serial }
    }
    const run = (inputs: readonly number[], call: ModelCall | ModelBatchCall, failed: (error: Error) => Answer): Promise<Answer[]> =>
      new Promise((resolve, reject) => {
        const given = [...inputs]
        if (this.isQuick) {
          resolve(given.map(answer))
          return
        }
        const open: OpenRun = {
          inputs: given,
          settle: (ok, isRude) => {
            const index = this.open.indexOf(open)
            if (index >= 0) this.open.splice(index, 1)
            const isOk = given.map((_, row) => ok[row % ok.length] === true)
            if (!isOk.some(Boolean)) reject(isRude ? `rude ${given[0]}` : new Error(`down ${given.join(' ')}`))
            else resolve(given.map((x, row) => (isOk[row] === true ? answer(x) : failed(new Error(`down ${x}`)))))
          },
        }
        this.open.push(open)
        if (options.isPolite) call.signal.addEventListener('abort', () => open.settle([false], false))
      })
    const single = async (input: number, call: ModelCall): Promise<Answer> => (await run([input], call, (error) => { throw error }))[0]!
    if (!options.batches) return { predict: single }
    return { predict: single, predictBatch: async (inputs, call) => await run(inputs, call, (error) => new RowFailure(error) as never) }
  }
}
