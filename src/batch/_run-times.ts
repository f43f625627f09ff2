/** How long a run of n rows takes, learned from the runs there were. Pure. */

/** A straight line through run times: `fixedMs + perRowMs · n`. */
export interface RunTimeFit {
  /** What a run costs however many rows it has, in milliseconds. */
  readonly fixedMs: number
  /** What each row adds, in milliseconds. */
  readonly perRowMs: number
}

/** By so much, relative to a run's time, both parts may wander from one run to the next. */
const WANDER = 0.01
/** So many standard deviations are a surprise. */
const SURPRISE = 3
/** So many surprises of the same sign in a row are no outliers but a change. */
const CHANGE = 3

/**
 * A recursive fit of t(n) = a + b·n that forgets.
 *
 * A Kalman filter whose state is (a, b). Both wander a little with each run, so that old runs count less; what recent
 * runs cannot tell apart (all of one size) stays as it was, and only its uncertainty grows, where plain forgetting would
 * let it drift away. A run that takes 3 standard deviations more or less than expected is pulled in to that (a garbage
 * collection teaches little); three in a row to the same side are believed. The noise is relative to the time, and is
 * learned too. About 40 floating-point operations per run, no memory that grows.
 *
 * It misleads where time is far from a straight line; then it is the line near the sizes that were run last.
 *
 * References: M. West, J. Harrison, Bayesian Forecasting and Dynamic Models, 2nd ed. 1997, chapter 4 (the filter),
 * P. Huber, Robust Estimation of a Location Parameter, 1964 (pulling in).
 */
export class RunTimes {
  #fixed = 0
  #perRow = 0
  // The covariance of the two.
  #ff = 0
  #fr = 0
  #rr = 0
  /** The relative variance of a run's time. */
  #noise = 0.04
  /** Surprises in a row: positive when slower. */
  #surprises = 0
  #runs = 0
  #largest = 0
  #typical = 0

  /** How many runs it knows. */
  get runs(): number {
    return this.#runs
  }

  get fixedMs(): number {
    return this.#fixed
  }

  get perRowMs(): number {
    return Math.max(0, this.#perRow)
  }

  /** The standard error of `fixedMs`. */
  get fixedError(): number {
    return Math.sqrt(this.#ff)
  }

  /** The standard deviation of a run's time, relative to it. */
  get spread(): number {
    return Math.sqrt(this.#noise)
  }

  /** About the largest run there was lately. */
  get largest(): number {
    return this.#largest
  }

  /** The mean size of the last runs. */
  get typical(): number {
    return this.#typical
  }

  /** How long a run of so many rows takes, in milliseconds. */
  of(rows: number): number {
    return Math.max(0, this.#fixed + this.perRowMs * rows)
  }

  /** Takes in a run. */
  observe(rows: number, ms: number): void {
    this.#largest = Math.max(rows, this.#largest * 0.999)
    this.#typical += (rows - this.#typical) * (this.#runs === 0 ? 1 : 0.1)
    // A clock that stands still, or jumps back, tells nothing.
    if (!(ms > 0) || ms === Infinity) return
    this.#runs += 1
    if (this.#runs === 1) {
      // Nothing is known of the parts: half and half, with the doubt that becomes it.
      this.#fixed = ms / 2
      this.#perRow = ms / (2 * rows)
      this.doubt(rows)
    }
    // Never next to nothing: the line may cross zero near one row.
    const expected = Math.max(this.#fixed + this.#perRow * rows, 0.01 * this.of(this.#typical), Number.MIN_VALUE)
    this.#wander(expected, rows)
    const variance = this.#doubtAt(rows) + this.#noise * expected * expected
    const limit = SURPRISE * Math.sqrt(variance)
    let error = ms - (this.#fixed + this.#perRow * rows)
    if (Math.abs(error) <= limit) this.#surprises = 0
    else {
      this.#surprises = error > 0 ? Math.max(1, this.#surprises + 1) : Math.min(-1, this.#surprises - 1)
      if (Math.abs(this.#surprises) >= CHANGE) {
        this.#surprises = 0
        this.doubt(rows, ms)
        return this.#correct(error, rows, ms)
      }
      error = Math.sign(error) * limit
    }
    this.#noise += 0.05 * (Math.min((error / expected) ** 2, 1) - this.#noise)
    this.#noise = Math.max(this.#noise, 1e-4)
    this.#correct(error, rows, expected)
  }

  /** Forgets how sure it was. */
  doubt(rows: number = Math.max(1, this.#typical), ms: number = this.of(rows)): void {
    this.#ff = ms * ms
    this.#rr = (ms / rows) ** 2
    this.#fr = 0
  }

  /** The variance of the line at so many rows. Where the two parts cancel out, rounding would make it negative. */
  #doubtAt(rows: number): number {
    return Math.max(0, this.#ff + 2 * this.#fr * rows + this.#rr * rows * rows)
  }

  #wander(expected: number, rows: number): void {
    // No more doubt than that everything may be the one part, or the other.
    if (this.#ff < expected * expected) this.#ff += (WANDER * expected) ** 2
    if (this.#rr < (expected / rows) ** 2) this.#rr += ((WANDER * expected) / rows) ** 2
  }

  #correct(error: number, rows: number, scale: number): void {
    const gainFixed = this.#ff + this.#fr * rows
    const gainPerRow = this.#fr + this.#rr * rows
    const variance = this.#doubtAt(rows) + this.#noise * scale * scale
    if (!(variance > 0)) return
    this.#fixed += (gainFixed / variance) * error
    this.#perRow += (gainPerRow / variance) * error
    this.#ff = Math.max(this.#ff - (gainFixed * gainFixed) / variance, 0)
    this.#rr = Math.max(this.#rr - (gainPerRow * gainPerRow) / variance, 0)
    // Doubts that are bounded one by one must not leave a covariance that there cannot be.
    const bound = Math.sqrt(this.#ff * this.#rr)
    this.#fr = Math.max(-bound, Math.min(this.#fr - (gainFixed * gainPerRow) / variance, bound))
  }
}
