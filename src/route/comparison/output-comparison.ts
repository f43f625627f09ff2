/** What two models answered to the same rows, compared as the rows come. Pure: it knows no clock and keeps no row. */
import { OutriggerError } from '../../core/errors.js'
import { guardedTags, maskBy, type MaskableSchema } from '../../core/masking.js'
import { functionOption, numberOption, optionsObject } from '../../core/options.js'
import { DDSketch, type DDSketchState } from '../../stats/ddsketch.js'
import { Moments, type MomentsState } from '../../stats/moments.js'
import { countOf, savedMoments, savedSketch, savedText } from '../saved.js'
import { CalibrationGap, type CalibrationState } from './calibration-gap.js'
import { summaryOf, textOf, type ComparisonSummary } from './comparison-summary.js'
import { judgeComparison, type ComparisonLimits, type ComparisonVerdict } from './comparison-verdict.js'
import { partOf, partsOf, type OutputPart } from './_output-parts.js'
import { PartDifference, type PartState } from './_part-difference.js'
import type { Tolerance } from './tolerance.js'
import { WorstRows, type DisagreementExample } from './worst-rows.js'

/** Options of {@link outputComparison}. */
export interface OutputComparisonOptions<O = unknown, C = O> {
  /** What counts as the same number. @default 1e-6, absolute or relative */
  readonly tolerance?: Tolerance
  /** Whether two answers agree. @default every part is the same, numbers within the tolerance */
  readonly agree?: (primary: O, candidate: C) => boolean
  /** So many of the highest scores are compared as a set. @default 5 */
  readonly topK?: number
  /** So many of the largest disagreements are kept. @default 10 */
  readonly examples?: number
  /** So many parts of a record are measured; the others can only be the same or not. @default 16 */
  readonly maxParts?: number
  /** Guards what examples show. A shadow gives that of its stack. */
  readonly schema?: ComparisonSchema
}

/** What is declared about inputs and outputs. */
export interface ComparisonSchema {
  readonly input?: MaskableSchema | undefined
  readonly output?: MaskableSchema | undefined
}

/** One row that both have answered. */
export interface ComparedRow<O = unknown, C = O> {
  readonly id: string
  readonly primary: O
  readonly candidate: C
  readonly primaryMs?: number
  readonly candidateMs?: number
  /** Only shown in examples, and only its allowed fields. */
  readonly input?: unknown
}

/** The state of an {@link OutputComparison} as plain data. */
export interface OutputComparisonState {
  readonly kind: 'output-comparison'
  readonly version: 1
  /** Rows, agreed, candidate failed, primary failed, both failed, dropped. */
  readonly counts: readonly number[]
  readonly parts: readonly (readonly [string, PartState])[]
  readonly latency: { readonly ratio: MomentsState; readonly primary: DDSketchState; readonly candidate: DDSketchState }
  readonly calibration: CalibrationState
  readonly examples: readonly DisagreementExample[]
}

/** A part of a row, and how many tolerances it is off. */
interface WorstPart {
  readonly name: string
  readonly size: number
  readonly primary: OutputPart | undefined
  readonly candidate: OutputPart | undefined
}

const owner = 'an output comparison'
const counters = ['rows', 'agreed', 'candidateFailed', 'primaryFailed', 'bothFailed', 'dropped'] as const
type Counter = (typeof counters)[number]

/** See {@link outputComparison}. */
export class OutputComparison<O = unknown, C = O> {
  readonly #counts: Record<Counter, number> = { rows: 0, agreed: 0, candidateFailed: 0, primaryFailed: 0, bothFailed: 0, dropped: 0 }
  readonly #parts = new Map<string, PartDifference>()
  /** Of the logarithms of candidate by primary. */
  readonly #latencyRatio = new Moments()
  readonly #primaryMs = new DDSketch()
  readonly #candidateMs = new DDSketch()
  readonly #calibration = new CalibrationGap()
  readonly #tolerance: Required<Tolerance>
  readonly #agree: ((primary: O, candidate: C) => boolean) | undefined
  readonly #topK: number
  readonly #maxParts: number
  readonly #worst: WorstRows
  #schema: ComparisonSchema
  #maskInput: ReturnType<typeof maskBy> | undefined

