import { performance } from 'node:perf_hooks'
import { BatchPredictionError } from 'outrigger'
import type { LabelJoin } from 'outrigger/core'
import { dayOf, epochMinute, hourOf, monthStart } from './calendar.js'
import type { FlightClock } from './clock.js'
import { isLate, type Flights } from './data.js'
import type { Evaluation } from './evaluation.js'
import type { FlightHistory } from './features.js'
import type { Departure, FlightService } from './service.js'
import { firstFrom } from './training-rows.js'

/** Something that happens at a minute of the calendar, before the flights of that minute leave. */
export interface Happening {
  readonly minute: number
  readonly what: () => Promise<void> | void
  /** What goes on while the flights of that minute are in flight: it begins when all of them have entered. */
  readonly during?: () => Promise<void>
}

export interface ServeOptions {
  readonly flights: Flights
  readonly history: FlightHistory
  readonly service: FlightService
  readonly join: LabelJoin<boolean>
  readonly evaluation: Evaluation
  readonly clock: FlightClock
  /** In order of their minutes. */
  readonly happenings: readonly Happening[]
  /** Whether the flights of a day are asked for one by one, all of a minute at once, and not as a batch. */
  readonly isSingleDay: (day: number) => boolean
  readonly onDay: (minute: number) => void
}

export interface Served {
  /** The chance of being late that each flight's caller was told; NaN for flights that were not served. */
  readonly answers: Float32Array
  /** Of the single calls, in milliseconds. */
  readonly latenciesMs: number[]
  readonly batches: number
  /** Calls that gave their caller an error. */
  readonly failures: unknown[]
}

/** Lets February to June pass: labels arrive, things happen, flights leave and are predicted. */
export const serve = async (options: ServeOptions): Promise<Served> => {
  const { flights, history, service, join, evaluation, clock, isSingleDay, onDay } = options
  const { predict } = service
  const happenings = [...options.happenings]
  const answers = new Float32Array(flights.count).fill(Number.NaN)
  const latenciesMs: number[] = []
  const failures: unknown[] = []
  let batches = 0
  let day = -1
  const land = (flight: number, minute: number): void => join.label(String(flight), isLate(flights, flight), (minute + epochMinute) * 60_000)

  for (let flight = firstFrom(flights, monthStart(2)); flight < flights.count; ) {
    const minute = flights.minute[flight]!
    clock.goTo(minute)
    if (dayOf(minute) !== day) {
      day = dayOf(minute)
      onDay(minute)
    }
    history.advanceTo(minute, land)
    let during: Happening['during']
    while ((happenings[0]?.minute ?? Infinity) <= minute) {
      const happening = happenings.shift() as Happening
      await happening.what()
      during = happening.during
    }
    // Whatever happened took its time; the minute begins when it is over.
    clock.goTo(minute)

    let end = flight
    while (end < flights.count && flights.minute[end] === minute) end += 1
    const inputs: Departure[] = []
    const ids: string[] = []
    const keys: string[] = []
    for (let row = flight; row < end; row += 1) {
      const features = history.featuresOf(row)
      evaluation.see(row, features)
      inputs.push({ origin: flights.origin[row]!, hour: hourOf(minute), features })
      ids.push(String(row))
      keys.push(`${flights.origin[row]}-${flights.destination[row]}-${day}`)
    }

    if (isSingleDay(day)) {
      const first = flight
      const answered = Promise.all(
        inputs.map(async (input, row) => {
          const startedAt = performance.now()
          try {
            answers[first + row] = await predict(input, { id: ids[row], key: keys[row] })
          } catch (error) {
            failures.push(error)
          }
          if (during === undefined) latenciesMs.push(performance.now() - startedAt)
        }),
      )
      await during?.()
      await answered
    } else {
      batches += 1
      const answered = predict.batch(inputs, { ids, keys })
      try {
        await during?.()
        answers.set(await answered, flight)
      } catch (error) {
        failures.push(error)
        if (error instanceof BatchPredictionError) {
          error.results.forEach((result, row) => {
            if (result.ok) answers[flight + row] = result.output as number
          })
        }
      }
    }
    for (let row = flight; row < end; row += 1) history.depart(row)
    flight = end
    // Lets files be read and shadow runs be run between two minutes, as they would in a server.
    await new Promise((resolve) => setImmediate(resolve))
    await service.rehearsal.idle()
  }
  history.advanceTo(monthStart(7) + 4096, land)
  return { answers, latenciesMs, batches, failures }
}
