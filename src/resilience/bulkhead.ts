import { roughBytes } from '../core/copy.js'
import { InvalidOptionError } from '../core/errors.js'
import { applyGuard, type NeutralLayer } from '../core/layer.js'
import { functionOption, numberOption, optionsObject } from '../core/options.js'
import type { Predictor } from '../core/predictor.js'
import { isStream, untilEnd } from '../core/streams.js'
import { Gate } from './_gate.js'
import { weigher } from './guarded.js'

/** Options of {@link bulkhead}. At least one of `concurrency`, `rows` and `bytes` is needed; they hold together. */
export interface BulkheadOptions<I = never> {
  /** So many calls run at once; a batch counts as one. @default no limit */
  readonly concurrency?: number
  /** So many rows are in flight; a single call is one. @default no limit */
  readonly rows?: number
  /** About so many bytes of inputs are in flight. @default no limit */
  readonly bytes?: number
  /** The bytes of one input. @default its typed arrays, texts and numbers, roughly */
  readonly bytesOf?: (input: I) => number
  /** So many calls wait for their turn, by priority, then first come, first served. @default 0 */
  readonly queue?: number
  /** Nobody waits longer, in milliseconds. @default no limit */
  readonly maxWaitMs?: number
}

/** A bulkhead that measures inputs of one type. */
export type BulkheadLayer<I> = <O>(inner: Predictor<I, O>) => Predictor<I, O>

const owner = 'a bulkhead'
const known = ['concurrency', 'rows', 'bytes', 'bytesOf', 'queue', 'maxWaitMs'] as const

/**
 * Bounds how much runs at once, by calls, rows and bytes, and how many calls wait.
 *
 * A call that finds no room and no place in the queue is rejected with `ERR_OUTRIGGER_BULKHEAD_FULL` at once, and so is
 * one that is larger than a whole limit. Who waits goes in by `priority` (a scoring job's calls last), and by arrival
 * within a priority; a full queue gives up its last one for a call of higher priority. Low ones do not starve: a level of
 * priority overtakes a bounded number of earlier arrivals. A waiting call whose caller leaves, or whose deadline passes,
 * never reaches the model. What a call holds it holds until its work has ended; for a stream until the stream has.
 *
 * @throws `ERR_OUTRIGGER_INVALID_OPTION`
 * @example
 * ```ts
 * import { pipe } from 'outrigger'
 * import { bulkhead } from 'outrigger/resilience'
 * const predict = pipe(async (x: number) => x, bulkhead({ concurrency: 1, queue: 1 }))
 * const results = await Promise.allSettled([predict(1), predict(2), predict(3)])
 * assert.deepEqual(results.map((result) => result.status), ['fulfilled', 'fulfilled', 'rejected'])
 * ```
 */
export function bulkhead(options: BulkheadOptions & { readonly bytesOf?: undefined }): NeutralLayer
export function bulkhead<I>(options: BulkheadOptions<I>): BulkheadLayer<I>
export function bulkhead<I>(options: BulkheadOptions<I>): BulkheadLayer<I> {
  optionsObject(owner, options, known)
  const limit = (name: 'concurrency' | 'rows' | 'bytes'): number => numberOption(owner, name, options[name] ?? Infinity, { min: 1, integer: true, infinite: true })
  const limits = {
    calls: limit('concurrency'),
    rows: limit('rows'),
    bytes: limit('bytes'),
    queue: numberOption(owner, 'queue', options.queue ?? 0, { min: 0, integer: true }),
    maxWaitMs: options.maxWaitMs === undefined ? undefined : numberOption(owner, 'maxWaitMs', options.maxWaitMs, { min: 0, max: 2 ** 31 - 1, exclusive: true }),
  }
  const { calls, rows, bytes, queue } = limits
  if (Math.min(calls, rows, bytes) === Infinity) throw new InvalidOptionError(`Cannot create ${owner} as \`concurrency\`, \`rows\` or \`bytes\` must be limited: current value is none of them`)
  const bytesOf = functionOption(owner, 'bytesOf', options.bytesOf)

  return (inner) =>
    applyGuard(inner, 'bulkhead', (host) => {
      const gate = new Gate(host.clock, limits, 'ERR_OUTRIGGER_BULKHEAD_FULL')
      const measure = weigher(host, 'bytesOf', bytesOf, roughBytes)
      const weigh = bytes === Infinity ? () => 0 : (input: I) => Math.ceil(measure(input))
      return {
        describe: () => `bulkhead ${show(calls, 'at once')}${show(rows, 'rows')}${show(bytes, 'bytes')}${show(queue || Infinity, 'waiting')}`.slice(0, -2),
        guard: {
          enter: (call, input) => gate.enter(call, 1, weigh(input)),
          refusal: (_call, input) => gate.refusal(1, weigh(input)),
          wait: async (call, input) => await gate.wait(call, 1, weigh(input)),
          pass: (held, output) => {
            if (isStream(output)) return untilEnd(output, () => gate.leave(1, held))
            gate.leave(1, held)
            return output
          },
          fail: (held) => gate.leave(1, held),
        },
        many: (next, inputs, batch) => gate.many(next, inputs, batch, inputs.reduce((sum, input) => sum + weigh(input), 0)),
        close: () => gate.close(),
      }
    })
}

const show = (limit: number, what: string): string => (limit === Infinity ? '' : `${limit} ${what}, `)
