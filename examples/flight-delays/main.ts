/**
 * The flight-delay service: five months of real traffic through every wrapper of outrigger.
 *
 * `npm start` serves all flights of February to June 2001; `npm start -- --quick` a sample. The exit status is 0 only
 * if every claim of the report holds. With `--serve` its dashboard is open from the start, and stays open: `--port 8080`.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join as joinPath } from 'node:path'
import { parseArgs } from 'node:util'
import { performance } from 'node:perf_hooks'
import { AggregationTemporality, InMemoryMetricExporter, MeterProvider, PeriodicExportingMetricReader } from '@opentelemetry/sdk-metrics'
import { hasCode, seededRandom } from 'outrigger'
import { labelJoin } from 'outrigger/core'
import { modelStore } from 'outrigger/models'
import type { DriftVerdict } from 'outrigger/drift'
import type { MetricVerdict } from 'outrigger/experiment'
import type { ModelAlias } from 'outrigger/models'
import type { RolloutStatus } from 'outrigger/route'
import { changedAirports } from './airports.js'
import { baselineRate, fitBaseline } from './baseline.js'
import { dayOf, epochMinute, hourOf, isoMinute, MINUTES_PER_DAY, monthOf, monthStart } from './calendar.js'
import { flightClock } from './clock.js'
import { isLate, loadFlights } from './data.js'
import { clampedLogLoss, Evaluation, qualityOf } from './evaluation.js'
import { FlightHistory } from './features.js'
import { seeInside } from './inside.js'
import { METRIC, releasePlan } from './release-plan.js'
import { MODEL_NAME, publish, publishDamaged, readyTf, type Damaged } from './releases.js'
import { claimLines, count, fixed, heading, percent, progressLine, quantile, shortened, table, type Claim } from './report.js'
import { serve, type Happening } from './serve.js'
import { flightService } from './service.js'
import { Tally } from './tally.js'
import { trainModel, type TrainedModel } from './train.js'
import { firstFrom } from './training-rows.js'

const { values: flags } = parseArgs({ options: { quick: { type: 'boolean', default: false }, seed: { type: 'string', default: 'flight-delays' }, serve: { type: 'boolean', default: false }, port: { type: 'string', default: '8080' } } })
const quick = flags.quick
const startedAt = performance.now()
const say = (text: string): void => void process.stdout.write(`${text}\n`)
const seconds = (): string => `${((performance.now() - startedAt) / 1000).toFixed(0).padStart(3)} s`

// ---- the data, the baseline, and version 1 on January

const tf = await readyTf()
const random = seededRandom(flags.seed)
const flights = await loadFlights(quick ? { busiestAirports: 5 } : {})
const span = quick ? { maxRows: 40_000, epochs: 6 } : {}
say(`${seconds()}  Read ${count(flights.count)} flights of January to June 2001 (${flights.sample}).`)

const january = { from: 3 * MINUTES_PER_DAY, to: monthStart(2) }
const baseline = fitBaseline(flights, { from: 0, to: monthStart(2) })
const version1 = await trainModel(flights, { ...january, ...span, random: random.substream('version 1') })
say(`${seconds()}  Trained version 1 on ${count(version1.training.count)} flights of January: log loss ${fixed(version1.validationLogLoss)} on days it had not seen.`)

const path = await mkdtemp(joinPath(tmpdir(), 'outrigger-flights-'))
const clock = flightClock()
clock.goTo(monthStart(2))
const store = modelStore({ path, clock })
await store.setAlias(MODEL_NAME, 'champion', await publish(store, version1, { trainedOn: 'January 2001' }), { expect: null })

// ---- the service, and what listens to it

const exporter = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE)
const reader = new PeriodicExportingMetricReader({ exporter, exportIntervalMillis: 3_600_000 })
const meters = new MeterProvider({ readers: [reader] })
const shadowScores = new Float32Array(flights.count).fill(Number.NaN)
const plan = releasePlan({ isSample: quick, historicalRate: (id) => baselineRate(baseline, flights.origin[Number(id)]!, hourOf(flights.minute[Number(id)]!)) })
const service = await flightService({ store, baseline, clock, random: random.substream('service'), plan, meter: meters.getMeter('flight-delays'), onShadow: (id, late) => (shadowScores[Number(id)] = late) })
const { predict, engine, champion, candidate, release, outage, breaker, cache, drift, rehearsal } = service
const tally = new Tally()
const labels = labelJoin<boolean>({ max: 30_000, ttlMs: 7 * MINUTES_PER_DAY * 60_000 })
predict.observe(tally.observer)
predict.observe(labels.observer)
labels.onJoined(tally.onJoined)
const inside = await seeInside({ service, clock, path })
for (const observer of inside.observers) predict.observe(observer)
const evaluation = new Evaluation(flights, baseline)
evaluation.add('version 1', version1)
say(`\n${predict.describe()}\n`)
if (flags.serve) say(`The dashboard: ${await inside.open(Number(flags.port))}\n`)

// ---- what happens on the way

const verdicts = new Map<number, DriftVerdict>()
const diary: string[] = []
const note = (minute: number, text: string): void => void diary.push(`${isoMinute(minute)}  ${text}`)
const closeMonth = (month: number): void => {
  verdicts.set(month, drift.verdict())
  drift.reset()
}
const at = (month: number, day: number, hour = 0): number => monthStart(month) + (day - 1) * MINUTES_PER_DAY + hour * 60

let version2: TrainedModel | undefined
let retrainMs = 0
let damagedAnswer: unknown
const drill = { ms: Number.NaN, to: '', forth: '' }
let version4: Damaged | undefined
/** Whether calls were in flight when another version went live, and who answered the flights of that minute. */
const overtaken = { isHeld: false, rows: 0, byVersion2: 0 }
/** What was decided about version 2, and about version 4; `evidence` is that of the metric. */
interface Decided { readonly status: RolloutStatus; readonly text: string; readonly evidence: MetricVerdict | undefined; readonly champion: ModelAlias | undefined }
const decided = async (): Promise<Decided> => ({ status: release.status, text: release.text(), evidence: release.status.verdict?.metrics.find(({ name }) => name === METRIC), champion: (await store.aliases(MODEL_NAME)).find(({ alias }) => alias === 'champion') })
let promotion: Decided | undefined
let damage: Decided | undefined
/** What became of version 4 after it was rolled back. */
const refused = { again: undefined as unknown, champion: undefined as unknown, serves: '', tag: '' }
const settled = (): number => tally.total((month) => month.rows)
const failures = (): number => tally.total((month) => month.failed)
const shadowLoss = { rows: 0, primary: 0, candidate: 0 }

