/** What every layer must do, as checks that its author can run. */
import { AsyncLocalStorage } from 'node:async_hooks'
import { getEventListeners } from 'node:events'
import type { ModelCall } from '../core/call.js'
import { systemClock } from '../core/clock.js'
import { hasCode } from '../core/errors.js'
import type { Predictor } from '../core/predictor.js'
import { pipe } from '../core/pipe.js'
import { swappable } from './_swappable.js'

/** One check. It rejects with what is wrong. */
export interface ConformanceCheck {
  readonly name: string
  run(): Promise<void>
}

/** The layer under test: around a model of numbers, of any output. */
export type ConformingLayer = (inner: Predictor<number, number>) => Predictor<number, unknown>

/** Options of {@link layerConformance}. */
export interface LayerConformanceOptions {
  /** What the layer makes of an input and the model's answer to it. @default the model's answer */
  readonly expect?: (input: number, output: number) => unknown
  /** Whether it answers in the place of a model that fails. @default false */
  readonly hidesFailures?: boolean
  /** Checks that do not apply, by name, each with a reason. */
  readonly except?: Readonly<Record<string, string>>
}

const model = (input: number): number => input * 10 + 1
const inputs: readonly number[] = [3, 1, 2, 5, 4]

/**
 * The checks of a layer. Each makes a fresh one.
 *
 * @param make - makes the layer, with options that let ten quick calls pass
 * @throws `Error` when `except` names a check that does not exist
 * @example
 * ```ts
 * import test from 'node:test'
 * import { layer } from 'outrigger'
 * import { layerConformance } from 'outrigger/testing'
 * const rounded = () => layer<number, number>('rounded', { one: async (next, input, call) => Math.round(await next(input, call)) })
 * for (const check of layerConformance(rounded)) test(check.name, check.run)
 * ```
 */
