import { performance } from 'node:perf_hooks'
import { BatchPredictionError } from 'outrigger'
import type { LabelJoin } from 'outrigger/core'
import { dayOf, epochMinute, hourOf, monthStart } from './calendar.js'
import type { FlightClock } from './clock.js'
import { isLate, type Flights } from './data.js'
import type { Evaluation } from './evaluation.js'
import type { FlightHistory } from './features.js'
import type { Inside } from './inside.js'
import { unitOf } from './release-plan.js'
import type { Departure, FlightService } from './service.js'
import { firstFrom } from './training-rows.js'

/** How often the rollout looks. */
const LOOK_MINUTES = 60

/** How many flights a batch has at most. */
const FULL_BATCH = 256

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
  readonly inside: Inside
  readonly evaluation: Evaluation
  readonly clock: FlightClock
  /** In order of their minutes. */
  readonly happenings: readonly Happening[]
  /** Whether the flights of a day are asked for one by one, all of a minute at once, and not as batches. */
  readonly isSingleDay: (day: number) => boolean
  /** How many minutes a batch that is not full waits for more flights, on that day. */
  readonly batchMinutes: (day: number) => number
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
  const { flights, history, service, join, inside, evaluation, clock, isSingleDay, batchMinutes, onDay } = options
  const { predict, release } = service
  const happenings = [...options.happenings]
  const answers = new Float32Array(flights.count).fill(Number.NaN)
  const latenciesMs: number[] = []
  const failures: unknown[] = []
  let batches = 0
  let day = -1
  let isReleasing = false
  let nextLook = 0
  const seeRelease = ({ stage }: { readonly stage: string }): void => void (isReleasing = stage === 'shadow' || stage === 'canary')
  const land = (flight: number, minute: number): void => {
    const at = (minute + epochMinute) * 60_000
    const id = String(flight)
    const late = isLate(flights, flight)
    join.label(id, late, at)
    inside.label(id, late, at)
    if (isReleasing) release.label(id, late, at)
  }

  for (let flight = firstFrom(flights, monthStart(2)); flight < flights.count; ) {
    const minute = flights.minute[flight]!
    clock.goTo(minute)
    if (dayOf(minute) !== day) {
      day = dayOf(minute)
      onDay(minute)
    }
    history.advanceTo(minute, land)
    if (minute >= nextLook) {
      seeRelease(await release.tick())
      inside.watch.check()
      nextLook = minute + LOOK_MINUTES
    }
    let during: Happening['during']
    while ((happenings[0]?.minute ?? Infinity) <= minute) {
      const happening = happenings.shift() as Happening
      await happening.what()
      during = happening.during
      seeRelease(release.status)
    }
    // Whatever happened took its time; the minute begins when it is over.
    clock.goTo(minute)

    // Flights of the next minutes are asked for with them, unless something happens in between.
    const waits = during === undefined && !isSingleDay(day) ? batchMinutes(day) : 1
    const latest = Math.min(Math.floor(minute / waits + 1) * waits, happenings[0]?.minute ?? Infinity)
    let end = flight
    const inputs: Departure[] = []
    const ids: string[] = []
    const keys: string[] = []
    while (inputs.length < FULL_BATCH && end < flights.count && flights.minute[end]! < latest) {
      const now = flights.minute[end]!
      const first = end
      history.advanceTo(now, land)
      for (; end < flights.count && flights.minute[end] === now; end += 1) {
        const features = history.featuresOf(end)
        evaluation.see(end, features)
        inputs.push({ origin: flights.origin[end]!, hour: hourOf(now), features })
        ids.push(String(end))
        keys.push(unitOf(flights.origin[end]!, flights.destination[end]!, day, now))
      }
      // What is known of a flight does not hang on the flights of its own minute.
      for (let row = first; row < end; row += 1) history.depart(row)
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
    flight = end
    // Lets files be read and shadow runs be run between two minutes, as they would in a server.
    await new Promise((resolve) => setImmediate(resolve))
    await service.rehearsal.idle()
  }
  history.advanceTo(monthStart(7) + 4096, land)
  return { answers, latenciesMs, batches, failures }
}
