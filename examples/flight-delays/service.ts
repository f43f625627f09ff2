import type { Meter } from '@opentelemetry/api'
import { circuitBreaker, fallback, owned, pipe, retry, timeout, type Predictor, type Random } from 'outrigger'
import { mapInput } from 'outrigger/compose'
import { bulkhead } from 'outrigger/resilience'
import { cached } from 'outrigger/cache'
import type { Clock } from 'outrigger/core'
import { driftMonitor, parseReferenceProfile } from 'outrigger/drift'
import { isolated, modelLoader, tfjs, type ModelLoader, type ModelStore } from 'outrigger/models'
import { observed } from 'outrigger/observe'
import { aliasRelease, rollout, shadow, type RolloutPlan } from 'outrigger/route'
import { declared, defineSchema } from 'outrigger/schema'
import { faults } from 'outrigger/testing'
import { baselineRate, type Baseline } from './baseline.js'
import { featureNames } from './features.js'
import { bundledIsolate } from './isolate.js'
import { normalise } from './normalisation.js'
import { MODEL_NAME, normalisationOf, tf } from './releases.js'

/** What a caller knows of a flight when it leaves. */
export interface Departure {
  /** Row in the list of airports. */
  readonly origin: number
  readonly hour: number
  /** What the model receives; see `featureNames`. */
  readonly features: Float32Array
}

export interface ServiceOptions {
  readonly store: ModelStore
  readonly baseline: Baseline
  readonly clock: Clock
  readonly random: Random
  readonly meter: Meter
  /** How a version is released. */
  readonly plan: RolloutPlan
  /** Hears what the shadow candidate would have answered. */
  readonly onShadow: (id: string, candidate: number) => void
}

const blank: Float32Array = new Float32Array(featureNames.length)

/** What records have of an answer. */
export const output = defineSchema({ late: { type: 'number', min: 0, max: 1 } })
/** What records have of a departure. */
export const input = defineSchema({ origin: { type: 'integer' }, hour: { type: 'integer' }, features: { type: 'number', shape: [featureNames.length] } })

/** The service: one predictor, and the handles of its layers. */
export const flightService = async (options: ServiceOptions) => {
  const { store, baseline, clock, random, meter, plan, onShadow } = options
  // TensorFlow.js computes in a worker, so that the event loop is free for the traffic.
  const engine = isolated(tfjs(tf, { output: ([late]) => late ?? Number.NaN }), { isolate: 'worker', entry: await bundledIsolate(), execArgv: [] })
  const load = (follow: string, stream: string): ModelLoader<Float32Array, number> =>
    modelLoader({
      store,
      name: MODEL_NAME,
      follow,
      engines: [engine],
      // The normalisation was fitted with the weights, so it changes with them.
      build: (loaded, version) => {
        const normalisation = normalisationOf(version.files.json('normalisation.json'))
        return pipe(owned(loaded), mapInput((features: Float32Array) => normalise(features, normalisation)))
      },
      warmup: { rows: [blank], sizes: [1, 32] },
      requireGolden: true,
      keepWarm: 1, // so that going back loads nothing
      clock,
      random: random.substream(stream),
      output,
    })
  const champion = load('champion', 'champion')
  const candidate = load('candidate', 'candidate')
  await champion.whenReady()
  const first = await store.open(`${MODEL_NAME}@champion`)

  // It looks when the traffic's clock says so (see serve.ts), not when the machine's does.
  const release = await rollout<Float32Array, number>({
    name: 'release',
    control: champion,
    candidate,
    plan,
    target: aliasRelease({ store, model: MODEL_NAME, loaders: [champion, candidate] }),
    everyMs: 0,
    labels: { max: 30_000 },
  })
  const outage = faults({ seed: 'outage' })
  const breaker = circuitBreaker({ failureRate: 0.5, minimumCalls: 10, windowSize: 20, openForMs: 29.5 * 60_000 })
  const cache = cached<Float32Array>({ max: 50_000, ttlMs: 60 * 60_000 })
  const drift = driftMonitor({ reference: parseReferenceProfile(first.files.text('reference-profile.json')), features: (features: Float32Array) => features, windowRows: Infinity })
  const rehearsal = shadow(candidate, { rate: 0, concurrency: 64, guard: false, onCompared: (comparison) => onShadow(comparison.id, comparison.candidate) })

  const guarded = pipe(
    owned(release),
    outage,
    bulkhead({ concurrency: 64, queue: 1000 }),
    timeout({ ms: 2000 }),
    retry({ retries: 1, minDelayMs: 0 }),
    breaker,
  )
  const predict: Predictor<Departure, number> = pipe(
    owned(guarded),
    cache,
    drift,
    rehearsal,
    mapInput((departure: Departure) => departure.features),
    fallback({ use: ({ origin, hour }) => baselineRate(baseline, origin, hour), name: 'historical rates' }),
    declared({ input, output }),
    observed({ meter }),
  )
  return { predict, engine, champion, candidate, release, outage, breaker, cache, drift, rehearsal }
}

export type FlightService = Awaited<ReturnType<typeof flightService>>
