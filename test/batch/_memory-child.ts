/** Scores a large file under a small heap, and says how much memory it took. Arguments: input, output, kind. */
import { csvFile, jsonlFile, scoreBatch } from 'outrigger/batch'

interface Row {
  readonly id: string
  readonly text: string
}
const [input = '', output = '', kind = ''] = process.argv.slice(2)
const model = { predictBatch: (rows: readonly Row[]): number[] => rows.map(({ text }) => text.length) }
const files = kind === 'csv' ? [csvFile<Row>(input), jsonlFile<object>(output)] as const : [jsonlFile<Row>(input), csvFile<object>(output)] as const
const { rows, rowsPerSecond } = await scoreBatch(model, files[0], files[1], { batchSize: 200, concurrency: 4, checkpoint: `${output}.checkpoint`, result: ({ input: row, output: length }) => ({ ...row, length }) })
process.send?.({ rows, rowsPerSecond, peakBytes: process.resourceUsage().maxRSS * 1024 })
process.disconnect?.()
