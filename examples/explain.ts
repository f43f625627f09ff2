/** "Why 43 minutes, for this one?" The way of one prediction, stage by stage, to the stage that did otherwise. */
import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pipe, predictor } from 'outrigger'
import { capture, segmentSink, segmentSource } from 'outrigger/capture'
import { mapOutput } from 'outrigger/compose'
import { checkpoint, explain } from 'outrigger/debug'
import { memoryDepot, modelStore } from 'outrigger/models'
import { assigner, split } from 'outrigger/route'
import { declared, defineSchema } from 'outrigger/schema'

interface Flight {
  readonly km: number
  /** How often the carrier was late in the last 24 hours, from the feature store. */
  readonly lateRate: number
}
const input = defineSchema({ km: { type: 'number', min: 0 }, lateRate: { type: 'number', min: 0, max: 1 } })
const output = defineSchema({ minutes: { type: 'number' } })
const score = defineSchema({ score: { type: 'number' } })

const store = modelStore({ depot: memoryDepot() })
for (const weight of [60, 70]) await store.publish({ name: 'delay', engine: 'function', files: { 'weight.json': String(weight) } })
const arm = async (version: number) => {
  const { files, digest } = await store.open(`delay@${version}`)
  const weight = files.json('weight.json') as number
  return predictor({ predictBatch: (flights: readonly Flight[]) => flights.map(({ km, lateRate }) => km / 400 + weight * lateRate) }, { name: 'delay', version: String(version), digest })
}
const weights = { control: 0.5, canary: 0.5 }
/** The stack as it is meant to be. `mix` is what a faulty batcher does to the answers of a run. */
const stack = async (mix = (answers: number[]) => answers) => {
  const arms = { control: await arm(1), canary: await arm(2) }
  const mixed = (inner: typeof arms.control) => predictor({ predictBatch: async (flights: readonly Flight[]) => mix(await inner.batch(flights)) }, inner.identity as never)
  const routed = split({ name: 'release', variants: { control: mixed(arms.control), canary: mixed(arms.canary) }, weights })
  return pipe(routed, checkpoint('model', { input, output: score }), mapOutput((x: number) => ({ minutes: Math.round(x) })), declared({ input, output }))
}

// Six flights in one batch, by a service whose batcher gives rows back in another order.
const folder = await mkdtemp(join(tmpdir(), 'explain-'))
const served = await stack((answers) => [...answers.slice(1), answers[0]!])
const captured = capture({ sink: segmentSink({ directory: folder }) })
served.observe(captured.observer)
const rates = [0.1, 0.6, 0.2, 0.35, 0.05, 0.5]
await served.batch(rates.map((lateRate, row) => ({ km: 400 + 90 * row, lateRate })), { ids: rates.map((_, row) => `flight-${row}`), keys: rates.map((_, row) => `plane-${row}`) })
captured.label('flight-1', 37, Date.now())
await captured.close()

const explanation = await explain('flight-1', {
  source: segmentSource(folder),
  predictor: await stack(),
  features: ({ id }) => ({ lateRate: rates[Number(id.slice(7))] }),
  route: { assigners: [assigner({ name: 'release', weights })], unit: ({ id }) => `plane-${id.slice(7)}`, versions: { control: '1', canary: '2' } },
  store,
})
console.log(explanation.text())
assert.equal(explanation.first?.stage, 'batch companions')
assert.deepEqual(explanation.stages.filter(({ status }) => status === 'same').map(({ stage }) => stage), ['features', 'schema', 'cache', 'route', 'model bytes', 'model'])
await rm(folder, { recursive: true })
