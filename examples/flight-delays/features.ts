import { hourOf, MINUTES_PER_DAY, weekdayOf } from './calendar.js'
import { isLate, type Flights } from './data.js'
import { Landings } from './landings.js'
import { LateCounts } from './late-counts.js'

/**
 * What a row holds, in order.
 *
 * An excess is how far a smoothed long-run late rate lies above that of the whole network, so that a season that lifts
 * all airports alike shows in the recent rates only. A recent rate is the smoothed late rate of the last hours' landings
 * (of all; from the origin; into the origin, whose aircraft fly on; into the destination), in [0, 1].
 */
export const featureNames = [
  'hourSin',
  'hourCos',
  'weekdaySin',
  'weekdayCos',
  'distance',
  'originExcess',
  'destinationExcess',
  'originHourExcess',
  'routeExcess',
  'recentRate',
  'recentOriginRate',
  'recentInboundRate',
  'recentDestinationRate',
] as const

export type FeatureName = (typeof featureNames)[number]

export const FEATURE_COUNT: number = featureNames.length

/** Long-run counts lose half their weight in this many days. */
const LONG_HALF_LIFE_DAYS = 30

/** Recent counts lose half their weight in this many hours. */
const RECENT_HALF_LIFE_HOURS = 2

/**
 * The features of a flight at departure, from the flights that have landed by then.
 *
 * Training and serving both go through this class, minute by minute, so that there is one truth about what was known
 * when. Landings are counted on the full hour: within an hour, equal flights have equal features.
 */
export class FlightHistory {
  readonly #flights: Flights
  readonly #airports: number
  readonly #landings: Landings
  #minute: number
  /** Landed since the last full hour. */
  readonly #landed: number[] = []
  readonly #network: LateCounts = new LateCounts(1)
  readonly #byHour: LateCounts = new LateCounts(24)
  readonly #byOrigin: LateCounts
  readonly #byDestination: LateCounts
  readonly #byOriginHour: LateCounts
  readonly #byRoute: LateCounts
  readonly #recent: LateCounts = new LateCounts(1)
  readonly #recentByOrigin: LateCounts
  readonly #recentByDestination: LateCounts

  constructor(flights: Flights, fromMinute = 0) {
    const airports = flights.airports.length
    this.#flights = flights
    this.#airports = airports
    this.#minute = fromMinute
    this.#landings = new Landings(flights, fromMinute)
    this.#byOrigin = new LateCounts(airports)
    this.#byDestination = new LateCounts(airports)
    this.#byOriginHour = new LateCounts(airports * 24)
    this.#byRoute = new LateCounts(airports * airports)
    this.#recentByOrigin = new LateCounts(airports)
    this.#recentByDestination = new LateCounts(airports)
  }

  /** Flights whose label is not known yet. */
  get pending(): number {
    return this.#landings.size
  }

  /** Goes on to `minute` and tells of each flight that has landed on the way, in order: its label is known from then on. */
  advanceTo(minute: number, landed?: (flight: number, minute: number) => void): void {
    while (this.#minute < minute) {
      const nextHour = (Math.floor(this.#minute / 60) + 1) * 60
      const until = Math.min(minute, nextHour)
      this.#landings.landBefore(until, (flight, at) => {
        this.#landed.push(flight)
        landed?.(flight, at)
      })
      this.#minute = until
      if (until === nextHour) this.#fold()
    }
  }

  /** Takes note that the flight has left; its label arrives when it lands. */
  depart(flight: number): void {
    this.#landings.add(flight)
  }

  /** The features of a flight that leaves in the current hour, written to `into` from `offset` on. */
  featuresOf(flight: number, into: Float32Array = new Float32Array(FEATURE_COUNT), offset = 0): Float32Array {
    const flights = this.#flights
    const minute = flights.minute[flight]!
    const origin = flights.origin[flight]!
    const destination = flights.destination[flight]!
    const hour = hourOf(minute)
    const hourAngle = (2 * Math.PI * hour) / 24
    const weekdayAngle = (2 * Math.PI * weekdayOf(minute)) / 7
    // The weights say by how many flights a rate is drawn to a more general one while it has few of its own.
    const network = this.#network.rate(0, 0.2, 100)
    const hourRate = this.#byHour.rate(hour, network, 50)
    const originRate = this.#byOrigin.rate(origin, network, 50)
    const recent = this.#recent.rate(0, network, 50)
    into[offset] = Math.sin(hourAngle)
    into[offset + 1] = Math.cos(hourAngle)
    into[offset + 2] = Math.sin(weekdayAngle)
    into[offset + 3] = Math.cos(weekdayAngle)
    into[offset + 4] = flights.distance[flight]!
    into[offset + 5] = originRate - network
    into[offset + 6] = this.#byDestination.rate(destination, network, 50) - network
    into[offset + 7] = this.#byOriginHour.rate(origin * 24 + hour, hourRate, 20) - network
    into[offset + 8] = this.#byRoute.rate(origin * this.#airports + destination, originRate, 20) - network
    into[offset + 9] = recent
    into[offset + 10] = this.#recentByOrigin.rate(origin, recent, 5)
    into[offset + 11] = this.#recentByDestination.rate(origin, recent, 5)
    into[offset + 12] = this.#recentByDestination.rate(destination, recent, 5)
    return into
  }

  /** Counts what has landed in the last hour. */
  #fold(): void {
    const flights = this.#flights
    for (const counts of [this.#recent, this.#recentByOrigin, this.#recentByDestination]) {
      counts.decay(0.5 ** (1 / RECENT_HALF_LIFE_HOURS))
    }
    if (this.#minute % MINUTES_PER_DAY === 0) {
      for (const counts of [this.#network, this.#byHour, this.#byOrigin, this.#byDestination, this.#byOriginHour, this.#byRoute]) {
        counts.decay(0.5 ** (1 / LONG_HALF_LIFE_DAYS))
      }
    }
    for (const flight of this.#landed) {
      const late = isLate(flights, flight) ? 1 : 0
      const origin = flights.origin[flight]!
      const destination = flights.destination[flight]!
      const hour = hourOf(flights.minute[flight]!)
      this.#network.add(0, late)
      this.#byHour.add(hour, late)
      this.#byOrigin.add(origin, late)
      this.#byDestination.add(destination, late)
      this.#byOriginHour.add(origin * 24 + hour, late)
      this.#byRoute.add(origin * this.#airports + destination, late)
      this.#recent.add(0, late)
      this.#recentByOrigin.add(origin, late)
      this.#recentByDestination.add(destination, late)
    }
    this.#landed.length = 0
  }
}
