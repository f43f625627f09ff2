import { numberOption } from '../../core/options.js'
import { directionOption, type Direction } from './direction.js'
import { take, type RunningMean } from './_running-mean.js'
import { readOptions } from './_state.js'
import { anyNumber, detectorOf, type DetectorState, type StreamDetector } from './stream-detector.js'

/** Options of {@link pageHinkley}. */
export interface PageHinkleyOptions {
  /** Values before the first alarm. @default 30 */
  readonly minInstances?: number
  /** Change of the mean that is tolerated, in the unit of the values. @default 0.005 */
  readonly delta?: number
  /** Excess that is an alarm (λ), in the unit of the values. @default 50 */
  readonly threshold?: number
  /** What remains of the sum with each value; in (0, 1]. @default 0.9999 */
  readonly alpha?: number
  /** Rises, falls, or both. @default 'up' */
  readonly direction?: Direction
  /** The state of another one, to go on from; its options need not be given again. */
  readonly state?: DetectorState
}

interface Memory extends RunningMean {
  up: number
  lowest: number
  down: number
  highest: number
}

/**
 * The Page–Hinkley test: a change of the mean against the mean of all that came before.
 *
 * S ← α S + (x − x̄ − δ); a rise is where S − min S > λ. A fall is the mirror image. O(1) per value.
 *
 * **Misleads**: δ and λ are in the unit of the values. The defaults suit errors of 0 and 1; in seconds or dollars, scale them.
 * Measured: of 200 runs of 10 000 errors at a rate of .2, 16.5 % alarm; on standard normal values nearly all do. The mean learns a
 * slow change along with the rest, and overlooks it. River's own default is `'both'`.
 *
 * Source: Page, Biometrika 41 (1954); Hinkley, Biometrika 58 (1971). Assumes independent values.
 *
 * @throws ERR_OUTRIGGER_INVALID_OPTION, and ERR_OUTRIGGER_PROFILE for a `state` that is not one of its own
 * @example
 * ```ts
 * import { pageHinkley } from 'outrigger/drift'
 * const detector = pageHinkley({ threshold: 5 })
 * for (let i = 0; i < 100; i++) assert.equal(detector.update(i % 2), 'stable')
 * let values = 1
 * while (detector.update(3) !== 'drift') values++
 * assert.equal(values, 2)
 * ```
 */
export const pageHinkley = (options: PageHinkleyOptions = {}): StreamDetector => {
  const kind = 'pageHinkley'
  const { minInstances = 30, delta = 0.005, threshold = 50, alpha = 0.9999, direction = 'up', state } = readOptions(kind, options, ['minInstances', 'delta', 'threshold', 'alpha', 'direction'])
  numberOption(kind, 'minInstances', minInstances, { min: 1, integer: true })
  numberOption(kind, 'delta', delta, { min: 0 })
  numberOption(kind, 'threshold', threshold, { min: 0, exclusive: true })
  numberOption(kind, 'alpha', alpha, { min: 0, max: 1, exclusive: true })
  directionOption(kind, direction)
  const step = (memory: Memory, value: number): 'stable' | 'drift' => {
    take(memory, value)
    const deviation = value - memory.mean
    memory.up = alpha * memory.up + deviation - delta
    memory.down = alpha * memory.down + deviation + delta
    memory.lowest = Math.min(memory.lowest, memory.up)
    memory.highest = Math.max(memory.highest, memory.down)
    if (memory.n < minInstances) return 'stable'
    const isUp = direction !== 'down' && memory.up - memory.lowest > threshold
    const isDown = direction !== 'up' && memory.highest - memory.down > threshold
    return isUp || isDown ? 'drift' : 'stable'
  }
  const fresh = (): Memory => ({ n: 0, mean: 0, up: 0, lowest: Infinity, down: 0, highest: -Infinity })
  return detectorOf({ kind, options: { minInstances, delta, threshold, alpha, direction }, domain: anyNumber, fresh, step }, state)
}
