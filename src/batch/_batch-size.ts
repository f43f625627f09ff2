/** How many rows a run should take, and whether batching pays at all. Pure. */
import { RunTimes } from './_run-times.js'

/** What bounds the size. */
export interface BatchSizeOptions {
  readonly maxSize: number
  /** The p99 of waiting and running that is to be kept, in milliseconds. */
  readonly objectiveMs: number | undefined
  /** So many runs go on at once. */
  readonly concurrency: number
}

/** Without an objective a run grows until it reaches this share of the best throughput there is. */
const ENOUGH = 0.95
/** Batching pays when a row costs this much less in a batch than alone… */
const WORTHWHILE = 1.15
/** …and this many milliseconds, which is more than waiting in our queue costs. */
const OWN_COST_MS = 0.005
/** A run of no more rows than this is small. */
const SMALL = 4
/** A verdict on that must hold for so many runs in a row. */
const SURE = 24
/** While it is unsure whether batching pays, one run in so many takes half of what it could, to learn the difference. */
const PROBE = 8
/** When a verdict is to be had anew, every other run may take so many rows, whatever was learned. */
const TRIAL_SIZE = 8
/** With an objective, and nothing known of the model, the first run takes so many rows at most. */
const FIRST = 4

/**
 * The size of runs, learned from how long they take.
 *
 * A row that comes while the engine is busy waits for the rest of that run and then for its own, so that with runs of
 * time t an objective is kept while `(1 + 1/concurrency) · t · (1 + 3 · spread)` stays within it. That bounds the size;
 * and no run is more than twice the largest one so far, as a line is not to be trusted far from its points. When more
 * rows wait than can be served within the objective at that size it is lost for some, and then the size with the best
 * throughput is what ends it soonest.
 *
 * With or without an objective a run takes no more rows than bring 95 % of the throughput of the largest: the rest is not
 * worth the wait. Where the line says that rows get dearer in a larger run (no fixed part left), the size shrinks by steps.
 *
 * Runs of one size (a steady number of callers) tell the whole and not the parts. While it cannot tell whether batching
 * pays, one run in eight is half as large.
 */
export class BatchSize {
  readonly times: RunTimes = new RunTimes()
  readonly #max: number
  readonly #objectiveMs: number | undefined
  readonly #concurrency: number
  /** Grows with each run that says that batching does not pay, falls to 0 and below with others. */
  #against = 0
  #throughputSize: number
  #objectiveSize: number
  #isProbing = false
  /** While a new verdict is sought. */
  #isOnTrial = false

  constructor({ maxSize, objectiveMs, concurrency }: BatchSizeOptions) {
    this.#max = maxSize
    this.#objectiveMs = objectiveMs
    this.#concurrency = concurrency
    this.#throughputSize = maxSize
    this.#objectiveSize = objectiveMs === undefined ? maxSize : Math.min(FIRST, maxSize)
  }

  /** The size of a run while no more wait than can be served in time. */
  get size(): number {
    return this.#objectiveMs === undefined ? this.#throughputSize : this.#objectiveSize
  }

  /** Whether a run of one row alone takes longer than the objective leaves. */
  get isObjectiveLost(): boolean {
    // The first runs of a model are slow: nothing is compiled yet.
    return this.#objectiveMs !== undefined && this.times.runs >= 10 && this.#slowest(1) > this.#objectiveMs
  }

  /** `direct` when runs have said for a while that batching does not pay, `batching` when they said it does, else `undefined`. */
  get verdict(): 'batching' | 'direct' | undefined {
    return this.#against >= SURE ? 'direct' : this.#against <= -SURE ? 'batching' : undefined
  }

  /** Takes in a run. */
  observe(rows: number, ms: number): void {
    const { times } = this
    times.observe(rows, ms)
    if (times.runs === 0) return
    this.#throughputSize = this.#bestForThroughput()
    this.#objectiveSize = this.#bestForObjective()
    const isUnsure = this.#judge()
    this.#isProbing = isUnsure && times.runs % PROBE === 0
    if (this.verdict !== undefined) this.#isOnTrial = false
  }

