/** What the compiler says about limits. `tsc --noEmit` is the test: nothing here runs. */
import { fallback, pipe, timeout, type Predictor } from 'outrigger'
import { bulkhead } from 'outrigger/resilience'
import { adaptiveConcurrency, loadShedding, rateLimit } from 'outrigger/resilience'

type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false
const isTrue = <T extends true>(_: T): void => {}

interface Flight {
  readonly origin: string
  readonly pixels: Uint8Array
}
const delay = async (flight: Flight): Promise<number> => flight.origin.length

const limited = pipe(
  delay,
  adaptiveConcurrency({ algorithm: 'aimd', latencyMs: 50 }),
  bulkhead({ concurrency: 4, queue: 10 }),
  bulkhead({ bytes: 1e6, bytesOf: (flight) => { isTrue<Equal<typeof flight, Flight>>(true); return flight.pixels.byteLength } }),
  timeout({ ms: 100 }),
  rateLimit({ perSecond: 10, key: 'call' }),
  rateLimit({ perSecond: 10, cost: (flight) => { isTrue<Equal<typeof flight, Flight>>(true); return flight.pixels.length }, key: (flight, call) => { isTrue<Equal<typeof flight, Flight>>(true); return call.key ?? flight.origin } }),
  loadShedding({ rowsInFlight: 100 }),
)
isTrue<Equal<typeof limited, Predictor<Flight, number>>>(true)

// A handle that is made first fits any model when it looks at no input, and only its own when it does.
const shared = rateLimit({ perSecond: 10 })
isTrue<Equal<ReturnType<typeof shared.counts.admitted.toFixed>, string>>(true)
const [one, other] = [pipe(delay, shared), pipe((x: number) => `${x}`, shared, fallback(() => 0))]
isTrue<Equal<typeof one, Predictor<Flight, number>>>(true)
isTrue<Equal<typeof other, Predictor<number, string | number>>>(true)
const byOrigin = rateLimit({ perSecond: 10, key: (flight: Flight) => flight.origin })
pipe(delay, byOrigin)
// @ts-expect-error -- Its key is of flights.
pipe((x: number) => x, byOrigin)

// @ts-expect-error -- An option of the other algorithm.
adaptiveConcurrency({ algorithm: 'aimd', tolerance: 2 })
// @ts-expect-error -- There is no such class.
loadShedding({ load: () => 0, thresholds: { vip: 1 } })
