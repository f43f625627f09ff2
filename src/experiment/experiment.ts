import { InvalidOptionError } from '../core/errors.js'
import type { LabelCounts } from '../core/labels.js'
import { numberOption, optionsObject, stringOption } from '../core/options.js'
import { normalSurvival } from '../stats/normal.js'
import { intervalEnd } from './_ends.js'
import { countList, fieldsOf } from './state-fields.js'
import { unitHash } from './_seen-units.js'
import { countField, isState, openedState, refusedInput, refusedState, type EvidenceState } from './_state.js'
import { UnitDraws } from './_unit-draws.js'
import type { Draw } from './draw.js'
import type { Metric, MetricStatistics } from './metrics/metric.js'
import { SampleRatio, type SampleRatioState } from './sample-ratio.js'
import { verdictText, type Decision, type Evidence, type MetricVerdict, type Verdict } from './verdict.js'

/** Options of {@link Experiment}. */
export interface ExperimentOptions {
  readonly name: string
  /** The control, then the candidate, as the split calls them. @default ['control', 'candidate'] */
  readonly arms?: readonly [control: string, candidate: string]
  /** At least one, at most 30, of different names. */
  readonly metrics: readonly Metric[]
  /** The chance, at any number of looks, to promote a candidate that is not good enough. @default 0.05 */
  readonly alpha?: number
  /** The chance, at any number of looks, to roll back a candidate that is no worse in any metric; divided among them by `weight`. @default 0.01 */
  readonly rollbackAlpha?: number
  /** The chance of a false alarm about the shares of the arms. @default 0.001 */
  readonly sampleRatioAlpha?: number
  /** Units with a value that each arm must have in each primary metric before a promotion. @default 100 */
  readonly minimumUnits?: number
  /** How long it must have run before a promotion. @default 0 */
  readonly minimumMs?: number
  /** When it becomes `insufficient`, from the first exposure on. @default Infinity */
  readonly deadlineMs?: number
  /** When it becomes `insufficient`: units in both arms. @default Infinity */
  readonly deadlineUnits?: number
  /** Sequential, with a promotion at any time; or one look, when both arms together have `units` in each primary metric. Rollbacks stay sequential. @default 'sequential' */
  readonly horizon?: 'sequential' | 'fixed'
  /** Of a fixed horizon. */
  readonly units?: number
  /** How many units are remembered, about 150 bytes each. @default 100_000 */
  readonly maxUnits?: number
  /** When there are more: `stop` counts no new ones; `forget` forgets the oldest, for units that do not come back (assignment per request). @default 'stop' */
  readonly whenFull?: 'stop' | 'forget'
}

/** What is known of an exposure. */
export interface ExposureOptions {
  /** The number of the weights it was chosen under. @default 1 */
  readonly epoch?: number
  /** In milliseconds since 1970. */
  readonly at: number
  /** Of control and candidate under that epoch; scaled to sum 1, so that a third arm does not matter. */
  readonly weights: readonly [control: number, candidate: number]
  /** Whether the unit keeps its arm by memory (a sticky store), so that new weights are no new draw for it. @default false */
  readonly isKept?: boolean
}

/** The state of an {@link Experiment} as plain data. */
export interface ExperimentState extends EvidenceState {
  readonly kind: 'experiment'
  readonly name: string
  readonly arms: readonly [string, string]
  readonly startedAt: number | null
  readonly exposures: readonly number[]
  readonly uncounted: Readonly<Record<'full' | 'crossed' | 'unexposed', number>>
  readonly sampleRatio: SampleRatioState
  /** By name; each with its kind. */
  readonly metrics: Readonly<Record<string, { readonly kind: string; readonly statistics: unknown }>>
  /** The units that are remembered; `null` where only the statistics were asked for. */
  readonly units: string | null
}

interface Kept {
  readonly metric: Metric
  statistics: MetricStatistics
  /** The evidence against the candidate that is enough. */
  readonly worseNeeded: number
}

