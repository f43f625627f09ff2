/** Counts and latencies of the last hour, in steps of time. Bounded, whatever comes. */
import type { PredictionRecord } from '../core/record.js'

/** What is counted in a step. */
const kinds = ['rows', 'failed', 'degraded'] as const
export type BucketCount = (typeof kinds)[number]

/** Latencies in cells that are a twelfth of an octave wide: a quantile is within 3 % of the latency at its rank. From 1 µs to 2 min. */
const perOctave = 12
const least = 0.001
const cells = 27 * perOctave
const cellOf = (ms: number): number => Math.min(cells - 1, Math.max(0, Math.floor(perOctave * Math.log2(Math.max(ms, least) / least))))
/** The geometric middle of a cell. */
const middle = (cell: number): number => least * 2 ** ((cell + 0.5) / perOctave)

/** The smallest latency that at least this share of them does not exceed. */
export const quantileOf = (latencies: ArrayLike<number>, share: number): number | null => {
  let total = 0
  for (let cell = 0; cell < cells; cell += 1) total += latencies[cell] as number
  if (total === 0) return null
  let seen = 0
  const rank = Math.max(1, Math.ceil(share * total))
  for (let cell = 0; cell < cells; cell += 1) {
    seen += latencies[cell] as number
    if (seen >= rank) return middle(cell)
  }
  return null
}

/** Whether a caller got an answer that is not the model's own of now. */
export const isDegraded = ({ source }: PredictionRecord): boolean => source === 'fallback' || source === 'stale'

/** One series of the page: step by step, the oldest first. */
export interface BucketSeries {
  /** The beginning of the first step, in milliseconds since 1970. */
  readonly from: number
  readonly stepMs: number
  readonly rows: number[]
  readonly failed: number[]
  readonly degraded: number[]
  readonly p50: (number | null)[]
  readonly p99: (number | null)[]
}

export class TimeBuckets {
  readonly stepMs: number
  readonly steps: number
  readonly #counts: Record<BucketCount, Float64Array>
  /** Of so many steps together. */
  readonly #coarse: number
  readonly #latencies: Uint32Array[]
  /** Quantiles change only while they are counted in. */
  readonly #quantiles: ({ readonly p50: number | null; readonly p99: number | null } | undefined)[]
  #newest = -Infinity

  /** @param coarse - how many steps share their latencies: a tenth of the memory, and quantiles of up to so many steps more than the window */
  constructor(stepMs: number, steps: number, coarse = 1) {
    this.stepMs = stepMs
    this.steps = steps
    this.#counts = Object.fromEntries(kinds.map((kind) => [kind, new Float64Array(steps)])) as Record<BucketCount, Float64Array>
    this.#coarse = coarse
    const parts = Math.ceil(steps / coarse) + (coarse > 1 ? 1 : 0)
    this.#latencies = Array.from({ length: parts }, () => new Uint32Array(cells))
    this.#quantiles = Array.from({ length: parts }, () => undefined)
  }

  /** Counts a record. One that is older than everything here is left out, one of a later time than now is of now. @param wall - asked where a step begins */
  add(record: PredictionRecord, wall: () => number): void {
    const own = Math.floor(record.at / this.stepMs)
    if (own !== this.#newest) this.goTo(wall())
    const step = Math.min(own, this.#newest)
    if (step <= this.#newest - this.steps) return
    const place = step % this.steps
    this.#counts.rows[place]! += 1
    if (record.outcome !== 'ok') this.#counts.failed[place]! += 1
    else if (isDegraded(record)) this.#counts.degraded[place]! += 1
    const { totalMs } = record.durations
    const part = this.#partOf(step)
    this.#latencies[part]![cellOf(totalMs)]! += 1
    this.#quantiles[part] = undefined
  }

  #partOf(step: number): number {
    return Math.floor(step / this.#coarse) % this.#latencies.length
  }

  #clear(): void {
    for (const kind of kinds) this.#counts[kind].fill(0)
    for (const latencies of this.#latencies) latencies.fill(0)
    this.#quantiles.fill(undefined)
    this.#newest = -Infinity
  }

  /** Forgets what is older than the window that ends now. */
  goTo(at: number): void {
    const step = Math.floor(at / this.stepMs)
    // A clock that was set back begins anew: what was counted by it would be in the way until it is there again.
    if (step < this.#newest - 1) this.#clear()
    if (step <= this.#newest) return
    const from = Math.max(this.#newest + 1, step - this.steps + 1)
    if (from > this.#newest + 1) this.#clear()
    let last = this.#newest
    for (let fresh = from; fresh <= step; fresh += 1) {
      for (const kind of kinds) this.#counts[kind][fresh % this.steps] = 0
      if (Math.floor(fresh / this.#coarse) !== Math.floor(last / this.#coarse)) {
        this.#latencies[this.#partOf(fresh)]!.fill(0)
        this.#quantiles[this.#partOf(fresh)] = undefined
      }
      last = fresh
    }
    this.#newest = step
  }

  /** Of the whole window. */
  sum(): Record<BucketCount, number> & { readonly p50: number | null; readonly p99: number | null } {
    const all = new Float64Array(cells)
    for (const latencies of this.#latencies) for (let cell = 0; cell < cells; cell += 1) all[cell]! += latencies[cell] as number
    const total = (kind: BucketCount): number => this.#counts[kind].reduce((sum, count) => sum + count, 0)
    return { rows: total('rows'), failed: total('failed'), degraded: total('degraded'), p50: quantileOf(all, 0.5), p99: quantileOf(all, 0.99) }
  }

  /** The steps in order of time. */
  series(): BucketSeries {
    const first = this.#newest === -Infinity ? 0 : this.#newest - this.steps + 1
    const steps = Array.from({ length: this.steps }, (_, index) => first + index)
    const quantiles = steps.map((step) => {
      const part = this.#partOf(step)
      return (this.#quantiles[part] ??= { p50: quantileOf(this.#latencies[part]!, 0.5), p99: quantileOf(this.#latencies[part]!, 0.99) })
    })
    const counts = (kind: BucketCount): number[] => steps.map((step) => this.#counts[kind][step % this.steps] as number)
    return { from: first * this.stepMs, stepMs: this.stepMs, rows: counts('rows'), failed: counts('failed'), degraded: counts('degraded'), p50: quantiles.map(({ p50 }) => p50), p99: quantiles.map(({ p99 }) => p99) }
  }
}
