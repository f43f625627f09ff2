/**
 * Answering from memory: cached inference with exact keys, coalescing and partial batch hits.
 *
 * Use it when inputs repeat and the model costs more than a look-up (about 1 µs). Not for models whose answer depends
 * on anything but the input.
 */
export { cached } from './cached.js'
export type { AuditOptions, CachedLayer, CachedOptions, CacheHandle, NeutralCachedLayer, NeutralCachedOptions } from './cached.js'
export type { WarmCounts, WarmEntry } from './_warm.js'
export type { AuditCounts, CacheCounts } from './_counts.js'
export type { Quantise } from './_quantise.js'
export { contentKey } from './content-key.js'
export type { CacheKey, Scope } from './cache-key.js'
export type { CachedAnswer, CacheFill, CacheReading, CacheStore, CacheStoreHost, CacheUse, Invalidation, OpenCacheStore, StoreEvent } from './cache-store.js'
export type { Refusal } from './_refusal.js'
export { memoryStore } from './memory-store.js'
export type { MemoryStoreOptions } from './memory-store.js'
export { redisStore } from './redis-store.js'
export type { RedisStoreOptions } from './redis-store.js'
export type { IoredisClient, NodeRedisClient, RedisClient } from '../store/redis.js'
export { tieredStore } from './tiered-store.js'
export type { TieredStoreOptions } from './tiered-store.js'
