/** What `driftMonitor` infers: its callbacks in `pipe`, and any predictor without them. Checked by `tsc`. */
import { pipe } from '../../src/core/pipe.js'
import type { Predictor } from '../../src/core/predictor.js'
import { driftMonitor } from '../../src/drift/drift-monitor.js'
import type { ReferenceProfile } from '../../src/drift/reference-profile.js'
import { timeout } from '../../src/resilience/timeout.js'

interface Trip {
  readonly km: number
  readonly city: string
}
declare const reference: ReferenceProfile
const hours = ({ km }: Trip): { readonly hours: number } => ({ hours: km / 60 })

const inferred: Predictor<Trip, { readonly hours: number }> = pipe(hours, driftMonitor({ reference, features: (row) => ({ km: row.km }), output: (answer) => answer.hours }), timeout({ ms: 1 }))
const inputOnly: Predictor<Trip, { readonly hours: number }> = pipe(hours, driftMonitor({ reference, features: (row) => ({ km: row.km }) }), timeout({ ms: 1 }))
const outputOnly: Predictor<Trip, { readonly hours: number }> = pipe(hours, driftMonitor({ reference, output: (answer) => answer.hours }))
const scoreOnly: Predictor<Trip, { readonly hours: number }> = pipe(hours, driftMonitor({ reference, score: (answer) => answer.hours }))
const neutral = driftMonitor({ reference })
const ahead: Predictor<Trip, { readonly hours: number }> = pipe(hours, neutral)
const observed = driftMonitor({ reference, output: (answer: { readonly hours: number }) => answer.hours })
const outputAhead: Predictor<Trip, { readonly hours: number }> = pipe(hours, observed)
const both = driftMonitor({ reference, features: (row: Trip) => row, output: (answer: { readonly hours: number }) => answer.hours })
const bothAhead: Predictor<Trip, { readonly hours: number }> = pipe(hours, timeout({ ms: 1 }), both)
const typed = driftMonitor({ reference, features: (row: Trip) => [row.km], windowRows: Infinity })
const later: Predictor<Trip, { readonly hours: number }> = pipe(hours, timeout({ ms: 1 }), typed)
// @ts-expect-error -- there is no such field
const wrong = pipe(hours, driftMonitor({ reference, features: (row) => ({ km: row.miles }) }))
// @ts-expect-error -- there is no such option
const misspelt = driftMonitor({ reference, windows: 3 })

export const checked = [inferred, inputOnly, outputOnly, scoreOnly, ahead, outputAhead, bothAhead, later, wrong, misspelt]
