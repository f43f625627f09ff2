/**
 * Every function that a folder of `src` exports is either a layer, and passes the conformance suite, or stands on the
 * list of what is none, with the reason. A new export fails this test until somebody has said which.
 */
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import * as root from 'outrigger'
import { microBatched } from 'outrigger/batch'
import { cached } from 'outrigger/cache'
import { cascade, ensemble, mapInput, mapOutput } from 'outrigger/compose'
import { layer } from 'outrigger/core'
import { checkpoint } from 'outrigger/debug'
import { driftMonitor, referenceProfile } from 'outrigger/drift'
import { metered, modelMetrics, observed, spanned } from 'outrigger/observe'
import { extraWorkBudget } from 'outrigger/policy'
import { adaptiveConcurrency, answerChecks, breakerControl, bulkhead, circuitBreaker, fallback, hedge, loadShedding, rateLimit, retry, slowCalls, timeout, timeWindow } from 'outrigger/resilience'
import { check, outputChecked, schemaOf, validated } from 'outrigger/quality'
import { shadow } from 'outrigger/route'
import { declared, defineSchema, type StandardSchema } from 'outrigger/schema'
import { faults, layerConformance } from 'outrigger/testing'
import type { ConformanceCheck, ConformanceRow } from 'outrigger/testing'

const src = join(import.meta.dirname, '../../src')
type Row = ConformanceRow
const timesTen = ({ x }: Row): { y: number } => ({ y: x * 10 })

const anySchema: StandardSchema<Row> = { '~standard': { version: 1, vendor: 'test', validate: async (value) => ({ value: value as Row }) } }
const wrapsErrors = { 'the error of the model arrives': 'it is the cause of ERR_OUTRIGGER_TOO_FEW_ANSWERS, which has those of all members' }