const OUTAGE = { from: at(2, 15, 6), to: at(2, 15, 12) }
const REHEARSAL = { from: at(5, 1), to: at(5, 8) }
const DRILL = at(5, 29, 8)
const DAMAGE = at(6, 1)
const WORSE = { from: at(6, 4), to: at(6, 14) }
/** Whole days whose flights are asked for one by one. */
const singleDays = new Set((quick ? [[2, 20], [3, 20], [5, 15], [6, 20]] : [[2, 20], [5, 15], [6, 20]]).map(([month, day]) => dayOf(at(month as number, day as number))))

const happenings: Happening[] = [
  { minute: OUTAGE.from, what: () => (outage.set({ error: 1 }), note(OUTAGE.from, 'The engine fails: every run throws.')) },
  { minute: OUTAGE.to, what: () => (outage.set({ error: 0 }), note(OUTAGE.to, 'The engine works again.')) },
  ...[3, 4, 5, 6].map((month): Happening => ({ minute: monthStart(month), what: () => closeMonth(month - 1) })),
  {
    minute: REHEARSAL.from,
    what: async () => {
      const since = performance.now()
      version2 = await trainModel(flights, { from: monthStart(3), to: monthStart(5), ...span, random: random.substream('version 2') })
      retrainMs = performance.now() - since
      evaluation.add('version 2', version2)
      const version = await publish(store, version2, { trainedOn: 'March and April 2001' })
      await store.setAlias(MODEL_NAME, 'candidate', version, { expect: null })
      await candidate.whenReady()
      rehearsal.setRate(1)
      note(REHEARSAL.from, `Version 2, trained on March and April, is published and runs as a shadow (log loss ${fixed(version2.validationLogLoss)} on days it had not seen).`)
    },
  },
  {
    minute: REHEARSAL.to,
    what: async () => {
      rehearsal.setRate(0)
      await rehearsal.idle()
      for (let flight = 0; flight < flights.count; flight += 1) {
        const minute = flights.minute[flight]!
        const score = shadowScores[flight]!
        if (minute < REHEARSAL.from || minute >= REHEARSAL.to || Number.isNaN(score)) continue
        shadowLoss.rows += 1
        shadowLoss.candidate += lossOf(score, isLate(flights, flight))
        shadowLoss.primary += lossOf(evaluation.score('version 1', flight), isLate(flights, flight))
      }
      await release.start({ by: 'ann' })
      note(REHEARSAL.to, `The shadow week ends: log loss ${fixed(shadowLoss.primary / shadowLoss.rows)} for version 1, ${fixed(shadowLoss.candidate / shadowLoss.rows)} for version 2. The rollout of version 2 starts.`)
    },
  },
  {
    minute: DRILL,
    what: () => {
      cache.clear()
      // Holds up the calls of this minute, so that the swap overtakes all of them, on any machine.
      outage.set({ latency: 1, latencyMs: 700 })
    },
    during: async () => {
      const minute = Math.floor(clock.now() / 60_000)
      const stop = predict.observe((event) => {
        if (event.type !== 'prediction') return
        if (Math.floor(clock.now() / 60_000) !== minute) {
          stop()
          return
        }
        overtaken.rows += 1
        if (event.record.identity.version === '2') overtaken.byVersion2 += 1
      })
      // Kept warm: the swap is one assignment.
      const since = performance.now()
      await champion.use(1)
      drill.ms = performance.now() - since
      drill.to = champion.identity.version
      overtaken.isHeld = champion.loaded.some(({ identity, leases }) => identity.version === '2' && leases > 0)
      outage.set({ latency: 0 })
      await champion.use('champion')
      drill.forth = champion.identity.version
      note(DRILL, `A drill: under calls in flight, which version 2 answers, the champion goes back to version 1 in ${drill.ms.toFixed(1)} ms, and forth again.`)
    },
  },
  {
    minute: DAMAGE,
    what: async () => {
      promotion = await decided()
      const { version, model } = await publishDamaged(store, 2)
      model.dispose()
      await store.setAlias(MODEL_NAME, 'candidate', version, { expect: 2 })
      damagedAnswer = await candidate.refresh().catch((error: unknown) => error)
      note(DAMAGE, `Version 3 is published with damaged weights: ${damagedAnswer instanceof Error ? damagedAnswer.message : 'it was let in'}`)
    },
  },
  {
    minute: WORSE.from,
    what: async () => {
      version4 = await publishDamaged(store, 2, true)
      evaluation.add('version 4', version4)
      await store.setAlias(MODEL_NAME, 'candidate', version4.version, { expect: 3 })
      await candidate.refresh()
      await release.start({ by: 'ann' })
      note(WORSE.from, 'Version 4 is as damaged, but its golden predictions were made from the damaged weights, so that it passes the gate. Its rollout starts.')
    },
  },
  {
    minute: WORSE.to,
    what: async () => {
      damage = await decided()
      evaluation.remove('version 4')
      version4?.model.dispose()
      refused.again = await release.start({ by: 'ann' }).catch((error: unknown) => error)
      // Somebody moves the alias by hand all the same.
      await store.setAlias(MODEL_NAME, 'champion', 4, { expect: 2, reason: 'by mistake' })
      refused.champion = await champion.refresh().catch((error: unknown) => error)
      refused.serves = champion.identity.version
      await store.setAlias(MODEL_NAME, 'champion', 2, { expect: 4, reason: 'back' })
      await champion.refresh()
      refused.tag = (await store.resolve(`${MODEL_NAME}@4`)).tags?.['quarantined'] ?? ''
    },
  },
].sort((a, b) => a.minute - b.minute)

