/** What every layer must do, as checks that its author can run. */
import { AsyncLocalStorage } from 'node:async_hooks'
import { getEventListeners } from 'node:events'
import { inspect, isDeepStrictEqual } from 'node:util'
import type { ModelBatchCall } from '../core/batch-call.js'
import type { ModelCall } from '../core/call.js'
import { InvalidOptionError, OutriggerError } from '../core/errors.js'
import { functionOption, optionsObject, requiredFunction } from '../core/options.js'
import { predictor, type Predictor } from '../core/predictor.js'
import type { RowResult } from '../core/results.js'
import { swappable } from './_swappable.js'
import { fakeClock, type FakeClock } from './fake-clock.js'
import { mockModel, type MockModel } from './mock-model.js'

/** The names of the checks, for `except`. */
export type ConformanceCheckName =
  | 'answers pass'
  | 'a batch equals single calls, in order'
  | 'a batch asks for each row at most once'
  | 'an empty batch asks nothing'
  | 'a row that fails does not lose the others'
  | 'a model that throws at once gives a rejection'
  | 'the error of the model arrives'
  | 'an aborted signal never reaches the model'
  | 'the abort of a caller rejects at once and reaches the model'
  | 'keys travel with their calls'
  | 'each caller keeps its async context'
  | 'inputs are not changed'
  | 'a call stays with the version it was bound to'
  | 'no listener is left on the signal of a caller'
  | 'close is idempotent, and refuses later calls'
  | 'describe gives a line per stage'

/** One check. `run` rejects with a plain `Error` that says what is wrong. */
export interface ConformanceCheck {
  readonly name: ConformanceCheckName
  run(): Promise<void>
}

/** What the callers of the suite ask, when no `inputs` are given. */
export interface ConformanceRow {
  readonly x: number
}

/** What {@link layerConformance} needs to know about a layer. */
export interface LayerConformanceOptions<I2, I, O> {
  /** At least three inputs of callers, all different; plain data. @default `{ x: 1 }`, `{ x: 2 }`, `{ x: 3 }` */
  readonly inputs?: readonly I2[]
  /** What the model answers to what reaches it; always the same to the same. @default `{ y: 10 * x }` */
  readonly answer?: (input: I) => O
  /** What the caller gets. @default what the model answers to the caller's input */
  readonly expect?: (input: I2) => unknown
  /** Whether it answers in the place of a failing model, as `fallback` does. @default false */
  readonly hidesFailures?: boolean
  /** Checks that do not apply, each with the reason. */
  readonly except?: Partial<Readonly<Record<ConformanceCheckName, string>>>
}

// The checks are the same for all types, so they know none.
interface Kit {
  readonly inputs: readonly unknown[]
  readonly first: unknown
  readonly second: unknown
  readonly answer: (input: unknown) => unknown
  readonly expect: (input: unknown) => unknown
  readonly hidesFailures: boolean
  /** A fresh layer around a predictor. */
  readonly around: (inner: Predictor<unknown, unknown>) => Predictor<unknown, unknown>
}

/**
 * The checks that every layer has to pass, whoever wrote it.
 *
 * They need nothing but the layer, which is put around mock models on a clock that stands still, and any test runner.
 * Each check makes layers of its own, so that they may run in any order.
 *
 * @param make - makes the layer anew, with limits that let ten quick calls pass
 * @throws `ERR_OUTRIGGER_INVALID_OPTION` for fewer than three inputs, and for a check in `except` that does not exist
 *
 * @example
 * ```ts
 * import { layer } from 'outrigger'
 * import { layerConformance, type ConformanceRow } from 'outrigger/testing'
 * type Row = ConformanceRow
 * // With vitest, Jest or node:test: for (const { name, run } of layerConformance(plain)) test(name, run)
 * const plain = () => layer<Row, unknown>('plain', { one: async (next, input, call) => await next(input, call) })
 * for (const { run } of layerConformance(plain)) await run()
 *
 * const deaf = () => layer<Row, unknown>('deaf', { one: async (next, input, call) => await next(input, call).catch(() => 0) })
 * const check = layerConformance(deaf).find(({ name }) => name === 'the error of the model arrives')
 * await assert.rejects(check!.run(), /what the call rejected with/)
 * ```
 */