/** Layers: the export, and each way to make it that the suite shall see. */
const layers: Readonly<Record<string, Readonly<Record<string, () => ConformanceCheck[]>>>> = {
  'batch/microBatched': {
    'as it comes': () => layerConformance(() => microBatched()),
    'always in batches': () => layerConformance(() => microBatched({ adaptive: false })),
    'two rows at most, two runs at once': () => layerConformance(() => microBatched({ adaptive: false, maxSize: 2, concurrency: 2 })),
    'with a wait for more': () => layerConformance(() => microBatched({ adaptive: false, maxDelayMs: 5 })),
    'within an objective, on copies': () => layerConformance(() => microBatched({ objectiveMs: 50, copy: true })),
  },
  'cache/cached': {
    'by content': () => layerConformance(() => cached()),
    'by key, with a time to live': () => layerConformance(() => cached({ ttlMs: 1000, key: (input: Row) => input.x })),
    'with everything that may run in the background': () => layerConformance(() => cached({ ttlMs: 1, staleWhileRevalidateMs: 1000, staleIfErrorMs: 1000, earlyRefresh: 1, negativeTtlMs: 1000, freeze: true, audit: { rate: 1 } })),
  },
  // They make predictors; of one model that decides alone they are layers.
  'compose/cascade': {
    'always sure': () => layerConformance<Row>(() => (inner) => cascade(inner, inner, { isUnsure: () => false, onCheapFailure: 'throw' })),
    'never sure': () => layerConformance<Row>(() => (inner) => cascade((_: Row) => 'cheap', inner, { isUnsure: () => true })),
  },
  'compose/ensemble': {
    'of one': () => layerConformance<Row>(() => (inner) => ensemble({ inner }, { combine: ([first]) => first!.output }), { except: wrapsErrors }),
    'that is decided by one': () => layerConformance<Row>(() => (inner) => ensemble({ other: (_: Row) => 'other', inner }, { combine: (answers) => answers[1]!.output }), { except: { ...wrapsErrors, 'a call stays with the version it was bound to': 'its version is that of both' } }),
  },
  'compose/mapInput': {
    'synchronous': () => layerConformance<Row, number>(() => mapInput((input: Row) => input.x), { answer: (x) => ({ y: x * 10 }), expect: timesTen }),
    'asynchronous': () => layerConformance<Row, number>(() => mapInput(async (input: Row) => input.x), { answer: (x) => ({ y: x * 10 }), expect: timesTen }),
  },
  'compose/mapOutput': { 'of an object': () => layerConformance<Row, Row, { y: number }>(() => mapOutput(({ y }: { y: number }) => y), { answer: timesTen, expect: (input) => input.x * 10 }) },
  'core/layer': {
    'of one form': () => layerConformance<Row>(() => layer<Row, unknown>('plain', { one: async (next, input, call) => await next(input, call) })),
    'of both forms': () => layerConformance<Row>(() => layer<Row, unknown>('plain', { one: async (next, input, call) => await next(input, call), many: async (next, inputs, batch) => await next(inputs, batch) })),
  },
  'debug/checkpoint': {
    'of what goes in and comes out': () => layerConformance(() => checkpoint('model', { input: defineSchema({ x: { type: 'number' } }), output: defineSchema({ y: { type: 'number' } }) })),
    'of what comes out': () => layerConformance(() => checkpoint('model', { output: defineSchema({ y: { type: 'number' } }) })),
  },
  'drift/driftMonitor': {
    'of inputs': () => layerConformance<Row>(() => driftMonitor({ reference: referenceProfile(Array.from({ length: 500 }, (_, index) => ({ x: index % 7 }))), minimumRows: 100 })),
  },
  'observe/metered': {
    'alone': () => layerConformance(() => metered(modelMetrics())),
    'around another one': () => layerConformance(() => (inner) => metered(modelMetrics())(metered(modelMetrics())(inner))),
  },
  'observe/observed': { 'without an SDK': () => layerConformance(() => observed()) },
  'observe/spanned': { 'without an SDK': () => layerConformance(() => spanned('model')) },
  'quality/outputChecked': {
    'of each answer': () => layerConformance(() => outputChecked()),
    'of parts, and of answers together': () => layerConformance<Row, Row, { y: number }>(() => outputChecked({ of: ({ y }: { y: number }) => y, inputOf: ({ x }: Row) => x, range: [-1e9, 1e9], stuckAfter: 1000, collapsed: { spread: 0 } }), { answer: timesTen }),
  },
  'quality/validated': {
    'of single fields': () => layerConformance(() => validated(defineSchema({ x: { type: 'integer', min: 0 } }))),
    'with everything': () =>
      layerConformance<Row>(() => {
        const reference = referenceProfile(Array.from({ length: 500 }, (_, index) => ({ x: index % 7 })))
        return validated<Row>(schemaOf(reference, { margin: 10 }), { reference, rules: { missing: { impute: 'last' }, range: 'clip' }, outliers: { cut: 1000, joint: { alpha: 1e-12 } }, checks: [check('positive', ({ x }) => x > 0)], monotone: { field: 'x', action: 'flag' }, entity: ({ x }) => String(x), alarm: { rows: 2 } })
      }),
    'that repairs': () => layerConformance<Row>(() => validated(defineSchema({ x: { type: 'number', min: 1.5 } }), { rules: { range: 'clip' } }), { expect: ({ x }) => ({ y: 10 * Math.max(1.5, x) }) }),
    'by another schema, asynchronous': () => layerConformance<Row>(() => validated(anySchema)),
  },
  'resilience/adaptiveConcurrency': {
    'by the gradient': () => layerConformance(() => adaptiveConcurrency()),
    'one at a time, by addition, with a queue': () => layerConformance(() => adaptiveConcurrency({ algorithm: 'aimd', initial: 1, latencyMs: 10, queue: 10, maxWaitMs: 10 ** 9, eventLoop: { maxDelayMs: 50, monitor: { delayMs: () => 0, close: () => {} } } })),
  },
  'resilience/bulkhead': {
    'with a queue of one at a time': () => layerConformance(() => bulkhead({ concurrency: 1, queue: 10 })),
    'wide': () => layerConformance(() => bulkhead({ concurrency: 10 })),
    'by rows and bytes': () => layerConformance(() => bulkhead({ rows: 4, bytes: 1000, queue: 10, maxWaitMs: 10 ** 9 })),
  },
  'resilience/circuitBreaker': {
    'closed': () => layerConformance(() => circuitBreaker()),
    'by time, speed, answers and segment, under control': () =>
      layerConformance<Row>(() => circuitBreaker<Row, unknown>({ window: timeWindow({ ms: 60_000 }), slow: slowCalls(), isBadAnswer: answerChecks({ constantOver: 1000 }), scope: (input) => String(input.x % 2), control: breakerControl() })),
  },
  'resilience/fallback': {
    'of a constant': () => layerConformance<Row>(() => fallback((_: Row) => 'rule'), { hidesFailures: true }),
    'of rungs with parameters': () => layerConformance<Row>(() => fallback({ use: (x: number) => x, input: ({ x }: Row) => x, timeoutMs: 1000, when: ['timeout'] }, (_: Row) => 'rule'), { hidesFailures: true }),
  },
  'resilience/loadShedding': {
    'by rows in flight': () => layerConformance(() => loadShedding({ rowsInFlight: 100 })),
    'by every signal': () => layerConformance(() => loadShedding({ rowsInFlight: 100, delay: { targetMs: 10 ** 9 }, eventLoop: { maxDelayMs: 50, monitor: { delayMs: () => 0, close: () => {} } }, load: () => 0.5 })),
  },
  'resilience/rateLimit': {
    'that nobody reaches': () => layerConformance(() => rateLimit({ perSecond: 1000 })),
    'with waits, per key': () => layerConformance(() => rateLimit({ perSecond: 1, burst: 5, maxWaitMs: 10 ** 6, key: 'call' })),
    'with a store': () => layerConformance(() => rateLimit({ perSecond: 1000, store: { take: async () => ({ granted: true, waitMs: 0 }) } })),
  },
  'resilience/hedge': {
    'at a learned quantile': () => layerConformance(() => hedge()),
    'after a fixed time': () => layerConformance(() => hedge({ delayMs: 10 })),
    'to another model': () => layerConformance<Row>(() => hedge({ delayMs: 10, to: timesTen })),
  },
  'resilience/retry': {
    'with waits': () => layerConformance(() => retry({ retries: 2 })),
    'with a budget': () => layerConformance(() => retry({ retries: 2, jitter: 'decorrelated', budget: extraWorkBudget() })),
  },
  'resilience/timeout': {
    'of a call': () => layerConformance(() => timeout({ ms: 60_000 })),
    'with time per row': () => layerConformance(() => timeout({ ms: 60_000, msPerRow: 10 })),
    'with a grace': () => layerConformance(() => timeout({ ms: 60_000, graceMs: 1000 })),
  },
  'route/shadow': {
    'asleep': () => layerConformance<Row>(() => shadow<Row, unknown>((input: Row) => input, { rate: 0 })),
    'of every call': () => layerConformance<Row>(() => shadow<Row, unknown>((input: Row) => timesTen(input))),
    'of a candidate that fails': () => layerConformance<Row>(() => shadow<Row, unknown>(() => { throw new Error('candidate') })),
  },
  'schema/declared': { 'of what goes in and comes out': () => layerConformance(() => declared({ input: defineSchema({ x: { type: 'number' } }), output: defineSchema({ y: { type: 'number' } }) })) },
  'testing/faults': { 'at no rate': () => layerConformance(() => faults()) },
}

