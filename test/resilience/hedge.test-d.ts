/** What the compiler says about hedges. `tsc --noEmit` is the test: nothing here runs. */
import { pipe, predictor, timeout, type NeutralLayer, type Predictor } from 'outrigger'
import { hedge } from 'outrigger/resilience'

type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false
const isTrue = <T extends true>(_: T): void => {}

interface Flight {
  readonly hour: number
}
const model = async (flight: Flight): Promise<number> => flight.hour

const same = pipe(model, timeout({ ms: 100 }), hedge({ quantile: 0.9 }))
isTrue<Equal<typeof same, Predictor<Flight, number>>>(true)
hedge() satisfies NeutralLayer

const replica = pipe(model, hedge({ to: predictor(model, { version: '2' }) }))
isTrue<Equal<typeof replica, Predictor<Flight, number>>>(true)

const wider = pipe(model, hedge({ to: (flight) => { isTrue<Equal<typeof flight, Flight>>(true); return 'late' as const } }))
isTrue<Equal<typeof wider, Predictor<Flight, number | 'late'>>>(true)

// @ts-expect-error -- The other model takes what the model takes.
pipe(model, hedge({ to: (text: string) => text.length }))
