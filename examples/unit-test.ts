/** Unit tests of a predictor under node:test: no network, no waiting, in milliseconds. */
import assert from 'node:assert/strict'
import test from 'node:test'
import { fallback, pipe, predictor, timeout } from 'outrigger'
import { fakeClock, mockModel } from 'outrigger/testing'

/** What the service builds, with its model and clock passed in. */
const service = (model: ReturnType<typeof mockModel<string, number>>, clock = fakeClock()) => pipe(predictor(model, { clock }), timeout({ ms: 200 }), fallback(() => -1))

test('a slow model is given up after 200 ms, and told so', async () => {
  const clock = fakeClock()
  const model = mockModel<string, number>()
  const answer = service(model, clock)('Oslo')
  const { call } = await model.next()
  const { signal } = call
  await clock.advance(199)
  assert.equal(signal.aborted, false)
  await clock.advance(1)
  assert.deepEqual([await answer, signal.aborted], [-1, true])
})

test('rows that fail get the fallback, the others the model\'s answer', async () => {
  const model = mockModel<string, number>().answers((city) => {
    if (city === '') throw new Error('which city?')
    return city.length
  })
  assert.deepEqual(await service(model).batch(['Oslo', '', 'Rome']), [4, -1, 4])
})
