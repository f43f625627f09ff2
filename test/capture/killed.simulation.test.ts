import { expect, it } from 'vitest'
import { killings } from './_killings.js'

// `npm run capture:kills` does a thousand.
it('segments lose at most the batch under way to a SIGKILL, and no reader fails or sees a torn record', async () => {
  const { problems, ...total } = await killings(1000, 'simulation', performance.now() + 30_000)
  console.log(JSON.stringify(total))
  expect(problems).toEqual([])
  expect(total.kills).toBeGreaterThanOrEqual(20)
  expect(total.records).toBeGreaterThan(1000)
  // Or nothing was ever cut in the middle.
  expect(total.torn).toBeGreaterThan(0)
  expect(total.lost).toBeGreaterThan(0)
}, 58_000)
