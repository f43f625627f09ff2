/** How long healthy calls take, and which are slow against that. Pure. */

/** When a call is slow. */
export interface SlowRule {
  /** So many times the median of healthy calls of its size. */
  readonly factor: number
  /** And at least so many milliseconds. */
  readonly minimumMs: number
}

const SAMPLES = 20
/** A step of the median, relative. */
const STEP = 0.02

/**
 * The running median of call times, one per class of size: 1 row, 2 to 3, 4 to 7, 8 to 15… so that a run of a hundred
 * rows is held against such runs.
 *
 * The first twenty calls of a class give its median; before, nothing is slow there. From then on each call moves it by
 * 2 % up or down, which settles where as many are above as below, whatever the outliers. O(1) per call, 32 classes.
 * It learns from healthy calls only: what it is to notice must not move it.
 *
 * When it misleads: a model that becomes slower by less than `factor` at a time is followed. Source of the step: the
 * stochastic approximation of H. Robbins and S. Monro (1951), here with constant relative steps.
 */
export class SlowBaseline {
  readonly #rule: SlowRule
  readonly #medians = new Map<number, number>()
  readonly #first = new Map<number, number[]>()

  constructor(rule: SlowRule) {
    this.#rule = rule
  }

  /** The median for this many rows, or `undefined` as long as it is not known. */
  medianMs(rows: number): number | undefined {
    return this.#medians.get(Math.clz32(rows))
  }

  /** Whether a call was slow. One that was not is learned from, if all is well. */
  judge(ms: number, rows: number, isWell: boolean): boolean {
    const median = this.medianMs(rows)
    const isSlow = median !== undefined && ms >= this.#rule.minimumMs && ms > this.#rule.factor * median
    if (isWell && !isSlow) this.#learn(ms, rows, median)
    return isSlow
  }

  #learn(ms: number, rows: number, median: number | undefined): void {
    // A clock that jumped back says nothing.
    if (ms < 0) return
    const size = Math.clz32(rows)
    if (median !== undefined) {
      if (ms !== median) this.#medians.set(size, ms > median ? median * (1 + STEP) : median / (1 + STEP))
      return
    }
    const first = this.#first.get(size) ?? []
    if (first.length === 0) this.#first.set(size, first)
    if (first.push(ms) < SAMPLES) return
    this.#first.delete(size)
    // Steps are relative: from 0 it would never move.
    this.#medians.set(size, Math.max(first.sort((a, b) => a - b)[SAMPLES / 2] as number, 1e-3))
  }
}
