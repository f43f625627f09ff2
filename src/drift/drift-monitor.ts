import { systemClock, type Clock } from '../core/clock.js'
import { InvalidOptionError, OutriggerError } from '../core/errors.js'
import { applyLayer, type LayerHost } from '../core/layer.js'
import { functionOption, membersOption, numberOption, optionsObject, stringOption } from '../core/options.js'
import type { Predictor } from '../core/predictor.js'
import { isRowFailure } from '../core/rows.js'
import { isPageState, PageControl, type PageState } from './_page-control.js'
import { readWindow, SlidingProfile } from './_window.js'
import { judged, verdictOptions, type DriftContext, type DriftState, type DriftVerdict, type DriftVerdictOptions } from './drift-verdict.js'
import type { FeatureRow, FeatureValue } from './feature-cells.js'
import type { LiveProfile, LiveProfileState } from './live-profile.js'
import { ReferenceHistory } from './reference-history.js'
import { outputFeature, ReferenceProfile, scoreFeature } from './reference-profile.js'

/** Options of {@link driftMonitor}. */
export interface DriftMonitorOptions<I = unknown, O = unknown> extends DriftVerdictOptions {
  /** What the live rows are compared with. */
  readonly reference: ReferenceProfile
  /** The features of an input, under the names of the reference. @default the input itself */
  readonly features?: (input: I) => FeatureRow
  /** The output to watch, when the reference has one. @default the output itself */
  readonly output?: (output: O) => FeatureValue
  /** The model's confidence in an output, to be watched beside it; for a reference with a score. @default not watched */
  readonly score?: (output: O) => FeatureValue
  /** After so many rows the window is judged and the next one starts; `Infinity` to judge only when asked. @default 10000 */
  readonly windowRows?: number
  /** How many full windows a verdict looks at together; 1 to 1000. @default 1 */
  readonly keep?: number
  /** Seasons, and how much windows differ though nothing has changed; of windows of `windowRows` times `keep` rows. */
  readonly history?: ReferenceHistory
  /** How many windows may be judged as drifted in so many days, though nothing changed, on average. A window then has its share of them as `alpha`. */
  readonly falsePages?: { readonly atMost: number; readonly days: number }
  /** Windows in a row that must drift before drift is raised; 1 to 100. @default 1 */
  readonly confirm?: number
  /** Windows in a row that must not, before it is cleared; 1 to 100. @default 1 */
  readonly calm?: number
  /** After drift was raised it is not raised again for so long, in milliseconds. @default 0 */
  readonly coolDownMs?: number
  /** @default the machine's */
  readonly clock?: Clock
  /** What events call it. @default 'drift' */
  readonly name?: string
}

/** The state of a monitor as plain data. */
export interface DriftMonitorState {
  readonly format: 'outrigger-drift-monitor'
  readonly version: 2
  readonly state: DriftState
  /** Oldest first; the last one is filling. */
  readonly windows: readonly { readonly profile: LiveProfileState; readonly seasons: readonly (readonly [season: string, rows: number])[] }[]
  readonly pages: PageState
}

/** What can be asked of a monitor, whatever it stands around. */
export interface DriftHandle {
  /** Of the last window that was judged; `too-few-rows` before the first. */
  readonly state: DriftState
  /** How many rows could not be counted since the start or the last reset. */
  readonly uncounted: number
  /** Judges what is there now: the full windows that are kept, and the one that is filling. Changes nothing. */
  verdict(): DriftVerdict
  /** A copy of the counts that `verdict` judges, to merge with those of other workers. */
  live(): LiveProfile
  /** Forgets all rows, as after a deployment. Drift that was raised is cleared, with an event. */
  reset(): void
  /** The counts and the state as plain data. */
  export(): DriftMonitorState
  /**
   * Goes on from what `export` gave.
   * @throws ERR_OUTRIGGER_PROFILE if it is none, or belongs to another reference. Nothing changes then.
   */
  restore(saved: DriftMonitorState): void
}