export const layerConformance = <I2 = ConformanceRow, I = I2, O = unknown>(
  make: () => (inner: Predictor<I, O>) => Predictor<I2, unknown>,
  options: LayerConformanceOptions<I2, I, O> = {},
): ConformanceCheck[] => {
  const owner = 'a layer conformance suite'
  optionsObject(owner, options, ['inputs', 'answer', 'expect', 'hidesFailures', 'except'])
  requiredFunction(owner, 'make', make)
  const { inputs = [{ x: 1 }, { x: 2 }, { x: 3 }], hidesFailures = false, except = {} } = options
  const answer = (functionOption(owner, 'answer', options.answer) ?? (({ x }: ConformanceRow) => ({ y: 10 * x }))) as (input: unknown) => unknown
  const expect = (functionOption(owner, 'expect', options.expect) ?? answer) as (input: unknown) => unknown
  if (!Array.isArray(inputs) || inputs.length < 3) throw new InvalidOptionError(`Cannot create ${owner} as it needs at least three \`inputs\`: current value has ${inputs.length}`)
  for (const name of Object.keys(except)) {
    if (!Object.hasOwn(checks, name)) throw new InvalidOptionError(`Cannot create ${owner} as \`except\` must name its checks: current value is ${name}`)
  }
  const around = (inner: Predictor<unknown, unknown>): Predictor<unknown, unknown> => make()(inner as Predictor<I, O>) as Predictor<unknown, unknown>
  const kit = (): Kit => {
    // A copy for each check: a layer that changes its inputs shall not spoil the others.
    const rows: readonly unknown[] = structuredClone(inputs)
    return { inputs: rows, first: rows[0], second: rows[1], answer, expect, hidesFailures, around }
  }
  return (Object.keys(checks) as ConformanceCheckName[])
    .filter((name) => !Object.hasOwn(except, name))
    .map((name) => ({
      name,
      run: async () => {
        try {
          await checks[name](kit())
        } catch (error) {
          throw new Error(`The layer does not hold "${name}": ${error instanceof Error ? error.message : inspect(error)}`, { cause: error })
        }
      },
    }))
}

