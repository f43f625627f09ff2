/** A mock model on a fake clock, and what tests of layers ask for again and again. */
import { layer, predictor, seededRandom, type NeutralLayer, type Predictor, type PredictionRecord, type StateEvent } from 'outrigger'
import { fakeClock, mockModel, type FakeClock, type MockModel } from 'outrigger/testing'

export interface Rig<O> {
  readonly clock: FakeClock
  readonly model: MockModel<number, O>
  /** The model as a predictor on the clock. */
  readonly inner: Predictor<number, O>
}

export const rig = <O = number>(options: { readonly batches?: boolean; readonly seed?: number } = {}): Rig<O> => {
  const { batches = false, seed = 7 } = options
  const clock = fakeClock()
  const model = mockModel<number, O>({ clock, batches })
  return { clock, model, inner: predictor(model, { clock, random: seededRandom(seed) }) }
}

/** What became of a promise, readable without waiting for it. */
export interface Fate<O> {
  state: 'pending' | 'fulfilled' | 'rejected'
  value?: O
  error?: unknown
  code?: string
}

export const fateOf = <O>(promise: Promise<O>): Fate<O> => {
  const fate: Fate<O> = { state: 'pending' }
  promise.then(
    (value) => Object.assign(fate, { state: 'fulfilled', value }),
    (error: { code?: string } | undefined) => Object.assign(fate, { state: 'rejected', error, code: error?.code }),
  )
  return fate
}

/** The records of a predictor from now on. */
export const recordsOf = (predict: Predictor<never, unknown>): PredictionRecord[] => {
  const records: PredictionRecord[] = []
  predict.observe((event) => {
    if (event.type === 'prediction') records.push(event.record)
  })
  return records
}

/** The changes of state and the notices of a predictor from now on; makes no records. */
export const eventsOf = (predict: Predictor<never, unknown>): { readonly states: StateEvent[]; readonly notices: string[] } => {
  const seen = { states: [] as StateEvent[], notices: [] as string[] }
  predict.observe(
    (event) => {
      if (event.type === 'state') seen.states.push(event)
      if (event.type === 'notice') seen.notices.push(event.message)
    },
    { predictions: false },
  )
  return seen
}

/** A promise that a test settles. */
export const deferred = <T>(): { readonly promise: Promise<T>; readonly resolve: (value: T) => void; readonly reject: (error: unknown) => void } => {
  let resolve!: (value: T) => void
  let reject!: (error: unknown) => void
  const promise = new Promise<T>((yes, no) => {
    resolve = yes
    reject = no
  })
  return { promise, resolve, reject }
}

/** A stream that says whether it was ended. */
export const countedStream = (): { readonly stream: AsyncGenerator<number>; readonly ended: () => boolean } => {
  let ended = false
  const generate = async function* (): AsyncGenerator<number> {
    try {
      yield 1
      yield 2
    } finally {
      ended = true
    }
  }
  const stream = generate()
  const finish = stream.return.bind(stream)
  // A generator that never started runs no `finally`.
  stream.return = async (value) => {
    ended = true
    return await finish(value)
  }
  return { stream, ended: () => ended }
}

/** A layer that notes what passes. */
export interface Turnstile extends NeutralLayer {
  readonly inputs: unknown[]
}

/** Unlike a model it lets aborted calls in. */
export const turnstile = (): Turnstile => {
  const inputs: unknown[] = []
  const wrap: NeutralLayer = layer<never, never>('turnstile', {
    one: async (next, input, call) => {
      inputs.push(input)
      return await next(input, call)
    },
    many: async (next, rows, batch) => {
      inputs.push([...rows])
      return await next(rows, batch)
    },
  }) as never
  return Object.assign(wrap, { inputs })
}
