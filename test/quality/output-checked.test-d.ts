/** What `outputChecked` infers: its callbacks in `pipe`, and any predictor without them. Checked by `tsc`. */
import { pipe } from '../../src/core/pipe.js'
import type { Predictor } from '../../src/core/predictor.js'
import { outputChecked } from '../../src/quality/output-checked.js'
import { circuitBreaker } from '../../src/resilience/circuit-breaker.js'
import { fallback } from '../../src/resilience/fallback.js'

interface Trip {
  readonly km: number
}
interface Answer {
  readonly scores: readonly number[]
}
const model = ({ km }: Trip): Answer => ({ scores: [km] })

const plain: Predictor<Trip, Answer> = pipe(model, outputChecked({ sumsToOne: 1e-6 }), circuitBreaker())
const part: Predictor<Trip, Answer> = pipe(model, outputChecked({ of: (answer) => answer.scores, shape: [3] }))
const input: Predictor<Trip, Answer> = pipe(model, outputChecked({ inputOf: (trip) => trip.km, stuckAfter: 5 }))
const both: Predictor<Trip, Answer | 'rule'> = pipe(model, outputChecked({ of: (answer) => answer.scores, inputOf: (trip) => trip.km, stuckAfter: 5 }), circuitBreaker(), fallback(() => 'rule' as const))
const checks = outputChecked()
const ahead: Predictor<Trip, Answer> = pipe(model, checks)
const bad: number = checks.counts.by.collapsed ?? checks.counts.bad
// @ts-expect-error -- there is no such field
const wrong = pipe(model, outputChecked({ of: (answer) => answer.score }))
// @ts-expect-error -- there is no such option
const misspelt = outputChecked({ stuck: 3 })

export const checked = [plain, part, input, both, ahead, bad, wrong, misspelt]
