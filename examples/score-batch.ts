/** A scoring job that is killed in the middle and called again: every row is in the output once, and the bad ones are set apart. */
import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { csvFile, jsonlFile, scoreBatch, terminalProgress } from 'outrigger/batch'
import { defineSchema } from 'outrigger/schema'

interface Flight {
  readonly id: string
  readonly km: number
}

const folder = await mkdtemp(`${tmpdir()}/outrigger-score-`)
const lines = Array.from({ length: 20_000 }, (_, index) => `"flight ${index}, ""daily""",${index % 1000 === 999 ? 'far' : index}`)
await writeFile(`${folder}/flights.csv`, ['id,km', ...lines].join('\r\n'))

const controller = new AbortController()
let scored = 0
const model = {
  predictBatch: (flights: readonly Flight[]): number[] => {
    scored += flights.length
    if (scored > 10_000) controller.abort()
    return flights.map(({ km }) => km * 1.5)
  },
}

const run = (signal?: AbortSignal) =>
  scoreBatch(
    model,
    csvFile<Flight>(`${folder}/flights.csv`, { schema: defineSchema({ km: { type: 'number' } }) }),
    jsonlFile<{ id: string; delay: number }>(`${folder}/delays.jsonl`),
    {
      batchSize: 500,
      result: ({ input, output }) => ({ id: input.id, delay: output }),
      deadLetters: `${folder}/failed.jsonl`,
      checkpoint: `${folder}/checkpoint.json`,
      onProgress: terminalProgress(process.stderr),
      ...(signal === undefined ? {} : { signal }),
    },
  )

await assert.rejects(run(controller.signal), { code: 'ERR_OUTRIGGER_ABORTED' })
await assert.rejects(readFile(`${folder}/delays.jsonl`), { code: 'ENOENT' }) // no name before it is whole
const { rows, ok, failed, resumedAt } = await run()

const ids = (await readFile(`${folder}/delays.jsonl`, 'utf8')).trimEnd().split('\n').map((line) => (JSON.parse(line) as { id: string }).id)
assert.equal(new Set(ids).size, ids.length)
assert.deepEqual([rows, ok, failed, ids.length], [20_000, 19_980, 20, 19_980])
assert.ok(resumedAt >= 9_000 && resumedAt <= 10_500)
assert.equal((await readFile(`${folder}/failed.jsonl`, 'utf8')).trimEnd().split('\n').length, 20)
await rm(folder, { recursive: true })
console.log(`Stopped after ${resumedAt} rows and called again: ${ok} rows scored, each once, ${failed} set apart.`)
