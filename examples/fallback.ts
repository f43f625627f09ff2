/** A model that goes down, behind a time limit, a circuit breaker and a fallback: nobody gets an error. */
import assert from 'node:assert/strict'
import { circuitBreaker, fallback, pipe, timeout } from 'outrigger'

let isDown = false
const model = async (km: number): Promise<number> => {
  if (isDown) throw new Error('connection refused')
  return km * 1.6
}

const breaker = circuitBreaker({ minimumCalls: 5, windowSize: 10, openForMs: 60_000 })
const predict = pipe(model, timeout({ ms: 200 }), breaker, fallback({ use: (km) => km * 1.5, name: 'rule of thumb' }))

assert.equal(await predict(10), 16)
isDown = true
const answers = await Promise.all(Array.from({ length: 100 }, () => predict.detailed(10)))
assert.ok(answers.every(({ output, record }) => output === 15 && record.rung?.name === 'rule of thumb'))
assert.equal(breaker.state, 'open')
console.log(`100 calls of a model that was down, 100 answers; the breaker is ${breaker.state}.`)
console.log(predict.describe())
