/** State events and notices → metrics. */
import type { NoticeEvent, StateEvent } from '../../core/events.js'
import type { Counter } from './counter.js'
import type { MetricAttributes } from './definition.js'
import type { Gauge } from './gauge.js'
import type { Histogram } from './histogram.js'
import type { LiveVersions } from './_live-versions.js'
import type { MetricRegistry } from './metric-registry.js'
import { instrumentOf, modelMetricDefinitions as metrics } from './model-metrics-definitions.js'

type Data = Readonly<Record<string, unknown>>
const isNumber = (value: unknown): value is number => typeof value === 'number'

export class StateCounts {
  readonly #changes: Counter
  readonly #notices: Counter
  readonly #swaps: Counter
  readonly #quarantined: Counter
  readonly #breaker: Gauge
  readonly #layer: Gauge
  readonly #drift: Gauge
  readonly #driftScore: Gauge
  readonly #rollout: Gauge
  readonly #rolloutShare: Gauge
  readonly #weight: Gauge
  readonly #limit: Gauge
  readonly #versions: LiveVersions
  readonly #load: Histogram
  /** Heard already: a layer and an observer may listen at two places of one stack. */
  readonly #heard = new WeakSet<object>()
  /** Features whose drift is told, by monitor; a monitor has a fixed set of features. */
  readonly #drifted = new Map<string, readonly string[]>()

  constructor(registry: MetricRegistry, versions: LiveVersions) {
    this.#changes = instrumentOf(registry, metrics.changes)
    this.#notices = instrumentOf(registry, metrics.notices)
    this.#swaps = instrumentOf(registry, metrics.swaps)
    this.#quarantined = instrumentOf(registry, metrics.quarantined)
    this.#breaker = instrumentOf(registry, metrics.breaker)
    this.#layer = instrumentOf(registry, metrics.layerState)
    this.#drift = instrumentOf(registry, metrics.drift)
    this.#driftScore = instrumentOf(registry, metrics.driftScore)
    this.#rollout = instrumentOf(registry, metrics.rollout)
    this.#rolloutShare = instrumentOf(registry, metrics.rolloutShare)
    this.#weight = instrumentOf(registry, metrics.weight)
    this.#limit = instrumentOf(registry, metrics.limit)
    this.#load = instrumentOf(registry, metrics.load)
    this.#versions = versions
  }

  count(event: StateEvent | NoticeEvent): void {
    if (this.#heard.has(event)) return
    this.#heard.add(event)
    if (event.type === 'notice') this.#notices.add(1, { 'ml.layer': event.layer })
    else this.#changed(event)
  }

  #changed(event: StateEvent): void {
    const { layer, data = {}, from } = event
    let { subject, to } = event as { subject: string | undefined; to: string | undefined }
    switch (layer) {
      case 'circuit-breaker':
        enter(this.#breaker, { 'ml.model.name': subject, 'ml.breaker.scope': text(data['scope']) }, from, to as string)
        break
      case 'drift-monitor':
        enter(this.#drift, { 'ml.drift.monitor': subject }, from, to as string)
        this.#scored(subject as string, data)
        break
      case 'model-loader':
        this.#version(event, data)
        subject = nameOf(subject as string)[0]
        break
      case 'rollout':
        // 'canary 5 %': the share is a number of its own.
        enter(this.#rollout, { 'ml.rollout': subject }, word(from), word(to as string))
        this.#rolloutShare.set(shareOf(to as string), { 'ml.rollout': subject })
        to = word(to as string)
        break
      case 'split':
        this.#weighed(subject as string, data)
        to = undefined
        break
      case 'adaptive-concurrency':
        this.#limit.set(Number(to), { 'ml.model.name': subject })
        to = undefined
        break
      case 'score-batch':
        // Its subject is a place in the file system.
        subject = undefined
        break
      default:
        enter(this.#layer, { 'ml.layer': layer, 'ml.subject': subject }, from, to as string)
    }
    this.#changes.add(1, { 'ml.layer': layer, 'ml.subject': subject, 'ml.state': to })
  }

  #version({ subject, from, to }: StateEvent, data: Data): void {
    const [name, version] = nameOf(subject)
    const attributes = { 'ml.model.name': name, 'ml.model.version': version }
    const identity = { name, version: version ?? '', digest: text(data['digest']) }
    if (to === 'live') {
      this.#swaps.add(1, attributes)
      this.#versions.enter(identity)
    } else if (from === 'live') this.#versions.leave(identity)
    if (to === 'quarantined') this.#quarantined.add(1, { ...attributes, 'ml.stage': text(data['stage']) })
    const { durations } = data
    if (typeof durations !== 'object' || durations === null) return
    const ms = Object.values(durations).reduce<number>((sum, one) => sum + (isNumber(one) ? one : 0), 0)
    this.#load.record(Math.max(0, ms) / 1000, { 'ml.model.name': name })
  }

  #scored(monitor: string, data: Data): void {
    for (const feature of this.#drifted.get(monitor) ?? []) this.#driftScore.remove({ 'ml.drift.monitor': monitor, 'ml.feature': feature })
    const features = Array.isArray(data['features']) ? (data['features'] as { readonly feature: string; readonly effect?: { readonly value?: unknown } }[]) : []
    for (const { feature, effect } of features) if (isNumber(effect?.value)) this.#driftScore.set(effect.value, { 'ml.drift.monitor': monitor, 'ml.feature': feature })
    this.#drifted.set(monitor, features.map(({ feature }) => feature))
  }

  #weighed(split: string, data: Data): void {
    for (const [variant, weight] of Object.entries((data['weights'] ?? {}) as Data)) if (isNumber(weight)) this.#weight.set(weight, { 'ml.split': split, 'ml.route.variant': variant })
  }
}

/** From one state to another: 0 for what was left, 1 for what was entered. */
const enter = (gauge: Gauge, attributes: MetricAttributes, from: string, to: string): void => {
  gauge.set(0, { ...attributes, 'ml.state': from })
  gauge.set(1, { ...attributes, 'ml.state': to })
}

const text = (value: unknown): string | undefined => (typeof value === 'string' ? value : undefined)
const word = (state: string): string => state.split(' ', 1)[0] as string

/** Of `canary 5 %`; all of it once promoted, nothing in any other stage. */
const shareOf = (state: string): number => (word(state) === 'promoted' ? 1 : word(state) === 'canary' ? Number.parseFloat(state.slice(7)) / 100 : 0)

/** `name@version` in its parts: a name may have an @ too. */
const nameOf = (subject: string): [name: string, version: string | undefined] => {
  const at = subject.lastIndexOf('@')
  return at < 0 ? [subject, undefined] : [subject.slice(0, at), subject.slice(at + 1)]
}
