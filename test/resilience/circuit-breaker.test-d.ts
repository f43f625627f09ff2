/** What the compiler says about hooks of a circuit breaker. Nothing here runs. */
import { circuitBreaker, pipe, type CircuitBreakerLayer, type Predictor } from 'outrigger'
import { answerChecks, breakerControl, goldenProbe, slowCalls, timeWindow, type ScopedCircuitBreakerLayer } from 'outrigger/resilience'

type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false
const isTrue = <T extends true>(_: T): void => {}

interface Flight {
  readonly origin: string
}
interface Delay {
  readonly minutes: number
}
const delay = async (flight: Flight): Promise<Delay> => ({ minutes: flight.origin.length })

// ---- what does not look at inputs or answers fits any model, also standing alone

const plain = circuitBreaker({ window: timeWindow({ ms: 1000 }), slow: slowCalls(), isBadAnswer: answerChecks({ finite: true }), control: breakerControl() })
isTrue<Equal<typeof plain, CircuitBreakerLayer>>(true)
const around = pipe(delay, plain)
isTrue<Equal<typeof around, Predictor<Flight, Delay>>>(true)

// ---- hooks are inferred from the model in `pipe`

const hooked = pipe(
  delay,
  circuitBreaker({
    isBadAnswer: (output, input) => {
      isTrue<Equal<typeof output, Delay>>(true)
      isTrue<Equal<typeof input, Flight>>(true)
      return output.minutes < 0 ? 'negative' : undefined
    },
    scope: (input) => {
      isTrue<Equal<typeof input, Flight>>(true)
      return input.origin
    },
  }),
)
isTrue<Equal<typeof hooked, Predictor<Flight, Delay>>>(true)

const part = pipe(delay, circuitBreaker<Flight, Delay>({ isBadAnswer: answerChecks({ of: (output: Delay) => output.minutes, range: [0, 1000] }) }))
isTrue<Equal<typeof part, Predictor<Flight, Delay>>>(true)

const probed = pipe(delay, circuitBreaker<Flight, Delay>({ probe: goldenProbe({ input: { origin: 'ATL' }, accept: (output: Delay) => output.minutes === 3 }) }))
isTrue<Equal<typeof probed, Predictor<Flight, Delay>>>(true)

const scoped = pipe(delay, circuitBreaker({ scope: (input) => { isTrue<Equal<typeof input, Flight>>(true); return input.origin } }))
isTrue<Equal<typeof scoped, Predictor<Flight, Delay>>>(true)

const alone = circuitBreaker({ scope: (flight: Flight) => flight.origin })
isTrue<Equal<typeof alone, ScopedCircuitBreakerLayer<Flight>>>(true)
const used = pipe(delay, alone)
isTrue<Equal<typeof used, Predictor<Flight, Delay>>>(true)

// @ts-expect-error -- A hook for another model's inputs does not fit.
pipe(delay, circuitBreaker({ scope: (input: number) => String(input) }))
