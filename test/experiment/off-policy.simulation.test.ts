/** How often the intervals of `offPolicy` cover the truth, in short; test/bench/off-policy.ts has the long runs. */
import { expect, test } from 'vitest'
import { offPolicy, type OffPolicyOptions } from '../../src/experiment/index.js'
import { simulatedLog, truth, type World } from './_logs.js'

const binary: World = { actions: 4, logging: 0, target: 6, rewards: 'binary', modelError: 0.2 }
const heavy: World = { ...binary, rewards: 'log-normal' }

test.each<[string, World, OffPolicyOptions]>([
  ['ips', binary, { method: 'ips' }],
  ['snips', binary, {}],
  ['dr', binary, { method: 'dr' }],
  ['ips of clipped weights', binary, { method: 'ips', clip: 2, rewardRange: [0, 1] }],
  ['snips of heavy rewards', heavy, {}],
  ['dr of heavy rewards', heavy, { method: 'dr' }],
])('offPolicy covers the truth in 94 %% or more, at 225 effective samples: %s', (_, world, options) => {
  const value = truth(world)
  let [answers, covered] = [0, 0]
  for (let seed = 1; seed <= 500; seed++) {
    const result = offPolicy(simulatedLog(seed, 500, world), { ...options, resamples: 399, seed })
    if (result.state !== 'estimated') continue
    answers++
    covered += Number(result.lower <= value && value <= result.upper)
  }
  expect(answers).toBeGreaterThan(490)
  expect(covered / answers).toBeGreaterThan(0.94 - 3 * Math.sqrt((0.94 * 0.06) / answers))
})
