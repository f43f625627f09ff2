import { numberOption } from '../../core/options.js'
import { directionOption, type Direction } from './direction.js'
import { readOptions } from './_state.js'
import { anyNumber, detectorOf, type DetectorState, type StreamDetector } from './stream-detector.js'

/** Options of {@link cusum}. */
export interface CusumOptions {
  /** The mean of values that are as they should be; required, unless `state` has it. */
  readonly target?: number
  /** Their standard deviation. @default 1 */
  readonly standardDeviation?: number
  /** Half of the shift to be found (k), in standard deviations. @default 0.5 */
  readonly slack?: number
  /** Sum that is an alarm (h), in standard deviations. @default 5 */
  readonly threshold?: number
  /** Rises, falls, or both. @default 'up' */
  readonly direction?: Direction
  /** The state of another one, to go on from; its options need not be given again. */
  readonly state?: DetectorState
}

/**
 * Tabular CUSUM: a change of the mean against a target that is known.
 *
 * With z = (x − target) / σ: S ← max(0, S + z − k), and S > h is an alarm; for falls the same with −z. Of all rules with so
 * few false alarms it finds a shift of 2 k the fastest, if target and σ are true. O(1) per value.
 *
 * **Misleads**: by the textbook's h = 5 and k = .5, normal values that never change alarm every 930 or so, in one direction.
 * The mean run is about (e^(2k(h + 1.166)) − 2k(h + 1.166) − 1) / 2k² (Siegmund): 140 000 at h = 10, and a target that was estimated badly
 * shortens it a lot.
 *
 * Source: Page, Biometrika 41 (1954); Siegmund, Sequential Analysis (1985), chapter II. Assumes independent values.
 *
 * @throws ERR_OUTRIGGER_INVALID_OPTION, and ERR_OUTRIGGER_PROFILE for a `state` that is not one of its own
 * @example
 * ```ts
 * import { cusum } from 'outrigger/drift'
 * const detector = cusum({ target: 10, standardDeviation: 2, threshold: 4 })
 * assert.deepEqual([10, 9, 14, 15, 15].map((x) => detector.update(x)), ['stable', 'stable', 'stable', 'stable', 'drift'])
 * ```
 */
export const cusum = (options: CusumOptions): StreamDetector => {
  const kind = 'cusum'
  const { target, standardDeviation = 1, slack = 0.5, threshold = 5, direction = 'up', state } = readOptions(kind, options, ['target', 'standardDeviation', 'slack', 'threshold', 'direction'])
  const center = numberOption(kind, 'target', target)
  numberOption(kind, 'standardDeviation', standardDeviation, { min: 0, exclusive: true })
  numberOption(kind, 'slack', slack, { min: 0 })
  numberOption(kind, 'threshold', threshold, { min: 0, exclusive: true })
  directionOption(kind, direction)
  const step = (memory: { up: number; down: number }, value: number): 'stable' | 'drift' => {
    const z = (value - center) / standardDeviation
    memory.up = Math.max(0, memory.up + z - slack)
    memory.down = Math.max(0, memory.down - z - slack)
    return (direction !== 'down' && memory.up > threshold) || (direction !== 'up' && memory.down > threshold) ? 'drift' : 'stable'
  }
  return detectorOf({ kind, options: { target: center, standardDeviation, slack, threshold, direction }, domain: anyNumber, fresh: () => ({ up: 0, down: 0 }), step }, state)
}
