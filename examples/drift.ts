/** A client starts to send metres where it sent kilometres; the monitor says so. */
import assert from 'node:assert/strict'
import { pipe, seededRandom } from 'outrigger'
import { driftMonitor, referenceProfile } from 'outrigger/drift'

const random = seededRandom('trips')
const trip = () => ({ km: 5 + 95 * random.next(), city: ['Oslo', 'Rome', 'Paris'][random.integer(3)] as string })
const drift = driftMonitor({ reference: referenceProfile(Array.from({ length: 5000 }, trip)), windowRows: 1000 })
const predict = pipe((row: { readonly km: number; readonly city: string }) => row.km / 60, drift)
const events: string[] = []
predict.observe((event) => event.type === 'state' && events.push(`${event.from} → ${event.to}: ${event.reason}`), { predictions: false })

await predict.batch(Array.from({ length: 1000 }, trip))
assert.equal(drift.verdict().state, 'ok')
await predict.batch(Array.from({ length: 1000 }, trip).map((row) => ({ ...row, km: row.km * 1000 })))
assert.equal(drift.state, 'drifted')
assert.match(events[0] ?? '', /km/)
console.log(events.join('\n'))
