import type { Clock } from './clock.js'
import type { Closer } from './entry.js'

/**
 * Closes one after the other, whatever the others did. What is left of the time until `end` after one is what the next one has.
 *
 * @throws the error of the one that failed, or an `AggregateError` of all that did
 */
export const closeAll = async (closers: readonly Closer[], end: number, clock: Clock): Promise<void> => {
  const errors: unknown[] = []
  for (const close of closers) {
    try {
      await close({ deadlineMs: Math.max(0, end - clock.now()) })
    } catch (error) {
      errors.push(error)
    }
  }
  if (errors.length === 1) throw errors[0]
  if (errors.length > 1) throw new AggregateError(errors, 'Several failed.')
}