const checks: Readonly<Record<ConformanceCheckName, (kit: Kit) => Promise<void>>> = {
  'answers pass': async (kit) => {
    const { clock, predict } = setup(kit)
    for (const input of kit.inputs) same(`the answer to ${inspect(input)}`, await answered(clock, predict(input)), kit.expect(input))
  },

  'a batch equals single calls, in order': async (kit) => {
    const rows = [...kit.inputs, kit.first]
    for (const batches of [false, true]) {
      const { clock, predict } = setup(kit, batches)
      same('the rows of batch', await answered(clock, predict.batch(rows)), rows.map(kit.expect))
      same('the rows of detailedBatch', outputs(await answered(clock, predict.detailedBatch(rows))), rows.map(kit.expect))
    }
  },

  'a batch asks for each row at most once': async (kit) => {
    const { clock, model, predict } = setup(kit)
    await answered(clock, predict.batch(kit.inputs))
    const asked = model.arrivals.map(({ input }) => input)
    asked.forEach((input, index) => {
      if (asked.slice(0, index).some((before) => isDeepStrictEqual(before, input))) fail(`the model was asked again for ${inspect(input)}`)
    })
  },

  'an empty batch asks nothing': async (kit) => {
    for (const batches of [false, true]) {
      const { clock, model, predict } = setup(kit, batches)
      same('the rows', await answered(clock, predict.batch([])), [])
      same('how often the model was asked', model.arrivals.length, 0)
    }
  },

  'a row that fails does not lose the others': async (kit) => {
    // The layer may give the model another input than it gets: ask what it makes of the second one.
    const probe = setup(kit)
    await answered(probe.clock, probe.predict(kit.second))
    const bad = (probe.model.arrivals[0] ?? fail('the call did not reach the model')).input
    const { clock, model, predict } = setup(kit)
    model.answers((input: unknown) => {
      if (isDeepStrictEqual(input, bad)) throw new Error('this row fails')
      return kit.answer(input)
    })
    const results = await answered(clock, predict.detailedBatch(kit.inputs))
    results.forEach((result, index) => {
      if (index === 1) same('whether the row that fails in the model has an answer', result.ok, kit.hidesFailures)
      else same(`row ${index}`, result.ok ? result.output : result.error, kit.expect(kit.inputs[index]))
    })
  },

  'a model that throws at once gives a rejection': async (kit) => {
    const clock = fakeClock()
    const error = new Error('at once')
    const predict = kit.around(predictor((): unknown => { throw error }, { clock }) as Predictor<unknown, unknown>)
    let work: Promise<unknown>
    try {
      work = predict(kit.first)
    } catch (thrown) {
      return fail(`the call threw ${inspect(thrown)} instead of rejecting`)
    }
    const outcome = await settled(clock, work)
    same('how the call ended', outcome.status, kit.hidesFailures ? 'fulfilled' : 'rejected')
  },

  'the error of the model arrives': async (kit) => {
    const { clock, model, predict } = setup(kit)
    const error = new Error('down')
    model.fails(error)
    const single = await settled(clock, predict(kit.first))
    const [row] = await answered(clock, predict.detailedBatch([kit.second]))
    if (kit.hidesFailures) {
      same('how the call ended', single.status, 'fulfilled')
      same('whether the row has an answer', row?.ok, true)
      return
    }
    same('what the call rejected with', single.status === 'rejected' ? single.reason : single.value, error)
    same('what the row failed with', row?.ok === false ? row.error : row, error)
  },

  'an aborted signal never reaches the model': async (kit) => {
    const { clock, model, predict } = setup(kit)
    const signal = AbortSignal.abort()
    for (const ask of [predict, predict.detailed, (input: unknown, options: object) => predict.batch([input], options)]) {
      same('the code of an aborted call', codeOf(await settled(clock, ask(kit.first, { signal }))), 'ERR_OUTRIGGER_ABORTED')
    }
    const [row] = await answered(clock, predict.detailedBatch([kit.first], { signals: [signal] }))
    same('the outcome of an aborted row', row?.record.outcome, 'aborted')
    await clock.advance(60_000)
    same('how often the model was asked', model.arrivals.length, 0)
  },

  'the abort of a caller rejects at once and reaches the model': async (kit) => {
    const { clock, model, predict } = setup(kit)
    model.hangs()
    const controller = new AbortController()
    let outcome: PromiseSettledResult<unknown> | undefined
    void Promise.allSettled([predict(kit.first, { signal: controller.signal })]).then(([first]) => (outcome = first))
    await reached(clock, model)
    const arrival = model.arrivals[0]!
    const { signal } = arrival.call
    same('whether the signal of the model fired before the abort', signal.aborted, false)
    controller.abort()
    await clock.settle()
    same('the code that the caller got at once', outcome === undefined ? 'nothing' : codeOf(outcome), 'ERR_OUTRIGGER_ABORTED')
    same('whether the signal of the model has fired', signal.aborted, true)
    arrival.fail(signal.reason)
    await clock.settle()
  },

  'keys travel with their calls': async (kit) => {
    for (const batches of [false, true]) {
      const clock = fakeClock()
      const seen: [unknown, unknown][] = []
      const predict = (input: unknown, call: ModelCall): unknown => (seen.push([call.key, input]), kit.answer(input))
      const predictBatch = (rows: readonly unknown[], run: ModelBatchCall): unknown[] => rows.map((input, index) => predict(input, run.rows[index] as ModelCall))
      const stack = kit.around(predictor<unknown, unknown>(batches ? { predict, predictBatch } : { predict }, { clock }))
      for (const [index, input] of kit.inputs.entries()) await answered(clock, stack(input, { key: `key ${index}` }))
      const singles = seen.splice(0)
      same('the keys that reached the model', singles.map(([key]) => key), kit.inputs.map((_, index) => `key ${index}`))
      const other = kit.around(predictor<unknown, unknown>(batches ? { predict, predictBatch } : { predict }, { clock }))
      await answered(clock, other.batch(kit.inputs, { keys: kit.inputs.map((_, index) => `key ${index}`) }))
      same('the keys and inputs that reached the model from a batch', inOrder(seen), inOrder(singles))
    }
  },

  'each caller keeps its async context': async (kit) => {
    const storage = new AsyncLocalStorage<string>()
    const clock = fakeClock()
    const model = async (input: unknown, call: ModelCall): Promise<unknown> => {
      const store = storage.getStore()
      await clock.settle()
      // Work that callers share runs in none of their contexts.
      if (store !== undefined && store !== call.key) fail(`the call of ${call.key} ran in the context of ${store}`)
      return kit.answer(input)
    }
    const predict = kit.around(predictor<unknown, unknown>(model, { clock }))
    const callers = kit.inputs.map((input, index) => storage.run(`caller ${index}`, async () => {
      same('the answer', await predict(input, { key: `caller ${index}` }), kit.expect(input))
      same('the context after the call', storage.getStore(), `caller ${index}`)
    }))
    await answered(clock, Promise.all(callers))
  },

  'inputs are not changed': async (kit) => {
    const { clock, predict } = setup(kit)
    const before = structuredClone(kit.inputs)
    for (const input of kit.inputs) await answered(clock, predict(input))
    same('the inputs after single calls', kit.inputs, before)
    const rows = [...kit.inputs]
    await answered(clock, predict.batch(rows))
    same('the inputs after a batch', rows, before)
  },

  'a call stays with the version it was bound to': async (kit) => {
    const clock = fakeClock()
    const old = mockModel<unknown, unknown>({ clock }).answers(kit.answer)
    const fresh = mockModel<unknown, unknown>({ clock }).answers(kit.answer)
    const loader = swappable<unknown, unknown>({ old, fresh }, { clock })
    const predict = kit.around(loader.predictor)
    const work = Promise.all([predict.detailed(kit.first), predict.detailedBatch([kit.second])])
    // Calls are bound where they enter: before anything else could have run.
    loader.swap('fresh')
    const [bound, [row]] = await answered(clock, work)
    same('the versions of a call and of a row from before the swap', [bound.record.identity.version, row?.record.identity.version], ['old', 'old'])
    same('how often the old version was asked for them', old.arrivals.length, 2)
    same('the version of a call after the swap', (await answered(clock, predict.detailed(kit.first))).record.identity.version, 'fresh')
    same('how often each version was asked after the swap', [old.arrivals.length - 2, fresh.arrivals.length], [0, 1])
    await clock.settle()
    same('the leases that are held after the calls', [loader.leases('old'), loader.leases('fresh')], [0, 0])
    same('how often a version was asked without a lease', loader.askedUnleased, 0)
  },

  'no listener is left on the signal of a caller': async (kit) => {
    const { clock, model, predict } = setup(kit)
    const { signal } = new AbortController()
    await settled(clock, predict(kit.first, { signal }))
    await settled(clock, predict.batch([kit.first, kit.second], { signal, signals: [signal, signal] }))
    model.fails(new Error('down'))
    await settled(clock, predict(kit.second, { signal }))
    model.hangs()
    await settled(clock, predict(kit.inputs[2], { signal, timeoutMs: 5 }))
    for (const arrival of model.arrivals) arrival.fail(new Error('down'))
    await clock.settle()
    same('the listeners on the signal', getEventListeners(signal, 'abort').length, 0)
  },

  'close is idempotent, and refuses later calls': async (kit) => {
    const { clock, model, predict } = setup(kit)
    same('whether it is ready', predict.ready(), true)
    await answered(clock, predict(kit.first))
    await answered(clock, Promise.all([predict.close(), predict.close()]))
    await answered(clock, predict.close())
    const asked = model.arrivals.length
    for (const ask of [predict, (input: unknown) => predict.batch([input])]) same('the code of a late call', codeOf(await settled(clock, ask(kit.second))), 'ERR_OUTRIGGER_CLOSED')
    same('whether it is ready after close', predict.ready(), false)
    same('how often the model was asked by late calls', model.arrivals.length - asked, 0)
    same('how often the borrowed model was closed', model.closed, 0)
  },

  'describe gives a line per stage': async (kit) => {
    const lines = kit.around(predictor(kit.answer, { name: 'model-of-the-suite' })).describe().split('\n')
    if (lines.length < 2) fail(`describe() gave ${lines.length} line: ${lines.join('')}`)
    if (lines.some((line) => line.trim() === '')) fail('describe() gave an empty line')
    if (!lines.at(-1)?.includes('model-of-the-suite')) fail(`the last line is not the model's: ${lines.at(-1)}`)
  },
}

