/** A clock that stands still until it is told to go on. */
import { systemClock, type Clock, type Timer } from '../core/clock.js'

/** A {@link Clock} under the test's control, which also counts what was asked of it. */
export interface FakeClock extends Clock {
  /**
   * Goes on by `ms` milliseconds: runs the timers that come due, in order of their time, and lets the promises that
   * each one settles run before the next. Await it.
   */
  advance(ms: number): Promise<void>
  /** Lets everything that is ready run, without time passing. */
  settle(): Promise<void>
  /** How often `now` or `wall` was read. */
  readonly reads: number
  /** How many timers were ever set. */
  readonly timersSet: number
  /** How many timers are pending. */
  readonly pending: number
  /** How many pending timers would keep a process alive. */
  readonly holding: number
}

interface FakeTimer extends Timer {
  readonly at: number
  readonly order: number
  readonly callback: () => void
  isHolding: boolean
}

/**
 * @param options - `wallMs`: the wall-clock time at the start, in milliseconds since 1970
 * @example
 * ```ts
 * import { pipe, predictor, timeout } from 'outrigger'
 * import { fakeClock } from 'outrigger/testing'
 * const clock = fakeClock()
 * const predict = pipe(predictor(() => new Promise<number>(() => {}), { clock }), timeout({ ms: 60_000 }))
 * const answer = assert.rejects(predict('x'), { code: 'ERR_OUTRIGGER_TIMEOUT' })
 * await clock.advance(60_000)
 * await answer
 * ```
 */
export const fakeClock = (options: { readonly wallMs?: number } = {}): FakeClock => {
  const { wallMs = Date.UTC(2026, 0, 1) } = options
  const timers = new Set<FakeTimer>()
  let now = 0
  let reads = 0
  let timersSet = 0

  const settle = async (): Promise<void> => {
    // Two turns of the loop: promises that are settled by what the first turn ran have run after the second.
    for (let turn = 0; turn < 2; turn += 1) await new Promise<void>((resolve) => systemClock.setImmediate(resolve))
  }
  const nextDue = (until: number): FakeTimer | undefined => {
    let next: FakeTimer | undefined
    for (const timer of timers) {
      if (timer.at <= until && (next === undefined || timer.at < next.at || (timer.at === next.at && timer.order < next.order))) next = timer
    }
    return next
  }

  return {
    now: () => {
      reads += 1
      return now
    },
    wall: () => {
      reads += 1
      return wallMs + now
    },
    setTimeout: (callback, delayMs) => {
      timersSet += 1
      const timer: FakeTimer = {
        at: now + Math.max(0, delayMs),
        order: timersSet,
        callback,
        isHolding: true,
        ref: () => (timer.isHolding = true),
        unref: () => (timer.isHolding = false),
      }
      timers.add(timer)
      return timer
    },
    clearTimeout: (timer) => void timers.delete(timer as FakeTimer),
    setImmediate: (callback) => systemClock.setImmediate(callback),
    advance: async (ms) => {
      const until = now + ms
      await settle()
      for (let timer = nextDue(until); timer !== undefined; timer = nextDue(until)) {
        timers.delete(timer)
        now = Math.max(now, timer.at)
        timer.callback()
        await settle()
      }
      now = until
      await settle()
    },
    settle,
    get reads() {
      return reads
    },
    get timersSet() {
      return timersSet
    },
    get pending() {
      return timers.size
    },
    get holding() {
      return [...timers].filter((timer) => timer.isHolding).length
    },
  }
}