export const layerConformance = (make: () => ConformingLayer, options: LayerConformanceOptions = {}): ConformanceCheck[] => {
  const { expect = (_input: number, output: number): unknown => output, hidesFailures = false, except = {} } = options
  const around = (asked: (input: number, call: ModelCall) => number | Promise<number>): Predictor<number, unknown> => pipe(asked, make()) as Predictor<number, unknown>
  const counting = (answer: (input: number, call: ModelCall) => number | Promise<number> = model): { predict: Predictor<number, unknown>; asked: number[] } => {
    const asked: number[] = []
    const predict = around((input, call) => {
      asked.push(input)
      return answer(input, call)
    })
    return { predict, asked }
  }
  const wanted = inputs.map((input) => expect(input, model(input)))

  const checks: Record<string, () => Promise<void>> = {
    'an answer passes': async () => {
      const { predict } = counting()
      for (const input of inputs) same(await predict(input), expect(input, model(input)), `the answer to ${input}`)
    },
    'a batch equals single calls, in order': async () => {
      const { predict } = counting()
      same(await predict.batch(inputs), wanted, 'the outputs of the batch')
    },
    'a batch of rows asks for each row at most once': async () => {
      const { predict, asked } = counting()
      await predict.batch(inputs)
      same([...asked].sort(), [...inputs].sort(), 'the rows that reached the model')
    },
    'an empty batch asks no model': async () => {
      const { predict, asked } = counting()
      same(await predict.batch([]), [], 'the outputs of an empty batch')
      same(asked, [], 'the rows that reached the model')
    },
    'a row that fails does not lose the others': async () => {
      const { predict } = counting((input) => {
        if (input === 2) throw new Error('not this one')
        return model(input)
      })
      const results = await predict.detailedBatch(inputs)
      results.forEach((result, index) => {
        const input = inputs[index] as number
        if (input !== 2) same(result.ok && result.output, wanted[index], `the answer to ${input}, while another row fails`)
        else if (!hidesFailures) same(result.ok, false, 'whether the failing row succeeded')
      })
    },
    'a model that throws at once gives a rejection': async () => {
      if (hidesFailures) return
      const error = new Error('at once')
      const { predict } = counting(() => {
        throw error
      })
      let promise: Promise<unknown>
      try {
        promise = predict(1)
      } catch {
        throw new Error('The call threw instead of rejecting.')
      }
      same(await promise.catch((thrown: unknown) => thrown), error, 'the error of the call')
    },
    'the error of the model arrives': async () => {
      if (hidesFailures) return
      const error = new Error('later')
      const { predict } = counting(() => Promise.reject(error))
      same(await predict(1).catch((thrown: unknown) => thrown), error, 'the error of the call')
    },
    'an aborted signal never reaches the model': async () => {
      const { predict, asked } = counting()
      const refusal = await predict(1, { signal: AbortSignal.abort() }).catch((thrown: unknown) => thrown)
      same(hasCode(refusal, 'ERR_OUTRIGGER_ABORTED'), true, 'whether the call was refused as aborted')
      same(asked, [], 'the rows that reached the model')
    },
    'the abort of a caller rejects at once and reaches the model': async () => {
      let signal: AbortSignal | undefined
      const { predict } = counting((_input, call) => {
        signal = call.signal
        return new Promise<number>(() => {})
      })
      const controller = new AbortController()
      const answer = predict(1, { signal: controller.signal }).catch((thrown: unknown) => thrown)
      await until(() => signal !== undefined, 'the model to be asked')
      controller.abort()
      const outcome = await within(answer, 'the rejection of an aborted call')
      same(hasCode(outcome, 'ERR_OUTRIGGER_ABORTED'), true, 'whether the call was rejected as aborted')
      await until(() => signal?.aborted === true, 'the signal of the model to fire')
    },
    'no listener is left on the signal of a caller': async () => {
      const { predict } = counting()
      const { signal } = new AbortController()
      for (const input of inputs) await predict(input, { signal })
      await predict.batch(inputs, { signal })
      same(getEventListeners(signal, 'abort').length, 0, 'the listeners left on the signal')
    },
    'each caller keeps its async context': async () => {
      const context = new AsyncLocalStorage<string>()
      const { predict } = counting(async (input) => model(input))
      const seen = await Promise.all(inputs.map((input) => context.run(`caller ${input}`, async () => (await predict(input), context.getStore()))))
      same(seen, inputs.map((input) => `caller ${input}`), 'the contexts after the calls')
    },
    'the inputs are not changed': async () => {
      const { predict } = counting()
      const rows = Object.freeze([...inputs])
      await predict.batch(rows)
      same(rows, inputs, 'the inputs after the batch')
    },
    'a call stays with the version it was bound to': async () => {
      const waiting: (() => void)[] = []
      const loader = swappable<number, number>({
        old: (input: number) => new Promise<number>((resolve) => waiting.push(() => resolve(model(input)))),
        new: () => Number.NaN,
      })
      const predict = pipe(loader.predictor, make()) as Predictor<number, unknown>
      const bound = predict.detailed(1)
      await until(() => waiting.length > 0, 'the model to be asked')
      loader.swap('new')
      for (const answer of waiting) answer()
      const { output, record } = await within(bound, 'the answer of the old version')
      same(output, expect(1, model(1)), 'the answer of a call that a swap overtook')
      same(record.identity.version, 'old', 'the version in its record')
      await until(() => loader.leases('old') === 0, 'the lease of the old version to be given back')
      same(loader.askedUnleased, 0, 'how often a version was asked without a lease')
    },
    'close is idempotent, and refuses later calls': async () => {
      const { predict } = counting()
      await predict(1)
      await predict.close()
      await predict.close()
      const refusal = await predict(1).catch((thrown: unknown) => thrown)
      same(hasCode(refusal, 'ERR_OUTRIGGER_CLOSED'), true, 'whether a call after close was refused')
    },
    'describe gives a line per stage': async () => {
      const lines = counting().predict.describe().split('\n')
      same(lines.length >= 2 && lines.every((line) => line.trim() !== ''), true, 'whether every stage has a line')
    },
  }
  for (const name of Object.keys(except)) if (checks[name] === undefined) throw new Error(`There is no check "${name}" to make an exception of.`)
  return Object.entries(checks).flatMap(([name, run]) => (except[name] === undefined ? [{ name, run }] : []))
}

const show = (value: unknown): string => (value instanceof Error ? `${value.name}: ${value.message}` : JSON.stringify(value) ?? String(value))

const same = (actual: unknown, wanted: unknown, what: string): void => {
  if (Object.is(actual, wanted)) return
  if (!(actual instanceof Error) && typeof actual === 'object' && JSON.stringify(actual) === JSON.stringify(wanted)) return
  throw new Error(`Expected ${what} to be ${show(wanted)}, but it is ${show(actual)}.`)
}

/** Turns of the event loop that a check waits before it gives up. */
const PATIENCE = 1000

const turn = (): Promise<void> => new Promise((resolve) => systemClock.setImmediate(resolve))

const until = async (isSo: () => boolean, what: string): Promise<void> => {
  for (let turns = 0; turns < PATIENCE; turns += 1) {
    if (isSo()) return
    await turn()
  }
  throw new Error(`Waited in vain for ${what}.`)
}

const within = async <T>(promise: Promise<T>, what: string): Promise<T> => {
  let isOver = false
  void promise.then(
    () => (isOver = true),
    () => (isOver = true),
  )
  await until(() => isOver, what)
  return await promise
}
