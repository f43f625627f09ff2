/** A model that a test holds from both sides: what arrived, and what is answered. */
import type { ModelBatchCall } from '../core/batch-call.js'
import type { ModelCall } from '../core/call.js'
import { systemClock, type Clock } from '../core/clock.js'

/** One call of the model, or one run of rows, as it arrived. */
export interface Arrival<I, O> {
  /** The input; of a run, the first row's. */
  readonly input: I
  /** The rows; of a single call, the one. */
  readonly inputs: readonly I[]
  readonly isBatch: boolean
  readonly call: ModelCall | ModelBatchCall
  /** Answers a call with an output, a run with one output per row. */
  answer(...outputs: O[]): void
  /** Fails it. */
  fail(error: unknown): void
}

/** What the model does with what arrives. */
type Behaviour<I, O> = (arrival: Arrival<I, O>) => void

/** A model for tests. Give it to `pipe` or `predictor` like any other. */
export interface MockModel<I, O> {
  predict(input: I, call: ModelCall): Promise<O>
  /** There only when it was made with `batches: true`. */
  predictBatch?(inputs: readonly I[], call: ModelBatchCall): Promise<O[]>
  close(): void
  /** Everything that arrived, in order. */
  readonly arrivals: readonly Arrival<I, O>[]
  /** The next arrival that was not yet taken; waits for it. */
  next(): Promise<Arrival<I, O>>
  /** From now on, answers at once. A function is asked for every row. */
  answers(respond: ((input: I) => O) | O): this
  /** From now on, fails at once. */
  fails(error: unknown): this
  /** From now on, answers after a delay on the clock. */
  delays(ms: number, respond: ((input: I) => O) | O): this
  /** From now on, waits for the test to answer each arrival. This is how it starts. */
  hangs(): this
  /** How often it was closed. */
  readonly closed: number
}

/** Options of {@link mockModel}. */
export interface MockModelOptions {
  /** Whether it has `predictBatch`. @default false */
  readonly batches?: boolean
  /** For `delays`. @default the machine's */
  readonly clock?: Clock
}

/**
 * @example
 * ```ts
 * import { pipe, retry } from 'outrigger'
 * import { mockModel } from 'outrigger/testing'
 * const model = mockModel<string, number>()
 * const answer = pipe(model, retry({ retries: 1, minDelayMs: 0 }))('a')
 * const first = await model.next()
 * first.fail(new Error('not today'))
 * const second = await model.next()
 * second.answer(42)
 * assert.equal(await answer, 42)
 * assert.equal(model.arrivals.length, 2)
 * ```
 */
export const mockModel = <I, O>(options: MockModelOptions = {}): MockModel<I, O> => {
  const { batches = false, clock = systemClock } = options
  const arrivals: Arrival<I, O>[] = []
  const takers: ((arrival: Arrival<I, O>) => void)[] = []
  let taken = 0
  let closed = 0
  let behave: Behaviour<I, O> = () => {}

  const arrive = (inputs: readonly I[], isBatch: boolean, call: ModelCall | ModelBatchCall): Promise<O[]> =>
    new Promise((resolve, reject) => {
      const arrival: Arrival<I, O> = {
        input: inputs[0] as I,
        inputs,
        isBatch,
        call,
        answer: (...outputs) => resolve(outputs),
        fail: reject,
      }
      arrivals.push(arrival)
      if (takers.length > 0) {
        taken += 1
        takers.shift()?.(arrival)
      }
      behave(arrival)
    })
  const answering = (respond: ((input: I) => O) | O): Behaviour<I, O> => (arrival) => {
    try {
      arrival.answer(...arrival.inputs.map((input) => (typeof respond === 'function' ? (respond as (input: I) => O)(input) : respond)))
    } catch (error) {
      arrival.fail(error)
    }
  }

  const model: MockModel<I, O> = {
    predict: async (input, call) => (await arrive([input], false, call))[0] as O,
    ...(batches ? { predictBatch: (inputs: readonly I[], call: ModelBatchCall) => arrive(inputs, true, call) } : {}),
    close: () => void (closed += 1),
    arrivals,
    next: async () => {
      const waiting = arrivals[taken]
      if (waiting === undefined) return await new Promise((resolve) => takers.push(resolve))
      taken += 1
      return waiting
    },
    answers: (respond) => {
      behave = answering(respond)
      return model
    },
    fails: (error) => {
      behave = (arrival) => arrival.fail(error)
      return model
    },
    delays: (ms, respond) => {
      behave = (arrival) => void clock.setTimeout(() => answering(respond)(arrival), ms)
      return model
    },
    hangs: () => {
      behave = () => {}
      return model
    },
    get closed() {
      return closed
    },
  }
  return model
}
