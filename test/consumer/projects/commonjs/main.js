const assert = require('node:assert/strict')
const { join } = require('node:path')
const { pathToFileURL } = require('node:url')
const { fallback, isOutriggerError, pipe, retry, timeout } = require('outrigger')
const { cached } = require('outrigger/cache')

const hung = () => new Promise(() => {})

const main = async () => {
  const predict = pipe((x) => x * 2, timeout({ ms: 1000 }), fallback(() => -1))
  assert.equal(await predict(21), 42)
  assert.deepEqual(await predict.batch([1, 2]), [2, 4])
  assert.equal(await pipe(hung, timeout({ ms: 5 }), fallback(() => -1))(1), -1)
  const error = await pipe(hung, timeout({ ms: 5 }))(1).catch((thrown) => thrown)
  assert.equal(isOutriggerError(error) && error.code, 'ERR_OUTRIGGER_TIMEOUT')

  let calls = 0
  const flaky = pipe(() => {
    calls += 1
    if (calls < 2) throw new Error('down')
    return calls
  }, retry({ retries: 2, minDelayMs: 0 }), cached({ max: 10 }))
  assert.deepEqual([await flaky({ a: 1 }), await flaky({ a: 1 }), calls], [2, 2, 2])

  const { exports } = require('outrigger/package.json')
  for (const subpath of Object.keys(exports)) {
    if (subpath === './package.json') continue
    assert.ok(Object.keys(require(`outrigger${subpath.slice(1)}`)).length > 0, subpath)
  }
  const { isolated, ModelFiles } = require('outrigger/models')
  const files = new ModelFiles('scale@1', new Map([['factor.json', new TextEncoder().encode('3')]]))
  for (const isolate of ['worker', 'process']) {
    const engine = isolated(pathToFileURL(join(__dirname, 'engine.js')), { name: 'scale', isolate })
    const model = await engine.load(files, { name: 'scale', version: 1, digest: '', manifest: { files: [] } })
    assert.deepEqual(await pipe(model).batch([1, 2]), [3, 6])
    await model.dispose()
  }
  assert.equal(require('outrigger/core').OutriggerError, require('outrigger').OutriggerError)
}

main().then(
  () => process.exit(0),
  (error) => {
    console.error(error)
    process.exit(1)
  },
)
