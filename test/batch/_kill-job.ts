import { join } from 'node:path'
import { predictor } from 'outrigger/core'
import { jsonlFile, scoringJob, type ScoringJob } from 'outrigger/batch'
import { answer, type KillRow } from './_kill-rows.js'

/** A model that takes a while for a batch. */
const model = {
  predictBatch: async (rows: readonly KillRow[]): Promise<unknown[]> => {
    await new Promise((resolve) => setTimeout(resolve, 15))
    const answers = await Promise.allSettled(rows.map(answer))
    const { RowFailure } = await import('outrigger/core')
    return answers.map((one) => (one.status === 'fulfilled' ? one.value : new RowFailure(one.reason)))
  },
}

/** The job that the enqueuing test and its workers share. */
export const killJob = (folder: string): ScoringJob =>
  scoringJob(predictor(model, { name: 'answer' }) as never, jsonlFile<KillRow>(join(folder, 'in.jsonl')), jsonlFile<object>(join(folder, 'out')), {
    name: 'kill',
    directory: join(folder, 'parts'),
    rowsPerPart: 100,
    batchSize: 20,
    deadLetters: join(folder, 'dead.jsonl'),
    result: ({ row, input, output }: { row: number; input: KillRow; output: unknown }) => ({ row, id: input.id, output }),
  })