/** Folders without layers, and why. */
const withoutLayers: Readonly<Record<string, string>> = {
  capture: 'observers, sinks and sources of records',
  experiment: 'tests, estimates and their states: pure numbers',
  models: 'stores, engines and the loader, which makes a predictor; test/models holds it to the contract',
  policy: 'pure state machines and rules',
  serve: 'handlers of requests',
  stats: 'pure functions of numbers',
  store: 'where state lives',
}

/** Exported functions that are no layers, and why. */
const notLayers: Readonly<Record<string, string>> = {
  ...of('batch', 'a scoring job, its files and its progress bar', 'csvFile', 'jsonlFile', 'parquetFile', 'scoreBatch', 'scoringJob', 'terminalProgress'),
  'cache/contentKey': 'a key',
  ...of('cache', 'a store; test/cache/stores.test.ts puts each through the conformance suite', 'memoryStore', 'redisStore', 'tieredStore'),
  ...of('core', 'a class of the contract', 'BatchCall', 'Call', 'InvalidOptionError', 'OptionRangeError', 'OutriggerError', 'BatchPredictionError', 'RowFailure'),
  ...of('core', 'a question', 'hasCode', 'isOutriggerError', 'isPredictor', 'isRowFailure', 'ready', 'outcomeOf', 'showIdentity'),
  ...of('core', 'makes or closes predictors', 'owned', 'pipe', 'predictor', 'shutdown'),
  ...of('core', 'machinery of layers', 'failRows', 'labelJoin', 'maskBy', 'murmur3', 'schemaId', 'seededRandom', 'systemRandom', 'uuid7'),
  ...of('debug', 'asks recorded predictions again, and reports', 'explain', 'Explanation', 'replay', 'ReplayReport'),
  ...of('drift', 'a detector on a stream of numbers; test/drift/streaming holds each to what they have in common', 'adwin', 'cusum', 'ddm', 'eddm', 'hddmA', 'hddmW', 'kswin', 'numericEDetector', 'pageHinkley', 'rateEDetector'),
  ...of('drift', 'profiles and verdicts', 'driftVerdict', 'rootCause', 'parseReferenceProfile', 'referenceProfile', 'referenceProfileFrom', 'tableRows', 'LiveProfile', 'SlicedProfile', 'ReferenceProfile', 'referenceHistory', 'ReferenceHistory', 'parseReferenceHistory', 'joinFleet', 'fleetProfile', 'featureDistribution'),
  ...of('drift', 'estimates of performance: counts in, metrics out', 'errorEstimator', 'ErrorWindow', 'labelTracker', 'performanceEstimator', 'PerformanceWindow'),
  ...of('drift', 'a verdict on two samples; test/drift/batch-detectors holds each to what they have in common', 'chiSquareDrift', 'domainClassifierDrift', 'hellingerDrift', 'jensenShannonDrift', 'kolmogorovSmirnovDrift', 'mmdDrift', 'pcaReconstructionDrift', 'populationStabilityDrift', 'wassersteinDrift'),
  ...of('drift', 'stores of states; test/store/state-store.test.ts holds each to what they have in common', 'memoryStateStore', 'fileStateStore', 'redisStateStore'),
  ...of('quality', 'parts of a validation', 'check', 'fittedValues', 'schemaOf'),
  ...of('resilience', 'parts of a circuit breaker', 'answerChecks', 'breakerControl', 'goldenProbe', 'slowCalls', 'timeWindow'),
  ...of('observe', 'numbers, and the texts of them', 'MetricRegistry', 'ModelMetrics', 'modelMetrics', 'metricProducer', 'watchObjectives', 'bucketLabel', 'openMetricsText', 'prometheusText'),
  ...of('observe', 'objectives, and what is made of them', 'alerts', 'objectives', 'webhook', 'grafanaDashboard', 'prometheusRules', 'logEvents'),
  ...of('testing', 'for tests', 'cacheStoreConformance', 'engineConformance', 'fakeClock', 'journalConformance', 'layerConformance', 'mockModel', 'modelDepotConformance', 'modelSourceConformance', 'recordSinkConformance', 'seededRandom', 'stateStoreConformance'),
  ...of('testing', 'makes a model file', 'mlpLayers', 'mlpPredict', 'onnxAffine', 'onnxIdentity', 'onnxLarge', 'onnxMlp', 'onnxModel', 'onnxSlow'),
  ...of('route', 'assignment of units, pure', 'assigner', 'experimentNamespace', 'layOut'),
  ...of('route', 'comparison of two answers, pure', 'kendallTau', 'outputComparison', 'topOverlap', 'ulpDistance'),
  ...of('route', 'assignment as GrowthBook does it', 'growthBookAssignment', 'growthBookHash', 'growthBookRanges', 'growthBookResult', 'growthBookVariation', 'inGrowthBookNamespace'),
  ...of('route', 'sets the weights of a split', 'bandit', 'epsilonGreedy', 'thompson', 'upperConfidenceBound'),
  ...of('route', 'where choices and counts are kept', 'memoryStickyStore', 'redisStickyStore', 'fileLedger'),
  ...of('route', 'makes a predictor of two, and what it moves; test/route/rollout', 'rollout', 'aliasRelease'),
  'schema/defineSchema': 'descriptions of fields',
  'resilience/eventLoopMonitor': 'a measurement',
  'resilience/redisRateLimit': 'a store',
  'route/split': 'makes a predictor of several',
}

