/** Who is turned away when there is too much. Pure: it is told the load and the time. */
import type { Random } from '../core/random.js'

/** Who calls: a scoring job, or somebody who waits with a priority below 0, of 0, or above. */
export type LoadClass = 'batch' | 'low' | 'normal' | 'high'

/** From the first to be turned away to the last. */
export const loadClasses: readonly LoadClass[] = ['batch', 'low', 'normal', 'high']

/** When each class is turned away. */
export interface LoadShedderRule {
  /** The load at which shedding begins; rising from `batch` to `high`. */
  readonly thresholds: Readonly<Record<LoadClass, number>>
  /** So far above its threshold a class is shed entirely, and linearly in between. */
  readonly ramp: number
  /** Shedding ends so far below the threshold at which it began. */
  readonly hysteresis: number
  /** It lasts at least so long after the load was last above the threshold, in milliseconds. */
  readonly holdMs: number
}

/** A class begins or ends to be shed. */
export interface SheddingChange {
  readonly loadClass: LoadClass
  readonly isShedding: boolean
  readonly load: number
}

/**
 * Turns calls away at random, the more the higher the load, and the less important ones first.
 *
 * A class is let in below its threshold, and shed with a probability that rises linearly to 1 at threshold + ramp, so that a load that hovers there does not switch everybody on and off together. Once a
 * class is shed the line begins lower by the hysteresis, and it ends only after `holdMs` below that. Cost: O(1), and the time is read only while a class is shed.
 *
 * @example
 * ```ts
 * import { seededRandom } from 'outrigger'
 * import { LoadShedder } from 'outrigger/policy'
 * const shedder = new LoadShedder({ thresholds: { batch: 0.7, low: 0.8, normal: 0.9, high: 1 }, ramp: 0.1, hysteresis: 0.05, holdMs: 1000 }, () => {})
 * const random = seededRandom(1)
 * assert.deepEqual([shedder.admits('batch', 0.85, () => 0, random), shedder.admits('normal', 0.85, () => 0, random)], [false, true])
 * ```
 */
export class LoadShedder {
  readonly #rule: LoadShedderRule
  readonly #onChange: (change: SheddingChange) => void
  /** When the load was last above the threshold of a class that is shed. */
  readonly #since: Record<LoadClass, number | undefined> = { batch: undefined, low: undefined, normal: undefined, high: undefined }

  constructor(rule: LoadShedderRule, onChange: (change: SheddingChange) => void) {
    this.#rule = rule
    this.#onChange = onChange
  }

  isShedding(loadClass: LoadClass): boolean {
    return this.#since[loadClass] !== undefined
  }

  /** Whether a call of this class may go on. */
  admits(loadClass: LoadClass, load: number, now: () => number, random: Random): boolean {
    const { thresholds, ramp, hysteresis, holdMs } = this.#rule
    const threshold = thresholds[loadClass]
    const since = this.#since[loadClass]
    if (load >= threshold) {
      this.#since[loadClass] = now()
      if (since === undefined) this.#onChange({ loadClass, isShedding: true, load })
    } else {
      if (since === undefined) return true
      if (load < threshold - hysteresis) {
        // A clock that jumped back shall not hold it for ever.
        const heldMs = now() - since
        if (heldMs < 0 || heldMs >= holdMs) {
          this.#since[loadClass] = undefined
          this.#onChange({ loadClass, isShedding: false, load })
        }
        return true
      }
    }
    const share = (load - threshold + hysteresis) / (ramp + hysteresis)
    return share < 1 && random.next() >= share
  }
}
