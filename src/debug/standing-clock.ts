import { systemClock, type Clock } from '../core/clock.js'

/**
 * A clock that stands at a recorded time. It goes on for timers alone: who sets one waits as long as it says, and the clock then stands where it was due.
 *
 * @param wallMs - milliseconds since 1970
 */
export const standingClock = (wallMs: number): Clock => {
  let passed = 0
  return {
    now: () => passed,
    wall: () => wallMs + passed,
    setTimeout: (callback, delayMs) => {
      const due = passed + Math.max(0, delayMs)
      return systemClock.setTimeout(() => {
        passed = Math.max(passed, due)
        callback()
      }, delayMs)
    },
    clearTimeout: (timer) => systemClock.clearTimeout(timer),
    setImmediate: (callback) => systemClock.setImmediate(callback),
  }
}
