/** Two versions of a model share the users. Labels come a while later; evidence decides which one stays, and says why. */
import assert from 'node:assert/strict'
import { predictor } from 'outrigger'
import { seededRandom } from 'outrigger/core'
import { Experiment, failureMetric, logLossMetric, observeExperiment, verdictText } from 'outrigger/experiment'
import { split } from 'outrigger/route'

interface Flight {
  readonly wind: number
}
// Records may hold the probability that a model gave: what a label is compared with.
const output = { fields: { late: {} } }
const old = predictor((_: Flight) => ({ late: 0.3 }), { output })
const candidate = predictor((flight: Flight) => ({ late: flight.wind }), { output })

const release = split({ name: 'delay-2', variants: { control: old, candidate }, weights: { control: 0.8, candidate: 0.2 } })
const experiment = new Experiment({
  name: 'delay-2',
  metrics: [
    logLossMetric({ name: 'log loss', fromLabel: ({ record, label }) => ({ score: Number(record.output?.['late']), label: label.value === true }) }),
    failureMetric(),
  ],
})
const { label, verdict } = observeExperiment(release, experiment)

const random = seededRandom('weather')
let trips = 0
while (verdict({ at: Date.now() }).decision === 'continue' && trips < 20_000) {
  const flights = Array.from({ length: 200 }, () => ({ wind: random.next() * 0.6 }))
  const ids = flights.map((_, index) => `trip-${trips + index}`)
  await release.batch(flights, { keys: ids.map((id) => `traveller of ${id}`), ids })
  // A day later.
  flights.forEach(({ wind }, index) => label(ids[index] as string, random.next() < wind, Date.now()))
  trips += flights.length
  if (trips === 1000) release.setWeights({ control: 0.5, candidate: 0.5 })
}

const found = verdict({ at: Date.now() })
console.log(verdictText(found))
assert.equal(found.decision, 'promote')
assert.equal(found.labels?.joined, trips)
release.setWeights({ control: 0, candidate: 1 })
