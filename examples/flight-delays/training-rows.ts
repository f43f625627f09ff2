import { isLate, type Flights } from './data.js'
import { FEATURE_COUNT, FlightHistory } from './features.js'
import { landingMinute } from './landings.js'

/** A source of random numbers; outrigger's `Random` is one. */
export interface RandomNumbers {
  next(): number
}

/** Rows to learn from: features end to end, one label each. */
export interface LabelledRows {
  readonly count: number
  /** `FEATURE_COUNT` numbers per row. */
  readonly features: Float32Array
  /** 1 is late. */
  readonly labels: Uint8Array
  /** Which flight each row is. */
  readonly flights: Int32Array
}

export interface CollectRowsOptions {
  /** Departures in [from, to). The histories start at the first flight of the data in any case. */
  readonly from: number
  readonly to: number
  /** Only flights that have landed by this minute, as nothing else can be learnt from then. @default to */
  readonly knownBy?: number
  /** Only flights that leave at a minute for which this is true. @default all */
  readonly where?: (minute: number) => boolean
  /** When there are more, a random part of about as many rows is taken. @default all */
  readonly maxRows?: number
  readonly random: RandomNumbers
}

/** Goes through the flights as serving does and keeps rows with what was known at each departure. */
export const collectRows = (flights: Flights, options: CollectRowsOptions): LabelledRows => {
  const { from, to, knownBy = to, where = () => true, maxRows = Infinity, random } = options
  const end = firstFrom(flights, to)
  const candidates: number[] = []
  for (let flight = firstFrom(flights, from); flight < end; flight += 1) {
    if (where(flights.minute[flight]!) && landingMinute(flights, flight) < knownBy) candidates.push(flight)
  }
  const share = maxRows / candidates.length
  const rows = share >= 1 ? candidates : candidates.filter(() => random.next() < share)
  const count = rows.length
  const features = new Float32Array(count * FEATURE_COUNT)
  const labels = new Uint8Array(count)
  const history = new FlightHistory(flights)
  let row = 0
  for (let flight = 0; flight < end && row < count; flight += 1) {
    history.advanceTo(flights.minute[flight]!)
    if (flight === rows[row]) {
      history.featuresOf(flight, features, row * FEATURE_COUNT)
      labels[row] = isLate(flights, flight) ? 1 : 0
      row += 1
    }
    history.depart(flight)
  }
  return { count, features, labels, flights: Int32Array.from(rows) }
}

/** The first flight that leaves at `minute` or later; the number of flights if there is none. */
export const firstFrom = (flights: Flights, minute: number): number => {
  let low = 0
  let high = flights.count
  while (low < high) {
    const middle = (low + high) >>> 1
    if (flights.minute[middle]! < minute) low = middle + 1
    else high = middle
  }
  return low
}
