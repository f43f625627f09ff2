import { performance } from 'node:perf_hooks'
import { systemClock, type Clock } from 'outrigger/core'
import { epochMinute } from './calendar.js'

/** A clock on which the flights' time passes: five months in a minute or two. */
export interface FlightClock extends Clock {
  /** Goes on to a minute of the calendar. */
  goTo(minute: number): void
}

/**
 * Within a minute of the calendar real time passes, so that a limit of 200 ms is a limit; from one minute to the next
 * it jumps. Timers are the machine's.
 */
export const flightClock = (): FlightClock => {
  let minuteMs = 0
  let since = performance.now()
  const now = (): number => minuteMs + performance.now() - since
  return {
    ...systemClock,
    now,
    wall: () => epochMinute * 60_000 + now(),
    goTo: (minute) => {
      minuteMs = minute * 60_000
      since = performance.now()
    },
  }
}
