/**
 * Storms: whatever the model, the callers and the clock do, a stack loses no result and doubles none, and afterwards
 * it holds nothing and serves as before.
 */
import { getEventListeners } from 'node:events'
import fc from 'fast-check'
import { isOutriggerError, type Predictor } from 'outrigger'
import type { FaultLayer } from 'outrigger/testing'
import { describe, expect, it, vi } from 'vitest'
import { swappable } from '../../src/testing/_swappable.js'
import { jumpyClock, mayServeOld, narrow, OpenModel, rule, stackOf, strict, wary, type Answer } from './_stack.js'

// Some random orders hurt, and `pipe` would say so each time.
vi.spyOn(process, 'emitWarning').mockImplementation(() => {})

const input = fc.nat({ max: 5 })
const ways = { abortable: fc.boolean(), shared: fc.boolean(), timeoutMs: fc.constantFrom(undefined, undefined, undefined, 15, 100), priority: fc.constantFrom(undefined, 0, 5), idempotent: fc.constantFrom(undefined, undefined, undefined, false), workload: fc.constantFrom(undefined, undefined, 'batch' as const) }
type Ways = { readonly [K in keyof typeof ways]: (typeof ways)[K] extends fc.Arbitrary<infer T> ? T : never }
const step = fc.oneof(
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('call' as const), input, ...ways }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('batch' as const), inputs: fc.array(input, { maxLength: 5 }), rowSignals: fc.boolean(), ...ways }) },
  { weight: 8, arbitrary: fc.record({ kind: fc.constant('settle' as const), pick: fc.nat({ max: 5 }), ok: fc.array(fc.constantFrom(true, true, true, false), { minLength: 1, maxLength: 3 }), isRude: fc.boolean() }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('wait' as const), ms: fc.constantFrom(0, 1, 5, 10, 20, 50, 100_000) }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('abort' as const), pick: fc.nat({ max: 9 }) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('jump' as const), ms: fc.constantFrom(1, 30, 100_000) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('jump wall' as const), ms: fc.constantFrom(-100_000, -5, 100_000) }) },
  { weight: 1, arbitrary: fc.constant({ kind: 'swap' as const }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('close' as const), deadlineMs: fc.constantFrom(0, 20, 10_000) }) },
)
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never

/** What happens before the next step: everything that is ready runs, some of it does, or nothing. */
const pace = fc.constantFrom('settle' as const, 'settle' as const, 'tick' as const, 'none' as const)

const storm = fc.record({
  layers: fc.array(fc.constantFrom(...Object.keys(strict)), { minLength: 1, maxLength: 7, size: 'max' }),
  batches: fc.boolean(),
  isPolite: fc.boolean(),
  observes: fc.boolean(),
  script: fc.array(fc.tuple(step, pace), { minLength: 3, maxLength: 80, size: 'max' }),
})
type Storm = typeof storm extends fc.Arbitrary<infer T> ? T : never

const knownErrors = (error: unknown, x: number): boolean => {
  if (isOutriggerError(error)) return true
  // A run that failed as a whole names all its rows.
  return error instanceof Error && error.message.startsWith('down ') && error.message.split(' ').includes(`${x}`)
}

