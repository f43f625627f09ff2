/** A model that is up and answers nonsense, becomes slow, and goes down: the breaker notices each, and lets it back in step by step. */
import assert from 'node:assert/strict'
import { circuitBreaker, fallback, pipe, predictor } from 'outrigger'
import { answerChecks, breakerControl, goldenProbe, slowCalls } from 'outrigger/resilience'
import { fakeClock } from 'outrigger/testing'

// A fake clock, so that the half hour that follows takes a moment.
const clock = fakeClock()
let mood: 'well' | 'nan' | 'slow' | 'down' = 'well'
const model = async (km: number): Promise<number> => {
  if (mood === 'down') throw new Error('connection refused')
  await new Promise<void>((resolve) => clock.setTimeout(resolve, mood === 'slow' ? 500 : 10))
  return mood === 'nan' ? Number.NaN : km * 1.6
}

const control = breakerControl()
const predict = pipe(
  predictor(model, { clock, name: 'minutes' }),
  circuitBreaker<number, number>({
    isBadAnswer: answerChecks({ range: [0, 10_000] }),
    slow: slowCalls({ factor: 5 }),
    probe: goldenProbe({ input: 100, accept: (minutes: number) => minutes === 160 }),
    ramp: [0.2],
    openForMs: 10_000,
    control,
  }),
  fallback({ use: (km) => km * 1.5, name: 'rule of thumb' }),
)
const story: string[] = []
predict.observe((event) => {
  if (event.type === 'state') story.push(`${event.from} → ${event.to}: ${event.reason}`)
})

/** One call, and its answer: 16 from the model, 15 from the rule. */
const ask = async (): Promise<number> => {
  const answer = predict(10)
  await clock.advance(600)
  return await answer
}
const until = async (state: string): Promise<number[]> => {
  const answers: number[] = []
  for (let call = 0; call < 500 && control.scopes.get('') !== state; call += 1) answers.push(await ask())
  assert.equal(control.scopes.get(''), state)
  return answers
}

for (let call = 0; call < 30; call += 1) assert.equal(await ask(), 16)
for (const trouble of ['nan', 'slow', 'down'] as const) {
  mood = trouble
  const answers = await until('open')
  assert.ok(answers.every((answer) => answer === 15 || answer === 16), 'nobody has seen NaN or an error')
  mood = 'well'
  await until('closed')
}

const count = (change: string): number => story.filter((line) => line.startsWith(change)).length
assert.deepEqual([count('closed → open'), count('half-open → half-open'), count('half-open → closed')], [3, 3, 3])
assert.ok(story.some((line) => line.endsWith('calls were slow')))
assert.equal(await ask(), 16)
console.log(story.join('\n'))
