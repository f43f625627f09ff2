import { OutriggerError } from '../../core/errors.js'
import { checksum } from './_state.js'

/** What a detector says after a value. Detectors without a warning zone never say `'warning'`. */
export type StreamSignal = 'stable' | 'warning' | 'drift'

/** The options of a detector, defaults filled in. */
export type DetectorOptions = Readonly<Record<string, number | string | boolean>>

/** The state of a streaming detector as plain JSON. */
export interface DetectorState {
  /** The function that made the detector. */
  readonly detector: string
  /** The version of this format. */
  readonly version: 1
  readonly options: DetectorOptions
  readonly signal: StreamSignal
  /** What it has learned, by the names of its algorithm. */
  readonly memory: Readonly<Record<string, number | readonly number[] | null>>
  /** Over all the rest, against accidents. */
  readonly checksum: number
}

/** A detector of change in a stream of numbers: one value at a time, in constant or logarithmic memory. */
export interface StreamDetector {
  /** The answer to the last value; `'stable'` before the first. */
  readonly signal: StreamSignal
  /**
   * Takes one value in, and says whether the stream has changed. After `'drift'` the next value starts afresh: what was
   * learned belongs to the past.
   *
   * @throws ERR_OUTRIGGER_INVALID_INPUT if it is no value that this detector takes; the state is as before
   */
  update(value: number): StreamSignal
  /** Forgets everything but the options. */
  reset(): void
  /** Options and memory as plain JSON: a detector of the same kind that is made with `{ state }` goes on from here, to the bit. */
  readonly state: DetectorState
}

/** Which values a detector takes. */
interface Domain {
  readonly accepts: (value: number) => boolean
  readonly what: string
}

/** Any number whose square can be summed. */
export const anyNumber: Domain = { accepts: (value) => Math.abs(value) <= 1e140, what: 'a number within ±1e140' }
/** [0, 1]. */
export const unitInterval: Domain = { accepts: (value) => value >= 0 && value <= 1, what: 'a number from 0 to 1' }
/** Right or wrong. */
export const zeroOrOne: Domain = { accepts: (value) => value === 0 || value === 1, what: '0 or 1' }

/** What one value does to a memory. Pure but for the memory itself. */
export interface Algorithm<Memory extends object> {
  readonly kind: string
  readonly options: DetectorOptions
  readonly domain: Domain
  /** The memory of a detector that has seen nothing: numbers and lists of numbers. */
  readonly fresh: () => Memory
  readonly step: (memory: Memory, value: number, signal: StreamSignal) => StreamSignal
}

/**
 * A detector that runs an algorithm, from its beginning or from a state that was read by `readOptions`.
 *
 * @param explain - makes the detector's `evidence` of its memory, if it has any
 */
export const detectorOf = <Memory extends object, Evidence = undefined>(algorithm: Algorithm<Memory>, state: DetectorState | undefined, explain?: (memory: Memory) => Evidence): StreamDetector & { readonly evidence: Evidence } => {
  const { kind, options, domain, fresh, step } = algorithm
  const { accepts, what } = domain
  let memory = fresh()
  let signal: StreamSignal = 'stable'
  if (state !== undefined) {
    signal = state.signal
    for (const [name, value] of Object.entries(state.memory)) {
      if (value !== null) Object.assign(memory, { [name]: typeof value === 'number' ? value : [...value] })
    }
  }
  return {
    get signal() {
      return signal
    },
    get evidence() {
      return explain?.(memory) as Evidence
    },
    update: (value) => {
      if (typeof value !== 'number' || !accepts(value)) throw new OutriggerError('ERR_OUTRIGGER_INVALID_INPUT', `Cannot update ${kind} as its value must be ${what}: current value is ${String(value)}`)
      if (signal === 'drift') memory = fresh()
      signal = step(memory, value, signal === 'drift' ? 'stable' : signal)
      return signal
    },
    reset: () => {
      memory = fresh()
      signal = 'stable'
    },
    get state() {
      // JSON has no infinity: what is not yet a number is null, and stays as it is in a fresh memory.
      const saved = Object.entries(memory).map(([name, value]: [string, number | number[]]) => [name, typeof value !== 'number' ? [...value] : Number.isFinite(value) ? value : null] as const)
      const content = { detector: kind, version: 1, options, signal, memory: Object.fromEntries(saved) } as const
      return { ...content, checksum: checksum(content) }
    },
  }
}
