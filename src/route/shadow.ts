import type { Call } from '../core/call.js'
import { applyLayer } from '../core/layer.js'
import type { ModelFunction, ModelObject } from '../core/model.js'
import { claim, type Predictor } from '../core/predictor.js'
import { RowFailure, type Row } from '../core/rows.js'
import type { ComparisonLimits, ComparisonVerdict } from './comparison/comparison-verdict.js'
import type { OutputComparison } from './comparison/output-comparison.js'
import { Lanes, sampleSeed } from './_lanes.js'
import { RunPlaces } from './_run-places.js'
import { ShadowRunner, type ShadowRun, type SharedRuns } from './_shadow-runner.js'
import { ShadowTally, type ShadowCounts } from './shadow-counts.js'
import { rateOption, shadowSettings, type ShadowOptions } from './shadow-options.js'

/** The layer, and the handle of its comparison. */
export interface ShadowLayer<I, O, C = O> {
  <P extends O>(inner: Predictor<I, P>): Predictor<I, P>
  readonly counts: ShadowCounts
  /** What the answers have shown so far; `toJSON` and `restore` for a restart, `merge` for several processes. */
  readonly comparison: OutputComparison<O, C>
  readonly rate: number
  /** Starts and stops the candidate's runs. */
  setRate(rate: number): void
  /** Whether the models agree within these limits, at any number of looks; not before the candidate saw enough of what was sampled. */
  verdict(limits: ComparisonLimits): ComparisonVerdict
  /** What is known, and the verdict where limits are given, as a text for a ticket. */
  text(limits?: ComparisonLimits): string
  /** Resolves when no run of the candidate is under way. */
  idle(): Promise<void>
}

/**
 * Lets a candidate see real traffic without anybody seeing its answers.
 *
 * The caller gets the primary's promise itself. The candidate runs afterwards, with a copy of the input, under a call of its own
 * (`call.isShadow` is true: fence off side effects). What it throws, how long it takes and what it does to its input reaches
 * nobody. It has places, bytes, time, a breaker and a share of the main thread; beyond any of these rows are dropped, and counted by
 * reason. What computes for long belongs into a worker (`isolated`): on the main thread it is kept to a few runs.
 *
 * A call that is not sampled costs a hash of its key.
 *
 * @param candidate - a function or object (owned), or a predictor (borrowed)
 * @throws `ERR_OUTRIGGER_INVALID_OPTION`
 * @example
 * ```ts
 * import { pipe } from 'outrigger'
 * import { shadow } from 'outrigger/route'
 * const candidate = shadow((x: number) => x + 1, { agree: (a: number, b: number) => Math.abs(a - b) < 0.5 })
 * const predict = pipe((x: number) => x, candidate)
 * assert.equal(await predict(1), 1)
 * await candidate.idle()
 * assert.deepEqual([candidate.counts.compared, candidate.counts.agreed], [1, 0])
 * ```
 */
export const shadow = <I, O, C = O>(candidate: ModelFunction<I, C> | ModelObject<I, C>, options: ShadowOptions<I, O, Awaited<C>> = {}): ShadowLayer<I, O, Awaited<C>> => {
  const settings = shadowSettings(options)
  const { name, concurrency, queue, maxBytes, budget, comparison } = settings
  let { rate } = settings
  const lanes = new Lanes(`${name}:`, sampleSeed)
  const isInSample = (key: string): boolean => {
    lanes.read(key)
    return lanes.arm >>> 0 < rate * 4294967296
  }
  let waiting: (() => void)[] = []
  const places = new RunPlaces<ShadowRun>(concurrency, queue, maxBytes)
  const shared: SharedRuns = {
    tally: new ShadowTally(comparison),
    places,
    onIdle: () => {
      const resolves = waiting
      waiting = []
      for (const resolve of resolves) resolve()
    },
  }

  const wrap = <P extends O>(inner: Predictor<I, P>): Predictor<I, P> =>
    applyLayer<I, P>(inner, 'shadow', (host, inside) => {
      const { clock, random } = host
      const { stage, closers } = claim<I, Awaited<C>>(candidate as never, {}, inside.runtime)
      const meter = budget?.meter()
      comparison.useSchema(inside.schema)
      const runner = new ShadowRunner<I, P, O, Awaited<C>>(settings, stage, inside.runtime, host, shared, meter)
      const isChosen = (call: Call): boolean => rate > 0 && (rate >= 1 || (typeof call.key === 'string' ? isInSample(call.key) : random.next() < rate))

      return {
        trusted: true,
        describe: () => `shadow ${name}, ${Number((rate * 100).toPrecision(6))} % of calls`,
        branches: [{ label: 'candidate', stage }],
        // The promise itself: a caller waits for nothing of ours. What hangs on it first runs first, while the input is ours to read.
        one: (next, input, call) => {
          meter?.seen(1)
          if (!isChosen(call)) return next(input, call)
          const since = clock.now()
          const answer = next(input, call)
          const offer = (row: Row<P>): void => runner.offer([call], [input], [row], since)
          answer.then(offer, (error: unknown) => offer(new RowFailure(error)))
          return answer
        },
        many: (next, inputs, batch) => {
          meter?.seen(inputs.length)
          if (rate === 0) return next(inputs, batch)
          const since = clock.now()
          const answers = next(inputs, batch)
          const chosen = inputs.flatMap((_, index) => (isChosen(batch.rows[index] as Call) ? [index] : []))
          if (chosen.length > 0) {
            const offer = (rows: readonly Row<P>[]): void =>
              runner.offer(
                chosen.map((index) => batch.rows[index] as Call),
                chosen.map((index) => inputs[index] as I),
                chosen.map((index) => rows[index] as Row<P>),
                since,
              )
            answers.then(offer, () => {})
          }
          return answers
        },
        close: async () => {
          runner.close()
          for (const close of closers) await close()
        },
      }
    })
  const counts = (): ShadowCounts => shared.tally.counts(places)
  const verdict = (limits: ComparisonLimits): ComparisonVerdict => comparison.verdict(limits)
  return Object.defineProperties(wrap, {
    counts: { get: counts, enumerable: true },
    comparison: { value: comparison, enumerable: true },
    verdict: { value: verdict },
    text: { value: (limits?: ComparisonLimits) => comparison.text(limits === undefined ? undefined : verdict(limits)) },
    rate: { get: () => rate, enumerable: true },
    setRate: {
      value: (next: number) => {
        rate = rateOption(next)
      },
    },
    idle: { value: () => (places.running.size === 0 ? Promise.resolve() : new Promise<void>((resolve) => waiting.push(resolve))) },
  }) as unknown as ShadowLayer<I, O, Awaited<C>>
}
