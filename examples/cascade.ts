/** A small model for most rows, a large one for the rest: how much is saved, and how much of the quality is kept. */
import assert from 'node:assert/strict'
import { seededRandom } from 'outrigger'
import { cascade } from 'outrigger/compose'

const random = seededRandom('mail')
/** A mail is spam when its score is above 0.5; the small model sees it through noise. */
const mails = Array.from({ length: 10_000 }, () => ({ score: random.next(), noise: 0.3 * (random.next() - 0.5) }))
let asked = 0
const small = ({ score, noise }: (typeof mails)[number]): number => Math.min(1, Math.max(0, score + noise))
const large = { predictBatch: (batch: readonly (typeof mails)[number][]) => batch.map(({ score }) => ((asked += 1), score)) }

const right = (answers: readonly number[]): number => answers.filter((answer, index) => answer > 0.5 === mails[index]!.score > 0.5).length / mails.length
const predict = cascade(small, large, { minimumConfidence: 0.65 })

const alone = right(mails.map(small))
const together = right(await predict.batch(mails))
assert.equal(together, 1)
assert.ok(alone < 0.95)
assert.ok(predict.escalationRate > 0.25 && predict.escalationRate < 0.35)
assert.equal(asked, predict.counts.escalated)
console.log(`The small model alone is right in ${(alone * 100).toFixed(1)} %; the cascade in ${(together * 100).toFixed(1)} %, with the large model asked for ${(predict.escalationRate * 100).toFixed(0)} % of the mails.`)