const epochMs = (minute: number): number => (minute + epochMinute) * 60_000
const lossOf = (chance: number, late: boolean): number => -Math.log(Math.min(1 - 1e-7, Math.max(1e-7, late ? chance : 1 - chance)))

// ---- five months

const history = new FlightHistory(flights)
for (let flight = 0; flights.minute[flight]! < monthStart(2); flight += 1) {
  history.advanceTo(flights.minute[flight]!)
  history.depart(flight)
}
const progress = progressLine((text) => process.stdout.write(text), process.stdout.isTTY === true)
const served = await serve({
  flights,
  history,
  service,
  join: labels,
  inside,
  evaluation,
  clock,
  happenings,
  isSingleDay: (day) => singleDays.has(day),
  // On the day of the outage minute by minute: the breaker sees it when it begins. A sample has few flights a minute.
  batchMinutes: (day) => (day === dayOf(OUTAGE.from) ? 1 : quick ? 60 : 15),
  onDay: (minute) => progress.show(`${seconds()}  Serving ${isoMinute(minute).slice(0, 10)}: ${count(settled())} flights, ${failures()} failures, breaker ${breaker.state}`, minute === monthStart(monthOf(minute))),
})
progress.done()
verdicts.set(6, drift.verdict())
await rehearsal.idle()
await meters.forceFlush()
await inside.kept.flush()
const weighed = await inside.weighed()
const replayed = await inside.replay('2', epochMs(at(6, 20)), epochMs(at(6, 27)))

