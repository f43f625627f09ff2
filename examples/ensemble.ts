/** Five folds of a model, one of them down and one slow: the average of the others, in time. */
import assert from 'node:assert/strict'
import { owned, pipe, timeout } from 'outrigger'
import { ensemble } from 'outrigger/compose'

const fold = (slope: number) => async (km: number): Promise<number> => km * slope
const members = {
  fold1: fold(1.5),
  fold2: fold(1.6),
  fold3: fold(1.7),
  down: async (_: number): Promise<number> => { throw new Error('connection refused') },
  slow: (_: number): Promise<number> => new Promise(() => {}),
}
const folds = ensemble(members, { minimum: 3, waitMs: 20, name: 'hours' })
const predict = pipe(owned(folds), timeout({ ms: 1000 }))

const { output, record } = await predict.detailed(10)
assert.ok(Math.abs(output - 16) < 1e-9)
assert.deepEqual(record.members?.missing.map(({ name }) => name), ['down', 'slow'])
assert.deepEqual(await predict.batch([10, 20]).then((rows) => rows.map(Math.round)), [16, 32])
console.log(`${record.members?.answered} of ${record.members?.of} members answered: ${output.toFixed(2)} hours; missing are ${record.members?.missing.map(({ name }) => name).join(' and ')}.`)
console.log(folds.counts.members)
console.log(predict.describe())
