/** A flag system says who gets which model: OpenFeature, here with its in-memory provider. */
import assert from 'node:assert/strict'
import { InMemoryProvider, OpenFeature } from '@openfeature/server-sdk'
import { pipe } from 'outrigger'
import { mapInput } from 'outrigger/compose'
import { split } from 'outrigger/route'

await OpenFeature.setProviderAndWait(
  new InMemoryProvider({
    'delay-model': {
      disabled: false,
      variants: { control: 'control', canary: 'canary' },
      defaultVariant: 'control',
      contextEvaluator: ({ targetingKey }) => (Number(targetingKey?.split('-')[1]) % 5 === 0 ? 'canary' : 'control'),
    },
  }),
)
const flags = OpenFeature.getClient()

interface Trip {
  readonly user: string
  readonly km: number
  readonly arm?: 'control' | 'canary'
}
// Flags are awaited, and a call is bound to its variant before it travels: so the flag is asked by the map outside of the split.
const predict = pipe(
  split({
    name: 'delay-model',
    variants: { control: ({ km }: Trip) => km * 1.6, canary: ({ km }: Trip) => km * 1.609 },
    weights: { control: 0.8, canary: 0.2 }, // what the flag was told: the propensities of the records
    assignment: ({ arm }) => arm,
  }),
  mapInput(async (trip: Trip): Promise<Trip> => ({ ...trip, arm: (await flags.getStringValue('delay-model', 'control', { targetingKey: trip.user })) as 'control' | 'canary' })),
)

const trips = Array.from({ length: 50 }, (_, user) => ({ user: `user-${user}`, km: 100 }))
const rows = await predict.detailedBatch(trips)
const canaries = rows.filter(({ record }) => record.variants[0]?.variant === 'canary')
assert.equal(canaries.length, 10)
for (const row of canaries) assert.deepEqual([row.ok && row.output, row.record.variants[0]?.propensity, row.record.variants[0]?.reason], [160.9, 0.2, 'external'])
await OpenFeature.close()
console.log(`${canaries.length} of ${rows.length} users had the canary, as the flag said.`)
