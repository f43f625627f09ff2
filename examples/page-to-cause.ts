/**
 * From page to cause on real flights: a job of the feature store begins to say percents for three airports. An alert fires on late labels; records say where,
 * one prediction is explained, and a replay with the right features says who was hit, and that the cause is all of it. The page of the docs walks along.
 */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pipe, predictor, type PredictionRecord } from 'outrigger'
import { capture, segmentSink, segmentSource } from 'outrigger/capture'
import { mapOutput } from 'outrigger/compose'
import { checkpoint, explain, replay } from 'outrigger/debug'
import { alerts, objectives, type AlertMessage } from 'outrigger/observe'
import { declared, defineSchema } from 'outrigger/schema'
import { fakeClock } from 'outrigger/testing'
import { epochMinute, isoMinute, MINUTES_PER_DAY } from './flight-delays/calendar.js'
import { isLate, loadFlights } from './flight-delays/data.js'

interface Row {
  readonly origin: string
  readonly hour: number
  /** The share of late landings at the origin in the last three hours. */
  readonly recentRate: number
}
const input = defineSchema({ origin: { type: 'category' }, hour: { type: 'integer' }, recentRate: { type: 'number' } })
const output = defineSchema({ late: { type: 'number', min: 0, max: 1 } })
const score = defineSchema({ score: { type: 'number' } })
const stack = (clock?: ReturnType<typeof fakeClock>) =>
  pipe(
    predictor(({ hour, recentRate }: Row) => -2.6 + 5 * recentRate + 0.05 * (hour - 12), { name: 'delay', version: '3', ...(clock === undefined ? {} : { clock }) }),
    checkpoint('model', { input, output: score }),
    mapOutput((x: number) => ({ late: 1 / (1 + Math.exp(-x)) })),
    declared({ input, output }),
  )

// One day of the twenty busiest airports: Wednesday, 7 February 2001.
const flights = await loadFlights({ busiestAirports: 20 })
const [midnight, noon] = [37 * MINUTES_PER_DAY, 37.5 * MINUTES_PER_DAY]
const landedAt = (flight: number): number => flights.minute[flight]! + 30 + Math.round(flights.distance[flight]! / 8)
const days = Array.from({ length: flights.count }, (_, flight) => flight).filter((flight) => flights.minute[flight]! >= midnight - MINUTES_PER_DAY / 2 && flights.minute[flight]! < midnight + MINUTES_PER_DAY)
const landings = new Map<number, number[]>()
for (const flight of [...days].sort((a, b) => landedAt(a) - landedAt(b))) landings.set(flights.destination[flight]!, [...(landings.get(flights.destination[flight]!) ?? []), flight])
/** What the feature store should say at that minute. */
const recentRate = (airport: number, minute: number): number => {
  const recent = (landings.get(airport) ?? []).filter((flight) => landedAt(flight) <= minute && landedAt(flight) > minute - 180)
  return (2 + recent.filter((flight) => isLate(flights, flight)).length) / (10 + recent.length)
}
const rowOf = (flight: number): Row => ({ origin: flights.airports[flights.origin[flight]!]!.code, hour: Math.floor(flights.minute[flight]! / 60) % 24, recentRate: recentRate(flights.origin[flight]!, flights.minute[flight]!) })
/** And what it says: a new job has taken over three airports at noon, and gives percents. */
const served = (flight: number): Row => {
  const row = rowOf(flight)
  return ['ATL', 'DFW', 'ORD'].includes(row.origin) && flights.minute[flight]! >= noon ? { ...row, recentRate: 100 * row.recentRate } : row
}

const folder = await mkdtemp(join(tmpdir(), 'page-'))
const clock = fakeClock({ wallMs: (midnight + epochMinute) * 60_000 })
const predict = stack(clock)
const captured = capture({ sink: segmentSink({ directory: folder }) })
const pages: AlertMessage[] = []
const watch = alerts({
  source: 'flights',
  // Of flights that it called late with 90 % and more, few may be on time.
  objectives: objectives([{ kind: 'quality', name: 'not-surely-wrong', objective: 0.99, good: ({ record, label }) => !(Number(record.output?.['late']) >= 0.9 && label.value === false) }]),
  sinks: [(message) => void pages.push(message)],
  everyMs: Infinity,
  clock,
})
for (const observer of [captured.observer, watch.observer]) predict.observe(observer)

const today = days.filter((flight) => flights.minute[flight]! >= midnight)
const arriving = [...today].sort((a, b) => landedAt(a) - landedAt(b))
let next = 0
for (let minute = midnight; !pages.some(({ severity }) => severity === 'page') && minute < midnight + MINUTES_PER_DAY; minute += 1) {
  while (next < today.length && flights.minute[today[next]!]! <= minute) {
    const flight = today[next++]!
    await predict(served(flight), { id: `flight-${flight}` })
  }
  for (; arriving.length > 0 && landedAt(arriving[0]!) <= minute; arriving.shift()) {
    const flight = arriving[0]!
    captured.label(`flight-${flight}`, isLate(flights, flight), clock.wall())
    watch.label(`flight-${flight}`, isLate(flights, flight), clock.wall())
  }
  await clock.advance(60_000)
  await watch.check()
}
await captured.close()
await watch.close()

const page = pages.find(({ severity }) => severity === 'page')
assert.ok(page !== undefined)
console.log(`$ # the page, at ${isoMinute(Math.round(page.at / 60_000) - epochMinute)}\n${page.severity}: ${page.title}\n`)

const outrigger = (...args: string[]): string => {
  console.log(`$ outrigger inspect records ${args.map((arg) => (/^[\w=.-]+$/.test(arg) ? arg : `"${arg}"`)).join(' ')}`)
  const { stdout, stderr, status } = spawnSync(process.execPath, ['--import', 'tsx', 'src/cli/entry.ts', 'inspect', folder, ...args], { encoding: 'utf8' })
  assert.equal(status, 0, stderr)
  console.log(stdout)
  return stdout
}
const since = new Date(page.at - 4 * 3_600_000).toISOString()
const worst = outrigger('--sql', `select input ->> 'origin' as origin, count(*) as flights, sum(((output ->> 'late')::double >= 0.9 and label = 'false')::int) as surely_wrong from predictions where time >= '${since.slice(0, 16).replace('T', ' ')}' and label is not null group by 1 order by 3 desc, 1 limit 5`)
assert.match(worst, /^(ATL|DFW|ORD) .*\n(ATL|DFW|ORD) .*\n(ATL|DFW|ORD) /m)
const shown = outrigger('--since', since, '--where', 'origin=ORD', '--where', 'late>=0.9', '--limit', '2')
const id = /flight-\d+/.exec(shown)![0]

const again = ({ id: name }: PredictionRecord): { recentRate: number } => ({ recentRate: rowOf(Number(name.slice(7))).recentRate })
const explanation = await explain(id, { source: segmentSource(folder), predictor: stack(), features: again })
console.log(`$ # explain('${id}')\n${explanation.text()}`)
assert.equal(explanation.first?.stage, 'features')

const report = await replay(segmentSource(folder).read({ from: Date.parse(since) }), () => stack(), { as: (fields, record) => ({ ...fields, ...again(record) }) as Row, by: ['origin'], tolerance: 0.01, examples: 1 })
console.log(`$ # replay(since ${since}), with the features as they should have been\n${report.text()}`)
assert.deepEqual(report.slices.filter(({ different }) => different > 0).map(({ value }) => value).sort(), ['ATL', 'DFW', 'ORD'])
await rm(folder, { recursive: true })
