/**
 * A service with objectives: an outage of ten minutes burns the error budget, somebody is told once, and once when it is over. The log has a line for each change, and none per call.
 *
 *     npx tsx examples/alerts.ts
 */
import assert from 'node:assert/strict'
import { circuitBreaker, fallback, pipe, predictor } from 'outrigger'
import { alerts, logEvents, objectives, type AlertMessage } from 'outrigger/observe'
import { fakeClock } from 'outrigger/testing'

const clock = fakeClock({ wallMs: Date.UTC(2026, 5, 1, 9) }) // two hours in a moment
let isDown = false
const model = (km: number): number => {
  if (isDown) throw new Error('no connection')
  return km / 800
}
const predict = pipe(predictor(model, { name: 'duration', version: '3', clock }), circuitBreaker({ openForMs: 30_000 }), fallback({ use: (km: number) => km / 700, name: 'rule of thumb' }))

const told: AlertMessage[] = []
const watch = alerts({
  source: 'flights',
  clock,
  objectives: objectives([
    { kind: 'availability', objective: 0.999 },
    { kind: 'availability', name: 'model-answers', objective: 0.99, answersBy: 'model' },
  ]),
  sinks: [(message) => void told.push(message)], // in production: webhook('https://…')
})
predict.observe(watch.observer)

const at = (): string => new Date(clock.wall()).toISOString().slice(11, 16)
const lines: string[] = []
const log = (_: object, message: string): void => void lines.push(`${at()}  ${message}`)
const stop = logEvents(predict, { logger: { info: log, warn: log } })

for (let minute = 0; minute < 120; minute += 1) {
  isDown = minute >= 30 && minute < 40
  for (let call = 0; call < 20; call += 1) await predict(400)
  await clock.advance(60_000)
}

console.log('The log of two hours, 2400 calls, and ten minutes without a model:')
for (const line of lines) console.log(`  ${line}`)
console.log('\nWhat people were told:')
for (const { at, title, severity } of told) console.log(`  ${new Date(at).toISOString().slice(11, 16)}  ${severity}: ${title}`)
console.log('\nHow the objectives stand:')
for (const { name, attainment, budgetLeft } of watch.status) console.log(`  ${name.padEnd(14)} ${(100 * attainment!).toFixed(2)} %, ${Math.round(100 * budgetLeft!)} % of the budget is left`)

// Callers always had an answer; the model had not.
assert.deepEqual(told.map(({ objective, state, severity }) => `${objective.name} ${severity} ${state}`), ['model-answers ticket firing', 'model-answers page firing', 'model-answers page resolved'])
assert.equal(watch.status[0]!.attainment, 1)
assert.ok(lines.length < 60 && lines.some((line) => line.includes('closed → open')))
stop()
await Promise.all([watch.close(), predict.close()])
