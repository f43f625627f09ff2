/** The budgets of drift: what counting costs per call and in bulk, what a verdict's test costs, and what the counts weigh. `node --expose-gc --import tsx test/bench/profiles.ts` runs it alone. */
import { LiveProfile, referenceProfile, SlicedProfile } from 'outrigger/drift'
import { DDSketch, kolmogorovSmirnovCounts } from 'outrigger/stats'
import { seeded } from '../drift/_seeded.js'
import type { Budget } from './main.js'
import { median } from './measure.js'

const elapsed = (run: () => void): number => {
  const start = process.hrtime.bigint()
  run()
  return Number(process.hrtime.bigint() - start)
}
/** Processor time in milliseconds: what others do on the machine does not count. */
const busy = (run: () => void): number => {
  const start = process.cpuUsage()
  run()
  const { user, system } = process.cpuUsage(start)
  return (user + system) / 1000
}
const quantile = (values: readonly number[], q: number): number => [...values].sort((a, b) => a - b)[Math.floor(q * (values.length - 1))] as number

export const profileBudgets = (): Budget[] => {
  const random = seeded(7)
  const names = Array.from({ length: 50 }, (_, i) => `feature${i}`)
  const rows = Array.from({ length: 4000 }, () => Object.fromEntries(names.map((name) => [name, random.normal()])))
  const reference = referenceProfile(rows)
  const live = new LiveProfile(reference)
  for (let round = 0; round < 10; round++) for (const row of rows) live.count(row)
  const calls = Array.from({ length: 5 }, () => rows.map((row) => elapsed(() => live.count(row)))).flat()
  const [p50, p99] = [quantile(calls, 0.5) / 1000, quantile(calls, 0.99) / 1000]

  const building = median(Array.from({ length: 9 }, () => busy(() => void referenceProfile(rows))))
  const sketching = median(Array.from({ length: 9 }, () => busy(() => {
    const sketches = names.map(() => new DDSketch({ relativeAccuracy: 0.02 }))
    for (const row of rows) names.forEach((name, at) => sketches[at]!.add(row[name] as number))
  })))

  const million = (draw: () => number): Float64Array => Float64Array.from({ length: 1_000_000 }, draw)
  const columns = { normal: million(() => random.normal()), 'log-normal': million(() => Math.exp(2 * random.normal())), whole: million(() => Math.round(10 * random.normal())) }
  const bulk = Object.entries(columns).map(([name, x]) => {
    const one = new LiveProfile(referenceProfile(Array.from(x.subarray(0, 50_000), (value) => ({ x: value }))))
    return { name, rate: 1000 / median(Array.from({ length: 31 }, () => busy(() => one.countColumns({ x })))) }
  })
  const slowest = Math.min(...bulk.map(({ rate }) => rate))

  const base = referenceProfile(Array.from(columns.normal, (x) => ({ x })), { cells: 256 })
  const now = new LiveProfile(base)
  now.countColumns({ x: million(() => random.normal()) })
  const cells = base.features[0]!.counts
  const ks = median(Array.from({ length: 101 }, () => elapsed(() => void kolmogorovSmirnovCounts(cells, now.cells(0))))) / 1e6

  const wideNames = Array.from({ length: 1000 }, (_, i) => `f${i}`)
  const wideRow = (): Float64Array => Float64Array.from(wideNames, () => random.normal())
  const wide = referenceProfile(Array.from({ length: 2000 }, wideRow), { features: wideNames })
  const { gc } = globalThis as { gc?: () => void }
  gc?.()
  gc?.()
  const before = process.memoryUsage()
  const sliced = new SlicedProfile(wide)
  for (let hour = 0; hour < 24; hour++) for (let i = 0; i < 20; i++) sliced.count(wideRow(), { at: hour * 3_600_000 })
  gc?.()
  const after = process.memoryUsage()
  // Garbage of the measurements before may go meanwhile: never less than what the counts themselves take.
  const megabytes = Math.max(sliced.bytes, after.arrayBuffers + after.heapUsed - before.arrayBuffers - before.heapUsed) / 2 ** 20
  const perSlice = sliced.bytes / 24_000
  return [
    { what: 'drift: counting 50 numeric features of a record, per call', gate: 'p99 ≤ 20 µs', measured: `p99 ${p99.toFixed(1)} µs (median ${p50.toFixed(1)})`, holds: p99 <= 20 },
    { what: 'drift: counting a column of numbers into cells, magnitudes and moments, by processor time', gate: '≥ 25 M values/s', measured: bulk.map(({ name, rate }) => `${rate.toFixed(1)} ${name}`).join(', '), holds: slowest >= 25 },
    { what: 'drift: sketches when a reference of 50 numeric features is built', gate: '≤ 20 % of the time', measured: `${((100 * sketching) / building).toFixed(0)} % of ${((1000 * building) / rows.length).toFixed(0)} µs a row`, holds: sketching <= 0.2 * building },
    { what: 'drift: Kolmogorov–Smirnov of a million against a million rows, from counts', gate: '≤ 1 ms', measured: `${(1000 * ks).toFixed(1)} µs`, holds: ks <= 1 },
    { what: 'drift: one numeric feature in one slice', gate: '≤ 2 KB', measured: `${perSlice.toFixed(0)} B`, holds: perSlice <= 2048 },
    { what: 'drift: 1000 features × 24 slices, what the process grows by', gate: '≤ 50 MB', measured: `${megabytes.toFixed(1)} MB`, holds: megabytes <= 50 },
  ]
}

if (process.argv[1]?.endsWith('profiles.ts') === true) for (const { what, gate, measured, holds } of profileBudgets()) console.log(`${holds ? 'ok  ' : 'MISS'}  ${what}  ${gate}  ${measured}`)
