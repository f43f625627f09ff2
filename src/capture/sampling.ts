/** Which predictions are kept. Pure. */
import { murmur3 } from '../core/hash.js'
import { functionOption, numberOption, optionsObject } from '../core/options.js'
import type { PredictionRecord } from '../core/record.js'
import { LatencyWindow } from '../policy/latency-window.js'
import type { SampleReason } from './stored-record.js'

type Question = (record: PredictionRecord) => boolean

/** Which predictions are kept. */
export interface SamplingOptions {
  /** The share that is kept by the hash of the id, in [0, 1]: the same ids in every process. @default 1 */
  readonly rate?: number
  /** One that took longer is kept, in milliseconds. @default Infinity */
  readonly slowMs?: number
  /** One that took longer than this share of the last thousand or two is kept: 0.99. @default none */
  readonly slowQuantile?: number
  /** Whether the model was unsure. @default none */
  readonly isLowConfidence?: Question
  /** Whether it comes at a time of drift, or is far out itself: ask your monitor's state. @default none */
  readonly isDrifted?: Question
  /** Whatever else is always kept. @default none */
  readonly isWanted?: Question
}

/** Why a prediction is kept, and with which probability one like it is. */
export interface Sample {
  readonly reason: SampleReason
  readonly probability: number
}

/** Fewer latencies make no quantile. */
const minimumCount = 100
/** A place of its own among the hashes of ids: what shadows sample is another choice. */
const seed = 0x5ca1ab1e

const always = (reason: SampleReason): Sample => Object.freeze({ reason, probability: 1 })
const kept = { error: always('error'), fallback: always('fallback'), slow: always('slow'), unsure: always('low-confidence'), drifted: always('drifted'), wanted: always('wanted') }

export class Sampler {
  readonly #rate: number
  readonly #head: Sample
  readonly #slowMs: number
  readonly #slowQuantile: number | undefined
  readonly #latencies: LatencyWindow | undefined
  readonly #questions: readonly (readonly [Question, Sample])[]
  readonly #threw: (error: unknown) => void

  constructor(options: SamplingOptions, threw: (error: unknown) => void) {
    const owner = 'a capture'
    optionsObject(owner, options, ['rate', 'slowMs', 'slowQuantile', 'isLowConfidence', 'isDrifted', 'isWanted'])
    const { rate = 1, slowMs = Infinity, slowQuantile, isLowConfidence, isDrifted, isWanted } = options
    this.#rate = numberOption(owner, 'sampling.rate', rate, { min: 0, max: 1 })
    this.#head = Object.freeze({ reason: 'head', probability: rate })
    this.#slowMs = numberOption(owner, 'sampling.slowMs', slowMs, { min: 0, infinite: true })
    this.#slowQuantile = slowQuantile === undefined ? undefined : numberOption(owner, 'sampling.slowQuantile', slowQuantile, { min: 0, max: 1 })
    this.#latencies = slowQuantile === undefined ? undefined : new LatencyWindow()
    const asked = [['isLowConfidence', isLowConfidence, kept.unsure], ['isDrifted', isDrifted, kept.drifted], ['isWanted', isWanted, kept.wanted]] as const
    this.#questions = asked.flatMap(([name, question, sample]) => (functionOption(owner, `sampling.${name}`, question) === undefined ? [] : [[question as Question, sample] as const]))
    this.#threw = threw
  }

  /** Why it is kept; `undefined` if it is not. A question that throws is not answered. */
  decide(record: PredictionRecord): Sample | undefined {
    const { totalMs } = record.durations
    const isSlow = totalMs > this.#slowMs || this.#isAboveQuantile(totalMs)
    if (record.outcome !== 'ok') return kept.error
    if (record.source === 'fallback') return kept.fallback
    if (isSlow) return kept.slow
    for (const [question, sample] of this.#questions) {
      try {
        if (question(record)) return sample
      } catch (error) {
        this.#threw(error)
      }
    }
    return this.#rate === 1 || murmur3(record.id, seed) < this.#rate * 2 ** 32 ? this.#head : undefined
  }

  #isAboveQuantile(totalMs: number): boolean {
    const latencies = this.#latencies
    if (latencies === undefined) return false
    // Judged by those before it, so that the probability with which it is kept does not depend on itself.
    const isAbove = latencies.count >= minimumCount && totalMs > latencies.quantile(this.#slowQuantile as number)
    latencies.record(totalMs)
    return isAbove
  }
}
