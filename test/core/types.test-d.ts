/** What the compiler says about the contract. `tsc --noEmit` is the test: nothing here runs. */
import { circuitBreaker, fallback, layer, owned, pipe, predictor, retry, timeout, type Layer, type NeutralLayer, type Prediction, type Predictor, type RowResult } from 'outrigger'
import { mapInput, mapOutput } from 'outrigger/compose'
import { bulkhead } from 'outrigger/resilience'
import { cached } from 'outrigger/cache'
import { observed } from 'outrigger/observe'
import { shadow, split } from 'outrigger/route'

type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false
const isTrue = <T extends true>(_: T): void => {}

interface Flight {
  readonly origin: string
  readonly hour: number
}
const delay = async (flight: Flight): Promise<number> => flight.hour * 2

// ---- inference through eight layers, without an annotation

const eight = pipe(
  delay,
  timeout({ ms: 100 }),
  retry({ retries: 1 }),
  circuitBreaker(),
  bulkhead({ concurrency: 4 }),
  cached({ key: (flight) => { isTrue<Equal<typeof flight, Flight>>(true); return flight.origin } }),
  mapOutput((minutes) => { isTrue<Equal<typeof minutes, number>>(true); return minutes > 15 }),
  fallback((flight) => { isTrue<Equal<typeof flight, Flight>>(true); return { rule: flight.origin } }),
  observed(),
)
isTrue<Equal<typeof eight, Predictor<Flight, boolean | { rule: string }>>>(true)
isTrue<Equal<Awaited<ReturnType<typeof eight.batch>>, (boolean | { rule: string })[]>>(true)
isTrue<Equal<Awaited<ReturnType<typeof eight.detailed>>, Prediction<boolean | { rule: string }>>>(true)
isTrue<Equal<Awaited<ReturnType<typeof eight.detailedBatch>>, RowResult<boolean | { rule: string }>[]>>(true)

const layersOfMyOwn = pipe(
  delay,
  layer('text', {
    one: async (next, flight, call) => {
      isTrue<Equal<typeof flight, Flight>>(true)
      const minutes = await next(flight, call)
      isTrue<Equal<typeof minutes, number>>(true)
      return minutes.toFixed(1)
    },
  }),
  layer('length', { one: async (next, flight, call) => (await next(flight, call)).length }),
  timeout({ ms: 5 }),
  layer('both forms', {
    one: async (next, flight, call) => ({ size: await next(flight, call) }),
    many: async (next, flights, batch) => (await next(flights, batch)).map((row) => (typeof row === 'number' ? { size: row } : row)),
  }),
)
isTrue<Equal<typeof layersOfMyOwn, Predictor<Flight, { size: number }>>>(true)

const hosted = pipe(delay, layer('host', ({ clock }) => ({ one: async (next, flight, call) => clock.now() + (await next(flight, call)) })))
isTrue<Equal<typeof hosted, Predictor<Flight, number>>>(true)

// ---- widening, mapping

isTrue<Equal<ReturnType<typeof widened>, Promise<number | null>>>(true)
const widened = pipe(async (x: number) => x, fallback(() => null))

const chain = pipe(async (x: number) => x, fallback({ use: (x) => String(x), name: 'rule' }, async (x) => [x], () => 'unknown' as const))
isTrue<Equal<typeof chain, Predictor<number, number | string | number[]>>>(true)

const overPredictor = pipe(predictor(async (x: number) => x), timeout({ ms: 1 }), fallback(predictor((_: number) => 'a')))
isTrue<Equal<typeof overPredictor, Predictor<number, number | string>>>(true)

const mapped = pipe((z: number) => z > 0, mapInput((text: string) => text.length), mapOutput((isLong) => (isLong ? 'long' : 'short') as 'long' | 'short'))
isTrue<Equal<typeof mapped, Predictor<string, 'long' | 'short'>>>(true)

const asynchronous = pipe((z: number) => z, mapInput(async (text: string) => text.length), mapOutput(async (z) => [z]))
isTrue<Equal<typeof asynchronous, Predictor<string, number[]>>>(true)

// ---- what a model may be

class Doubler {
  readonly #factor = 2
  predict(x: Float32Array): number {
    return x.length * this.#factor
  }
}
const single = predictor((x: number) => x > 0)
isTrue<Equal<typeof single, Predictor<number, boolean>>>(true)
const withCall = pipe((x: number, call) => (call.signal.aborted ? call.id : x), timeout({ ms: 1 }))
isTrue<Equal<typeof withCall, Predictor<number, string | number>>>(true)
const ofInstance = predictor(new Doubler())
isTrue<Equal<typeof ofInstance, Predictor<Float32Array, number>>>(true)
const ofBatches = pipe({ predictBatch: async (rows: readonly number[]) => rows.map(String) }, timeout({ ms: 1 }))
isTrue<Equal<typeof ofBatches, Predictor<number, string>>>(true)
const ofBoth = predictor({ predict: (x: number) => [x], predictBatch: (rows: readonly number[]) => rows.map((x) => [x]) })
isTrue<Equal<typeof ofBoth, Predictor<number, number[]>>>(true)
const again = predictor(single)
isTrue<Equal<typeof again, Predictor<number, boolean>>>(true)
const lent = pipe(owned(single))
isTrue<Equal<typeof lent, Predictor<number, boolean>>>(true)
const arms = split({ variants: { control: (x: number) => x, canary: async (x: number) => String(x) }, weights: { control: 0.9, canary: 0.1 } })
isTrue<Equal<ReturnType<typeof arms>, Promise<number | string>>>(true)
const watched = pipe(async (x: number) => x, shadow((x: number) => x + 1))
isTrue<Equal<typeof watched, Predictor<number, number>>>(true)

// ---- layers as values

const house: NeutralLayer = (inner) => bulkhead({ concurrency: 2 })(timeout({ ms: 5 })(inner))
const composed = pipe(delay, house, mapOutput((minutes) => `${minutes}`))
isTrue<Equal<typeof composed, Predictor<Flight, string>>>(true)
const declared: Layer<Flight, number, Flight, string> = layer('declared', { one: async (next, flight, call) => String(await next(flight, call)) })
const throughDeclared = pipe(delay, declared)
isTrue<Equal<typeof throughDeclared, Predictor<Flight, string>>>(true)

// ---- wrong use

// @ts-expect-error -- An object that predicts nothing is no model.
pipe({ foo: 1 }, timeout({ ms: 1 }))
// @ts-expect-error -- The input of another type.
void eight('x')
// @ts-expect-error -- A row of another type.
void eight.batch([{ origin: 'ATL' }])
// @ts-expect-error -- The fallback takes another input than the model.
pipe((x: number) => x, fallback((x: string) => x))
// @ts-expect-error -- The layer expects another output than the model gives.
pipe(async () => 'text', layer('n', { one: async (next: (input: unknown, call: never) => Promise<number>, input: unknown, call: never) => await next(input, call) }))
// @ts-expect-error -- A layer first.
pipe(timeout({ ms: 1 }), delay)
// @ts-expect-error -- An option that does not exist.
timeout({ millis: 5 })
// @ts-expect-error -- An option that is missing.
retry({})
// @ts-expect-error -- A call option that does not exist.
void single(1, { timeout: 5 })
// @ts-expect-error -- A batch has keys, not a key.
void single.batch([1], { key: 'a' })
// @ts-expect-error -- Weights for every variant.
split({ variants: { a: (x: number) => x, b: (x: number) => x }, weights: { a: 1 } })
// @ts-expect-error -- The identity is read-only.
single.identity = eight.identity
// @ts-expect-error -- Only predictors are handed over.
owned(delay)
