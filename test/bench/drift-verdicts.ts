/**
 * What a `driftVerdict` of one feature is worth: the share of windows with p ≤ .05 on unchanged data, and of alarms at the default tolerance on changed data.
 * `node --import tsx test/bench/drift-verdicts.ts [runs]`: 1000 runs by default, some minutes; docs/drift-monitor.md has the tables.
 */
import { zipf } from '../drift/_seeded.js'
import { category, even, heavy, normal, simulate, type Draw } from '../drift/_verdict-shares.js'

const runs = Number(process.argv[2] ?? 1000)
const whole: Draw = (random) => Math.floor(Math.exp(2 + random.normal()))
const clean: readonly (readonly [string, Draw, readonly (readonly [number, number])[]])[] = [
  ...[3, 5, 10, 20].map((k) => [`${k} even categories`, category(even(k)), [[1000, 1000], [500, 1000]]] as const),
  ['200 categories by Zipf', category(zipf(200)), [[1000, 100], [1000, 1000], [1000, 5000]]],
  ['normal', normal, [[1000, 20], [1000, 200], [1000, 1000], [10_000, 500]]],
  ['Student t with 2 degrees of freedom', heavy, [[2000, 200]]],
  ['whole numbers', whole, [[2000, 500]]],
]
console.log(`% of ${runs} runs with p ≤ .05, unchanged`)
for (const [name, draw, sizes] of clean) for (const [n, m] of sizes) console.log(`| ${name} | ${n} / ${m} | ${(100 * simulate(runs, n, m, draw).rejected).toFixed(1)} |`)

const three = category([0.5, 0.3, 0.2])
const changed: readonly (readonly [string, Draw, Draw, readonly (readonly [number, number])[]])[] = [
  ['mean + .25 sd', normal, (random) => random.normal() + 0.25, [[2000, 2000], [10_000, 500]]],
  ['spread × 1.5', normal, (random) => 1.5 * random.normal(), [[10_000, 500]]],
  ['1 % of a new category', three, (random) => (random.uniform() < 0.01 ? 'new' : three(random)), [[5000, 1000]]],
  ['2 % missing', normal, (random) => (random.uniform() < 0.02 ? null : random.normal()), [[10_000, 1000]]],
]
console.log(`% of ${runs} runs that are drifted`)
for (const [name, before, after, sizes] of changed) for (const [n, m] of sizes) console.log(`| ${name} | ${n} / ${m} | ${(100 * simulate(runs, n, m, before, after).drifted).toFixed(1)} |`)
