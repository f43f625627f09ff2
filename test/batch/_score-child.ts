/**
 * Scores a file in a process of its own, which the test kills. Arguments: folder, kind of output, batch size, concurrency, and the
 * step on the file system before which the process kills itself (-1: never).
 */
import { join } from 'node:path'
import { csvFile, jsonlFile, scoreBatch } from 'outrigger/batch'
import { meddlingFileSystem } from './_crashing-file-system.js'
import { answer, type KillRow } from './_kill-rows.js'

const [folder = '', kind = 'jsonl', batchSize = '16', concurrency = '1', killAt = '-1', everyMs = '0'] = process.argv.slice(2)
let steps = 0
const fileSystem = meddlingFileSystem({
  syncs: true,
  step: (name) => {
    if (steps === Number(killAt)) {
      // A write leaves half of its bytes: it throws, and the process ends in the next turn at the latest.
      if (name.startsWith('write ')) {
        setImmediate(() => process.kill(process.pid, 'SIGKILL'))
        throw new Error('torn')
      }
      process.kill(process.pid, 'SIGKILL')
    }
    steps += 1
  },
})
const target = kind === 'csv' ? csvFile<object>(join(folder, 'out')) : jsonlFile<object>(join(folder, 'out'))
const summary = await scoreBatch(answer, jsonlFile<KillRow>(join(folder, 'in.jsonl')), target, {
  batchSize: Number(batchSize),
  concurrency: Number(concurrency),
  deadLetters: join(folder, 'dead.jsonl'),
  checkpoint: { path: join(folder, 'checkpoint.json'), everyMs: Number(everyMs) },
  progressEveryMs: 0,
  onProgress: ({ rows }) => void process.send?.({ rows }),
  result: ({ row, input, output }) => ({ row, id: input.id, output }),
  fileSystem,
})
process.send?.({ summary: { rows: summary.rows, ok: summary.ok, failed: summary.failed, sources: summary.sources }, steps })
process.disconnect?.()
