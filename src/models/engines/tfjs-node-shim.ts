/** What `@tensorflow/tfjs-node` 4.22.0 misses in Node 23 and later. */
import util from 'node:util'

/** What its compiled code calls of `node:util`, and what Node removed (`isArray` is deprecated and still there in 26). */
const removed: Readonly<Record<string, (value: unknown) => boolean>> = {
  isNullOrUndefined: (value) => value === null || value === undefined,
  isArray: Array.isArray,
}

/**
 * Gives `node:util` back the functions that `@tensorflow/tfjs-node` 4.22.0 calls and Node 23 removed: without them nearly
 * every operation fails there with "isNullOrUndefined is not a function". Functions that exist are left alone, so that
 * on Node 20 and 22 nothing is changed.
 *
 * It changes `node:util` for the whole process, which is why nothing calls it for you. Call it once, before the first
 * model is loaded; a worker or a process of its own needs its own call. The fix in tfjs-node is merged and was never
 * released (tensorflow/tfjs#8425).
 *
 * @returns the names of what was missing
 * @example
 * ```ts
 * import { tfjsNodeShim } from 'outrigger/models'
 * tfjsNodeShim()
 * // const tf = await import('@tensorflow/tfjs-node')
 * assert.deepEqual(tfjsNodeShim(), [])
 * ```
 */
export const tfjsNodeShim = (): readonly string[] => {
  const target = util as unknown as Record<string, unknown>
  const missing = Object.keys(removed).filter((name) => typeof target[name] !== 'function')
  for (const name of missing) target[name] = removed[name]
  return missing
}