// ---- the report

const months = [2, 3, 4, 5, 6]
const monthNames = ['', 'January', 'February', 'March', 'April', 'May', 'June']
const source = (month: number | undefined, name: string): number => (month === undefined ? tally.total((one) => one.sources.get(name) ?? 0) : (tally.months.get(month)?.sources.get(name) ?? 0))
const qualities = new Map(months.map((month) => [month, { baseline: evaluation.quality('baseline', month), v1: evaluation.quality('version 1', month), v2: month >= 5 ? evaluation.quality('version 2', month) : undefined, served: qualityOf(flights, month, (flight) => served.answers[flight]!) }]))
const rows = settled()
const failed = failures() + served.failures.length
const latencies = served.latenciesMs.sort((a, b) => a - b)
const peakBytes = process.resourceUsage().maxRSS * 1024
const metric = exporter.getMetrics().at(-1)?.scopeMetrics.flatMap((scope) => scope.metrics).find((one) => one.descriptor.name === 'ml.inference.requests')
const counted = (metric?.dataPoints ?? []).reduce((sum, point) => sum + (point.value as number), 0)

say(heading(quick ? 'Flight delays, February to June 2001 (a quick run on a sample)' : 'Flight delays, February to June 2001'))
say(`  ${flights.sample}; seed "${flags.seed}"; tensorflow.js ${tf.version.tfjs}, ${tf.getBackend()} backend, Node ${process.versions.node}`)

say(heading('Requests'))
say(
  table(
    ['month', 'flights', 'late', 'failures', 'model', 'cache', 'shared', 'fallback', 'by version 1', 'by version 2', 'by version 4'],
    months.map((month) => {
      const one = tally.months.get(month)
      const all = one?.rows ?? 0
      let late = 0
      for (let flight = firstFrom(flights, monthStart(month)); flight < flights.count && monthOf(flights.minute[flight]!) === month; flight += 1) late += isLate(flights, flight) ? 1 : 0
      return [monthNames[month] as string, count(all), percent(late / all), count(one?.failed ?? 0), count(source(month, 'model')), percent(source(month, 'cache') / all), percent(source(month, 'coalesced') / all), count(source(month, 'fallback')), count(one?.versions.get('1') ?? 0), count(one?.versions.get('2') ?? 0), count(one?.versions.get('4') ?? 0)]
    }),
  ),
)
say(`\n  ${count(rows)} flights in ${count(served.batches)} batches and ${count(latencies.length)} single calls; ${count(failed)} failed. Cache: ${percent(cache.counts.hits / rows)} hits; equal rows of one batch share a run.`)
say(`  Latency of the single calls, those of a minute all at once: p50 ${quantile(latencies, 0.5).toFixed(2)} ms, p99 ${quantile(latencies, 0.99).toFixed(2)} ms, worst ${(latencies.at(-1) ?? Number.NaN).toFixed(1)} ms.`)
say(`  Labels: ${count(labels.counts.joined)} met their prediction, ${count(labels.counts.unmatched)} none, ${count(labels.counts.pending)} predictions still wait, ${count(labels.counts.expired)} waited too long.`)

