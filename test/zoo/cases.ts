/** All cases, by family. */
import type { ZooCase } from './kit.js'
import { batchingCases } from './cases/batching.js'
import { breakerCases } from './cases/breaker.js'
import { cacheCases } from './cases/cache.js'
import { cancellationCases } from './cases/cancellation.js'
import { fallbackCases } from './cases/fallback.js'
import { limitCases } from './cases/limits.js'
import { processCases } from './cases/process.js'
import { retryCases } from './cases/retry.js'

export interface Family {
  readonly title: string
  readonly cases: readonly ZooCase[]
}

export const families: readonly Family[] = [
  { title: 'Circuit breakers', cases: breakerCases },
  { title: 'Time limits and abort signals', cases: cancellationCases },
  { title: 'Retries and hedges', cases: retryCases },
  { title: 'Fallbacks', cases: fallbackCases },
  { title: 'Limits', cases: limitCases },
  { title: 'Caches', cases: cacheCases },
  { title: 'Micro-batching', cases: batchingCases },
  { title: 'The process', cases: processCases },
]
