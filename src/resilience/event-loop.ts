/** How late the event loop is: the only place that measures it. */
// oxlint-disable-next-line no-restricted-imports -- It measures the loop, not the time; behind an interface that tests replace.
import { monitorEventLoopDelay } from 'node:perf_hooks'

/** Says how late the event loop is. Inject your own in tests, or where another thread does the work. */
export interface EventLoopMonitor {
  /** How long something that became ready since the last question has waited for its turn on average, in milliseconds. */
  delayMs(): number
  close(): void
}

/** How often Node looks, in milliseconds. */
const resolutionMs = 20

/**
 * The mean wait of a random moment until the next tick of a timer, less that of an idle loop.
 *
 * A moment falls into a gap in proportion to its length, and waits half of it: E[gap²] / 2 E[gap]. So one gap of a second among many short ones weighs as much
 * as it hurts, which the mean gap would hide.
 */
export const waitOf = (meanMs: number, deviationMs: number, tickMs: number): number =>
  meanMs > 0 ? Math.max(0, (meanMs + (deviationMs * deviationMs) / meanMs - tickMs) / 2) : 0

/**
 * The event loop of this thread, by `perf_hooks.monitorEventLoopDelay`: a timer every 20 ms that does not keep the process alive. It measures from the start until `close`.
 *
 * @example
 * ```ts
 * import { eventLoopMonitor } from 'outrigger/resilience'
 * const monitor = eventLoopMonitor()
 * assert.ok(monitor.delayMs() >= 0)
 * monitor.close()
 * ```
 */
export const eventLoopMonitor = (): EventLoopMonitor => {
  const histogram = monitorEventLoopDelay({ resolution: resolutionMs })
  histogram.enable()
  return {
    delayMs: () => {
      // Nanoseconds between two ticks. Without a tick yet both are NaN, or 0.
      const delay = waitOf(histogram.mean / 1e6, histogram.stddev / 1e6, resolutionMs)
      histogram.reset()
      return delay
    },
    close: () => void histogram.disable(),
  }
}
