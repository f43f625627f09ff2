/** What the compiler says about rungs. `tsc --noEmit` is the test: nothing here runs. */
import { fallback, pipe, predictor, type Predictor } from 'outrigger'

type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false
const isTrue = <T extends true>(_: T): void => {}

interface Flight {
  readonly origin: string
  readonly hour: number
}
const model = async (flight: Flight): Promise<number> => flight.hour
const byOrigin = predictor((origin: string) => origin.length, { name: 'by origin' })

// ---- the input of a rung is the model's, unless it says otherwise

const plain = pipe(model, fallback(
  { use: (flight) => { isTrue<Equal<typeof flight, Flight>>(true); return null }, when: ['timeout', 'ERR_OUTRIGGER_CIRCUIT_OPEN', 'ECONNRESET'], timeoutMs: 50 },
  (flight) => { isTrue<Equal<typeof flight, Flight>>(true); return 'rule' as const },
))
isTrue<Equal<typeof plain, Predictor<Flight, number | null | 'rule'>>>(true)

const mapped = pipe(model, fallback(
  { use: byOrigin, input: (flight: Flight) => flight.origin, timeoutMs: 50 },
  { use: (hour: number) => hour > 12, input: ({ hour }: Flight, _error: unknown) => hour },
  { use: (hour: number) => hour > 12, input: (flight) => flight.hour },
  () => undefined,
))
isTrue<Equal<typeof mapped, Predictor<Flight, number | boolean | undefined>>>(true)

// @ts-expect-error -- A rung of another input needs `input`.
pipe(model, fallback({ use: byOrigin }))
// @ts-expect-error -- `input` gives what the rung takes.
pipe(model, fallback({ use: byOrigin, input: (flight: Flight) => flight.hour }))
// @ts-expect-error -- The other input needs options.
pipe(model, fallback(byOrigin))
