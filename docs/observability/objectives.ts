/** The objectives that the ready files in this folder are made from (`npm run docs`): a start, to be copied and changed. */
import { objectives } from '../../src/observe/slo/objective.js'

export const slo = objectives([
  { kind: 'availability', objective: 0.999 },
  { kind: 'availability', name: 'model-answers', objective: 0.99, answersBy: 'model' },
  { kind: 'latency', objective: 0.99, thresholdMs: 250 },
  { kind: 'quality', objective: 0.9, good: ({ label }) => label.value === true },
  { kind: 'drift', objective: 0.95 },
  { kind: 'freshness', objective: 0.99, maxAgeMs: 26 * 3_600_000, updatedAt: () => undefined },
])
