/** Time, the only place that reads it. Everything else takes a {@link Clock}, so that no unit test sleeps. */

/** A pending timer. `unref` lets the process end while it is pending. */
export interface Timer {
  ref(): unknown
  unref(): unknown
}

/** The time source of a predictor. Inject a fake one in tests: `fakeClock()` of `outrigger/testing`. */
export interface Clock {
  /** Milliseconds that only go forward; the origin means nothing. */
  now(): number
  /** Milliseconds since 1970, as the wall clock says; it may jump. */
  wall(): number
  /** Calls back once after `delayMs`. */
  setTimeout(callback: () => void, delayMs: number): Timer
  clearTimeout(timer: Timer): void
  /** Calls back after everything that is due now has run. */
  setImmediate(callback: () => void): void
}

const system = globalThis

/** The clock of the machine. */
export const systemClock: Clock = {
  now: () => system.performance.now(),
  wall: () => system.Date.now(),
  setTimeout: (callback, delayMs) => system.setTimeout(callback, delayMs),
  clearTimeout: (timer) => system.clearTimeout(timer as NodeJS.Timeout),
  setImmediate: (callback) => void system.setImmediate(callback),
}
