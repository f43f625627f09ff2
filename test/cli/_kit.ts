/** Captured predictions in a temporary folder, modules that answer them, and a terminal that keeps what is printed. */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { predictor } from 'outrigger'
import { capture, segmentSink } from 'outrigger/capture'
import { defineSchema } from 'outrigger/schema'
import { fakeClock } from 'outrigger/testing'
import { main } from '../../src/cli/main.js'
import { terminalOf } from '../../src/cli/terminal.js'

export const input = defineSchema({ km: { type: 'number' }, city: { type: 'string' }, passenger: { type: 'string', tags: ['pii'] } })
export const output = defineSchema({ minutes: { type: 'number' }, late: { type: 'boolean' } })
export interface Row {
  readonly km: number
  readonly city: string
  readonly passenger: string
}
export const hostile = 'A\u001B[2J\u009B31m\u202Ebad\u0007\ncity'

/** A folder with `records/`, `one.jsonl`, and modules. */
export const makeFolder = async (): Promise<{ readonly path: string; readonly records: string; remove(): Promise<void> }> => {
  const path = await mkdtemp(join(tmpdir(), 'outrigger-cli-'))
  const records = join(path, 'records')
  await mkdir(records)
  const clock = fakeClock({ wallMs: Date.UTC(2001, 1, 3, 12) })
  const captured = capture({ sink: segmentSink({ directory: records }) })
  const serve = (version: string) => predictor(({ km }: Row) => {
    if (km < 0) throw Object.assign(new Error('Ada'), { code: 'ENOENT' })
    return { minutes: km / 10, late: km > 500 }
  }, { name: 'delay', version, clock, input, output })
  const [old, next] = [serve('3'), serve('4')]
  for (const one of [old, next]) one.observe(captured.observer)
  for (let at = 0; at < 30; at += 1) {
    await (at % 3 === 0 ? next : old)({ km: 50 * at, city: at === 7 ? hostile : at % 2 === 0 ? 'New York' : 'Boston', passenger: 'Ada' }, { id: `flight-${String(at).padStart(2, '0')}` })
    await clock.advance(60_000)
  }
  await old({ km: -1, city: 'Boston', passenger: 'Ada' }, { id: 'flight-failed' }).catch(() => {})
  captured.label('flight-05', 27, Date.UTC(2001, 1, 4))
  captured.override({ id: 'flight-05', actor: 'ann', reason: 'storm', before: 25, after: 30, at: Date.UTC(2001, 1, 5) })
  await captured.close()
  const fields = `{ input: { fields: ${JSON.stringify(input.fields)} }, output: { fields: ${JSON.stringify(output.fields)} }, complete: () => ({ passenger: '' }) }`
  await writeFile(join(path, 'same.mjs'), `export default () => ({ predict: ({ km }) => { if (km < 0) throw Object.assign(new Error('x'), { code: 'ENOENT' }); return { minutes: km / 10, late: km > 500 } } })\nexport const options = ${fields}\n`)
  await writeFile(join(path, 'other.mjs'), `export const named = () => ({ predict: ({ km }) => ({ minutes: km / 10 + (km > 1000 ? 0.25 : 0), late: km > 500 }) })\nexport default named\nexport const options = ${fields}\n`)
  await writeFile(join(path, 'common.cjs'), `module.exports = { default: () => ({ predict: ({ km }) => ({ minutes: km / 10, late: km > 500 }) }), options: ${fields} }\n`)
  await writeFile(join(path, 'broken.mjs'), 'throw new Error("\\u001B[31mno such thing")\n')
  await writeFile(join(path, 'none.mjs'), 'export default 5\n')
  return { path, records, remove: async () => await rm(path, { recursive: true }) }
}

/** What a command prints, and its status. */
export const run = async (...args: readonly string[]): Promise<{ readonly status: number; readonly out: string; readonly err: string }> => {
  let [out, err] = ['', '']
  const terminal = terminalOf({ stdout: { write: (text) => void (out += text) }, stderr: { write: (text) => void (err += text) }, env: {} })
  return { status: await main(args, terminal), get out() { return out }, get err() { return err } }
}

/** What must not reach a terminal. */
// oxlint-disable-next-line no-control-regex -- That is what it is about.
export const unsafe = /[\u0000-\u0009\u000B-\u001F\u007F-\u009F\u200B-\u200F\u2028-\u202E\u2066-\u2069]/
export const widest = (text: string): number => Math.max(...text.split('\n').map((line) => line.length))