  constructor(options: OutputComparisonOptions<O, C> = {}) {
    optionsObject(owner, options, ['tolerance', 'agree', 'topK', 'examples', 'maxParts', 'schema'])
    const { absolute = 1e-6, relative = 1e-6, ulps = 0 } = options.tolerance ?? {}
    optionsObject('the tolerance of a comparison', options.tolerance ?? {}, ['absolute', 'relative', 'ulps'])
    const least = { min: 0 }
    this.#tolerance = { absolute: numberOption(owner, 'tolerance.absolute', absolute, least), relative: numberOption(owner, 'tolerance.relative', relative, least), ulps: numberOption(owner, 'tolerance.ulps', ulps, least) }
    this.#agree = functionOption(owner, 'agree', options.agree)
    this.#topK = numberOption(owner, 'topK', options.topK ?? 5, { min: 1, max: 1000, integer: true })
    this.#maxParts = numberOption(owner, 'maxParts', options.maxParts ?? 16, { min: 1, max: 1000, integer: true })
    this.#worst = new WorstRows(numberOption(owner, 'examples', options.examples ?? 10, { min: 0, max: 1000, integer: true }))
    this.#schema = {}
    if (options.schema !== undefined) this.useSchema(options.schema)
  }

  /** Guards examples by a schema, if none was given. */
  useSchema(schema: ComparisonSchema): void {
    this.#schema = { input: this.#schema.input ?? schema.input, output: this.#schema.output ?? schema.output }
    this.#maskInput = this.#schema.input === undefined ? undefined : maskBy(this.#schema.input)
  }

  /** Takes a row in. Gives whether it agrees. Throws what `agree` throws; the row is counted then, as one that does not agree. */
  add(row: ComparedRow<O, C>): boolean {
    this.#counts.rows += 1
    const worst = this.#worstPart(row.primary, row.candidate)
    const isBeyond = worst.size > 1
    if (row.primaryMs !== undefined && row.candidateMs !== undefined) this.#time(row.primaryMs, row.candidateMs)
    if (isBeyond && this.#worst.admits({ id: row.id, size: worst.size })) this.#keep(row, worst)
    const agrees = this.#agree === undefined ? !isBeyond : this.#agree(row.primary, row.candidate)
    if (agrees) this.#counts.agreed += 1
    return agrees
  }

  /** Compares all parts. Gives the one that is off by most. */
  #worstPart(primary: unknown, candidate: unknown): WorstPart {
    const [one, other] = [partOf(primary), partOf(candidate)]
    // Most outputs are one part.
    if (one !== undefined && other !== undefined) return this.#compare('', one, other)
    const [primaries, candidates] = [partsOf(primary, this.#maxParts), partsOf(candidate, this.#maxParts)]
    let worst: WorstPart | undefined
    for (const [name, part] of primaries) {
      const compared = this.#compare(name, part, candidates.get(name))
      if (worst === undefined || compared.size > worst.size) worst = compared
    }
    for (const [name, part] of candidates) if (!primaries.has(name)) worst = this.#compare(name, undefined, part)
    return worst as WorstPart
  }

  #compare(name: string, primary: OutputPart | undefined, candidate: OutputPart | undefined): WorstPart {
    return { name, primary, candidate, size: this.#partOf(name, primary ?? candidate).add(primary, candidate, this.#tolerance, this.#topK) }
  }

  /** A row that one of them, or both, failed. */
  addFailure(who: 'candidate' | 'primary' | 'both'): void {
    this.#counts[`${who}Failed`] += 1
  }

  /** Rows that were to be compared, and that the candidate never saw. */
  addDropped(rows: number): void {
    this.#counts.dropped += rows
  }

  /**
   * A row whose truth has come: whether the event happened that both gave a probability for.
   * @throws ERR_OUTRIGGER_INVALID_INPUT for what is no probability
   */
  addLabel(primary: number, candidate: number, happened: boolean): void {
    for (const score of [primary, candidate]) if (!(score >= 0 && score <= 1)) throw new OutriggerError('ERR_OUTRIGGER_INVALID_INPUT', `Cannot compare calibration as a score must be a probability: current value is ${String(score)}`)
    this.#calibration.add(primary, candidate, happened)
  }

  /** A part is of the kind it came with first. Of names that callers choose, no more are kept than may be measured; the rest share one. */
  #partOf(name: string, first: OutputPart | undefined): PartDifference {
    let part = this.#parts.get(name)
    if (part === undefined && this.#parts.size >= this.#maxParts) part = this.#parts.get((name = '(others)'))
    if (part === undefined) this.#parts.set(name, (part = new PartDifference(name === '(others)' ? 'other' : (first?.kind ?? 'other'))))
    return part
  }

  #time(primaryMs: number, candidateMs: number): void {
    if (!(primaryMs >= 0 && candidateMs >= 0 && primaryMs + candidateMs < Infinity)) return
    this.#primaryMs.add(primaryMs)
    this.#candidateMs.add(candidateMs)
    if (primaryMs > 0 && candidateMs > 0) this.#latencyRatio.push(Math.log(candidateMs / primaryMs))
  }

  #keep(row: ComparedRow<O, C>, { name, size, primary, candidate }: WorstPart): void {
    const hides = this.#hides(name)
    const input = row.input === undefined ? undefined : this.#maskInput?.(row.input)
    this.#worst.add({ id: row.id, part: name, size, primary: hides ? '(hidden)' : shown(primary, candidate), candidate: hides ? '(hidden)' : shown(candidate, primary), ...(input === undefined ? {} : { input }) })
  }

