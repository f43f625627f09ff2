/** The instruments of a process, or of a part of it. */
import { systemClock, type Clock } from '../../core/clock.js'
import { InvalidOptionError } from '../../core/errors.js'
import { EventHub } from '../../core/events.js'
import { membersOption, numberOption, optionsObject, requiredFunction } from '../../core/options.js'
import { Counter } from './counter.js'
import type { HistogramDefinition, MetricAttributes, MetricDefinition } from './definition.js'
import { Gauge } from './gauge.js'
import { Histogram } from './histogram.js'
import { prometheusNames, type MetricKind } from './_prometheus-names.js'
import { Watched } from './_watched.js'

/** Options of a {@link MetricRegistry}. */
export interface MetricRegistryOptions {
  /** The most series of one instrument, the overflow's included; 2 and up. @default 2000 */
  readonly maxSeries?: number
  /** @default the machine's */
  readonly clock?: Clock
}

/** What a watched number is. */
export interface WatchOptions {
  /** @default 'gauge' */
  readonly kind?: 'gauge' | 'counter'
  /** @default 'A number that the service reads when it is asked.' */
  readonly description?: string
  readonly unit?: string
  /** Its attributes, with their values. All that are watched under one name have the same ones. */
  readonly attributes?: MetricAttributes
}

export type Instrument = Counter | Gauge | Histogram | Watched

/**
 * Instruments: numbers in typed arrays, for `/metrics` and OpenTelemetry alike.
 *
 * Bind a series once and record into it: that is an addition, about 10 ns. An instrument has the attributes that it was made
 * with, and at most `maxSeries` series. What comes after these is counted in one more, with
 * `otel_metric_overflow="true"`, so that sums stay right and memory stays bounded, whoever fills in the labels.
 *
 * @example
 * ```ts
 * import { MetricRegistry, prometheusText } from 'outrigger/observe'
 * const registry = new MetricRegistry()
 * const flights = registry.counter({ name: 'app.flights', unit: '{flight}', description: 'Flights asked for.', attributes: ['carrier'] })
 * const ours = flights.bind({ carrier: 'AA' })
 * ours.add()
 * ours.add(2)
 * assert.ok(prometheusText(registry).includes('app_flights_total{carrier="AA"} 3'))
 * ```
 */
export class MetricRegistry {
  /** When counting began, in milliseconds since 1970. */
  readonly startedAt: number
  readonly clock: Clock
  readonly maxSeries: number
  readonly #instruments = new Map<string, Instrument>()
  readonly #samples = new Map<string, string>()
  readonly #events = new EventHub()

  /** @throws `ERR_OUTRIGGER_INVALID_OPTION` */
  constructor(options: MetricRegistryOptions = {}) {
    optionsObject('a metric registry', options, ['maxSeries', 'clock'])
    const { maxSeries = 2000, clock = systemClock } = options
    this.maxSeries = numberOption('a metric registry', 'maxSeries', maxSeries, { min: 2, max: 1_000_000, integer: true })
    this.clock = membersOption('a metric registry', 'clock', clock, ['now', 'wall'])
    this.startedAt = clock.wall()
  }

  /**
   * A counter; the same one where its name is known already.
   *
   * @throws `ERR_OUTRIGGER_INVALID_OPTION` as well when the name, as Prometheus spells it, is another instrument's
   */
  counter(definition: MetricDefinition): Counter {
    return this.#take('counter', definition, () => new Counter(definition, this.maxSeries))
  }

  /** A gauge. See {@link counter}. */
  gauge(definition: MetricDefinition): Gauge {
    return this.#take('gauge', definition, () => new Gauge(definition, this.maxSeries))
  }

  /** A gauge that is always 1, and whose attributes say what is there: a version, a build. See {@link counter}. */
  info(definition: MetricDefinition): Gauge {
    return this.#take('info', definition, () => new Gauge(definition, this.maxSeries, 'info'))
  }

  /** A histogram. See {@link counter}. */
  histogram(definition: HistogramDefinition): Histogram {
    return this.#take('histogram', definition, () => new Histogram(definition, this.maxSeries))
  }

  /**
   * Tells a number that somebody else keeps, such as a layer's `counts`: it is read when the metrics are. Where `read` throws or gives
   * no number, its series is left out that time, and a notice says so once.
   *
   * @returns what ends it
   * @throws `ERR_OUTRIGGER_INVALID_OPTION` as well when the same series is watched already
   */
  watch(name: string, read: () => number, options: WatchOptions = {}): () => void {
    requiredFunction('a watch', 'read', read)
    optionsObject('a watch', options, ['kind', 'description', 'unit', 'attributes'])
    const { kind = 'gauge', description = 'A number that the service reads when it is asked.', unit = '', attributes = {} } = options
    if (kind !== 'gauge' && kind !== 'counter') throw new InvalidOptionError(`Cannot create a watch as \`kind\` must be 'gauge' or 'counter': current value is ${JSON.stringify(kind)}`)
    const definition = { name, description, unit, attributes: Object.keys(attributes) }
    const failed = (error: unknown): void => this.#events.emit({ type: 'notice', layer: 'metrics', message: `Reading ${name} failed; it is left out.`, error, at: this.clock.wall() })
    return this.#take(kind, definition, () => new Watched(kind, definition, this.maxSeries, failed), true).add(attributes, read)
  }

  /** All instruments, with what is watched read now. */
  instruments(): Instrument[] {
    const all = [...this.#instruments.values()]
    for (const instrument of all) if (instrument instanceof Watched) instrument.read()
    return all
  }

  #take<I extends Instrument>(kind: MetricKind, definition: MetricDefinition, make: () => I, isWatched = false): I {
    const known = this.#instruments.get(definition.name)
    if (known !== undefined) {
      const { unit, attributes } = known.definition
      if (known.kind === kind && known instanceof Watched === isWatched && unit === (definition.unit ?? '') && attributes.join() === (definition.attributes ?? []).join()) return known as I
      throw new InvalidOptionError(`Cannot create a ${kind} as \`name\` must be its own: current value is ${JSON.stringify(definition.name)}, a ${known.kind} in ${JSON.stringify(unit)} by [${attributes.join(', ')}]`)
    }
    const made = make()
    const { samples } = prometheusNames(kind, definition)
    for (const sample of samples) {
      const owner = this.#samples.get(sample)
      if (owner !== undefined) throw new InvalidOptionError(`Cannot create a ${kind} as \`name\` must be its own, also as Prometheus spells it (${sample} is ${owner}): current value is ${JSON.stringify(definition.name)}`)
    }
    for (const sample of samples) this.#samples.set(sample, definition.name)
    this.#instruments.set(definition.name, made)
    // What has no attributes is told from the start: that nothing was counted is a fact too.
    if (!isWatched && made.definition.attributes.length === 0) made.bind({})
    return made
  }
}
