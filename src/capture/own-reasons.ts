/** Layers that write the reasons of their state changes themselves, of numbers and fixed words. A loader's may repeat an error, a drift's a category, an isolate's anything. */
export const ownReasons: ReadonlySet<string> = new Set(
  'timeout retry hedge circuit-breaker fallback bulkhead adaptive-concurrency rate-limit load-shedding cached micro-batched score-batch scoring-job ensemble cascade shadow split rollout validated output-checked alerts'.split(' '),
)

/** The same of notices. Not of isolates, as what they print is told as notices too. */
export const ownMessages: ReadonlySet<string> = new Set([...ownReasons, 'drift-monitor', 'model-loader', 'observer', 'record', 'label-join'])
