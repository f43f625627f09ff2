import type { Call } from '../core/call.js'
import { InvalidOptionError, outcomeOf, rejection } from '../core/errors.js'
import { refused } from '../core/fuse.js'
import { applyGuard, type LayerHost, type NeutralLayer } from '../core/layer.js'
import { functionOption, numberOption, optionsObject } from '../core/options.js'
import { failRows } from '../core/rows.js'
import { isStream, untilEnd } from '../core/streams.js'
import { loadClasses, LoadShedder, type LoadClass } from '../policy/load-shedder.js'
import { StandingDelay } from '../policy/standing-delay.js'
import { untilRowsEnd } from './_gate.js'
import { weigher } from './guarded.js'
import { LoopWatch, type EventLoopOptions } from './_loop-watch.js'

/** Options of {@link loadShedding}. At least one signal is needed: `rowsInFlight`, `delay`, `eventLoop` or `load`. The highest of them counts. */
export interface LoadSheddingOptions {
  /** The load is 1 with so many rows in flight. */
  readonly rowsInFlight?: number
  /** The load is 1 when even the quickest call of the last `intervalMs` (default 500) took `targetMs`, in milliseconds. */
  readonly delay?: { readonly targetMs: number; readonly intervalMs?: number }
  /** The load is 1 when the event loop is late by `maxDelayMs`. */
  readonly eventLoop?: EventLoopOptions
  /** A load of your own: 0 is idle, 1 is full. It is asked at each call. */
  readonly load?: () => number
  /** The load at which shedding begins, for each class. @default batch 0.6, low 0.7, normal 0.8, high 1 */
  readonly thresholds?: Partial<Readonly<Record<LoadClass, number>>>
  /** So far above its threshold a class is shed entirely. @default 0.1 */
  readonly ramp?: number
  /** Shedding ends so far below its threshold. @default 0.05 */
  readonly hysteresis?: number
  /** Shedding lasts at least so long, in milliseconds. @default 1000 */
  readonly holdMs?: number
  /** About when a rejected caller should come back, in milliseconds. @default 1000 */
  readonly retryAfterMs?: number
}

/** What became of the rows of one class. */
export interface SheddingCounts {
  readonly admitted: number
  readonly shed: number
}

/** The layer, and what it did. Put around several predictors, it looks at all of them together. */
export interface LoadSheddingLayer extends NeutralLayer {
  /** The load as the last call saw it. */
  readonly load: number
  readonly counts: Readonly<Record<LoadClass, SheddingCounts>>
}

const owner = 'load shedding'
const known = ['rowsInFlight', 'delay', 'eventLoop', 'load', 'thresholds', 'ramp', 'hysteresis', 'holdMs', 'retryAfterMs'] as const

/**
 * Turns calls away while there is too much, the less important ones first.
 *
 * The load is the highest of the signals that you give. Scoring jobs (`workload: 'batch'`) are shed first, then priorities below 0, then 0, then above: each class from a threshold of its own,
 * at random between the threshold and `ramp` above it, with a hysteresis. Who is shed gets `ERR_OUTRIGGER_OVERLOADED` with a `retryAfterMs` that is spread, so that those who were rejected together do
 * not come back together.
 *
 * A batch is let in or shed as a whole. Each beginning and end of shedding is a `state` event.
 *
 * @throws `ERR_OUTRIGGER_INVALID_OPTION`
 * @example
 * ```ts
 * import { pipe } from 'outrigger'
 * import { loadShedding } from 'outrigger/resilience'
 * let load = 0.7
 * const shedding = loadShedding({ load: () => load })
 * const predict = pipe((x: number) => x, shedding)
 * assert.equal(await predict(1), 1)
 * await assert.rejects(predict(2, { workload: 'batch' }), { code: 'ERR_OUTRIGGER_OVERLOADED' })
 * load = 1.05
 * await assert.rejects(predict(3), { code: 'ERR_OUTRIGGER_OVERLOADED' })
 * assert.deepEqual(shedding.counts.normal, { admitted: 1, shed: 1 })
 * ```
 */