const owner = 'an experiment'
const optionNames = ['name', 'arms', 'metrics', 'alpha', 'rollbackAlpha', 'sampleRatioAlpha', 'minimumUnits', 'minimumMs', 'deadlineMs', 'deadlineUnits', 'horizon', 'units', 'maxUnits', 'whenFull']

/**
 * An experiment between a control and a candidate: counts exposures and values, and says by evidence whether to promote, to roll back or to go on.
 *
 * Pure, synchronous, without a clock. Look as often as you like: after every event as well, at most `alpha` of candidates that are not good enough are ever promoted, and at most
 * `rollbackAlpha` of those that are no worse ever rolled back. Promotion needs **all** primary metrics (an intersection: no correction), fair sample ratios, and no
 * guardrail against it. A rollback needs one metric; its level is divided among all. Without a primary metric it never promotes.
 *
 * A value counts by the chance of its unit's own draw (see docs/experiments.md), so that changes of weights, ramps and daily swings bias nothing.
 * It needs arms by chance and by unit; forced units must not be exposed. Two arms: for more, one experiment for each candidate, with `alpha` divided.
 *
 * @example
 * ```ts
 * import { Experiment, failureMetric, rateMetric } from 'outrigger/experiment'
 * const experiment = new Experiment({ name: 'delay-2', metrics: [rateMetric({ name: 'on time', better: 'higher' }), failureMetric()] })
 * for (let i = 0; i < 2000; i++) {
 *   experiment.expose(`u${i}`, i % 2 ? 'candidate' : 'control', { at: i, weights: [0.5, 0.5] })
 *   experiment.observe(`u${i}`, { 'on time': i % 10 < (i % 2 ? 8 : 5) })
 * }
 * assert.equal(experiment.verdict({ at: 2000 }).decision, 'promote')
 * ```
 */
export class Experiment {
  readonly name: string
  readonly arms: readonly [control: string, candidate: string]
  readonly metrics: readonly Metric[]
  readonly #kept: readonly Kept[]
  readonly #places: ReadonlyMap<string, number>
  readonly #options: Required<Omit<ExperimentOptions, 'name' | 'arms' | 'metrics' | 'sampleRatioAlpha'>>
  readonly #units: UnitDraws
  readonly #sampleRatio: SampleRatio
  readonly #exposures: number[]
  #startedAt: number | undefined

