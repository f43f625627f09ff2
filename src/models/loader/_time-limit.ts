/** Work that nobody waits for for ever. */
import type { Clock } from '../../core/clock.js'
import { OutriggerError } from '../../core/errors.js'

/** What limits a step of loading. */
export interface TimeLimit {
  readonly clock: Clock
  readonly ms: number
  /** What the step is, for the message: `load delay@3`. */
  readonly step: string
  /** Fires when nobody waits any more, with the error that says why. */
  readonly signal: AbortSignal
}

/**
 * Does the work, or gives it up when its time is over or nobody waits for it any more. What it brings after that goes to
 * `late`, so that nothing is left behind; how it fails after that tells nobody anything.
 *
 * @param work - its signal fires when it is given up
 * @throws `ERR_OUTRIGGER_TIMEOUT`, or the reason of the signal
 */
export const withinLimit = async <T>({ clock, ms, step, signal }: TimeLimit, work: (signal: AbortSignal) => T | Promise<T>, late: (result: T) => void = () => {}): Promise<T> => {
  signal.throwIfAborted()
  const given = new AbortController()
  return await new Promise<T>((resolve, reject) => {
    let isOver = false
    const end = (): void => {
      isOver = true
      clock.clearTimeout(timer)
      signal.removeEventListener('abort', onAbort)
    }
    const giveUp = (error: unknown): void => {
      end()
      reject(error as Error)
      given.abort(error)
    }
    const onAbort = (): void => giveUp(signal.reason)
    const timer = clock.setTimeout(() => giveUp(new OutriggerError('ERR_OUTRIGGER_TIMEOUT', `Cannot wait any longer to ${step} as the limit has passed: current value is ${ms} ms`, { timeoutMs: ms })), ms)
    signal.addEventListener('abort', onAbort, { once: true })
    const done = async (): Promise<T> => await work(given.signal)
    done().then(
      (result) => {
        if (isOver) return late(result)
        end()
        resolve(result)
      },
      (error: unknown) => {
        if (isOver) return
        end()
        reject(error as Error)
      },
    )
  })
}
