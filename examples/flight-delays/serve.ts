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

/** Flights that are asked for together, and what landed until the last of them left. */
interface Window {
  readonly end: number
  readonly inputs: Departure[]
  readonly ids: string[]
  readonly keys: string[]
  readonly landed: { readonly flight: number; readonly minute: number }[]
}

/**
 * Lets February to June pass: labels arrive, things happen, flights leave and are predicted.
 *
 * While the model answers to some flights, the features of the next ones are computed: what is known of a flight comes from flights that have landed, and from no answer. All else waits until they
 * are answered, as if it had happened after.
 */
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
  const land = ({ flight, minute }: Window['landed'][number]): void => {
    const at = (minute + epochMinute) * 60_000
    const id = String(flight)
    const late = isLate(flights, flight)
    join.label(id, late, at)
    inside.label(id, late, at)
    if (isReleasing) release.label(id, late, at)
  }

  /** The flights from one on, with those of the next minutes, unless something happens in between. */
  const windowOf = (first: number, waits: number, nextHappening: number): Window => {
    const [inputs, ids, keys, landed]: [Departure[], string[], string[], { flight: number; minute: number }[]] = [[], [], [], []]
    const latest = Math.min(Math.floor(flights.minute[first]! / waits + 1) * waits, nextHappening)
    let end = first
    while (inputs.length < FULL_BATCH && end < flights.count && flights.minute[end]! < latest) {
      const now = flights.minute[end]!
      const from = end
      history.advanceTo(now, (flight, minute) => void landed.push({ flight, minute }))
      for (; end < flights.count && flights.minute[end] === now; end += 1) {
        const features = history.featuresOf(end)
        evaluation.see(end, features)
        inputs.push({ origin: flights.origin[end]!, hour: hourOf(now), features })
        ids.push(String(end))
        keys.push(unitOf(flights.origin[end]!, flights.destination[end]!, dayOf(now), now))
      }
      // What is known of a flight does not hang on the flights of its own minute.
      for (let row = from; row < end; row += 1) history.depart(row)
    }
    return { end, inputs, ids, keys, landed }
  }

  const askOneByOne = async (first: number, { inputs, ids, keys }: Window, during: Happening['during']): Promise<void> => {
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
  }

  const askTogether = async (first: number, { inputs, ids, keys }: Window, during: Happening['during']): Promise<void> => {
    batches += 1
    const answered = predict.batch(inputs, { ids, keys })
    try {
      await during?.()
      answers.set(await answered, first)
    } catch (error) {
      failures.push(error)
      if (error instanceof BatchPredictionError) {
        error.results.forEach((result, row) => {
          if (result.ok) answers[first + row] = result.output as number
        })
      }
    }
  }

  const ask = async (first: number, window: Window, isSingle: boolean, during: Happening['during']): Promise<void> => {
    await (isSingle ? askOneByOne : askTogether)(first, window, during)
    // Lets files be read and shadow runs be run between two minutes, as they would in a server.
    await new Promise((resolve) => setImmediate(resolve))
    await service.rehearsal.idle()
  }

  let asked: Promise<void> = Promise.resolve()
  for (let flight = firstFrom(flights, monthStart(2)); flight < flights.count; ) {
    const minute = flights.minute[flight]!
    const today = dayOf(minute)
    const isOrdinary = (happenings[0]?.minute ?? Infinity) > minute && !isSingleDay(today)
    const early = isOrdinary ? windowOf(flight, batchMinutes(today), happenings[0]?.minute ?? Infinity) : undefined
    await asked

    clock.goTo(minute)
    if (today !== day) {
      day = today
      onDay(minute)
    }
    const landed = early?.landed ?? []
    if (early === undefined) history.advanceTo(minute, (one, at) => void landed.push({ flight: one, minute: at }))
    const inTheWindow = landed.findIndex((one) => one.minute >= minute)
    const before = inTheWindow === -1 ? landed.length : inTheWindow
    landed.slice(0, before).forEach(land)
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

    const window = early ?? windowOf(flight, during === undefined && !isSingleDay(day) ? batchMinutes(day) : 1, happenings[0]?.minute ?? Infinity)
    ;(early === undefined ? window.landed : landed.slice(before)).forEach(land)
    asked = ask(flight, window, isSingleDay(day), during)
    flight = window.end
  }
  await asked
  history.advanceTo(monthStart(7) + 4096, (flight, minute) => land({ flight, minute }))
  return { answers, latenciesMs, batches, failures }
}