  /**
   * @param state - what `toJSON` of an experiment with the same options gave
   * @throws `ERR_OUTRIGGER_INVALID_OPTION`, and `ERR_OUTRIGGER_PROFILE` for a state that is none of it
   */
  constructor(options: ExperimentOptions, state?: ExperimentState) {
    optionsObject(owner, options, optionNames)
    const { arms = ['control', 'candidate'], metrics, alpha = 0.05, rollbackAlpha = 0.01, sampleRatioAlpha = 0.001, minimumUnits = 100, minimumMs = 0 } = options
    const { deadlineMs = Infinity, deadlineUnits = Infinity, horizon = 'sequential', units = 0, maxUnits = 100_000, whenFull = 'stop' } = options
    this.name = stringOption(owner, 'name', options.name)
    if (!Array.isArray(arms) || arms.length !== 2 || arms[0] === arms[1]) throw new InvalidOptionError(`Cannot create ${owner} as \`arms\` must be two different names (for more candidates, one experiment each): current value is ${String(arms)}`)
    this.arms = [stringOption(owner, 'arms', arms[0]), stringOption(owner, 'arms', arms[1])]
    if (!Array.isArray(metrics) || metrics.length === 0 || metrics.length > 30) throw new InvalidOptionError(`Cannot create ${owner} as \`metrics\` must be 1 to 30 metrics: current value is ${Array.isArray(metrics) ? metrics.length : String(metrics)}`)
    if (!['sequential', 'fixed'].includes(horizon)) throw new InvalidOptionError(`Cannot create ${owner} as \`horizon\` must be "sequential" or "fixed": current value is ${String(horizon)}`)
    if (!['stop', 'forget'].includes(whenFull)) throw new InvalidOptionError(`Cannot create ${owner} as \`whenFull\` must be "stop" or "forget": current value is ${String(whenFull)}`)
    if ((horizon === 'fixed') !== (options.units !== undefined)) throw new InvalidOptionError(`Cannot create ${owner} as \`units\` goes with a fixed horizon: current value is ${String(options.units)} for a ${horizon} one`)
    this.#options = {
      alpha: numberOption(owner, 'alpha', alpha, { min: 0, max: 0.5, exclusive: true }),
      rollbackAlpha: numberOption(owner, 'rollbackAlpha', rollbackAlpha, { min: 0, max: 0.5, exclusive: true }),
      minimumUnits: numberOption(owner, 'minimumUnits', minimumUnits, { min: 1, integer: true }),
      minimumMs: numberOption(owner, 'minimumMs', minimumMs, { min: 0 }),
      deadlineMs: numberOption(owner, 'deadlineMs', deadlineMs, { min: 0, infinite: true }),
      deadlineUnits: numberOption(owner, 'deadlineUnits', deadlineUnits, { min: 1, infinite: true }),
      horizon,
      units: horizon === 'fixed' ? numberOption(owner, 'units', units, { min: 2, integer: true }) : 0,
      maxUnits: numberOption(owner, 'maxUnits', maxUnits, { min: 1, max: 2 ** 23, integer: true }),
      whenFull,
    }
    const fields = state === undefined ? undefined : openedState('experiment', owner, state)
    if (fields !== undefined) {
      if (fields['name'] !== this.name) throw refusedState(owner, `its state must be that of ${JSON.stringify(this.name)}`, fields['name'])
      if (String(fields['arms']) !== String(this.arms)) throw refusedState(owner, `its arms must be ${this.arms.join(' and ')}`, String(fields['arms']))
    }
    const saved = fields === undefined ? undefined : fieldsOf(owner, fields['metrics'])
    const weight = metrics.reduce((sum, metric) => sum + metric.weight, 0)
    this.#kept = metrics.map((metric) => ({ metric, statistics: started(metric, saved), worseNeeded: weight / (rollbackAlpha * metric.weight) }))
    this.metrics = [...metrics]
    this.#places = new Map(metrics.map(({ name }, place) => [name, place]))
    if (this.#places.size !== metrics.length) throw new InvalidOptionError(`Cannot create ${owner} as its metrics must have different names: current value is ${metrics.map(({ name }) => name).join(', ')}`)
    this.#units = new UnitDraws(maxUnits, whenFull === 'forget')
    if (fields !== undefined && !isState(fields['sampleRatio'])) throw refusedState(owner, '`sampleRatio` must be a state', fields['sampleRatio'])
    this.#sampleRatio = new SampleRatio(fields === undefined ? { arms: 2, alpha: sampleRatioAlpha } : (fields['sampleRatio'] as SampleRatioState))
    this.#exposures = fields === undefined ? [0, 0] : countList(owner, 'exposures', fields['exposures'], 2)
    if (fields === undefined) return
    const { startedAt } = fields
    if (startedAt !== null && !Number.isFinite(startedAt)) throw refusedState(owner, '`startedAt` must be a time or null', startedAt)
    this.#startedAt = (startedAt as number | null) ?? undefined
    const uncounted = fieldsOf(owner, fields['uncounted'])
    for (const why of ['full', 'crossed', 'unexposed'] as const) this.#units.problems[why] = countField(owner, uncounted, why)
    if (fields['units'] !== null) this.#units.restore(owner, fields['units'])
  }