/** A {@link driftMonitor} for any predictor whose inputs are the features themselves. */
export interface DriftMonitor extends DriftHandle {
  <I, O>(inner: Predictor<I, O>): Predictor<I, O>
}

/** A {@link driftMonitor} that takes the features out of an input. */
export interface InputDriftMonitor<I> extends DriftHandle {
  <O>(inner: Predictor<I, O>): Predictor<I, O>
}

/** A {@link driftMonitor} that takes a value out of an output. */
export interface OutputDriftMonitor<O> extends DriftHandle {
  <I>(inner: Predictor<I, O>): Predictor<I, O>
}

/** A {@link driftMonitor} that takes features out of an input and a value out of an output. */
export interface TypedDriftMonitor<I, O> extends DriftHandle {
  (inner: Predictor<I, O>): Predictor<I, O>
}

const owner = 'a drift monitor'
const known = ['reference', 'features', 'output', 'score', 'windowRows', 'keep', 'history', 'falsePages', 'confirm', 'calm', 'coolDownMs', 'clock', 'name', 'alpha', 'tolerance', 'minimumRows', 'top'] as const

/**
 * Watches what passes for drift: counts the features of every input, the output if the reference has one, and with `score` how sure the model was.
 *
 * It never touches a call. Inputs are counted when they arrive (each row of a batch; also those that then fail), outputs when they
 * are there. A row that cannot be counted (`features` throws, an input that is no record) is left out and told in a notice, once per window.
 * Every `windowRows` rows it judges the last `keep` windows (50 to 90 µs per numeric feature, in that call) and tells a
 * change as a `state` event: `drifted` when drift is raised, `ok` when it is cleared, with the features and what they did in `data`.
 *
 * Put it where every request passes once and as the model sees it: right around the model, inside of `cached`, to watch the model; outside,
 * to watch the traffic; never inside of `retry`, which would count a row twice. One monitor has one set of counts: put around two predictors, it
 * counts both. Memory: (`keep` + 2) live profiles of about 2 KB per numeric feature.
 *
 * @throws ERR_OUTRIGGER_INVALID_OPTION for an option out of its range, or `output` or `score` where the reference has none
 *
 * @example
 * ```ts
 * import { pipe } from 'outrigger'
 * import { driftMonitor, referenceProfile } from 'outrigger/drift'
 * const training = Array.from({ length: 2000 }, (_, i) => ({ km: 100 + (i % 400) }))
 * const drift = driftMonitor({ reference: referenceProfile(training) })
 * const predict = pipe((trip: { km: number }) => trip.km / 60, drift)
 * await predict.batch(training.slice(0, 1000).map(({ km }) => ({ km: km * 1000 }))) // metres
 * const [km] = drift.verdict().features
 * assert.equal(km?.state, 'drifted')
 * assert.equal(km?.findings[0]?.factor, 1000)
 * ```
 */
