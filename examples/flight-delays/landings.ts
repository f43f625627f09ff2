import type { Flights } from './data.js'

/**
 * The minute at which it is known whether a flight was late, on New York's clock.
 *
 * The time from gate to gate is not in the data; 40 minutes and 480 miles an hour are near the schedules of 2001. The
 * departure is the true one and the delay that of the arrival, so it cannot be told which part of it came about in the
 * air: all of it is added. The service goes through the flights by the local time of their origins, and no mainland
 * clock is ahead of New York's. So a label may come later than it did in truth, but not earlier. (Until April the
 * four Caribbean airports, with half a percent of the flights, are an hour ahead.)
 */
export const landingMinute = (flights: Flights, flight: number): number =>
  flights.minute[flight]! +
  40 +
  Math.ceil(flights.distance[flight]! / 8) +
  Math.max(0, flights.delay[flight]!) +
  flights.airports[flights.origin[flight]!]!.minutesBehindEastern

// The longest flight, the largest delay and Hawaii's clock together stay under two days.
const ringMinutes = 4096

/**
 * The flights in the air, in order of landing: a calendar queue with one first-in-first-out list per minute.
 *
 * O(1) per flight, and no allocation after construction: 4 bytes per flight of the data.
 */
export class Landings {
  readonly #flights: Flights
  readonly #first: Int32Array = new Int32Array(ringMinutes).fill(-1)
  readonly #last: Int32Array = new Int32Array(ringMinutes).fill(-1)
  readonly #next: Int32Array
  #minute: number
  #size = 0

  constructor(flights: Flights, fromMinute: number) {
    this.#flights = flights
    this.#next = new Int32Array(flights.count).fill(-1)
    this.#minute = fromMinute
  }

  /** Flights in the air. */
  get size(): number {
    return this.#size
  }

  /** Adds a flight that departs now or later. */
  add(flight: number): void {
    const landing = landingMinute(this.#flights, flight)
    if (landing < this.#minute || landing >= this.#minute + ringMinutes) {
      throw new RangeError(`Cannot queue flight ${flight} as its landing must be in the next ${ringMinutes} minutes: current value is ${landing - this.#minute}`)
    }
    const slot = landing % ringMinutes
    this.#next[flight] = -1
    if (this.#first[slot] === -1) this.#first[slot] = flight
    else this.#next[this.#last[slot]!] = flight
    this.#last[slot] = flight
    this.#size += 1
  }

  /** Takes out the flights that have landed before `minute`, in order, and tells each with its minute. */
  landBefore(minute: number, landed: (flight: number, minute: number) => void): void {
    for (; this.#minute < minute && this.#size > 0; this.#minute += 1) {
      const slot = this.#minute % ringMinutes
      for (let flight = this.#first[slot]!; flight !== -1; flight = this.#next[flight]!) {
        this.#size -= 1
        landed(flight, this.#minute)
      }
      this.#first[slot] = -1
    }
    this.#minute = Math.max(this.#minute, minute)
  }
}
