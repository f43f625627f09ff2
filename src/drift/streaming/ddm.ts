import { numberOption } from '../../core/options.js'
import { take, type RunningMean } from './_running-mean.js'
import { readOptions } from './_state.js'
import { detectorOf, zeroOrOne, type DetectorState, type StreamDetector, type StreamSignal } from './stream-detector.js'

/** Options of {@link ddm}. */
export interface DdmOptions {
  /** Values before the first answer. @default 30 */
  readonly warmStart?: number
  /** Standard deviations above the minimum that are a warning. @default 2 */
  readonly warningThreshold?: number
  /** Standard deviations above the minimum that are a drift. @default 3 */
  readonly driftThreshold?: number
  /** The state of another one, to go on from; its options need not be given again. */
  readonly state?: DetectorState
}

interface Memory extends RunningMean {
  pMin: number
  sMin: number
}

/**
 * The Drift Detection Method: an error rate that rose above its own minimum. Values are 1 (wrong) and 0 (right).
 *
 * With p the error rate so far and s = √(p (1 − p) / n), it keeps p and s of where p + s was least: p + s > p_min + 3 s_min is a
 * drift, 2 s_min a warning. O(1) per value.
 *
 * **Misleads**: it compares with a minimum that was the least by luck, looks after every value, and alarms on errors that never
 * change; after a long clean time it answers slowly or never, because p is a mean over all. Prefer `adwin`.
 * Measured: of 200 runs of 10 000 errors at a rate of .2, 26.5 % alarm; a rise to .3 after 5000 is missed by 18.5 %.
 *
 * Source: Gama, Medas, Castillo and Rodrigues, SBIA (2004). Assumes independent errors.
 *
 * @throws ERR_OUTRIGGER_INVALID_OPTION, and ERR_OUTRIGGER_PROFILE for a `state` that is not one of its own
 * @example
 * ```ts
 * import { ddm } from 'outrigger/drift'
 * const detector = ddm()
 * for (let i = 0; i < 200; i++) detector.update(i % 5 === 0 ? 1 : 0)
 * const signals = Array.from({ length: 20 }, () => detector.update(1))
 * assert.ok(signals.includes('warning') && signals.includes('drift'))
 * ```
 */
export const ddm = (options: DdmOptions = {}): StreamDetector => {
  const kind = 'ddm'
  const { warmStart = 30, warningThreshold = 2, driftThreshold = 3, state } = readOptions(kind, options, ['warmStart', 'warningThreshold', 'driftThreshold'])
  numberOption(kind, 'warmStart', warmStart, { min: 1, integer: true })
  numberOption(kind, 'warningThreshold', warningThreshold, { min: 0, exclusive: true })
  numberOption(kind, 'driftThreshold', driftThreshold, { min: warningThreshold })
  const step = (memory: Memory, value: number): StreamSignal => {
    take(memory, value)
    if (memory.n <= warmStart) return 'stable'
    const p = memory.mean
    const s = Math.sqrt((p * (1 - p)) / memory.n)
    if (p + s <= memory.pMin + memory.sMin) {
      memory.pMin = p
      memory.sMin = s
    }
    if (p + s > memory.pMin + driftThreshold * memory.sMin) return 'drift'
    return p + s > memory.pMin + warningThreshold * memory.sMin ? 'warning' : 'stable'
  }
  const fresh = (): Memory => ({ n: 0, mean: 0, pMin: Infinity, sMin: Infinity })
  return detectorOf({ kind, options: { warmStart, warningThreshold, driftThreshold }, domain: zeroOrOne, fresh, step }, state)
}