const weather = async ({ layers, batches, isPolite, observes, script }: Storm): Promise<void> => {
  const clock = jumpyClock()
  const model = new OpenModel()
  const versions = swappable<number, Answer>({ one: model.version('one', { batches, isPolite }), two: model.version('two', { batches, isPolite }) }, { clock })
  let live = 'one'
  const built = layers.map((name) => strict[name]!())
  const predict = stackOf(versions.predictor, built) as Predictor<number, Answer | typeof rule>
  let records = 0
  let expectedRecords = 0
  if (observes) predict.observe((event) => void (event.type === 'prediction' && (records += 1)))

  const lasting = new AbortController()
  const controllers: AbortController[] = []
  const calls: Promise<void>[] = []
  const problems: unknown[] = []
  let pending = 0
  let isClosed = false
  const closing: Promise<unknown>[] = []

  /** What a caller may be told: an answer that his version of the model gave to his very input, the rule, or an error that is known. */
  const check = (x: number, version: string, outcome: { readonly output: Answer | typeof rule } | { readonly error: unknown }): void => {
    if ('error' in outcome) {
      if (!knownErrors(outcome.error, x)) throw new Error(`The call of ${x} failed with something unknown.`, { cause: outcome.error })
      return
    }
    const { output } = outcome
    if (output === rule) return
    if (typeof output !== 'object' || output === null || !model.hasGiven(output, x)) throw new Error(`The call of ${x} was given an answer that is not its own: ${JSON.stringify(output)}`)
    if (output.version !== version && !layers.some((name) => mayServeOld.has(name))) throw new Error(`The call of ${x} was bound to version ${version}, and was answered by ${output.version}.`)
  }
  const track = (work: Promise<void>): void => {
    pending += 1
    calls.push(work.catch((error: unknown) => void problems.push(error)).finally(() => (pending -= 1)))
  }
  const signalOf = ({ abortable, shared }: Ways): AbortSignal | undefined => {
    if (shared) return lasting.signal
    if (!abortable) return undefined
    const controller = new AbortController()
    controllers.push(controller)
    return controller.signal
  }
  const optionsOf = (call: Ways) => ({ signal: signalOf(call), timeoutMs: call.timeoutMs, priority: call.priority, idempotent: call.idempotent, workload: call.workload })
  const start = (x: number, call: Ways): void => {
    if (!isClosed) expectedRecords += 1
    const version = live
    track(predict(x, optionsOf(call)).then((output) => check(x, version, { output }), (error: unknown) => check(x, version, { error })))
  }
  const run = (one: Step): void => {
    if (one.kind === 'call') start(one.input, one)
    else if (one.kind === 'batch') {
      if (!isClosed) expectedRecords += one.inputs.length
      const version = live
      const signals = one.rowSignals ? one.inputs.map(() => signalOf({ ...one, abortable: true, shared: false })) : undefined
      const work = predict.detailedBatch(one.inputs, { ...optionsOf(one), signals })
      track(
        work.then(
          (rows) => {
            if (rows.length !== one.inputs.length) throw new Error(`A batch of ${one.inputs.length} was given ${rows.length} rows.`)
            rows.forEach((row, index) => check(one.inputs[index]!, version, row))
          },
          (error: unknown) => {
            if (!isClosed || !isOutriggerError(error)) throw new Error('A batch rejected.', { cause: error })
          },
        ),
      )
    } else if (one.kind === 'settle') {
      const { length } = model.open
      if (length > 0) model.open[one.pick % length]!.settle(one.ok, one.isRude)
    } else if (one.kind === 'abort') controllers[one.pick % Math.max(1, controllers.length)]?.abort()
    else if (one.kind === 'jump') clock.jump(one.ms)
    else if (one.kind === 'jump wall') clock.jumpWall(one.ms)
    else if (one.kind === 'swap') versions.swap((live = live === 'one' ? 'two' : 'one'))
    else if (one.kind === 'close') {
      isClosed = true
      closing.push(predict.close({ deadlineMs: one.deadlineMs }).catch((error: unknown) => { if (!isOutriggerError(error)) throw error }))
    }
  }

  for (const [one, how] of script) {
    run(one)
    if (one.kind === 'wait') await clock.advance(one.ms)
    else if (how === 'settle') await clock.settle()
    else if (how === 'tick') for (let tick = 0; tick < 3; tick += 1) await Promise.resolve()
  }
  // Now the model answers all that it was asked, and everything that waits for time gets it.
  model.isQuick = true
  for (let round = 0; round < 60 && (pending > 0 || model.open.length > 0); round += 1) {
    for (const open of [...model.open]) open.settle([true], false)
    await clock.settle()
    if (pending > 0) await clock.advance(2 ** Math.min(round, 16))
  }
  expect(pending, 'calls that never settled').toBe(0)
  await Promise.all(calls)
  if (problems.length > 0) throw problems[0]
  await clock.settle()
  // What a cache renews goes through the layers inside, which do not know that nobody waits for it.
  if (!layers.includes('cached, renewed and audited')) expect(clock.holding, 'timers that hold the process when nobody waits').toBe(0)
  // Half-open breakers, rates and budgets recover.
  for (const layer of built) if ('struck' in layer) (layer as FaultLayer).set({ error: 0, rowError: 0, latency: 0 })
  await clock.advance(600_000)
  await clock.advance(600_000)
  if (!isClosed) {
    if (layers.some((name) => wary.has(name))) {
      for (let call = 0; call < 100; call += 1) {
        expectedRecords += 1
        void predict(1000 + call).catch(() => {})
        await clock.advance(100)
      }
    }
    const atOnce = Math.min(2, ...layers.map((name) => narrow[name] ?? 2))
    expectedRecords += atOnce
    const work = Promise.allSettled(Array.from({ length: atOnce }, (_, index) => predict(100 + index)))
    for (let ms = 0; ms < 30; ms += 1) await clock.advance(1)
    const answers = await work
    answers.forEach((outcome, index) => {
      if (outcome.status === 'rejected') throw new Error('A call after the storm failed.', { cause: outcome.reason })
      const output = outcome.value
      if (output === rule && layers.some((name) => ['cascade', 'ensemble of the quick'].includes(name))) return
      expect(output, 'a call after the storm').toMatchObject({ x: 100 + index, version: live })
    })
    await clock.advance(1000)
  }
  for (const layer of built) {
    for (const [what, found] of Object.entries('state' in layer && typeof layer.state === 'object' ? { ...layer, ...layer.state } : layer)) if (['inFlight', 'waiting', 'queued', 'running'].includes(what)) expect(found, `${what} after the storm`).toBe(0)
  }
  expect(clock.holding, 'timers that hold the process').toBe(0)
  expect([lasting, ...controllers].map(({ signal }) => getEventListeners(signal, 'abort').length).reduce((a, b) => a + b, 0), 'listeners on the signals of callers').toBe(0)
  expect([versions.leases('one'), versions.leases('two')], 'leases that are held').toEqual([0, 0])
  expect(versions.askedUnleased, 'runs of a version that nobody had a lease of').toBe(0)
  if (observes) expect(records, 'records').toBe(expectedRecords)
  closing.push(predict.close())
  let isOver = false
  const closed = Promise.allSettled(closing).then(() => (isOver = true))
  for (let round = 0; round < 20 && !isOver; round += 1) await clock.advance(1000)
  expect(isOver, 'whether it is closed').toBe(true)
  await closed
  expect(clock.pending, 'timers after close').toBe(0)
}

/** `PROPERTY_RUNS` and `PROPERTY_SEED` look longer, and elsewhere. */
const runs = Number(process.env['PROPERTY_RUNS'] ?? 300)
const seed = Number(process.env['PROPERTY_SEED'] ?? 51)

describe('a storm', () => {
  it('loses and doubles no result, and leaves nothing behind', async () => {
    await fc.assert(fc.asyncProperty(storm, weather), { seed, numRuns: runs })
  }, 600_000)

  it.each(Object.keys(strict))('around %s alone', async (name) => {
    await fc.assert(fc.asyncProperty(storm, async (one) => await weather({ ...one, layers: [name] })), { seed, numRuns: Math.ceil(runs / 5) })
  }, 600_000)
})
