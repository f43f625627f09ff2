import { pipe } from 'outrigger'
import { csvFile, jsonlFile, scoreBatch, type ScoredRow } from 'outrigger/batch'

interface Flight { readonly id: string; readonly km: number }
const model = async (flight: Flight): Promise<{ readonly delay: number }> => ({ delay: flight.km })
const flights: Flight[] = []

// What a file holds follows from the model.
void scoreBatch(model, jsonlFile('in'), jsonlFile('out'))
void scoreBatch(pipe(model), flights, (rows) => rows.map(({ row, output }) => row + output.delay))
// …or from `result`, whose argument is inferred.
void scoreBatch(model, csvFile('in'), csvFile('out'), { result: ({ row, input, output, record }) => ({ row, id: input.id, delay: output.delay, version: record.identity.version }) })
const ids: string[] = []
void scoreBatch(model, flights, ids, { result: ({ input }) => input.id })
const scored: ScoredRow<{ readonly delay: number }>[] = []
void scoreBatch(model, flights, scored, { key: (flight) => flight.id, deadLetters: (letters) => letters.map(({ input }) => input?.km) })

// @ts-expect-error the rows of the source are not the model's
void scoreBatch(model, [1], [])
// @ts-expect-error a string is no number
void scoreBatch(model, flights, [1], { result: ({ input }) => input.id })
// @ts-expect-error without `result` rows are { row, output }
void scoreBatch(model, flights, ids)