export function driftMonitor(options: DriftMonitorOptions & { readonly features?: undefined; readonly output?: undefined; readonly score?: undefined }): DriftMonitor
export function driftMonitor<I>(options: DriftMonitorOptions<I> & { readonly features: (input: I) => FeatureRow; readonly output?: undefined; readonly score?: undefined }): InputDriftMonitor<I>
export function driftMonitor<O>(options: DriftMonitorOptions<never, O> & { readonly features?: undefined }): OutputDriftMonitor<O>
export function driftMonitor<I, O>(options: DriftMonitorOptions<I, O>): TypedDriftMonitor<I, O>
export function driftMonitor<I, O>(options: DriftMonitorOptions<I, O>): TypedDriftMonitor<I, O> {
  optionsObject(owner, options, known)
  const { reference, features, output, score, windowRows = 10_000, keep = 1, history, falsePages, confirm = 1, calm = 1, coolDownMs = 0, clock = systemClock, name = 'drift', alpha, tolerance, minimumRows, top } = options
  if (!(reference instanceof ReferenceProfile)) {
    throw new InvalidOptionError(`Cannot create ${owner} as \`reference\` must be a ReferenceProfile (read a saved one with parseReferenceProfile): current value is ${typeof reference}`)
  }
  const judging = verdictOptions(owner, { ...(alpha === undefined ? {} : { alpha }), ...(tolerance === undefined ? {} : { tolerance }), ...(minimumRows === undefined ? {} : { minimumRows }), ...(top === undefined ? {} : { top }) })
  numberOption(owner, 'keep', keep, { min: 1, max: 1000, integer: true })
  numberOption(owner, 'windowRows', windowRows, { min: judging.minimumRows, integer: true, infinite: true })
  numberOption(owner, 'confirm', confirm, { min: 1, max: 100, integer: true })
  numberOption(owner, 'calm', calm, { min: 1, max: 100, integer: true })
  numberOption(owner, 'coolDownMs', coolDownMs, { min: 0 })
  if (falsePages !== undefined) {
    optionsObject(owner, falsePages, ['atMost', 'days'])
    numberOption(owner, 'falsePages.atMost', falsePages.atMost, { min: 0, exclusive: true })
    numberOption(owner, 'falsePages.days', falsePages.days, { min: 0, exclusive: true })
  }
  if (history !== undefined && (!(history instanceof ReferenceHistory) || history.reference.checksum !== reference.checksum)) {
    throw new InvalidOptionError(`Cannot create ${owner} as \`history\` must be a ReferenceHistory of its \`reference\`: current value is ${history instanceof ReferenceHistory ? 'that of another one' : typeof history}`)
  }
  if (history !== undefined && windowRows !== Infinity && history.windowRows !== windowRows * keep) {
    throw new InvalidOptionError(`Cannot create ${owner} as its \`history\` must be of windows of \`windowRows\` times \`keep\`, ${windowRows * keep} rows: current value is ${history.windowRows}`)
  }
  membersOption(owner, 'clock', clock, ['now', 'wall'])
  stringOption(owner, 'name', name)
  functionOption(owner, 'features', features)
  const has = (feature: string): boolean => reference.features.some((one) => one.name === feature)
  const hasOutput = has(outputFeature)
  for (const [option, value, isThere] of [['output', output, hasOutput], ['score', score, has(scoreFeature)]] as const) {
    functionOption(owner, option, value)
    if (value !== undefined && !isThere) throw new InvalidOptionError(`Cannot create ${owner} as \`${option}\` needs a reference profile that was built with \`${option}\`: current value is one without`)
  }
  const looksAtOutputs = hasOutput || score !== undefined

  const hosts = new Set<LayerHost>()
  const counts = new SlidingProfile(reference, keep)
  const pages = new PageControl({ confirm, calm, coolDownMs })
  const context = (withOpen: boolean): DriftContext => (history === undefined ? {} : { history, seasonRows: counts.seasonRows(withOpen) })
  let state: DriftState = 'too-few-rows'
  /** When the time began that the next verdict of a window has its level for. */
  let judgedAt = clock.now()
  let uncounted = 0
  let isReported = false

  const change = (to: DriftState, reason: string, data: Readonly<Record<string, unknown>>): void => {
    const from = state
    state = to
    if (from === to || (from !== 'drifted' && to !== 'drifted')) return
    for (const host of hosts) host.emit({ type: 'state', subject: name, from, to, reason, data })
  }
  const judge = (): void => {
    const now = clock.now()
    // Levels that add up over time to the false pages that are allowed: their mean number is at most that sum, however the verdicts depend on each other.
    const share = falsePages === undefined ? 1 : (falsePages.atMost * (now - judgedAt)) / (falsePages.days * 86_400_000)
    judgedAt = now
    const verdict = judged(reference, counts.full, { ...judging, alpha: Math.min(judging.alpha, share) }, context(false))
    const drifted = verdict.features.filter((feature) => feature.state === 'drifted')
    change(pages.next(verdict.state, now), reasonOf(verdict), { rows: verdict.rows, features: drifted })
  }
  const failed = (what: string, error: unknown): void => {
    uncounted += 1
    if (isReported) return
    isReported = true
    for (const host of hosts) host.emit({ type: 'notice', message: `A row was not counted for drift: ${what}. Further ones of this window are not told.`, error, data: { name, uncounted } })
  }
  const countInput = (input: I): void => {
    try {
      const season = history?.seasonOf(clock.wall())
      counts.open.count(features === undefined ? (input as FeatureRow) : features(input))
      if (season !== undefined) counts.noteSeason(season)
    } catch (error) {
      failed(features === undefined ? 'the input is no record of features' : '`features` threw, or gave no record of features', error)
      return
    }
    if (counts.open.rows < windowRows) return
    counts.slide()
    isReported = false
    judge()
  }
  const tried = (option: string, count: () => void): void => {
    try {
      count()
    } catch (error) {
      failed(`\`${option}\` threw`, error)
    }
  }
  const countOutput = (value: O): void => {
    if (hasOutput) tried('output', () => counts.open.countOutput(output === undefined ? (value as FeatureValue) : output(value)))
    if (score !== undefined) tried('score', () => counts.open.countScore(score(value)))
  }

  const monitor = (inner: Predictor<I, O>): Predictor<I, O> =>
    applyLayer(inner, 'drift-monitor', (host) => {
      hosts.add(host)
      return {
        trusted: true,
        describe: () => `drift-monitor ${name}: ${reference.features.length} features, ${windowRows === Infinity ? 'judged when asked' : `windows of ${windowRows} rows`}`,
        one: looksAtOutputs
          ? async (next, input, call) => {
              countInput(input)
              const value = await next(input, call)
              countOutput(value)
              return value
            }
          : (next, input, call) => {
              countInput(input)
              return next(input, call)
            },
        many: async (next, inputs, batch) => {
          for (const input of inputs) countInput(input)
          const rows = await next(inputs, batch)
          if (looksAtOutputs) for (const row of rows) if (!isRowFailure(row)) countOutput(row)
          return rows
        },
        close: () => void hosts.delete(host),
      }
    })

  const handle: DriftHandle = {
    get state() {
      return state
    },
    get uncounted() {
      return uncounted
    },
    verdict: () => judged(reference, counts.all(), judging, context(true)),
    live: () => counts.all(),
    reset: () => {
      counts.replace([])
      pages.reset()
      judgedAt = clock.now()
      uncounted = 0
      isReported = false
      change('too-few-rows', 'The counts were reset.', { rows: 0, features: [] })
    },
    export: () => ({
      format: 'outrigger-drift-monitor',
      version: 2,
      state,
      windows: counts.windows().map(({ profile, seasons }) => ({ profile: profile.toJSON(), seasons: [...seasons] })),
      pages: pages.export(clock.now()),
    }),
    restore: (saved) => {
      if (saved?.format !== 'outrigger-drift-monitor' || saved.version !== 2 || !Array.isArray(saved.windows) || !states.includes(saved.state) || !isPageState(saved.pages)) {
        throw new OutriggerError('ERR_OUTRIGGER_PROFILE', `Cannot restore ${owner} as its state must be what \`export\` gave, in version 2: current value is of version ${String(saved?.version)}`)
      }
      counts.replace(saved.windows.map((window) => readWindow(reference, window)))
      pages.restore(saved.pages, clock.now())
      judgedAt = clock.now()
      change(saved.state, 'A saved state was restored.', { rows: counts.full.rows, features: [] })
    },
  }
  return Object.defineProperties(monitor, Object.getOwnPropertyDescriptors(handle)) as TypedDriftMonitor<I, O>
}

const states: readonly DriftState[] = ['ok', 'drifted', 'too-few-rows']

/** One line for the event: what drifted most, and how. */
const reasonOf = ({ features, state }: DriftVerdict): string => {
  const drifted = features.filter((feature) => feature.state === 'drifted')
  const [worst] = drifted
  if (worst === undefined) return state === 'ok' ? 'No feature differs from the reference any more.' : 'Too few rows for a verdict.'
  const more = drifted.length > 1 ? `, and ${drifted.length - 1} more` : ''
  return `${worst.feature}: ${worst.findings.map(({ text }) => text).join('; ')}${more}`
}
