import assert from 'node:assert/strict'
import { fallback, isOutriggerError, pipe, retry, timeout } from 'outrigger'
import type { Layer, Predictor } from 'outrigger'
import type { Call } from 'outrigger/core'
import type { Call as RequiredCall } from 'outrigger/core' with { 'resolution-mode': 'require' }
import * as testing from 'outrigger/testing'

interface Flight {
  readonly origin: string
  readonly distance: number
}

const model = async (flight: Flight): Promise<{ late: number }> => ({ late: flight.distance / 10_000 })

// No annotation: the output is widened by the fallback.
const predict = pipe(model, timeout({ ms: 1000 }), retry({ retries: 1 }), fallback(() => 'unknown' as const))
const answer: { late: number } | 'unknown' = await predict({ origin: 'ATL', distance: 500 })
assert.deepEqual(answer, { late: 0.05 })

const exact: Predictor<Flight, { late: number } | 'unknown'> = predict
const own: Layer<Flight, { late: number }> = (inner) => inner
assert.equal(typeof exact.batch, 'function')
assert.deepEqual(await pipe(model, own)({ origin: 'ATL', distance: 0 }), { late: 0 })
assert.equal(isOutriggerError(new Error('other')), false)
assert.ok(Object.keys(testing).length > 0)

// @ts-expect-error: a flight has a distance
const wrong = (): unknown => predict({ origin: 'ATL' })
void wrong
// @ts-expect-error: milliseconds are a number
const alsoWrong = (): unknown => timeout({ ms: '200' })
void alsoWrong

// A class with private fields is one type, whether an import or a require names it, and wherever another subpath does.
const sameCall = (call: Call): RequiredCall => call
const sameCallBack = (call: RequiredCall): Call => call
void [sameCall, sameCallBack]
