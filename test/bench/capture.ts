/**
 * What keeping records costs: `npm run capture`. About half a minute.
 *
 * The writer: realistic records (ten masked fields of the input, one of the output, a span, a version by digest) as fast as it takes them, with sampling, serialisation, SHA-256, and files on the
 * disk; per second of the process's own time, threads that write included. The caller: the full record path of a call, from the making of the record to the push, against the same
 * stack that nobody observes. Ends with a status that is not 0 when the writer takes less than 100 000 records a second of a core, the caller pays more than 3 µs in the mean, or more than 10 µs at
 * the 99th percentile.
 */
import { mkdtemp, readdir, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pipe, predictor, seededRandom, type PredictionRecord, type Predictor } from 'outrigger'
import { capture, segmentSink, segmentSource } from 'outrigger/capture'
import { layer } from 'outrigger/core'
import { defineSchema } from 'outrigger/schema'
import { median } from './measure.js'

const input = defineSchema({
  km: { type: 'number' }, hour: { type: 'integer' }, weekday: { type: 'integer' }, carrier: { type: 'category', categories: ['LH', 'AF', 'BA'] }, origin: { type: 'string' }, destination: { type: 'string' },
  wind: { type: 'number' }, delayBefore: { type: 'number' }, isHoliday: { type: 'boolean' }, seats: { type: 'integer' }, passenger: { type: 'string', tags: ['pii'] },
})
const output = defineSchema({ late: { type: 'number' } })
type Row = Record<string, unknown>
const random = seededRandom('capture')
const row = (): Row => ({
  km: random.next() * 3000, hour: random.integer(24), weekday: random.integer(7), carrier: ['LH', 'AF', 'BA'][random.integer(3)], origin: 'FRA', destination: 'JFK',
  wind: Math.round(random.next() * 100) / 10, delayBefore: random.integer(60), isHoliday: random.next() < 0.1, seats: 180, passenger: 'Ada Lovelace',
})
const rows = Array.from({ length: 1024 }, row)
const digest = 'c0ffee'.padEnd(64, '0')
/** As `observed` notes it. */
const traced = layer<Row, { late: number }>('traced', { one: (next, given, call) => (call.startedAt !== undefined && (call.note().trace = { traceId: '0af7651916cd43dd8448eb211c80319c', spanId: 'b7ad6b7169203331' }), next(given, call)) })
const stack = (): Predictor<Row, { late: number }> => pipe(predictor((given: Row) => ({ late: (given['km'] as number) / 3000 }), { name: 'flight-delay', version: '12', digest, input, output }), traced)
const folder = await mkdtemp(join(tmpdir(), 'outrigger-bench-'))
const problems: string[] = []
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

// ---- the writer

const predict = stack()
const records: PredictionRecord[] = []
const stop = predict.observe((event) => void (event.type === 'prediction' && records.push(event.record)))
for (let index = 0; index < 20_000; index += 1) await predict(rows[index % rows.length] as Row)
stop()
const rounds: { perSecond: number; perCpuSecond: number; worstMs: number }[] = []
let bytes = 0
for (let round = 0; round < 9; round += 1) {
  const directory = await mkdtemp(join(folder, 'writer-'))
  const captured = capture({ sink: segmentSink({ directory }) })
  const count = 200_000
  let worstMs = 0
  const cpu = process.cpuUsage()
  const started = performance.now()
  for (let index = 0; index < count;) {
    for (const until = captured.counts.waiting < 2000 ? index + 2000 : index; index < until; index += 1) captured.observer({ type: 'prediction', record: records[index % records.length] as PredictionRecord })
    const before = performance.now()
    await turn()
    worstMs = Math.max(worstMs, performance.now() - before)
  }
  await captured.close()
  const { user, system } = process.cpuUsage(cpu)
  const [{ written } = { written: 0 }] = captured.counts.sinks
  if (written !== count) problems.push(`${written} of ${count} were written`)
  rounds.push({ perSecond: count / ((performance.now() - started) / 1000), perCpuSecond: count / ((user + system) / 1e6), worstMs })
  if (round === 0) {
    const files = await Promise.all((await readdir(directory)).map(async (file) => (await stat(join(directory, file))).size))
    bytes = files.reduce((sum, size) => sum + size, 0) / count
    const { damaged, records: read, torn } = await segmentSource(directory).verify()
    if (damaged.length > 0 || read !== count || torn > 0) problems.push('what was written is not what is read')
  }
  await rm(directory, { recursive: true })
}
const best = (of: (round: (typeof rounds)[number]) => number): string => `median ${Math.round(median(rounds.map(of))).toLocaleString('en')}, best ${Math.round(Math.max(...rounds.map(of))).toLocaleString('en')}`
console.log(`the writer, records of ${bytes.toFixed(0)} bytes: a second ${best(({ perSecond }) => perSecond)}; a second of the processor ${best(({ perCpuSecond }) => perCpuSecond)}`)
console.log(`the longest turn of the event loop: median ${median(rounds.map(({ worstMs }) => worstMs)).toFixed(1)} ms`)
// Of the processor, as a second of the clock is also that of whoever else is on the machine.
if (median(rounds.map(({ perCpuSecond }) => perCpuSecond)) < 100_000) problems.push('the writer takes less than 100 000 records a second of a core')

// ---- the caller

const directory = await mkdtemp(join(folder, 'caller-'))
const captured = capture({ sink: segmentSink({ directory }) })
const bare = stack()
const kept = stack()
kept.observe(captured.observer)
/** Each call on its own; the writer runs between the bursts. */
const burst = async (one: Predictor<Row, unknown>, times: number[]): Promise<void> => {
  for (let index = 0; index < 500; index += 1) {
    const given = rows[index] as Row
    const before = performance.now()
    await one(given)
    times.push((performance.now() - before) * 1000)
  }
  await captured.flush()
}
const differences: { mean: number; p99: number }[] = []
for (let round = 0; round < 60; round += 1) {
  const without: number[] = []
  const withIt: number[] = []
  for (let time = 0; time < 4; time += 1) {
    await burst(bare, without)
    await burst(kept, withIt)
  }
  const mean = (times: readonly number[]): number => times.reduce((sum, time) => sum + time, 0) / times.length
  const p99 = (times: readonly number[]): number => [...times].sort((a, b) => a - b)[Math.floor(times.length * 0.99)] as number
  if (round >= 10) differences.push({ mean: mean(withIt) - mean(without), p99: p99(withIt) - p99(without) })
}
const mean = median(differences.map((one) => one.mean))
const p99 = median(differences.map((one) => one.p99))
console.log(`the caller, full path of a record: mean ${mean.toFixed(2)} µs, p99 ${p99.toFixed(2)} µs more than unobserved`)
if (!(mean <= 3)) problems.push(`the caller pays ${mean.toFixed(2)} µs`)
if (!(p99 <= 10)) problems.push(`the caller pays ${p99.toFixed(2)} µs at the 99th percentile`)
await captured.close()
await rm(folder, { recursive: true })
console.log(`\nNode ${process.versions.node}, ${process.platform} ${process.arch}`)
console.log(problems.length === 0 ? 'ok' : `MISS: ${problems.join('; ')}`)
process.exitCode = problems.length === 0 ? 0 : 1
