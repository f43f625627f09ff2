/** A model that goes down, behind a time limit, a circuit breaker and two rungs of fallback: nobody gets an error. */
import assert from 'node:assert/strict'
import { circuitBreaker, fallback, pipe, predictor, timeout } from 'outrigger'

interface Trip {
  readonly km: number
  readonly road: 'motorway' | 'town'
}

let isDown = false
const model = async ({ km, road }: Trip): Promise<number> => {
  if (isDown) throw Object.assign(new Error('connection refused'), { code: 'ECONNREFUSED' })
  return km * (road === 'motorway' ? 0.5 : 1.6)
}
// Another model, which takes another input and knows no motorways.
const small = predictor(
  async (km: number): Promise<number> => {
    if (km > 100) throw new RangeError('trained up to 100 km')
    return km * 1.5
  },
  { name: 'small' },
)

const breaker = circuitBreaker({ minimumCalls: 5, windowSize: 10, openForMs: 60_000 })
const predict = pipe(
  model,
  timeout({ ms: 200 }),
  breaker,
  fallback(
    { use: small, input: ({ km }: Trip) => km, timeoutMs: 50, when: ['timeout', 'rejected', 'ECONNREFUSED'] },
    { use: ({ km }) => km, name: 'rule of thumb' },
  ),
)

assert.equal(await predict({ km: 10, road: 'town' }), 16)
isDown = true
const near = await Promise.all(Array.from({ length: 100 }, () => predict.detailed({ km: 10, road: 'town' })))
assert.ok(near.every(({ output, record }) => output === 15 && record.rung?.name === 'small' && record.identity.name === 'small'))
const far = await predict.detailed({ km: 300, road: 'motorway' })
assert.deepEqual([far.output, far.record.rung?.name, far.record.marks], [300, 'rule of thumb', ['rung-1-failed']])
assert.equal(breaker.state, 'open')
console.log(`101 calls of a model that was down, 101 answers; the breaker is ${breaker.state}.`)
console.log(predict.describe())
