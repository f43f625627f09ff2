import { chiSquareHomogeneity, holm } from 'outrigger/stats'
import { monthOf } from './calendar.js'
import { isLate, type Flights } from './data.js'

/** How an airport's late rate, as origin, differs from January's. */
export interface AirportChange {
  readonly code: string
  readonly before: number
  readonly after: number
  /** More late flights in the month than at January's rate. */
  readonly extraLate: number
  /** Of a two-sample test, after Holm's correction over the airports. */
  readonly pValue: number
}

/** Airports with fewer departures are not ranked. */
const MINIMUM_FLIGHTS = 1000

/** The origins whose late rate in a month lies above January's beyond chance, those with most extra late flights first. */
export const changedAirports = (flights: Flights, month: number): AirportChange[] => {
  const airports = flights.airports.length
  const counts = { before: tables(airports), after: tables(airports) }
  for (let flight = 0; flight < flights.count; flight += 1) {
    const at = monthOf(flights.minute[flight]!)
    if (at !== 1 && at !== month) continue
    const table = (at === 1 ? counts.before : counts.after)[flights.origin[flight]!] as [number, number]
    table[isLate(flights, flight) ? 1 : 0] += 1
  }
  const ranked = flights.airports.flatMap(({ code }, airport) => {
    const before = counts.before[airport] as [number, number]
    const after = counts.after[airport] as [number, number]
    if (sum(before) < MINIMUM_FLIGHTS || sum(after) < MINIMUM_FLIGHTS) return []
    const rates = { before: before[1] / sum(before), after: after[1] / sum(after) }
    return [{ code, ...rates, extraLate: (rates.after - rates.before) * sum(after), pValue: chiSquareHomogeneity(before, after).pValue }]
  })
  const adjusted = holm(ranked.map((airport) => airport.pValue))
  return ranked
    .map((airport, index) => ({ ...airport, pValue: adjusted[index] as number }))
    .filter((airport) => airport.pValue < 0.01 && airport.extraLate > 0)
    .sort((a, b) => b.extraLate - a.extraLate)
}

const tables = (count: number): [onTime: number, late: number][] => Array.from({ length: count }, () => [0, 0])

const sum = ([onTime, late]: readonly [number, number]): number => onTime + late
