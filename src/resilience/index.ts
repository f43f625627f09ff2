/**
 * Keeping a prediction service up: time limits, retries, a circuit breaker, bounded concurrency, fallbacks.
 *
 * Put them around any model that can fail, hang or be overloaded. A pure function that cannot fail needs none of them.
 */
export { adaptiveConcurrency } from './adaptive-limit.js'
export type { AdaptiveConcurrencyLayer, AdaptiveConcurrencyOptions, AimdOptions, GradientOptions } from './adaptive-limit.js'
export { bulkhead } from './bulkhead.js'
export type { BulkheadLayer, BulkheadOptions } from './bulkhead.js'
export { circuitBreaker } from './circuit-breaker.js'
export type { CircuitBreakerLayer, CircuitBreakerOptions } from './circuit-breaker.js'
export { eventLoopMonitor } from './event-loop.js'
export type { EventLoopMonitor } from './event-loop.js'
export type { EventLoopOptions } from './_loop-watch.js'
export { fallback } from './fallback.js'
export type { Rung, RungCondition, RungInput, RungOptions, RungSettings } from './fallback.js'
export { hedge } from './hedge.js'
export type { HedgeCounts, HedgeLayer, HedgeOptions, HedgeTarget, NeutralHedgeLayer } from './hedge.js'
export { loadShedding } from './load-shedding.js'
export type { LoadSheddingLayer, LoadSheddingOptions, SheddingCounts } from './load-shedding.js'
export { rateLimit } from './rate-limit.js'
export type { NeutralRateLimitLayer, RateLimitCounts, RateLimitLayer, RateLimitOptions } from './rate-limit.js'
export type { RateLimitRequest, RateLimitStore } from './rate-limit-store.js'
export { redisRateLimit } from './redis-rate-limit.js'
export type { RedisRateLimitOptions } from './redis-rate-limit.js'
export { retry } from './retry.js'
export type { RetryOptions } from './retry.js'
export { timeout } from './timeout.js'
export type { TimeoutOptions } from './timeout.js'
