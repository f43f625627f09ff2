/** A memory budget that many models share. */
import { systemClock, type Clock } from '../../core/clock.js'
import { numberOption, optionsObject } from '../../core/options.js'
import { Pool } from './_pool.js'

/** Options of {@link modelPool}. */
export interface ModelPoolOptions {
  /** What the versions in memory may hold together, in bytes, as their engines measure it. */
  readonly maxBytes: number
  /** A version waits so long for room, in milliseconds; then loading it is tried again later, as the loader says. @default 30_000 */
  readonly maxWaitMs?: number
  /** @default the machine's */
  readonly clock?: Clock
}

/** A model that is in memory. */
export interface PooledModel {
  /** `name@version`. */
  readonly subject: string
  readonly bytes: number
  /** Calls that hold it now. */
  readonly leases: number
  /** Whether calls are bound to it; else it is a previous version that is kept warm. */
  readonly isLive: boolean
}

/** A memory budget that many loaders share: `modelLoader({ pool })`. */
export interface ModelPool {
  readonly maxBytes: number
  /** What is in memory, what drains, and what is being loaded, in bytes. */
  readonly bytes: number
  /** What is in memory and could go, the least recently used first. */
  readonly models: readonly PooledModel[]
}

const pools = new WeakMap<object, Pool>()

/**
 * A memory budget for many models, of which few are in use at a time.
 *
 * Give it to each loader. A model is loaded by the first call that wants it (which waits) or by `whenReady`, and stays until
 * another one needs its room: the least recently used goes, first previous versions that are only kept warm, never one
 * that a call holds before that call has ended. Room is reserved before a version is loaded, by the size of its files, and
 * corrected when its engine has measured it; so the budget is exceeded by no more than what one engine needs beyond its files.
 *
 * @throws `ERR_OUTRIGGER_INVALID_OPTION`
 * @example
 * ```ts
 * import { memoryDepot, modelLoader, modelPool, modelStore } from 'outrigger/models'
 * const store = modelStore({ depot: memoryDepot() })
 * for (const name of ['ams', 'bcn', 'cdg']) {
 *   await store.publish({ name, engine: 'function', files: { 'weights.bin': new Uint8Array(1000) } })
 * }
 * const pool = modelPool({ maxBytes: 2500 }) // two of the three
 * const load = () => (minutes: number) => minutes + 5
 * const [ams, bcn, cdg] = ['ams', 'bcn', 'cdg'].map((name) => modelLoader({ store, name, load, pool }))
 * assert.equal(await ams?.(10), 15)
 * assert.equal(await bcn?.(10), 15)
 * assert.equal(await cdg?.(10), 15)
 * assert.deepEqual(pool.models.map(({ subject }) => subject), ['bcn@1', 'cdg@1'])
 * for (const loader of [ams, bcn, cdg]) await loader?.close()
 * assert.equal(pool.bytes, 0)
 * ```
 */
export const modelPool = (options: ModelPoolOptions): ModelPool => {
  optionsObject('modelPool', options, ['maxBytes', 'maxWaitMs', 'clock'])
  const { clock = systemClock } = options
  const pool = new Pool(numberOption('modelPool', 'maxBytes', options.maxBytes, { min: 1 }), numberOption('modelPool', 'maxWaitMs', options.maxWaitMs ?? 30_000, { min: 1 }), clock)
  const face: ModelPool = {
    maxBytes: pool.maxBytes,
    get bytes() {
      return pool.bytes
    },
    get models() {
      return pool.residents.toSorted((a, b) => a.lastUse - b.lastUse).map(({ subject, bytes, leases, isLive }) => ({ subject, bytes, leases, isLive }))
    },
  }
  pools.set(face, pool)
  return face
}

/** The pool behind its face, or `undefined` if it is something else. */
export const poolOf = (face: unknown): Pool | undefined => (typeof face === 'object' && face !== null ? pools.get(face) : undefined)
