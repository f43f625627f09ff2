/** Which versions answer: `ml.model.info`. */
import type { ModelIdentity } from '../../core/identity.js'
import type { MetricAttributes } from './definition.js'
import type { Gauge } from './gauge.js'

/** So many are remembered of those that a loader took away. */
const mostGone = 1000

export class LiveVersions {
  readonly #info: Gauge
  readonly #gone = new Set<string>()

  constructor(info: Gauge) {
    this.#info = info
  }

  /** One answers. The last calls of one that was taken away settle after that, and do not bring it back. */
  answers(identity: ModelIdentity): void {
    if (!this.#gone.has(keyOf(identity))) this.#info.set(1, attributesOf(identity))
  }

  /** A loader made it live. */
  enter(identity: ModelIdentity): void {
    this.#gone.delete(keyOf(identity))
    this.#info.set(1, attributesOf(identity))
  }

  /** A loader took it away. */
  leave(identity: ModelIdentity): void {
    this.#info.remove(attributesOf(identity))
    this.#gone.add(keyOf(identity))
    if (this.#gone.size > mostGone) this.#gone.delete(this.#gone.values().next().value as string)
  }
}

const keyOf = ({ name, version, digest }: ModelIdentity): string => JSON.stringify([name, version, digest?.slice(0, 12)])
const attributesOf = ({ name, version, digest }: ModelIdentity): MetricAttributes => ({ 'ml.model.name': name, 'ml.model.version': version, 'ml.model.digest': digest?.slice(0, 12) })
