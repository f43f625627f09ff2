/** Routing: what a decision costs, exposure and arm, beside GrowthBook's. `node --expose-gc --import tsx test/bench/routing.ts` runs it alone. */
import { pathToFileURL } from 'node:url'
import { GrowthBookClient } from '@growthbook/growthbook'
import { assigner, experimentNamespace, growthBookAssignment, split } from '../../src/route/index.js'
import type { Budget } from './main.js'
import { median } from './measure.js'

const units = Array.from({ length: 65_536 }, (_, unit) => `${unit.toString(16).padStart(8, '0')}-5b1d-7c3e-9a0c-0305e82c${(unit * 7919).toString(16).padStart(8, '0').slice(-4)}`.slice(0, 36))

/** Nanoseconds per call, median of rounds, and bytes, least of rounds (what a call allocates it allocates in each); each target has a loop of its own. */
const measured = (targets: Readonly<Record<string, (unit: string) => unknown>>): Record<string, { ns: number; bytes: number }> => {
  const loops = Object.entries(targets).map(([name, call]) => {
    // oxlint-disable-next-line no-new-func
    const loop = new Function('call', 'units', 'return () => { let last; for (let i = 0; i < units.length; i += 1) last = call(units[i]); return last }')(call, units) as () => unknown
    return { name, loop, ns: [] as number[], bytes: [] as number[] }
  })
  const { gc } = globalThis as { gc?: () => void }
  for (const { loop } of loops) for (let warmUp = 0; warmUp < 6; warmUp += 1) loop()
  for (let round = 0; round < 15; round += 1) {
    for (const { loop, ns } of loops) {
      const start = process.hrtime.bigint()
      loop()
      ns.push(Number(process.hrtime.bigint() - start) / units.length)
    }
  }
  if (gc !== undefined) {
    for (const { loop, bytes } of loops) {
      for (let round = 0; round < 5; round += 1) {
        gc()
        const before = process.memoryUsage().heapUsed
        loop()
        bytes.push((process.memoryUsage().heapUsed - before) / units.length)
      }
    }
  }
  return Object.fromEntries(loops.map(({ name, ns, bytes }) => [name, { ns: median(ns), bytes: bytes.length === 0 ? Number.NaN : Math.min(...bytes) }]))
}

export const routingBudgets = async (): Promise<Budget[]> => {
  const weights = { control: 0.34, b: 0.33, c: 0.33 }
  const one = assigner({ name: 'exp-1', weights, exposure: 0.5 })
  const inside = assigner({ name: 'exp-1', weights, exposure: 0.5, namespace: experimentNamespace({ name: 'n', ranges: { 'exp-1': [0, 0.9] } }) })
  const forced = assigner({ name: 'exp-1', weights, exposure: 0.5, forced: { b: ['qa-1', 'qa-2'] } })
  const client = new GrowthBookClient({})
  await client.init({ payload: { features: { rank: { defaultValue: 'control', rules: [{ key: 'exp-1', variations: ['control', 'b', 'c'], weights: [0.34, 0.33, 0.33], coverage: 0.5, hashVersion: 2, hashAttribute: 'id' }] } } } })
  const shared = growthBookAssignment({ experiment: { key: 'exp-1', weights: [0.34, 0.33, 0.33], coverage: 0.5, hashVersion: 2 }, variants: ['control', 'b', 'c'] })
  const call = { key: '' }
  const all = measured({
    'exposure and arm': (unit) => one.choose(unit),
    'with a namespace': (unit) => inside.choose(unit),
    'with a list of testers': (unit) => forced.choose(unit),
    'by GrowthBook’s hash': (unit) => ((call.key = unit), shared(0, call as never)),
    'GrowthBookClient.evalFeature': (unit) => client.evalFeature('rank', { attributes: { id: unit } }),
  })
  client.destroy()
  const theirs = all['GrowthBookClient.evalFeature']!
  const ours = all['exposure and arm']!
  const shown = Object.entries(all).map(([name, { ns, bytes }]) => `${name} ${ns.toFixed(0)} ns, ${bytes.toFixed(1)} B`).join('; ')

  // Through the predictor, beside a bare one: what a call pays for being routed.
  const model = (x: number): number => x
  const router = split({ name: 'exp-1', variants: { control: model, b: model, c: model }, weights, exposure: 0.5 })
  const bare = split({ variants: { control: model, b: model }, weights: { control: 1, b: 0 }, assignment: () => 'control' })
  const times: number[][] = [[], []]
  for (let round = 0; round < 12; round += 1) {
    for (const [index, predict] of [router, bare].entries()) {
      const start = process.hrtime.bigint()
      for (let call = 0; call < 20_000; call += 1) await predict(call, { key: units[call]! })
      if (round > 2) times[index]!.push(Number(process.hrtime.bigint() - start) / 20_000)
    }
  }
  return [
    {
      what: 'routing decision, exposure and arm',
      gate: '≤ 0.1 × GrowthBook evalFeature, no allocation',
      measured: `${(ours.ns / theirs.ns).toFixed(3)} × (${shown}; a whole routed call ${median(times[0]!).toFixed(0)} ns)`,
      holds: ours.ns <= 0.1 * theirs.ns && (Number.isNaN(ours.bytes) || ours.bytes < 0.5),
    },
  ]
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  for (const { what, gate, measured: figures, holds } of await routingBudgets()) console.log(`${holds ? 'ok  ' : 'MISS'}  ${what}  ${gate}\n  ${figures}\nNode ${process.versions.node}`)
}
