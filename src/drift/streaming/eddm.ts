import { numberOption } from '../../core/options.js'
import { take, type RunningMean } from './_running-mean.js'
import { readOptions } from './_state.js'
import { detectorOf, zeroOrOne, type DetectorState, type StreamDetector, type StreamSignal } from './stream-detector.js'

/** Options of {@link eddm}. */
export interface EddmOptions {
  /** Errors before the first answer. @default 30 */
  readonly warmStart?: number
  /** Share of the maximum below which it warns; in (0, 1]. @default 0.95 */
  readonly alpha?: number
  /** Share of the maximum below which it is a drift; at most `alpha`. @default 0.9 */
  readonly beta?: number
  /** The state of another one, to go on from; its options need not be given again. */
  readonly state?: DetectorState
}

/** n and mean are those of the distances between errors. */
interface Memory extends RunningMean {
  squares: number
  seen: number
  lastError: number
  highest: number
}

/**
 * The Early Drift Detection Method: errors that follow each other more closely. Values are 1 (wrong) and 0 (right).
 *
 * With p′ and s′ the mean and the standard deviation of the number of values from one error to the next: (p′ + 2 s′) / max (p′ + 2 s′) < β is a
 * drift, < α a warning. It was made for slow changes. O(1) per value.
 *
 * **Misleads**: α and β are no levels of anything, and the maximum of a noisy estimate is high by luck: with its defaults it alarms
 * on errors that never change: measured, 23 times in 10 000 at a rate of .2. It is here for comparison.
 *
 * Source: Baena-García et al., 4th International Workshop on Knowledge Discovery from Data Streams (2006). Assumes independent errors.
 *
 * @throws ERR_OUTRIGGER_INVALID_OPTION, and ERR_OUTRIGGER_PROFILE for a `state` that is not one of its own
 * @example
 * ```ts
 * import { eddm } from 'outrigger/drift'
 * const detector = eddm()
 * for (let i = 0; i < 400; i++) detector.update(i % 10 === 0 ? 1 : 0)
 * let values = 1
 * while (detector.update(1) !== 'drift') values++
 * assert.ok(values < 30)
 * ```
 */
export const eddm = (options: EddmOptions = {}): StreamDetector => {
  const kind = 'eddm'
  const { warmStart = 30, alpha = 0.95, beta = 0.9, state } = readOptions(kind, options, ['warmStart', 'alpha', 'beta'])
  numberOption(kind, 'warmStart', warmStart, { min: 1, integer: true })
  numberOption(kind, 'alpha', alpha, { min: 0, max: 1, exclusive: true })
  numberOption(kind, 'beta', beta, { min: 0, max: alpha, exclusive: true })
  const step = (memory: Memory, value: number, signal: StreamSignal): StreamSignal => {
    memory.seen += 1
    if (value === 0) return signal
    const distance = memory.seen - memory.lastError
    memory.lastError = memory.seen
    const before = distance - memory.mean
    take(memory, distance)
    memory.squares += before * (distance - memory.mean)
    if (memory.seen <= warmStart) return signal
    const spread = memory.n > 1 ? Math.sqrt(memory.squares / (memory.n - 1)) : 0
    const level = memory.mean + 2 * spread
    if (level > memory.highest) {
      memory.highest = level
      return signal
    }
    if (memory.n <= warmStart) return signal
    const share = level / memory.highest
    return share < beta ? 'drift' : share < alpha ? 'warning' : 'stable'
  }
  const fresh = (): Memory => ({ n: 0, mean: 0, squares: 0, seen: 0, lastError: 0, highest: -1 })
  return detectorOf({ kind, options: { warmStart, alpha, beta }, domain: zeroOrOne, fresh, step }, state)
}
