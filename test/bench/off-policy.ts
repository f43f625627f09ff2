/**
 * How often the intervals of `offPolicy` cover the truth: `node --import tsx test/bench/off-policy.ts [runs]`, 1000 runs by default, some minutes.
 * docs/off-policy.md has the table.
 */
import { offPolicy, type OffPolicyOptions } from '../../src/experiment/index.js'
import { simulatedLog, truth, type World } from '../experiment/_logs.js'

const runs = Number(process.argv[2] ?? 1000)
const worlds: readonly (readonly [name: string, rows: number, world: World])[] = [
  ['4 actions, rewards of 0 and 1', 500, { actions: 4, logging: 0, target: 6, rewards: 'binary', modelError: 0.2 }],
  ['10 actions, rewards of 0 and 1', 2500, { actions: 10, logging: -1, target: 10, rewards: 'binary', modelError: 0.2 }],
  ['10 actions, rewards in 2 to 10 %', 2500, { actions: 10, logging: -1, target: 10, rewards: 'rare', modelError: 0.5 }],
  ['4 actions, log-normal rewards', 500, { actions: 4, logging: 0, target: 6, rewards: 'log-normal', modelError: 0.2 }],
  ['4 actions, a log that avoids the target', 2000, { actions: 4, logging: -4, target: 4, rewards: 'binary', modelError: 0.2 }],
]

console.log(`${runs} runs\n\n| log | rows | method | answers | median effective samples | covered | mean width |\n|---|---|---|---|---|---|---|`)
for (const [name, rows, world] of worlds) {
  const range = world.rewards === 'log-normal' ? undefined : ([0, 1] as const)
  const methods: readonly OffPolicyOptions[] = [{ method: 'ips' }, { method: 'snips' }, { method: 'dr' }, ...(range === undefined ? [] : [{ method: 'ips', clip: 5 } as const])]
  for (const options of methods) {
    const value = truth(world)
    let [answers, covered, width] = [0, 0, 0]
    const effective: number[] = []
    for (let seed = 1; seed <= runs; seed++) {
      const result = offPolicy(simulatedLog(seed, rows, world), { ...options, ...(range === undefined ? {} : { rewardRange: range }), resamples: 399, seed })
      effective.push(result.effectiveSamples)
      if (result.state !== 'estimated') continue
      answers++
      covered += Number(result.lower <= value && value <= result.upper)
      width += result.upper - result.lower
    }
    effective.sort((a, b) => a - b)
    console.log(`| ${name} | ${rows} | ${options.method}${options.clip === undefined ? '' : `, clip ${options.clip}`} | ${((100 * answers) / runs).toFixed(0)} % | ${Math.round(effective[runs >> 1] as number)} | ${((100 * covered) / answers).toFixed(1)} % | ${(width / answers).toFixed(3)} |`)
  }
}
