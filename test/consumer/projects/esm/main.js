import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { OutriggerError, fallback, isOutriggerError, pipe, predictor, retry, timeout } from 'outrigger'
import { cached } from 'outrigger/cache'

const hung = () => new Promise(() => {})

// The first screen of the README.
const predict = pipe((x) => x * 2, timeout({ ms: 1000 }), fallback(() => -1))
assert.equal(await predict(21), 42)
assert.deepEqual(await predict.batch([1, 2]), [2, 4])
assert.equal(await pipe(hung, timeout({ ms: 5 }), fallback(() => -1))(1), -1)
const error = await pipe(hung, timeout({ ms: 5 }))(1).catch((thrown) => thrown)
assert.equal(isOutriggerError(error) && error.code, 'ERR_OUTRIGGER_TIMEOUT')

// The layers that stand on p-retry and lru-cache.
let calls = 0
const flaky = pipe(() => {
  calls += 1
  if (calls < 2) throw new Error('down')
  return calls
}, retry({ retries: 2, minDelayMs: 0 }), cached({ max: 10 }))
assert.deepEqual([await flaky({ a: 1 }), await flaky({ a: 1 }), calls], [2, 2, 2])

// Every subpath loads without an optional package.
const require = createRequire(import.meta.url)
const { exports } = require('outrigger/package.json')
for (const subpath of Object.keys(exports)) {
  if (subpath === './package.json') continue
  assert.ok(Object.keys(await import(join('outrigger', subpath))).length > 0, subpath)
}

// What needs one says so.
for (const { observed } of [await import('outrigger/observe'), require('outrigger/observe')]) assert.throws(() => observed(), { code: 'ERR_OUTRIGGER_PEER_MISSING', package: '@opentelemetry/api' })

// One copy of every class, whichever subpath it comes through.
assert.equal((await import('outrigger/core')).OutriggerError, OutriggerError)

// `require()` loads the CommonJS build: a second copy, and each understands what the other made.
const copy = require('outrigger')
assert.notEqual(copy.pipe, pipe)
const foreign = copy.pipe((x) => {
  if (x === 0) throw new Error('zero')
  return x + 1
}, copy.timeout({ ms: 1000 }))
assert.equal(predictor(foreign), foreign)
const mixed = pipe(foreign, fallback(() => -1))
assert.deepEqual([await mixed(1), await mixed(0)], [2, -1])
assert.deepEqual(await mixed.batch([1, 0, 2]), [2, -1, 3])
const foreignError = await copy.pipe(hung, copy.timeout({ ms: 5 }))(1).catch((thrown) => thrown)
assert.equal(isOutriggerError(foreignError) && foreignError.code, 'ERR_OUTRIGGER_TIMEOUT')

// A model in a worker and in a process: both find the program that they start with, in either build.
const version = { name: 'scale', version: 1, digest: '', manifest: { files: [] } }
for (const { isolated, ModelFiles } of [await import('outrigger/models'), require('outrigger/models')]) {
  const files = new ModelFiles('scale@1', new Map([['factor.json', new TextEncoder().encode('3')]]))
  for (const isolate of ['worker', 'process']) {
    const model = await isolated(new URL('engine.js', import.meta.url), { name: 'scale', isolate }).load(files, version)
    assert.deepEqual(await pipe(model).batch([1, 2]), [3, 6])
    await model.dispose()
  }
}

// An import() beside a require() of it, as plugin loaders do.
await Promise.all([import('outrigger/testing'), import('./plugin.cjs')])

// The command line, as npm has linked it.
const outrigger = (...args) => spawnSync('npx', ['--no-install', 'outrigger', ...args], { encoding: 'utf8' })
assert.match(outrigger('--help').stdout, /^outrigger <command>/)
const kept = []
const served = predictor((km) => km * 2, { input: { fields: { km: {} } }, output: { fields: { double: {} } } })
for (const km of [1, 2]) kept.push((await served.detailed(km)).record)
writeFileSync('kept.jsonl', kept.map((record) => `${JSON.stringify(record)}\n`).join(''))
writeFileSync('triple.mjs', 'export default () => ({ predict: (km) => km * (km > 1 ? 3 : 2) })\nexport const options = { input: { fields: { km: {} } }, output: { fields: { double: {} } }, as: "value" }\n')
assert.match(outrigger('inspect', 'kept.jsonl').stdout, /2 predictions\n$/)
const replayed = outrigger('replay', 'kept.jsonl', '--predictor', './triple.mjs')
assert.deepEqual([replayed.status, replayed.stdout.split('\n')[0]], [1, '1 of 2 answers differ, bit for bit.'])
const sql = outrigger('inspect', '.', '--sql', 'select 1')
assert.equal(sql.status, 2)
assert.match(sql.stderr, /--sql needs DuckDB: npm install @duckdb\/node-api/)