say(heading('How good the models were (log loss, lower is better; AUC, higher is better)'))
say(
  table(
    ['month', 'baseline', 'version 1', 'version 2', 'as served', 'AUC baseline', 'version 1', 'version 2', 'as served'],
    months.map((month) => {
      const { baseline: base, v1, v2, served: answered } = qualities.get(month) ?? {}
      return [monthNames[month] as string, fixed(base?.logLoss), fixed(v1?.logLoss), fixed(v2?.logLoss), fixed(answered?.logLoss), fixed(base?.auc, 3), fixed(v1?.auc, 3), fixed(v2?.auc, 3), fixed(answered?.auc, 3)]
    }),
  ),
)
say('  Version 2 learnt from March and April; it is judged on what came after.')

say(heading('Has the world changed? Each month against the rows that version 1 learnt from'))
say(
  table(
    ['month', 'verdict', 'features drifted', 'most (distance)', 'then', 'airports with more late flights than in January'],
    months.map((month) => {
      const verdict = verdicts.get(month)
      const drifted = verdict?.features.filter((feature) => feature.state === 'drifted') ?? []
      const name = (index: number): string => (verdict?.features[index] === undefined ? '–' : `${verdict.features[index].feature} ${fixed(verdict.features[index].effect.value, 2)}`)
      const airports = changedAirports(flights, month).slice(0, 3).map(({ code, before, after }) => `${code} ${percent(before, 0)}→${percent(after, 0)}`)
      return [monthNames[month] as string, verdict?.state ?? '–', `${drifted.length} of ${verdict?.features.length ?? 0}`, name(0), name(1), airports.join(', ') || 'none']
    }),
  ),
)

for (const line of inside.told) diary.push(line.replace('  ', '  Alert: '))
say(heading('What happened'))
for (const change of tally.changes) {
  if (change.layer === 'circuit-breaker') note(change.at / 60_000 - Date.UTC(2001, 0, 1) / 60_000, `circuit breaker ${change.from} → ${change.to}: ${change.reason}`)
}
say([...diary].sort((a, b) => (a.slice(0, 16) < b.slice(0, 16) ? -1 : a.slice(0, 16) > b.slice(0, 16) ? 1 : 0)).map((line) => `  ${line}`).join('\n'))
say(`  Live log loss by arm, from labels that came hours later: ${[...tally.losses].sort().map(([arm, loss]) => `${arm} ${fixed(loss.sum / loss.rows)} (${count(loss.rows)})`).join(', ')}.`)

for (const [title, one] of [['Version 2, as the rollout tells it', promotion], ['Version 4, as the rollout tells it', damage]] as const) {
  say(heading(title))
  say(shortened(one?.text ?? 'It was not decided.'))
}

// ---- the claims

