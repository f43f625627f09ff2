/** The instruments of predictions, and the bound series of each version, so that counting a call looks up little. */
import type { RungChoice, Source } from '../../core/call-notes.js'
import type { Outcome } from '../../core/errors.js'
import type { ModelIdentity } from '../../core/identity.js'
import type { Counter, CounterSeries } from './counter.js'
import type { Histogram, HistogramSeries } from './histogram.js'
import { LiveVersions } from './_live-versions.js'
import type { MetricRegistry } from './metric-registry.js'
import { instrumentOf, modelMetricDefinitions as metrics } from './model-metrics-definitions.js'

/** How a row ended, as the attributes of its series say it. */
export interface Ending {
  readonly variant: string | undefined
  readonly outcome: Outcome | undefined
  readonly source: Source | undefined
  /** The code of the error, or its name. */
  readonly error: string | undefined
}

/** The series of rows of one version that ended alike. */
export class RequestSeries {
  readonly requests: CounterSeries
  readonly duration: HistogramSeries
  readonly #attempts: CounterSeries

  constructor(requests: CounterSeries, duration: HistogramSeries, attempts: CounterSeries) {
    this.requests = requests
    this.duration = duration
    this.#attempts = attempts
  }

  /**
   * Counts a call, of which the clock said both times, in milliseconds. All in one function and without checks of what cannot be, as
   * numbers that are handed on are put on the heap.
   */
  settled(startedAt: number, endedAt: number, attempts: number): void {
    const { requests } = this
    const all = this.#attempts
    requests.counter.cells[requests.place]! += 1
    all.counter.cells[all.place]! += attempts
    this.took(startedAt, endedAt)
  }

  /** Only the time. A clock that went back is no reason to fail a prediction. */
  took(startedAt: number, endedAt: number): void {
    const { histogram, from } = this.duration
    const { bounds, cells } = histogram
    let seconds = (endedAt - startedAt) / 1000
    if (!(seconds >= 0)) seconds = 0
    let bucket = 0
    while (bucket < bounds.length && seconds > (bounds[bucket] as number)) bucket += 1
    cells[from + bucket]! += 1
    cells[from + bounds.length + 1]! += seconds
  }
}

/** What is kept of versions and endings at most: beyond it series are bound anew for each call, and are mostly the overflow. */
const mostKept = 1000

/** The series of one version. */
export class VersionSeries {
  readonly attempts: CounterSeries
  readonly #counts: PredictionCounts
  readonly #attributes: { readonly 'ml.model.name': string; readonly 'ml.model.version': string }
  readonly #bySource = new Map<Source, RequestSeries>()
  #lastSource: Source | undefined
  #last: RequestSeries | undefined
  readonly #byEnding = new Map<string, RequestSeries>()
  #batchSize: HistogramSeries | undefined
  #queue: HistogramSeries | undefined
  #model: HistogramSeries | undefined
  readonly #cache = new Map<string, CounterSeries>()

  constructor(counts: PredictionCounts, { name, version, digest }: ModelIdentity) {
    this.#counts = counts
    this.#attributes = { 'ml.model.name': name, 'ml.model.version': version }
    this.attempts = counts.attempts.bind(this.#attributes)
    counts.versions.answers({ name, version, digest })
  }

  /** The series of answers from a source, on no variant: most calls. */
  answered(source: Source): RequestSeries {
    if (source === this.#lastSource) return this.#last as RequestSeries
    let series = this.#bySource.get(source)
    if (series === undefined) this.#bySource.set(source, (series = this.#bind({ variant: undefined, outcome: 'ok', source, error: undefined })))
    this.#lastSource = source
    return (this.#last = series)
  }

  ended(ending: Ending): RequestSeries {
    const { variant, outcome, source, error } = ending
    const key = `${outcome} ${source} ${variant?.length} ${variant} ${error}`
    const known = this.#byEnding.get(key)
    if (known !== undefined) return known
    const made = this.#bind(ending)
    if (this.#byEnding.size < mostKept) this.#byEnding.set(key, made)
    return made
  }

  ranRows(rows: number): void {
    ;(this.#batchSize ??= this.#counts.batchSize.bind(this.#attributes)).record(rows)
  }

  waited(ms: number): void {
    ;(this.#queue ??= this.#counts.queue.bind(this.#attributes)).record(Math.max(0, ms) / 1000)
  }

  wasIn(modelMs: number): void {
    ;(this.#model ??= this.#counts.modelDuration.bind(this.#attributes)).record(Math.max(0, modelMs) / 1000)
  }

  lookedUp(result: string): void {
    let series = this.#cache.get(result)
    if (series === undefined) this.#cache.set(result, (series = this.#counts.cache.bind({ ...this.#attributes, 'ml.cache.result': result })))
    series.add()
  }

  /** What few rows have: a rung that answered, a wait. */
  noted(rung: RungChoice | undefined, queueMs: number | undefined): void {
    if (queueMs !== undefined) this.waited(queueMs)
    if (rung !== undefined && rung.index > 0) this.#counts.fallback.add(1, { ...this.#attributes, 'ml.fallback.rung': rung.name })
  }

  #bind({ variant, outcome, source, error }: Ending): RequestSeries {
    const attributes = { ...this.#attributes, 'ml.outcome': outcome, 'ml.source': source, 'ml.route.variant': variant, 'error.type': error }
    return new RequestSeries(this.#counts.requests.bind(attributes), this.#counts.duration.bind(attributes), this.attempts)
  }
}

/** The instruments, and the series of the versions that were seen. */
export class PredictionCounts {
  readonly duration: Histogram
  readonly requests: Counter
  readonly attempts: Counter
  readonly marks: Counter
  readonly batchSize: Histogram
  readonly queue: Histogram
  readonly modelDuration: Histogram
  readonly cache: Counter
  readonly fallback: Counter
  readonly versions: LiveVersions
  readonly #versions = new WeakMap<ModelIdentity, VersionSeries>()
  #lastIdentity: ModelIdentity | undefined
  #last: VersionSeries | undefined

  constructor(registry: MetricRegistry, buckets: readonly number[] | undefined) {
    this.duration = instrumentOf(registry, metrics.duration, buckets)
    this.requests = instrumentOf(registry, metrics.requests)
    this.attempts = instrumentOf(registry, metrics.attempts)
    this.marks = instrumentOf(registry, metrics.marks)
    this.batchSize = instrumentOf(registry, metrics.batchSize)
    this.queue = instrumentOf(registry, metrics.queue, buckets)
    this.modelDuration = instrumentOf(registry, metrics.modelDuration, buckets)
    this.cache = instrumentOf(registry, metrics.cache)
    this.fallback = instrumentOf(registry, metrics.fallback)
    this.versions = new LiveVersions(instrumentOf(registry, metrics.info))
  }

  of(identity: ModelIdentity): VersionSeries {
    if (identity === this.#lastIdentity) return this.#last as VersionSeries
    let series = this.#versions.get(identity)
    if (series === undefined) this.#versions.set(identity, (series = new VersionSeries(this, identity)))
    this.#lastIdentity = identity
    return (this.#last = series)
  }
}