  /**
   * Counts a unit that was given an arm, once per epoch. Do this when it is assigned, whatever becomes of its call.
   *
   * @returns whether it counted: not if it was seen in this epoch, if its arm cannot be by these weights, or if there is no room
   * @throws `ERR_OUTRIGGER_INVALID_INPUT`; nothing changes then
   */
  expose(unit: string | number, arm: string, { epoch = 1, at, weights, isKept = false }: ExposureOptions): boolean {
    const isCandidate = arm === this.arms[1]
    if (!isCandidate && arm !== this.arms[0]) throw refusedInput('count an exposure', `the arm must be ${this.arms.join(' or ')}`, arm)
    if (!Number.isInteger(epoch) || epoch < 0 || epoch >= 2 ** 31) throw refusedInput('count an exposure', '`epoch` must be an integer from 0', epoch)
    if (!Number.isFinite(at)) throw refusedInput('count an exposure', '`at` must be a time', at)
    const [control, candidate] = weights ?? []
    if (!(control >= 0 && candidate >= 0 && control + candidate > 0 && control + candidate < Infinity)) throw refusedInput('count an exposure', '`weights` must be two numbers of at least 0, not both 0', String(weights))
    const hash = hashOf(unit)
    // 0.2 and 1 − 0.8 are the same share.
    const share = Math.round((candidate / (control + candidate)) * 1e12) / 1e12
    const exposed = this.#units.expose({ unit: hash, isCandidate, epoch, share, isKept })
    if (exposed !== 'drawn' && exposed !== 'certain') return false
    if (exposed === 'drawn') {
      const { chance } = this.#units.drawOf(hash) as Draw
      this.#sampleRatio.expose(isCandidate ? 1 : 0, [1 - chance, chance])
    }
    this.#exposures[isCandidate ? 1 : 0] = (this.#exposures[isCandidate ? 1 : 0] as number) + 1
    if (this.#startedAt === undefined || at < this.#startedAt) this.#startedAt = at
    return true
  }

  /**
   * Takes values of a unit in, by the names of the metrics. Values of a unit that was not exposed do not count.
   *
   * @param options - `draw`: what `drawOf` said when the values began to be, for those that come late
   * @returns how many counted
   * @throws `ERR_OUTRIGGER_INVALID_INPUT` for a metric that is none, or a value that is none of it; those before it count
   */
  observe(unit: string | number, values: Readonly<Record<string, unknown>>, { draw = this.drawOf(unit) }: { readonly draw?: Draw | undefined } = {}): number {
    if (draw === undefined) {
      this.#units.problems.unexposed += 1
      return 0
    }
    let counted = 0
    for (const name of Object.keys(values)) {
      const place = this.#places.get(name)
      if (place === undefined) throw refusedInput(`observe a value of ${this.name}`, `the metric must be one of ${[...this.#places.keys()].join(', ')}`, name)
      const value = values[name]
      if (value === undefined) continue
      const { metric, statistics } = this.#kept[place] as Kept
      if (this.#isFull(metric, statistics)) continue
      if (metric.takesAll) {
        if (statistics.add(draw, value, unit)) counted += 1
        continue
      }
      if (draw.chance === 0 || draw.chance === 1 || draw.hasValue(place)) continue
      if (!statistics.add(draw, value, unit)) continue
      draw.sawValue(place)
      counted += 1
    }
    return counted
  }

  /** How a unit came to the arm it is in; `undefined` if it was not exposed. Keep it for values that come when the unit may be in another arm. */
  drawOf(unit: string | number): Draw | undefined {
    return this.#units.drawOf(hashOf(unit))
  }

  /** The decision alone: cheap enough for a look after every event. */
  decision({ at }: { readonly at: number }): Decision {
    return this.#decide(at).decision
  }

  /**
   * What it has found so far. Nothing changes by looking.
   *
   * @param options - `labels`: the counts of the label join, to be shown
   */
  verdict({ at, labels }: { readonly at: number; readonly labels?: LabelCounts }): Verdict {
    const { decision, reason } = this.#decide(at)
    return {
      experiment: this.name,
      at,
      decision,
      reason,
      metrics: this.#kept.map((kept) => this.#metricVerdict(kept)),
      sampleRatio: { isMismatch: this.#sampleRatio.isMismatch, pValue: this.#sampleRatio.pValue },
      exposures: { [this.arms[0]]: this.#exposures[0] as number, [this.arms[1]]: this.#exposures[1] as number },
      uncounted: { ...this.#units.problems },
      labels,
    }
  }

  /** The verdict as a short text for a ticket. */
  text(options: { readonly at: number; readonly labels?: LabelCounts }): string {
    return verdictText(this.verdict(options))
  }

  /**
   * Adds the experiment of another process that served **other units**: counts and evidence add up.
   *
   * @throws `ERR_OUTRIGGER_INVALID_INPUT` if names, arms or metrics differ, or a unit is in both. Nothing changes then.
   */
  merge(other: Experiment): void {
    const shape = (one: Experiment): string => JSON.stringify([one.name, one.arms, one.#kept.map(({ metric }) => [metric.name, metric.kind])])
    if (other === this || shape(other) !== shape(this)) throw refusedInput('merge experiments', `they must be two of ${shape(this)}`, shape(other))
    const shared = this.#units.sharedWith(other.#units)
    if (shared !== undefined) throw refusedInput('merge experiments', 'no unit must be in both (route a unit to one process, or keep one experiment for all)', `unit hash ${shared}`)
    // On copies, as one of them may refuse.
    const merged = this.#kept.map(({ metric, statistics }, place) => {
      const copy = metric.start(statistics.state(true))
      copy.merge((other.#kept[place] as Kept).statistics)
      return copy
    })
    this.#sampleRatio.merge(other.#sampleRatio)
    this.#kept.forEach((kept, place) => (kept.statistics = merged[place] as MetricStatistics))
    this.#units.merge(other.#units)
    other.#exposures.forEach((count, arm) => (this.#exposures[arm] = (this.#exposures[arm] as number) + count))
    if (other.#startedAt !== undefined && !(this.#startedAt !== undefined && this.#startedAt <= other.#startedAt)) this.#startedAt = other.#startedAt
  }

  /** Everything, to go on after a restart. */
  toJSON(): ExperimentState {
    return this.#state(true)
  }

  /** The state without the units: small, to be merged elsewhere or looked at. An experiment made of it would count units again. */
  statistics(): ExperimentState {
    return this.#state(false)
  }

  #state(withUnits: boolean): ExperimentState {
    return {
      kind: 'experiment',
      version: 1,
      name: this.name,
      arms: this.arms,
      startedAt: this.#startedAt ?? null,
      exposures: [...this.#exposures],
      uncounted: { ...this.#units.problems },
      sampleRatio: this.#sampleRatio.toJSON(),
      metrics: Object.fromEntries(this.#kept.map(({ metric, statistics }) => [metric.name, { kind: metric.kind, statistics: statistics.state(withUnits) }])),
      units: withUnits ? this.#units.toJSON() : null,
    }
  }

  #isFull({ role }: Metric, statistics: MetricStatistics): boolean {
    return role === 'primary' && this.#options.horizon === 'fixed' && unitsOf(statistics) >= this.#options.units
  }

  #decide(at: number): { readonly decision: Decision; readonly reason: string } {
    const { alpha, horizon, minimumUnits, minimumMs, deadlineMs, deadlineUnits, units } = this.#options
    const worse = this.#kept.filter((kept) => this.#worse(kept).eValue >= kept.worseNeeded)
    if (worse.length > 0) return { decision: 'rollback', reason: `The candidate is worse by evidence in ${names(worse)}.` }
    const age = this.#startedAt === undefined ? 0 : at - this.#startedAt
    const primaries = this.#kept.filter(({ metric }) => metric.role === 'primary')
    const missing = primaries.filter((kept) => !(this.#pass(kept).eValue >= 1 / alpha))
    const few = primaries.filter(({ statistics }) => statistics.arms.some((arm) => arm.units < minimumUnits) || (horizon === 'fixed' && unitsOf(statistics) < units))
    let open: string
    if (primaries.length === 0) open = 'There is no primary metric, so that it can only be rolled back.'
    else if (this.#sampleRatio.isMismatch) open = `The arms do not get the units they should (sample ratio mismatch, p = ${this.#sampleRatio.pValue.toPrecision(2)}), so that no promotion is allowed: look for what loses or moves units.`
    else if (few.length > 0) open = `There are too few units in ${names(few)} yet.`
    else if (age < minimumMs) open = `It has run for ${age} of at least ${minimumMs} ms.`
    else if (missing.length > 0) open = `There is not enough evidence yet in ${names(missing)}.`
    else return { decision: 'promote', reason: `The candidate passes in ${names(primaries)}, and is worse by evidence in nothing.` }
    const isLate = age >= deadlineMs || (this.#exposures[0] as number) + (this.#exposures[1] as number) >= deadlineUnits
    return isLate ? { decision: 'insufficient', reason: `The deadline has passed. ${open}` } : { decision: 'continue', reason: open }
  }

  #worse({ metric, statistics, worseNeeded }: Kept): Evidence {
    const margin = Math.max(0, metric.margin)
    return { eValue: Math.exp(metric.better === 'higher' ? statistics.below(-margin) : statistics.above(margin)), needed: worseNeeded }
  }

  #pass({ metric, statistics }: Kept): Evidence {
    const { horizon, alpha } = this.#options
    const bound = metric.better === 'higher' ? -metric.margin : metric.margin
    if (horizon === 'fixed') {
      const z = statistics.z(bound)
      return { eValue: this.#isFull(metric, statistics) ? 1 / normalSurvival(metric.better === 'higher' ? z : -z) : 1, needed: 1 / alpha }
    }
    return { eValue: Math.exp(metric.better === 'higher' ? statistics.above(bound) : statistics.below(bound)), needed: 1 / alpha }
  }

  #metricVerdict(kept: Kept): MetricVerdict {
    const { metric, statistics } = kept
    const { name, kind, role, better, margin } = metric
    const worse = this.#worse(kept)
    const pass = role === 'primary' ? this.#pass(kept) : undefined
    const needed = -Math.log(this.#options.alpha)
    const { estimate, limit, arms } = statistics
    const interval =
      estimate === undefined
        ? undefined
        : ([intervalEnd(estimate, -1, (bound) => statistics.above(bound) >= needed, limit), intervalEnd(estimate, 1, (bound) => statistics.below(bound) >= needed, limit)] as const)
    return {
      name,
      kind,
      role,
      better,
      margin,
      decision: worse.eValue >= worse.needed ? 'rollback' : pass !== undefined && pass.eValue >= pass.needed ? 'promote' : 'continue',
      estimate,
      interval,
      arms: { [this.arms[0]]: arms[0], [this.arms[1]]: arms[1] },
      pass,
      worse,
      note: statistics.note,
    }
  }
}

const names = (kept: readonly Kept[]): string => kept.map(({ metric }) => metric.name).join(', ')

const unitsOf = ({ arms }: MetricStatistics): number => arms[0].units + arms[1].units

const hashOf = (unit: string | number): number => {
  if ((typeof unit !== 'string' && !Number.isFinite(unit)) || unit === '') throw refusedInput('count a unit', 'it must be a text that is not empty, or a finite number', unit)
  return unitHash(unit)
}

const started = (metric: Metric, saved: Readonly<Record<string, unknown>> | undefined): MetricStatistics => {
  if (saved === undefined) return metric.start()
  const { kind, statistics } = fieldsOf(owner, saved[metric.name])
  if (kind !== metric.kind) throw refusedState(owner, `${JSON.stringify(metric.name)} must be of kind ${metric.kind}`, kind)
  return metric.start(statistics)
}
