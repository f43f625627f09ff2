import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { build } from 'esbuild'
import { expect, it } from 'vitest'
import { segmentSource } from 'outrigger/capture'
import { directories } from './_temporary.js'

const directory = directories()
const root = join(import.meta.dirname, '../..')

const program = `
import { predictor, shutdown } from 'outrigger'
import { capture, segmentSink } from 'outrigger/capture'
const captured = capture({ sink: segmentSink({ directory: process.argv[2], maxMs: 3000 }) })
const predict = predictor(async (n) => n)
predict.observe(captured.observer)
let answered = 0
let isOver = false
let isTold = false
process.once('SIGTERM', async () => {
  isOver = true
  await shutdown([predict])
  await captured.close()
  process.stdout.write(String(answered), () => process.exit(0))
})
const serve = async () => {
  while (!isOver) {
    await predict(answered).then(() => (answered += 1), () => {})
    if (answered % 500 === 0) await new Promise(setImmediate)
    if (answered >= 3000 && !isTold) isTold = process.stdout.write('ready ') || true
  }
}
await Promise.all([serve(), serve(), serve()])
`

it('a process that closes its capture at SIGTERM loses no record', async () => {
  const file = join(directory(), 'program.mjs')
  const alias = Object.fromEntries(['', '/capture'].map((name) => [`outrigger${name}`, join(root, 'src', name, 'index.ts')]))
  await build({ stdin: { contents: program, resolveDir: root, loader: 'ts' }, outfile: file, bundle: true, platform: 'node', format: 'esm', target: 'node20', logLevel: 'silent', packages: 'external', alias })
  const path = directory()
  const child = spawn(process.execPath, [file, path], { stdio: ['ignore', 'pipe', 'inherit'] })
  let said = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    said += text
    if (said === 'ready ') child.kill('SIGTERM')
  })
  expect(await new Promise((resolve) => child.once('close', (code, signal) => resolve(signal ?? code)))).toBe(0)
  const answered = Number(said.replace('ready ', ''))
  expect(answered).toBeGreaterThanOrEqual(3000)
  expect(await segmentSource(path).verify()).toEqual({ sealed: 1, open: 0, compacted: 0, records: answered, torn: 0, damaged: [] })
}, 30_000)
