/**
 * Pure machinery that several folders share: state machines and rules that are told the time and wait for nothing.
 *
 * `extraWorkBudget` is for every service: one budget for retries, hedges, shadows, renewals and audits. The rest is for a layer
 * of your own around the same rules; the layers themselves are in `outrigger/resilience`.
 */
export { AimdLimit } from './aimd-limit.js'
export type { AimdLimitRule } from './aimd-limit.js'
export { backoffDelay } from './backoff.js'
export type { Backoff, Jitter } from './backoff.js'
export { Breaker } from './breaker.js'
export type { BreakerChange, BreakerRule, BreakerState } from './breaker.js'
export { CallWindow } from './breaker-window.js'
export type { OutcomeWindow, WindowKind } from './breaker-window.js'
export type { ConcurrencyLimit, LimitSample, LimitSnapshot } from './concurrency-limit.js'
export { ControlledBreaker } from './controlled-breaker.js'
export type { BreakerSnapshot } from './controlled-breaker.js'
export { extraWorkBudget } from './extra-work-budget.js'
export type { BudgetCounts, BudgetMeter, ExtraWorkBudget, ExtraWorkBudgetOptions } from './extra-work-budget.js'
export { GradientLimit } from './gradient-limit.js'
export type { GradientLimitRule } from './gradient-limit.js'
export { LatencyWindow } from './latency-window.js'
export { loadClasses, LoadShedder } from './load-shedder.js'
export type { LoadClass, LoadShedderRule, SheddingChange } from './load-shedder.js'
export { PriorityQueue } from './priority-queue.js'
export type { Waiting } from './priority-queue.js'
export { retryAfterOf } from './retry-after.js'
export { SlowBaseline } from './slow-baseline.js'
export type { SlowRule } from './slow-baseline.js'
export { TimeWindow } from './time-window.js'
export { TokenBucket } from './token-bucket.js'
export type { TokenBucketRule, TokenGrant } from './token-bucket.js'
export { StandingDelay } from './standing-delay.js'
