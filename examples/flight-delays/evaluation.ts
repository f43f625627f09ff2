import type * as tf from '@tensorflow/tfjs'
import { auc, logLoss } from 'outrigger/stats'
import { baselineRate, type Baseline } from './baseline.js'
import { hourOf, monthStart } from './calendar.js'
import { isLate, type Flights } from './data.js'
import { FEATURE_COUNT } from './features.js'
import { scoreRows } from './network.js'
import type { Normalisation } from './normalisation.js'
import { firstFrom } from './training-rows.js'

export interface Scorer {
  readonly model: tf.LayersModel
  readonly normalisation: Normalisation
}

export interface Quality {
  readonly rows: number
  readonly logLoss: number
  readonly auc: number
}

const ROWS_AT_ONCE = 8192

/**
 * What each model would have answered to every flight, scored apart from the service in large runs, with the features
 * that the service saw. It judges the models by month, and checks the service's answers against them.
 */
export class Evaluation {
  readonly #flights: Flights
  readonly #baseline: Baseline
  readonly #scorers: Map<string, Scorer> = new Map()
  /** Chances of being late by model and flight; NaN where it was not asked. */
  readonly #scores: Map<string, Float32Array> = new Map()
  readonly #features: Float32Array = new Float32Array(ROWS_AT_ONCE * FEATURE_COUNT)
  readonly #waiting: number[] = []

  constructor(flights: Flights, baseline: Baseline) {
    this.#flights = flights
    this.#baseline = baseline
    this.#scores.set('baseline', new Float32Array(flights.count).fill(Number.NaN))
  }

  /** From now on this model scores every flight too. */
  add(name: string, scorer: Scorer): void {
    this.#flush()
    this.#scorers.set(name, scorer)
    this.#scores.set(name, new Float32Array(this.#flights.count).fill(Number.NaN))
  }

  /** From now on it does not. */
  remove(name: string): void {
    this.#flush()
    this.#scorers.delete(name)
  }

  /** A flight leaves. */
  see(flight: number, features: Float32Array): void {
    this.#features.set(features, this.#waiting.length * FEATURE_COUNT)
    this.#waiting.push(flight)
    ;(this.#scores.get('baseline') as Float32Array)[flight] = baselineRate(this.#baseline, this.#flights.origin[flight]!, hourOf(this.#flights.minute[flight]!))
    if (this.#waiting.length === ROWS_AT_ONCE) this.#flush()
  }

  score(name: string, flight: number): number {
    this.#flush()
    return this.#scores.get(name)?.[flight] ?? Number.NaN
  }

  /** How good a model was in a month, or `undefined` if it did not score all of it. */
  quality(name: string, month: number): Quality | undefined {
    this.#flush()
    const scores = this.#scores.get(name)
    if (scores === undefined) return undefined
    return qualityOf(this.#flights, month, (flight) => scores[flight]!)
  }

  #flush(): void {
    if (this.#waiting.length === 0) return
    const features = this.#features.subarray(0, this.#waiting.length * FEATURE_COUNT)
    for (const [name, { model, normalisation }] of this.#scorers) {
      const chances = scoreRows(model, normalisation, features)
      const scores = this.#scores.get(name) as Float32Array
      this.#waiting.forEach((flight, row) => (scores[flight] = chances[row]!))
    }
    this.#waiting.length = 0
  }
}

/** The log loss of one answer, which is drawn into [0.01, 0.99]: no single flight says more than ln 100. */
export const clampedLogLoss = (chance: number, late: boolean): number => -Math.log(Math.min(0.99, Math.max(0.01, late ? chance : 1 - chance)))

/** Log loss and AUC over the flights of a month; `undefined` when a flight has no score. */
export const qualityOf = (flights: Flights, month: number, scoreOf: (flight: number) => number): Quality | undefined => {
  const first = firstFrom(flights, monthStart(month))
  const rows = firstFrom(flights, monthStart(month + 1)) - first
  const scores = Float32Array.from({ length: rows }, (_, row) => scoreOf(first + row))
  if (rows === 0 || scores.some(Number.isNaN)) return undefined
  const labels = Uint8Array.from({ length: rows }, (_, row) => (isLate(flights, first + row) ? 1 : 0))
  return { rows, logLoss: logLoss(scores, labels), auc: auc(scores, labels) }
}