export const loadShedding = (options: LoadSheddingOptions): LoadSheddingLayer => {
  optionsObject(owner, options, known)
  const { delay: delayOptions, eventLoop } = options
  const rowsInFlight = options.rowsInFlight === undefined ? Infinity : numberOption(owner, 'rowsInFlight', options.rowsInFlight, { min: 1, integer: true })
  const given = functionOption(owner, 'load', options.load)
  if (delayOptions !== undefined) optionsObject(`the delay of ${owner}`, delayOptions, ['targetMs', 'intervalMs'])
  const delay =
    delayOptions === undefined
      ? undefined
      : new StandingDelay(numberOption(owner, 'targetMs', delayOptions.targetMs, { min: 0, exclusive: true }), numberOption(owner, 'intervalMs', delayOptions.intervalMs ?? 500, { min: 1 }))
  const loop = eventLoop === undefined ? undefined : new LoopWatch(owner, eventLoop)
  if (rowsInFlight === Infinity && delay === undefined && loop === undefined && given === undefined) {
    throw new InvalidOptionError(`Cannot create ${owner} as it needs \`rowsInFlight\`, \`delay\`, \`eventLoop\` or \`load\`: current value is none of them`)
  }
  const retryAfterMs = numberOption(owner, 'retryAfterMs', options.retryAfterMs ?? 1000, { min: 0 })
  const hosts = new Set<LayerHost>()
  const shedder = new LoadShedder(
    {
      thresholds: thresholdsOf(options),
      ramp: numberOption(owner, 'ramp', options.ramp ?? 0.1, { min: 0, exclusive: true }),
      hysteresis: numberOption(owner, 'hysteresis', options.hysteresis ?? 0.05, { min: 0 }),
      holdMs: numberOption(owner, 'holdMs', options.holdMs ?? 1000, { min: 0 }),
    },
    ({ loadClass, isShedding, load }) => {
      const [from, to] = isShedding ? ['admitting', 'shedding'] : ['shedding', 'admitting']
      for (const host of hosts) host.emit({ type: 'state', subject: loadClass, from: from as string, to: to as string, reason: `the load is ${load.toFixed(2)}`, data: { load, ...counts[loadClass] } })
    },
  )
  const counts = Object.fromEntries(loadClasses.map((name) => [name, { admitted: 0, shed: 0 }])) as Record<LoadClass, { admitted: number; shed: number }>
  let rows = 0
  let load = 0

  const wrap: NeutralLayer = (inner) =>
    applyGuard(inner, 'load-shedding', (host) => {
      const { clock, random } = host
      hosts.add(host)
      const ask = weigher<undefined>(host, 'load', given, () => 0)
      const now = (): number => clock.now()

      /** Gives when the call began, for the delay, or `refused`. */
      const enter = (call: Call, count: number): number => {
        const at = delay === undefined && loop === undefined ? 0 : clock.now()
        if (loop !== undefined && hosts.has(host)) loop.look(at, host)
        load = Math.max(rows / rowsInFlight, delay?.load(at) ?? 0, loop === undefined ? 0 : loop.delayMs / loop.maxDelayMs, ask(undefined))
        const loadClass = classOf(call)
        const isAdmitted = shedder.admits(loadClass, load, now, random)
        counts[loadClass][isAdmitted ? 'admitted' : 'shed'] += count
        if (!isAdmitted) return refused
        rows += count
        return at
      }
      const refusal = (call: Call): Error =>
        // Half to one and a half of it, longer the more there is too much.
        rejection('ERR_OUTRIGGER_OVERLOADED', `Cannot call the model as calls of the class ${classOf(call)} are shed: current value of the load is ${load.toFixed(2)}`, {
          retryAfterMs: Math.ceil(retryAfterMs * (0.5 + random.next()) * Math.max(1, load)),
          load,
          loadClass: classOf(call),
        })
      const leave = (count: number): void => void (rows -= count)
      const measure = (startedAt: number): void => {
        const at = clock.now()
        delay?.saw(at - startedAt, at)
      }

      return {
        describe: () => `load-shedding at ${load.toFixed(2)} of 1`,
        guard: {
          enter: (call) => enter(call, 1),
          refusal,
          pass: (startedAt, output, call) => {
            // What a cache or a fallback answers has stood in no queue.
            if (delay !== undefined && call.source === 'model' && !call.isAborted) measure(startedAt)
            if (isStream(output)) return untilEnd(output, () => leave(1))
            leave(1)
            return output
          },
          fail: (startedAt, error) => {
            // It took at least so long.
            if (delay !== undefined && outcomeOf(error) === 'timeout') measure(startedAt)
            leave(1)
          },
        },
        many: async (next, inputs, batch) => {
          const first = batch.rows[0] as Call
          if (enter(first, inputs.length) === refused) return failRows(inputs.length, refusal(first))
          return untilRowsEnd(await next(inputs, batch), () => leave(inputs.length))
        },
        close: () => {
          hosts.delete(host)
          if (hosts.size === 0) loop?.close()
        },
      }
    })
  return Object.defineProperties(wrap, {
    load: { get: () => load, enumerable: true },
    counts: { get: () => Object.fromEntries(loadClasses.map((name) => [name, { ...counts[name] }])), enumerable: true },
  }) as LoadSheddingLayer
}

const classOf = (call: Call): LoadClass => {
  if (call.isBatchWork) return 'batch'
  const { priority } = call
  return priority > 0 ? 'high' : priority < 0 ? 'low' : 'normal'
}

const thresholdsOf = ({ thresholds = {} }: LoadSheddingOptions): Record<LoadClass, number> => {
  optionsObject(`the thresholds of ${owner}`, thresholds, loadClasses)
  const all = { batch: 0.6, low: 0.7, normal: 0.8, high: 1, ...thresholds }
  let below = 0
  // Each at least the one before, or the more important ones would be shed first.
  for (const name of loadClasses) below = all[name] = numberOption(owner, `thresholds.${name}`, all[name], { min: below })
  return all
}
