/** A new version listens to live traffic; after each batch the comparison is asked whether it may serve, and a restart loses nothing. */
import assert from 'node:assert/strict'
import { pipe, seededRandom } from 'outrigger'
import { outputComparison, shadow, type OutputComparisonState } from 'outrigger/route'

interface Flight { readonly km: number; readonly hour: number }
interface Answer { readonly label: 'late' | 'on time'; readonly probability: number }

const random = seededRandom('shadow example')
const answer = (probability: number): Answer => ({ label: probability >= 0.5 ? 'late' : 'on time', probability })
const version1 = ({ km, hour }: Flight): Answer => answer(1 / (1 + Math.exp(4 - hour / 4 - km / 2000)))
/** The same, but for a rounding in the last digits. */
const rewritten = (flight: Flight): Answer => answer(Math.fround(version1(flight).probability))
/** Trained anew: more flights are late. */
const retrained = ({ km, hour }: Flight): Answer => answer(1 / (1 + Math.exp(3.5 - hour / 4 - km / 2000)))

/** Live traffic beside a candidate, until there is an answer or the batches are used up; halfway the process is started again. */
const rehearse = async (candidate: (flight: Flight) => Answer, limits: { disagreement: number; flips: number }) => {
  const tolerance = { absolute: 0.001, relative: 0 }
  let saved: OutputComparisonState | undefined
  let text = ''
  let answered: string = 'insufficient'
  for (let process = 0; process < 2 && answered === 'insufficient'; process += 1) {
    const comparison = outputComparison<Answer>({ tolerance })
    if (saved !== undefined) comparison.restore(saved)
    // Nobody waits here, so that nothing has to be left out for them; a service leaves the guard on.
    const rehearsal = shadow<Flight, Answer>(candidate, { rate: 0.5, guard: false, comparison })
    const predict = pipe(version1, rehearsal)
    for (let batch = 0; batch < 20 && answered === 'insufficient'; batch += 1) {
      const flights = Array.from({ length: 100 }, () => ({ km: 200 + 3000 * random.next(), hour: 24 * random.next() }))
      await predict.batch(flights, { keys: flights.map((_, row) => `flight-${process}-${batch}-${row}`) })
      await rehearsal.idle()
      answered = rehearsal.verdict(limits).answer
    }
    text = rehearsal.text(limits)
    saved = JSON.parse(JSON.stringify(comparison)) as OutputComparisonState
    await predict.close()
  }
  return { answered, text, rows: saved?.counts[0] ?? 0 }
}

const same = await rehearse(rewritten, { disagreement: 0.01, flips: 0.01 })
const other = await rehearse(retrained, { disagreement: 0.01, flips: 0.01 })
console.log(`Rewritten:\n${same.text}\n\nTrained anew:\n${other.text}`)
assert.equal(same.answered, 'agrees')
assert.equal(other.answered, 'differs')
// A difference shows at once; that there is none takes its rows.
assert.ok(other.rows < 200 && same.rows > 300)
