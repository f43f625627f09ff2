/** A concurrency limit by the gradient of latency. Pure: it is told the time. */
import { SampleWindow } from './_sample-window.js'
import type { ConcurrencyLimit, LimitSample, LimitSnapshot } from './concurrency-limit.js'

/** Settings of {@link GradientLimit}. */
export interface GradientLimitRule {
  readonly initial: number
  readonly min: number
  readonly max: number
  /** The limit is looked at after so long, and at least ten calls, in milliseconds. */
  readonly windowMs: number
  /** Latency may be so many times its baseline before the limit shrinks; at least 1. */
  readonly tolerance: number
  /** The share of each step that is taken; in (0, 1]. */
  readonly smoothing: number
}

/** After so many windows under load one window runs at a part of the limit, to measure the baseline. */
const probeEvery = 40

/** The mean of so many calls is taken as it is. */
const trusted = 30

/** The first of them comes sooner, as nobody knows whether the server was without a queue when it was first seen, and so does the next as long as the baseline is on its way. */
const probeSoonAfter = 10

/**
 * Grows as long as latency stays near its baseline, and shrinks by how far it is above.
 *
 * **The rule.** With the limit L, the mean latency r of a window relative to the baseline, and the tolerance τ: g = clamp(τ / r, ½, 1), and L moves by
 * `smoothing` towards g·L + √L. The root is the queue that is allowed; without it L could never grow. At rest r = τ / (1 − 1/√L): a model that
 * serves C calls at once, and queues the rest, settles near 1.5 C to 1.9 C at the default tolerance.
 *
 * **The baseline** is the latency without a queue, by the power of two of the rows of a run, so that a batch is compared with batches of its size. It is
 * measured in windows in which less than half of the limit was used. Under lasting load there is none, so after 40 windows one window runs at 1 / 2τ of
 * the limit on purpose, and the calls that began in it are measured: it costs about 1 % of the capacity, and is deep enough that there is no queue at any
 * limit at which the rule could rest. (Gradient2 takes a long moving average instead, which
 * a lasting overload pulls upwards, and the limit with it.) Apart from that, a mean below the baseline lowers it at once.
 *
 * **What says nothing.** A window in which less than half of the limit was used changes nothing, or the limit would grow on idle days. One in which a tenth of the
 * calls were dropped, or the event loop was late, shrinks it by a tenth. Single drops do nothing.
 *
 * Cost: O(1) per call, about 60 numbers of memory. Misleading when latency differs by the input rather than by load: let the tolerance cover that.
 *
 * Reference: Netflix, concurrency-limits, `Gradient2Limit` (2018); the probe is that of BBR: N. Cardwell et al., "BBR: congestion-based congestion control", ACM Queue 14(5), 2016, for
 * the minimum round-trip time.
 *
 * @example
 * ```ts
 * import { GradientLimit } from 'outrigger/policy'
 * const limit = new GradientLimit({ initial: 10, min: 1, max: 100, windowMs: 100, tolerance: 1.5, smoothing: 0.2 })
 * const window = (from: number, latencyMs: number) => {
 *   for (let call = 0; call < 10; call += 1) limit.succeed({ rows: 1, startedAt: from + call * 10, endedAt: from + call * 10 + latencyMs, inFlight: limit.limit })
 * }
 * for (let from = 0; from < 400; from += 100) window(from, 20) // always the same latency: there is room
 * const atEase = limit.limit
 * for (let from = 400; from < 800; from += 100) window(from, 200) // ten times the latency: too much
 * assert.ok(atEase > 10 && limit.limit < atEase)
 * ```
 */
export class GradientLimit implements ConcurrencyLimit {
  readonly #rule: GradientLimitRule
  readonly #window: SampleWindow
  readonly #baseline: Float64Array
  #limit: number
  #sinceProbe = probeEvery - probeSoonAfter
  #isProbing = false
  #reason = 'it is the initial one'

  constructor(rule: GradientLimitRule) {
    this.#rule = rule
    this.#window = new SampleWindow(rule.windowMs)
    this.#baseline = new Float64Array(this.#window.sums.length)
    this.#limit = rule.initial
  }

  get limit(): number {
    return Math.floor(this.#isProbing ? Math.max(this.#rule.min, this.#limit / (2 * this.#rule.tolerance)) : this.#limit)
  }

  get reason(): string {
    return this.#reason
  }

  succeed({ rows, startedAt, endedAt, inFlight }: LimitSample): void {
    const window = this.#window
    // What began before the probe has stood in the queue that the probe shall be without.
    if (this.#isProbing && startedAt < window.startedAt) window.saw(inFlight)
    else window.add(rows, endedAt - startedAt, inFlight)
    this.#judge(endedAt)
  }

  drop(now: number, inFlight: number): void {
    this.#window.drops += 1
    this.#window.saw(inFlight)
    this.#judge(now)
  }

  press(): void {
    this.#window.isPressed = true
  }

  export(): LimitSnapshot {
    return { limit: this.#limit, baselineMs: [...this.#baseline] }
  }

  restore({ limit, baselineMs }: LimitSnapshot): void {
    this.#limit = this.#clamp(limit)
    this.#baseline.fill(0)
    this.#baseline.set(baselineMs.slice(0, this.#baseline.length))
    this.#reason = 'it was restored'
  }

  #judge(now: number): void {
    const window = this.#window
    if (!window.isOver(now, this.#isProbing ? trusted : 10)) return
    const wasProbing = this.#isProbing
    const isFull = window.inFlight >= this.#limit / 2
    const ratio = this.#compare(wasProbing || !isFull)
    this.#isProbing = false
    if (wasProbing || !isFull) this.#sinceProbe = ratio < 0.8 || ratio > 1.25 ? probeEvery - probeSoonAfter : 0
    else if ((this.#sinceProbe += 1) >= probeEvery) this.#isProbing = true
    if (isFull && (window.isPressed || window.drops >= 0.1 * (window.samples + window.drops))) {
      this.#move(this.#limit * 0.9, window.isPressed ? 'the event loop is late' : `${window.drops} of ${window.samples + window.drops} calls ran into a limit of time or were turned away`)
    } else if (isFull && !wasProbing && window.samples > 0) {
      const gradient = Math.max(0.5, Math.min(1, this.#rule.tolerance / ratio))
      const target = this.#limit * gradient + Math.sqrt(this.#limit)
      this.#move(this.#limit + this.#rule.smoothing * (target - this.#limit), `latency is ${ratio.toFixed(2)} times its baseline`)
    }
    window.begin(now)
  }

  /** The latency of the window relative to the baseline, which learns from it first. */
  #compare(isWithoutQueue: boolean): number {
    const { sums, counts, samples } = this.#window
    const baseline = this.#baseline
    let ratios = 0
    for (let index = 0; index < counts.length; index += 1) {
      const count = counts[index] as number
      if (count === 0) continue
      const mean = (sums[index] as number) / count
      const known = baseline[index] as number
      // A mean of few calls moves it little.
      if (known === 0) baseline[index] = mean
      else if (isWithoutQueue || mean < known) baseline[index] = known + Math.min(1, count / trusted) * (mean - known)
      const base = baseline[index] as number
      ratios += base > 0 ? (count * mean) / base : count
    }
    return samples === 0 ? 1 : Math.max(Number.MIN_VALUE, ratios / samples)
  }

  #move(to: number, reason: string): void {
    this.#limit = this.#clamp(to)
    this.#reason = reason
  }

  #clamp(limit: number): number {
    return Math.max(this.#rule.min, Math.min(this.#rule.max, limit))
  }
}
