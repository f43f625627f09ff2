/**
 * By hand: `WORLDS=100000 npx vitest run --project simulations collecting` for longer, or `WORLD=17` for
 * the one that a failure names, with the stacks of its errors.
 */
import { describe, expect, it } from 'vitest'
import { runCollectingWorld } from './_collecting-world.js'

const worlds = Number(process.env['WORLDS'] ?? 300)
const only = process.env['WORLD']

describe('the store in interleavings of publish, collection, removal, moves, tags, holds, kill and power cut', () => {
  if (only !== undefined) return it(`passes world ${only}`, async () => void await runCollectingWorld(only, { stacks: true }))

  it(`loses nothing that somebody needs in ${worlds} of them, and leaves nothing that nobody does`, async () => {
    const sum: Record<string, number> = {}
    for (let world = 0; world < worlds; world += 1) {
      const { refusals, ...report } = await runCollectingWorld(String(world))
      for (const [key, count] of Object.entries({ ...report, ...refusals })) sum[key] = (sum[key] ?? 0) + count
    }
    // They were no idle ones: each of these happened, and often.
    const often = { steps: 250, publishes: 2, loads: 4, collected: 0.35, buried: 0.1, cuts: 0.4, kills: 0.5, ERR_OUTRIGGER_MODEL_IN_USE: 0.05 }
    for (const [key, perWorld] of Object.entries(often)) expect([key, (sum[key] ?? 0) / worlds]).toEqual([key, expect.toSatisfy((found: number) => found >= perWorld)])
  }, 60_000 + worlds * 100)

  it('comes out the same for the same seed', async () => {
    expect(await runCollectingWorld('same')).toEqual(await runCollectingWorld('same'))
  })
})