/** The layer around a fresh model that answers at once. */
const setup = ({ around, answer }: Kit, batches = false): { readonly clock: FakeClock; readonly model: MockModel<unknown, unknown>; readonly predict: Predictor<unknown, unknown> } => {
  const clock = fakeClock()
  const model = mockModel<unknown, unknown>({ batches, clock }).answers(answer)
  return { clock, model, predict: around(predictor<unknown, unknown>(model, { clock })) }
}

const fail = (message: string): never => {
  throw new Error(message)
}

const same = (what: string, actual: unknown, expected: unknown): void => {
  if (actual instanceof Error ? actual !== expected : !isDeepStrictEqual(actual, expected)) fail(`expected ${what} to be ${inspect(expected)}, but it is ${inspect(actual)}`)
}

const inOrder = (values: readonly unknown[]): string[] => values.map((value) => inspect(value, { depth: 20, sorted: true })).sort()

const outputs = (results: readonly RowResult<unknown>[]): unknown[] => results.map((result) => (result.ok ? result.output : fail(`a row failed with ${inspect(result.error)}`)))

const codeOf = (outcome: PromiseSettledResult<unknown>): unknown =>
  outcome.status === 'fulfilled' ? `an answer, ${inspect(outcome.value)}` : outcome.reason instanceof OutriggerError ? outcome.reason.code : outcome.reason