function of(folder: string, reason: string, ...names: string[]): Record<string, string> {
  return Object.fromEntries(names.map((name) => [`${folder}/${name}`, reason]))
}

const folders = readdirSync(src, { withFileTypes: true }).filter((entry) => entry.isDirectory() && existsSync(join(src, entry.name, 'index.ts'))).map(({ name }) => name)
const exported = async (folder: string): Promise<[string, unknown][]> => Object.entries((await import(join(src, folder, 'index.ts'))) as Record<string, unknown>).filter(([, value]) => typeof value === 'function')
const isListed = (name: string): boolean => name in layers || name in notLayers

describe('every exported function', () => {
  it.each(folders.filter((folder) => !(folder in withoutLayers)))('of outrigger/%s is a layer that is checked here, or none for a reason', async (folder) => {
    const unknown = (await exported(folder)).map(([name]) => `${folder}/${name}`).filter((name) => !isListed(name))
    expect(unknown, 'Add each to `layers` or to `notLayers` in this file.').toEqual([])
  })

  it('that is listed here exists', async () => {
    const names = new Set((await Promise.all(folders.map(async (folder) => (await exported(folder)).map(([name]) => `${folder}/${name}`)))).flat())
    expect([...Object.keys(layers), ...Object.keys(notLayers)].filter((name) => !names.has(name))).toEqual([])
    expect(Object.keys(withoutLayers).filter((folder) => existsSync(join(src, folder)) && !folders.includes(folder) && existsSync(join(src, folder, 'index.ts')))).toEqual([])
  })

  it('of the root is one of a folder', async () => {
    const known = new Set((await Promise.all(folders.map(exported))).flat().map(([, value]) => value))
    expect(Object.entries(root).filter(([, value]) => typeof value === 'function' && !known.has(value)).map(([name]) => name)).toEqual([])
  })
})

for (const [name, ways] of Object.entries(layers)) {
  describe(name, () => {
    for (const [way, checks] of Object.entries(ways)) describe(way, () => {
      for (const check of checks()) it(check.name, check.run)
    })
  })
}