const claims: Claim[] = []
const claim = (text: string, holds: boolean, seen: string): void => void claims.push({ text, holds, seen })
const asked = flights.count - firstFrom(flights, monthStart(2))
claim('every flight of February to June was served, and none failed', rows === asked && failed === 0, `${count(rows)} of ${count(asked)}, ${failed} failed`)
claim('the telemetry counted the same rows as the records', counted === rows, count(counted))
const breakerPath = tally.changes.filter((change) => change.layer === 'circuit-breaker').map((change) => change.to)
claim('the breaker opened in the outage and closed by itself after it', breakerPath.includes('open') && breakerPath.at(-1) === 'closed' && breaker.state === 'closed', `${breakerPath.length} changes, the last to ${breakerPath.at(-1) ?? 'nothing'}`)
const outageRows = flightsBetween(OUTAGE.from, OUTAGE.to)
claim('the fallback answered only in the outage, or until the breaker closed', source(undefined, 'fallback') === source(2, 'fallback') && source(2, 'fallback') > 0.5 * outageRows && source(2, 'fallback') < 1.3 * outageRows, `${count(source(undefined, 'fallback'))} answers; ${count(outageRows)} flights left in those six hours`)
claim('fault injection struck', outage.struck.error > 0, `${count(outage.struck.error)} runs`)
let differ = 0
let compared = 0
for (let flight = 0; flight < flights.count; flight += 1) {
  const answer = served.answers[flight]!
  if (flights.minute[flight]! < monthStart(2) || Number.isNaN(answer)) continue
  compared += 1
  const known = ['version 1', 'version 2', 'version 4', 'baseline'].map((name) => evaluation.score(name, flight))
  if (!known.some((score) => Math.abs(score - answer) < 1e-5)) differ += 1
}
claim('every answer is that of a model, computed apart from the service, to 1e-5', differ === 0 && compared === rows, `${count(differ)} of ${count(compared)} differ`)
claim('every flight of the shadow week was compared, and none was dropped', rehearsal.counts.compared === flightsBetween(REHEARSAL.from, REHEARSAL.to) && rehearsal.counts.dropped === 0, `${count(rehearsal.counts.compared)} compared, ${rehearsal.counts.dropped} dropped, ${rehearsal.counts.failed} failed`)
claim('version 2 was not worse than version 1 in the shadow week', shadowLoss.candidate <= shadowLoss.primary, `${fixed(shadowLoss.candidate / shadowLoss.rows)} against ${fixed(shadowLoss.primary / shadowLoss.rows)}`)
claim('the swap overtook calls in flight, and the version they were bound to answered them', overtaken.isHeld && overtaken.rows > 0 && overtaken.byVersion2 === overtaken.rows, `${count(overtaken.byVersion2)} of ${count(overtaken.rows)} by version 2, after version ${drill.to} was live`)
claim('a version that was kept warm came back within 100 ms, and the champion again', drill.to === '1' && drill.forth === '2' && drill.ms < 100, `${drill.ms.toFixed(2)} ms`)
const trueDifference = differenceIn(REHEARSAL.to, endOf(promotion) / 60_000 - epochMinute)
const passed = promotion?.evidence?.pass
const worse = damage?.evidence?.worse
claim(`version 2 was promoted by evidence on late labels${quick ? ' (of being worse by less than 0.03)' : ''}`, promotion?.status.stage === 'promoted' && promotion.status.end?.cause === 'evidence' && promotion.status.candidate?.version === '2' && passed !== undefined && passed.eValue >= passed.needed, `${promotion?.status.stage ?? 'nothing decided'}; ${numbersOf(promotion, passed)}`)
claim('the interval that it was promoted by holds the difference, computed apart from the service', isWithin(promotion?.evidence?.interval, trueDifference), `${fixed(trueDifference)} over the flights of the rollout, interval ${promotion?.evidence?.interval?.map((end) => fixed(end)).join(' to ') ?? 'none'}`)
claim('the promotion moved the alias, and the units went home to the champion, which serves it', promotion?.champion?.version === 2 && promotion.champion.previous === 1 && promotion.status.weight === 0 && champion.identity.version === '2', `champion is version ${promotion?.champion?.version ?? 0}, before it ${promotion?.champion?.previous ?? 0}; ${percent(promotion?.status.weight ?? 1, 0)} of the units are left on the candidate`)
claim('version 4, damaged unseen, was rolled back by evidence and quarantined', damage?.status.stage === 'rolled-back' && damage.status.end?.cause === 'evidence' && damage.status.end.quarantine && damage.status.quarantined.includes(damage.status.candidate?.digest ?? 'none') && worse !== undefined && worse.eValue >= worse.needed && refused.tag !== '', `${damage?.status.stage ?? 'nothing decided'} after ${fixed((endOf(damage) - (damage?.status.startedAt ?? 0)) / 3_600_000, 0)} hours; ${numbersOf(damage, worse)}`)
const answersBy4 = tally.total((month) => month.versions.get('4') ?? 0)
const flightsUnder4 = flightsBetween(WORSE.from, endOf(damage) / 60_000 - epochMinute)
claim(`few were answered by version 4, and none before its start or after its end`, answersBy4 > 0 && answersBy4 < (quick ? 0.5 : 0.05) * flightsUnder4 && strayAnswers() === 0, `${count(answersBy4)} of ${count(flightsUnder4)} flights`)
claim('the alias did not move for version 4, and who moves it by hand is refused by the loader', damage?.champion?.version === 2 && damage.champion.revision === promotion?.champion?.revision && hasCode(refused.champion, 'ERR_OUTRIGGER_MODEL_REFUSED') && refused.serves === '2' && hasCode(refused.again, 'ERR_OUTRIGGER_ROLLOUT'), `champion stayed version ${damage?.champion?.version ?? 0}; ${refused.champion instanceof Error ? refused.champion.message.slice(0, 90) : 'it was let in'}…`)
const computed = engine.stats()
claim('the models computed in workers, none of which crashed', computed.runs > 0 && computed.crashes === 0, `${count(computed.runs)} runs, ${computed.crashes} crashes`)
const answersBy3 = tally.total((month) => month.versions.get('3') ?? 0)
claim('the damaged version was refused before it answered anybody', hasCode(damagedAnswer, 'ERR_OUTRIGGER_MODEL_REFUSED') && answersBy3 === 0, `${hasCode(damagedAnswer, 'ERR_OUTRIGGER_MODEL_REFUSED') ? 'ERR_OUTRIGGER_MODEL_REFUSED' : String(damagedAnswer)}; ${count(answersBy3)} answers`)
for (const month of months) {
  const { baseline: base, v1 } = qualities.get(month) ?? {}
  claim(`version 1 beat the baseline in ${monthNames[month]}`, (v1?.logLoss ?? Infinity) < (base?.logLoss ?? -Infinity), `log loss ${fixed(v1?.logLoss)} against ${fixed(base?.logLoss)}`)
}
for (const month of [5, 6]) {
  const { v1, v2 } = qualities.get(month) ?? {}
  claim(`version 2 beat version 1 in ${monthNames[month]}`, (v2?.logLoss ?? Infinity) < (v1?.logLoss ?? -Infinity), `log loss ${fixed(v2?.logLoss)} against ${fixed(v1?.logLoss)}`)
}
const behindJune = changedAirports(flights, 6)
const atlanta = behindJune.findIndex(({ code }) => code === 'ATL')
// A sample leaves out most of Atlanta's flights, and with them its lead.
claim(`June drifted, and Atlanta is ${quick ? 'among' : 'first of'} the airports behind it`, verdicts.get(6)?.state === 'drifted' && (quick ? atlanta >= 0 : atlanta === 0), `June is ${verdicts.get(6)?.state ?? 'not judged'}; ${behindJune.slice(0, 3).map(({ code, extraLate }) => `${code} had ${count(Math.round(extraLate))} more late flights than at January's rate`).join(', ')}`)
const labelsDue = rows
claim('every prediction met its label', labels.counts.joined === labelsDue && labels.counts.unmatched <= 5000, `${count(labels.counts.joined)} of ${count(labelsDue)}`)
const { counts: captured } = inside.kept
const fallbacks = source(undefined, 'fallback')
const ofModel = weighed.get('model') ?? 0
claim('each answer of the fallback is on disk, and one of a hundred others; weighed, they are as many as there were', captured.dropped === 0 && weighed.get('fallback') === fallbacks && Math.abs(ofModel / source(undefined, 'model') - 1) < (quick ? 0.1 : 0.03), `${count(captured.kept)} kept, ${captured.dropped} dropped; ${count(weighed.get('fallback') ?? 0)} of ${count(fallbacks)} fallbacks, model ${count(Math.round(ofModel))} for ${count(source(undefined, 'model'))}`)
claim('kept answers of version 2 come out the same when they are asked again', replayed.answer === 'same' && replayed.counts.same >= (quick ? 10 : 200), `${count(replayed.counts.same)} of ${count(replayed.counts.asked)}`)
const told = inside.told.filter((line) => line.includes('model-answers'))
claim('an alert told that the model did not answer, in the outage and at no other time, and that it was over', told.some((line) => line.includes('firing')) && told.every((line) => line.includes('resolved') || line.startsWith('2001-02-15')) && (told.at(-1) ?? '').includes('resolved'), told.join('; '))
claim('enough single calls for the latencies', latencies.length >= (quick ? 500 : 20_000), count(latencies.length))
claim('memory stayed below 1.5 GB', peakBytes < 1.5e9, `${(peakBytes / 1e9).toFixed(2)} GB at the most`)

if (!flags.serve) await predict.close()
await inside.close()
await meters.shutdown()
if (!flags.serve) await rm(path, { recursive: true })
const totalMs = performance.now() - startedAt
claim(`it took less than ${quick ? 'twenty seconds' : 'three minutes'}`, totalMs < (quick ? 20_000 : 180_000), `${(totalMs / 1000).toFixed(0)} s, of which ${(retrainMs / 1000).toFixed(0)} s training version 2`)

say(heading('Claims'))
say(claimLines(claims))
const broken = claims.filter((one) => !one.holds).length
say(`\n${broken === 0 ? `All ${claims.length} claims hold.` : `${broken} of ${claims.length} claims do not hold.`}`)
process.exitCode = broken === 0 ? 0 : 1
if (flags.serve) {
  say('The dashboard stays open until Ctrl+C.')
  process.once('SIGINT', () => {
    void predict.close().then(() => rm(path, { recursive: true })).finally(() => process.exit())
  })
}

/** When a rollout ended, in milliseconds since 1970. */
function endOf(one: Decided | undefined): number {
  return one?.status.end === undefined ? Number.NaN : one.status.since
}

/** What decided, in a line. */
function numbersOf(one: Decided | undefined, evidence: { readonly eValue: number; readonly needed: number } | undefined): string {
  const arms = Object.entries(one?.evidence?.arms ?? {}).map(([arm, { units }]) => `${arm} ${count(units)} units`)
  return `difference ${fixed(one?.evidence?.estimate)}, evidence ${fixed(evidence?.eValue, 1)} of ${fixed(evidence?.needed, 1)}, ${arms.join(', ')}`
}

/** How many flights leave in [from, to). */
function flightsBetween(from: number, to: number): number {
  let sum = 0
  for (let flight = 0; flight < flights.count; flight += 1) if (flights.minute[flight]! >= from && flights.minute[flight]! < to) sum += 1
  return sum
}

/** Version 2's mean loss less version 1's, over the flights that leave in [from, to). */
function differenceIn(from: number, to: number): number {
  let sum = 0
  let all = 0
  for (let flight = firstFrom(flights, from); flight < flights.count && flights.minute[flight]! < to; flight += 1) {
    const late = isLate(flights, flight)
    sum += clampedLogLoss(evaluation.score('version 2', flight), late) - clampedLogLoss(evaluation.score('version 1', flight), late)
    all += 1
  }
  return sum / all
}

/** Answers that are version 4's, and no other's, to flights outside of its rollout. */
function strayAnswers(): number {
  let stray = 0
  for (let flight = 0; flight < flights.count; flight += 1) {
    const minute = flights.minute[flight]!
    if (minute >= WORSE.from && minute <= endOf(damage) / 60_000 - epochMinute) continue
    if (Math.abs(evaluation.score('version 4', flight) - served.answers[flight]!) < 1e-9 && Math.abs(evaluation.score('version 2', flight) - served.answers[flight]!) > 1e-5) stray += 1
  }
  return stray
}

function isWithin(interval: readonly [number, number] | undefined, value: number): boolean {
  return interval !== undefined && value >= interval[0] && value <= interval[1]
}