/** The longest that a check waits on its clock, in milliseconds. */
const PATIENCE_MS = 2 ** 24

/** Lets time pass until the promise has settled. The steps double: a layer may wait for milliseconds, or for minutes. */
const settled = async <T>(clock: FakeClock, work: Promise<T>): Promise<PromiseSettledResult<T>> => {
  let outcome: PromiseSettledResult<T> | undefined
  void Promise.allSettled([work]).then(([result]) => (outcome = result))
  await clock.settle()
  for (let ms = 1; outcome === undefined && ms < PATIENCE_MS; ms *= 2) await clock.advance(ms)
  return outcome ?? fail('a call did not settle')
}

const answered = async <T>(clock: FakeClock, work: Promise<T>): Promise<T> => {
  const outcome = await settled(clock, work)
  return outcome.status === 'fulfilled' ? outcome.value : fail(outcome.reason instanceof Error ? outcome.reason.message : inspect(outcome.reason))
}

/** Lets time pass until a call has reached the model. */
const reached = async (clock: FakeClock, model: MockModel<unknown, unknown>): Promise<void> => {
  await clock.settle()
  for (let ms = 1; model.arrivals.length === 0 && ms < PATIENCE_MS; ms *= 2) await clock.advance(ms)
  if (model.arrivals.length === 0) fail('the call did not reach the model')
}
