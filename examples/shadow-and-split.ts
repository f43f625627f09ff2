/** A new version listens first, then serves a tenth of the users, then everybody. */
import assert from 'node:assert/strict'
import { pipe } from 'outrigger'
import { shadow, split } from 'outrigger/route'

const old = (km: number): number => km * 1.6
const candidate = (km: number): number => km * 1.609
const users = Array.from({ length: 5000 }, (_, user) => `user-${user}`)
const rows = users.map((_, user) => user % 500)

let largest = 0
const rehearsal = shadow(candidate, { onCompared: ({ primary, candidate: other }: { primary: number; candidate: number }) => (largest = Math.max(largest, Math.abs(primary - other))) })
const listening = pipe(old, rehearsal)
await listening.batch(rows, { keys: users })
await rehearsal.idle()
assert.equal(rehearsal.counts.compared, 5000)
assert.ok(largest < 5)

const release = split({ name: 'release-2', variants: { control: old, canary: candidate }, weights: { control: 0.9, canary: 0.1 } })
const armOf = async (): Promise<string[]> => (await release.detailedBatch(rows, { keys: users })).map(({ record }) => record.variants[0]!.variant)
const before = await armOf()
release.setWeights({ control: 0.5, canary: 0.5 })
const after = await armOf()
assert.ok(before.every((arm, user) => arm === 'control' || after[user] === 'canary'))
console.log(`Compared ${rehearsal.counts.compared} answers, the largest difference ${largest.toFixed(2)} km.`)
console.log(`Canary: ${before.filter((arm) => arm === 'canary').length} users, then ${after.filter((arm) => arm === 'canary').length}; nobody left it.`)