  /** Whether a schema keeps this part of the output out of records. */
  #hides(part: string): boolean {
    const { output } = this.#schema
    if (output === undefined) return false
    const isGuarded = (field: string): boolean => output.fields[field] === undefined || (output.fields[field].tags ?? []).some((tag) => guardedTags.has(tag.toLowerCase()))
    return part === '' ? Object.keys(output.fields).some(isGuarded) : isGuarded(part.split('.')[0] as string)
  }

  /** Rows that both answered. */
  get rows(): number {
    return this.#counts.rows
  }

  /** The largest disagreements, the largest first. */
  get examples(): readonly DisagreementExample[] {
    return [...this.#worst.rows]
  }

  /** All that is known, as numbers. */
  summary(): ComparisonSummary {
    return summaryOf({ ...this.#counts, parts: this.#parts, latencyRatio: this.#latencyRatio, primaryMs: this.#primaryMs, candidateMs: this.#candidateMs, calibration: this.#calibration, examples: this.examples })
  }

  /**
   * Whether they agree, by stated limits.
   * @throws ERR_OUTRIGGER_INVALID_OPTION for limits that are none
   */
  verdict(limits: ComparisonLimits): ComparisonVerdict {
    return judgeComparison({ ...this.#counts, parts: this.#parts, latency: this.#latencyRatio, brier: this.#calibration.brier }, limits)
  }

  /** The summary, and the verdict where there is one, as a text for a ticket. */
  text(verdict?: ComparisonVerdict): string {
    return textOf(this.summary(), verdict)
  }

  /** Adds what another one has seen. Both should have the same options. */
  merge(other: OutputComparison<O, C>): void {
    for (const name of counters) this.#counts[name] += other.#counts[name]
    for (const [name, part] of other.#parts) {
      const mine = this.#partOf(name, { kind: part.kind } as OutputPart)
      mine.merge(part)
    }
    this.#latencyRatio.merge(other.#latencyRatio)
    this.#primaryMs.merge(other.#primaryMs)
    this.#candidateMs.merge(other.#candidateMs)
    this.#calibration.merge(other.#calibration)
    for (const example of other.#worst.rows) this.#worst.add(example)
  }

  /** The state, to be saved or sent. */
  toJSON(): OutputComparisonState {
    return {
      kind: 'output-comparison',
      version: 1,
      counts: counters.map((name) => this.#counts[name]),
      parts: [...this.#parts].map(([name, part]) => [name, part.toJSON()] as const),
      latency: { ratio: this.#latencyRatio.toJSON(), primary: this.#primaryMs.toJSON(), candidate: this.#candidateMs.toJSON() },
      calibration: this.#calibration.toJSON(),
      examples: this.#worst.rows.map((row) => ({ ...row, size: Math.min(row.size, Number.MAX_VALUE) })),
    }
  }

  /**
   * Adds what was saved.
   * @throws ERR_OUTRIGGER_PROFILE for a state that is none; nothing is added then
   */
  restore(state: OutputComparisonState): void {
    const saved = new OutputComparison<O, C>({ examples: 1000, maxParts: 1000 })
    try {
      if (state.kind !== 'output-comparison' || state.version !== 1) throw new TypeError(`it is of kind ${String(state.kind)}, version ${String(state.version)}`)
      counters.forEach((name, index) => (saved.#counts[name] = countOf(state.counts[index])))
      for (const [name, part] of state.parts) {
        saved.#parts.set(String(name), PartDifference.from(part))
      }
      saved.#latencyRatio.merge(savedMoments(state.latency.ratio))
      saved.#primaryMs.merge(savedSketch(state.latency.primary))
      saved.#candidateMs.merge(savedSketch(state.latency.candidate))
      saved.#calibration.merge(new CalibrationGap(state.calibration))
      for (const example of state.examples) saved.#worst.add({ ...example, id: savedText(example.id), size: example.size === Number.MAX_VALUE ? Infinity : example.size })
    } catch (error) {
      throw new OutriggerError('ERR_OUTRIGGER_PROFILE', 'Cannot restore an output comparison as its state must be what `toJSON` gave: current value is another', { cause: error })
    }
    this.merge(saved)
  }
}

/** A part in a few words; of scores the highest, and the one that differs most. */
const shown = (part: OutputPart | undefined, other: OutputPart | undefined): string => {
  switch (part?.kind) {
    case 'label':
      return part.value.slice(0, 80)
    case 'number':
      return String(part.value)
    case 'scores': {
      const scores = part.value
      const others = other?.kind === 'scores' && other.shape === part.shape ? other.value : undefined
      let [highest, most] = [0, 0]
      for (let index = 0; index < scores.length; index += 1) {
        if ((scores[index] as number) > (scores[highest] as number)) highest = index
        if (others !== undefined && Math.abs((scores[index] as number) - (others[index] as number)) > Math.abs((scores[most] as number) - (others[most] as number))) most = index
      }
      const at = (index: number): string => `[${index}] ${Number((scores[index] ?? NaN).toPrecision(6))}`
      return others === undefined ? `${scores.length} scores of shape ${part.shape}` : most === highest ? `highest ${at(highest)}` : `highest ${at(highest)}, ${at(most)}`
    }
    case undefined:
      return '(none)'
    default:
      return `a value of type ${typeof part?.value}`
  }
}

/**
 * Compares what two models answer to the same rows: numbers, labels, lists of scores, tensors (`{ data, shape }`), and records of these.
 *
 * Each part of the output has its own figures: rows beyond the tolerance, the paired difference, quantiles of the largest difference, ULPs; of labels and of
 * the highest score the flips; of scores the overlap of the first k and Kendall's τ; the Jensen-Shannon distance and the Kullback-Leibler divergence of both
 * distributions. With times the ratio of latencies, with labels the calibration. It keeps counts, moments and sketches, at most 50 kB a part, and a few examples:
 * no row. `merge` and `toJSON` are for several processes.
 *
 * `verdict` answers by limits of yours and is valid at every look, if rows are independent: where users come often, add one row of each.
 *
 * A row takes about 2 µs, and O(n log n) for n scores.
 *
 * @throws `ERR_OUTRIGGER_INVALID_OPTION`
 * @example
 * ```ts
 * import { outputComparison } from 'outrigger/route'
 * const comparison = outputComparison({ tolerance: { absolute: 0.01 } })
 * for (let row = 0; row < 1000; row += 1) {
 *   const p = (row % 100) / 100
 *   comparison.add({ id: `row-${row}`, primary: { label: p > 0.5, scores: [p, 1 - p] }, candidate: { label: p > 0.52, scores: [p + 0.001, 0.999 - p] } })
 * }
 * const { parts, agreement } = comparison.summary()
 * assert.equal(agreement, 0.98)
 * assert.equal(parts['label']?.flipRate, 0.02)
 * assert.equal(parts['scores']?.beyondTolerance, 0)
 * assert.equal(comparison.verdict({ flips: 0.05 }).answer, 'agrees')
 * assert.equal(comparison.verdict({ flips: 0.005 }).answer, 'differs')
 * ```
 */
export const outputComparison = <O = unknown, C = O>(options: OutputComparisonOptions<O, C> = {}): OutputComparison<O, C> => new OutputComparison(options)
