/**
 * Answering from memory: cached inference with exact keys, coalescing and partial batch hits.
 *
 * Use it when inputs repeat and the model costs more than a look-up (about 1 µs). Not for models whose answer depends
 * on anything but the input.
 */
export { cached } from './cached.js'
export type { CacheCounts, CachedLayer, CachedOptions, CacheHandle, NeutralCachedLayer } from './cached.js'
export { contentKey } from './content-key.js'
