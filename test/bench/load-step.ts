/**
 * A ten-fold load step in real time: the learned size against fixed ones. `node --import tsx test/bench/load-step.ts`
 *
 * The engine works off one run after the other, each of 8 ms and 0.1 ms a row; arrivals are Poisson, do not wait for
 * answers, and their latency counts from when they were due. Ends with a non-zero status when the learned size misses
 * the p99 objective before or after the step, or 90 % of the best fixed size's throughput. About 40 s.
 */
import type { NeutralLayer } from 'outrigger'
import { systemClock } from 'outrigger/core'
import { microBatched } from 'outrigger/batch'
import { goodput, loadStep, quantile } from '../batch/_load-step.js'

const OBJECTIVE_MS = 80
const BEFORE_MS = 1500
const AFTER_MS = 3000
const PER_MS = 5
const serviceMs = (rows: number): number => 8 + 0.1 * rows

interface Line {
  readonly name: string
  readonly before: number
  readonly p50: number
  readonly p99: number
  /** Answers within the objective, per second, after the step. */
  readonly perSecond: number
}

const run = async (name: string, layer: NeutralLayer): Promise<Line> => {
  const [before, after] = await loadStep({ clock: systemClock, layer, serviceMs, tickMs: 1, seed: 11, phases: [{ perMs: PER_MS / 10, ms: BEFORE_MS }, { perMs: PER_MS, ms: AFTER_MS }] })
  return { name, before: quantile(before!.latencies, 0.99), p50: quantile(after!.latencies, 0.5), p99: quantile(after!.latencies, 0.99), perSecond: goodput(after!, OBJECTIVE_MS, AFTER_MS) * 1000 }
}

// Once for the compiler.
await run('warm-up', microBatched())
const learned = await run('learned', microBatched({ objectiveMs: OBJECTIVE_MS }))
const fixed: Line[] = []
for (const maxSize of [8, 16, 32, 64, 128, 256]) fixed.push(await run(`fixed ${maxSize}`, microBatched({ adaptive: false, maxSize, maxQueue: 2000 })))

const best = Math.max(...fixed.map(({ perSecond }) => perSecond))
const problems = [
  ...(learned.before <= OBJECTIVE_MS ? [] : [`p99 before the step is ${learned.before.toFixed(1)} ms`]),
  ...(learned.p99 <= OBJECTIVE_MS ? [] : [`p99 after the step is ${learned.p99.toFixed(1)} ms`]),
  ...(learned.perSecond >= 0.9 * best ? [] : [`only ${((learned.perSecond / best) * 100).toFixed(0)} % of the best fixed size's throughput`]),
]
console.log(`${(PER_MS * 100).toFixed(0)} → ${(PER_MS * 1000).toFixed(0)} rows a second, objective p99 ≤ ${OBJECTIVE_MS} ms\n`)
console.log(`${'size'.padEnd(12)}${'p99 before'.padStart(12)}${'p50 after'.padStart(12)}${'p99 after'.padStart(12)}${'in time/s'.padStart(12)}`)
for (const { name, before, p50, p99, perSecond } of [learned, ...fixed]) console.log(`${name.padEnd(12)}${before.toFixed(1).padStart(12)}${p50.toFixed(1).padStart(12)}${p99.toFixed(1).padStart(12)}${perSecond.toFixed(0).padStart(12)}`)
console.log(problems.length === 0 ? `\nok: ${((learned.perSecond / best) * 100).toFixed(0)} % of the best fixed size's throughput` : `\nMISS: ${problems.join('; ')}`)
process.exitCode = problems.length === 0 ? 0 : 1
