import { hourOf } from './calendar.js'
import { isLate, type Flights } from './data.js'

/** Historical late rates by origin and hour of departure; plain data, so `JSON.stringify` saves it. */
export interface Baseline {
  /** Airport codes; the rates of airport `a` at hour `h` are `rates[a * 24 + h]`. */
  readonly airports: readonly string[]
  readonly rates: readonly number[]
}

/** Counts as many flights of the hour's rate in the whole network as this towards each origin. */
const PRIOR_FLIGHTS = 20

/** Late rates of the flights that leave in [from, to), each origin's drawn to the whole network's at that hour. */
export const fitBaseline = (flights: Flights, range: { readonly from: number; readonly to: number }): Baseline => {
  const airports = flights.airports.length
  const late = new Float64Array(airports * 24)
  const all = new Float64Array(airports * 24)
  const hourLate = new Float64Array(24)
  const hourAll = new Float64Array(24)
  for (let flight = 0; flight < flights.count; flight += 1) {
    const minute = flights.minute[flight]!
    if (minute < range.from) continue
    if (minute >= range.to) break
    const hour = hourOf(minute)
    const key = flights.origin[flight]! * 24 + hour
    const truth = isLate(flights, flight) ? 1 : 0
    late[key]! += truth
    all[key]! += 1
    hourLate[hour]! += truth
    hourAll[hour]! += 1
  }
  const total = hourLate.reduce(sum, 0) / hourAll.reduce(sum, 0)
  const rates = Array.from(late, (count, key) => {
    const hour = key % 24
    const prior = (hourLate[hour]! + PRIOR_FLIGHTS * total) / (hourAll[hour]! + PRIOR_FLIGHTS)
    return (count + PRIOR_FLIGHTS * prior) / (all[key]! + PRIOR_FLIGHTS)
  })
  return { airports: flights.airports.map(({ code }) => code), rates }
}

/** The chance that a flight is late. `origin` is the row in `airports`. */
export const baselineRate = (baseline: Baseline, origin: number, hour: number): number => {
  const rate = baseline.rates[origin * 24 + hour]
  if (rate === undefined) throw new RangeError(`Cannot tell a rate as origin and hour must be known: current value is ${origin} at ${hour}`)
  return rate
}

const sum = (a: number, b: number): number => a + b
