/** A server with four workers behind a limit that nobody had to choose: it settles near what the server can do. */
import assert from 'node:assert/strict'
import { pipe, predictor, timeout } from 'outrigger'
import { adaptiveConcurrency } from 'outrigger/resilience'
import { fakeClock } from 'outrigger/testing'

const clock = fakeClock()
let busy = 0
const line: (() => void)[] = []
const serve = (): void => {
  const next = busy < 4 ? line.shift() : undefined
  if (next === undefined) return
  busy += 1
  clock.setTimeout(() => {
    busy -= 1
    next()
    serve()
  }, 50)
}
const model = (x: number): Promise<number> =>
  new Promise((resolve) => {
    line.push(() => resolve(x))
    serve()
  })

const limiter = adaptiveConcurrency({ initial: 40, windowMs: 300 })
const predict = pipe(predictor(model, { clock }), limiter, timeout({ ms: 400 }))

// 200 calls a second, of which the server can do 80.
let answered = 0
for (let at = 0; at < 20_000; at += 5) {
  predict(at).then(() => (answered += 1), () => {})
  await clock.advance(5)
  if (at === 14_995) answered = 0
}
const perSecond = answered / 5
assert.ok(limiter.limit >= 4 && limiter.limit <= 12)
assert.ok(perSecond > 72)
console.log(`The limit went from 40 to ${limiter.limit} for four workers; ${Math.round(perSecond)} answers a second of the 80 that are possible.`)