  /** Forgets the verdict, and how sure the line was, and tries larger runs to find out. */
  doubt(): void {
    this.#against = 0
    this.#isOnTrial = true
    this.times.doubt()
  }

  /** How many rows the next run takes at most, when so many wait. */
  limit(waiting: number): number {
    const { size } = this
    if (this.#isOnTrial && this.times.runs % 2 === 0) return Math.min(this.#max, TRIAL_SIZE)
    if (this.#isProbing) return Math.max(1, Math.min(size, waiting) >> 1)
    if (this.#objectiveMs === undefined || waiting <= size || this.times.runs === 0) return size
    const drainMs = (waiting / (size * this.#concurrency)) * this.times.of(size)
    return drainMs > this.#objectiveMs ? Math.max(size, Math.min(this.#throughputSize, this.#trusted())) : size
  }

  /** How many of these rows fit into the time; at least 1. */
  fitting(ms: number): number {
    const { fixedMs, perRowMs } = this.times
    return perRowMs === 0 ? Infinity : Math.max(1, Math.floor((ms - fixedMs) / perRowMs))
  }

  /** The longest that all but one in a hundred rows take when runs are of this size. */
  #slowest(rows: number): number {
    return (1 + 1 / this.#concurrency) * this.times.of(rows) * (1 + 3 * this.times.spread)
  }

  #trusted(): number {
    return Math.min(this.#max, Math.max(FIRST, Math.floor(2 * this.times.largest)))
  }

  #bestForThroughput(): number {
    const { fixedMs, perRowMs, typical } = this.times
    if (fixedMs <= 0) return Math.max(1, Math.floor(typical * 0.7))
    if (perRowMs === 0) return this.#max
    const best = this.#max / this.times.of(this.#max)
    const wanted = (ENOUGH * best * fixedMs) / (1 - ENOUGH * best * perRowMs)
    return Math.min(this.#max, Math.max(1, Math.ceil(wanted - 1e-9)))
  }

  #bestForObjective(): number {
    if (this.#objectiveMs === undefined) return this.#max
    if (this.isObjectiveLost) return Math.min(this.#throughputSize, this.#trusted())
    const { fixedMs, perRowMs } = this.times
    const runMs = this.#objectiveMs / ((1 + 1 / this.#concurrency) * (1 + 3 * this.times.spread))
    const kept = perRowMs === 0 ? this.#max : Math.floor((runMs - fixedMs) / perRowMs)
    return Math.max(1, Math.min(kept, this.#throughputSize, this.#trusted()))
  }

  /** Gives whether it cannot tell. */
  #judge(): boolean {
    const { fixedMs, fixedError } = this.times
    const isTooCheap = this.times.of(1) < OWN_COST_MS
    // Within two standard errors of what is known of the parts; runs of one size tell little of them.
    if (isTooCheap || !this.#pays(fixedMs + 2 * fixedError)) {
      // Where large runs do not pay smaller ones may: the size shrinks before it is given up.
      if (isTooCheap || this.#throughputSize <= SMALL) this.#against = Math.min(SURE, Math.max(this.#against, 0) + 1)
      return false
    }
    if (!this.#pays(fixedMs - 2 * fixedError)) return true
    this.#against = Math.max(-SURE, Math.min(this.#against, 0) - 1)
    return false
  }

  /** Whether batching pays if this is the fixed part of a run's time. */
  #pays(fixedMs: number): boolean {
    const { typical } = this.times
    const perRowMs = Math.max(0, (this.times.of(typical) - fixedMs) / typical)
    const rows = Math.max(2, this.#throughputSize)
    const alone = fixedMs + perRowMs
    const together = fixedMs / rows + perRowMs
    return alone >= WORTHWHILE * together && alone - together >= OWN_COST_MS
  }
}
