// Plain Jest, no flags and no configuration: CommonJS tests that require an ES module package.
const { fallback, isOutriggerError, pipe, predictor, retry, timeout } = require('outrigger')
const { cached } = require('outrigger/cache')
const { fakeClock, mockModel } = require('outrigger/testing')

const hung = () => new Promise(() => {})

test('the answer of the model comes through', async () => {
  const predict = pipe((x) => x * 2, timeout({ ms: 1000 }), fallback(() => -1))
  expect(await predict(21)).toBe(42)
  expect(await predict.batch([1, 2])).toEqual([2, 4])
})

test('the fallback answers for a model that hangs', async () => {
  expect(await pipe(hung, timeout({ ms: 5 }), fallback(() => -1))(1)).toBe(-1)
  await expect(pipe(hung, timeout({ ms: 5 }))(1)).rejects.toMatchObject({ code: 'ERR_OUTRIGGER_TIMEOUT' })
  expect(isOutriggerError(await pipe(hung, timeout({ ms: 5 }))(1).catch((error) => error))).toBe(true)
})

test('retry and cached work, whose packages are bundled and required', async () => {
  const model = jest.fn().mockRejectedValueOnce(new Error('down')).mockResolvedValue(1)
  const predict = pipe(model, retry({ retries: 2, minDelayMs: 0 }), cached({ max: 10 }))
  expect([await predict({ a: 1 }), await predict({ a: 1 })]).toEqual([1, 1])
  expect(model).toHaveBeenCalledTimes(2)
})

test('the test kit: a model on command and a clock that waits for the test', async () => {
  const clock = fakeClock()
  const model = mockModel()
  const predict = pipe(predictor(model, { name: 'delays', clock }), timeout({ ms: 60_000 }), fallback(() => -1))
  const late = predict('ATL')
  expect((await model.next()).input).toBe('ATL')
  await clock.advance(60_000)
  expect(await late).toBe(-1)
  model.answers(0.3)
  expect(await predict('BOS')).toBe(0.3)
})
