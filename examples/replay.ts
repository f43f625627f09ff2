/** Before version 4 goes live: what would it have answered to what was captured of version 3, and to whom otherwise? */
import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pipe, predictor, seededRandom } from 'outrigger'
import { capture, segmentSink, segmentSource } from 'outrigger/capture'
import { mapOutput } from 'outrigger/compose'
import { checkpoint, replay } from 'outrigger/debug'
import { declared, defineSchema } from 'outrigger/schema'

interface Flight {
  readonly km: number
  readonly hour: number
  readonly carrier: string
  readonly passenger: string
}
const input = defineSchema({ km: { type: 'number' }, hour: { type: 'integer' }, carrier: { type: 'category' }, passenger: { type: 'string', tags: ['pii'] } })
const output = defineSchema({ minutes: { type: 'number' } })
const score = defineSchema({ score: { type: 'number' } })

/** The stack of a version: its model, and the rounding around it. */
const stack = (version: string, model: (flight: Flight) => number, round = Math.round) =>
  pipe(predictor(model, { name: 'delay', version }), checkpoint('model', { output: score }), mapOutput((minutes: number) => ({ minutes: round(minutes) })), declared({ input, output }))
const version3 = ({ km, hour }: Flight): number => km / 200 + hour
/** Trained anew: evenings are later for one carrier. */
const version4 = (flight: Flight): number => version3(flight) + (flight.carrier === 'WN' && flight.hour >= 18 ? 4.5 : 0)

const folder = await mkdtemp(join(tmpdir(), 'replay-'))
const served = stack('3', version3)
const captured = capture({ sink: segmentSink({ directory: folder }) })
served.observe(captured.observer)
const random = seededRandom('replay example')
for (let flight = 0; flight < 400; flight += 1) {
  await served({ km: 200 + random.integer(3000), hour: random.integer(24), carrier: ['AA', 'DL', 'UA', 'WN'][random.integer(4)]!, passenger: 'Ada' }, { id: `flight-${flight}` })
}
await captured.close()

// Names of passengers are in no record, and no model needs them.
const options = { complete: () => ({ passenger: '' }), by: ['version', 'carrier', 'hour'], examples: 3 }
const again = await replay(segmentSource(folder).read(), () => stack('3', version3), options)
assert.equal(again.answer, 'same')
const report = await replay(segmentSource(folder).read(), () => stack('4', version4), options)
assert.equal(report.answer, 'differs')
assert.deepEqual(report.slices.filter(({ by, different }) => by === 'carrier' && different > 0).map(({ value }) => value), ['WN'])
console.log(report.text())

const rounded = await replay(segmentSource(folder).read(), () => stack('3', version3, Math.floor), options)
assert.deepEqual(rounded.places.map(({ where }) => where), ['between model (output) and the output'])
console.log(`Another rounding: ${rounded.counts.different} of ${rounded.counts.asked} differ, ${rounded.places[0]!.where}.`)
await rm(folder, { recursive: true })
