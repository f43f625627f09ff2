import type { VariantChoice } from '../core/call-notes.js'
import type { Observer } from '../core/events.js'
import { functionOption, membersOption, optionsObject, stringOption } from '../core/options.js'
import { labelJoin, type LabelCounts, type LabelJoinOptions } from '../core/labels.js'
import type { PredictionRecord } from '../core/record.js'
import type { Draw } from './draw.js'
import type { Experiment } from './experiment.js'
import type { Verdict } from './verdict.js'

/** Options of {@link observeExperiment}. */
export interface ObserveExperimentOptions {
  /** The name of the split. @default the experiment's name */
  readonly split?: string
  /** Who is assigned; `undefined` leaves a record out. @default the unit that the split noted, else the prediction */
  readonly unit?: (record: PredictionRecord) => string | number | undefined
  /** The weights of control and candidate in an epoch. Needed where a split has more than two arms. @default from the record's propensity */
  readonly weights?: (epoch: number) => readonly [control: number, candidate: number] | undefined
  /** How many predictions wait for a label, and how long. @default 100_000, for ever */
  readonly labels?: LabelJoinOptions
}

/** What feeds an experiment. */
export interface ExperimentObserver {
  /** Tells the truth about a prediction; see `labelJoin`. */
  label(id: string, value: unknown, at: number): void
  /** What became of labels. Those that are `pending` are censored. */
  readonly labels: LabelCounts
  /** The verdict, with the counts of labels. */
  verdict(options: { readonly at: number }): Verdict
  stop(): void
}

/**
 * Feeds an experiment from the records of a predictor with a `split` in its stack: exposures, failures, whatever metrics read by `from`, and by `fromLabel` when labels come.
 *
 * **What counts.** Every call that was assigned exposes its unit, however it ended: a call that was rejected or aborted has had its arm. Testers (`forced`), units outside the
 * experiment (`default`) and shadows do not. Units of a sticky store (`sticky`) are not drawn again by new weights. A late label counts by the arm the unit was in when the prediction was made.
 *
 * What a metric's `from` throws, or a value that is none, is told by a notice of the predictor; the other metrics of the record count.
 *
 * @throws `ERR_OUTRIGGER_INVALID_OPTION`
 * @example
 * ```ts
 * import { Experiment, failureMetric, observeExperiment } from 'outrigger/experiment'
 * import { split } from 'outrigger/route'
 * const predict = split({ name: 'delay-2', variants: { control: (x: number) => x, candidate: (x: number) => x }, weights: { control: 0.5, candidate: 0.5 } })
 * const experiment = new Experiment({ name: 'delay-2', metrics: [failureMetric()] })
 * const { verdict } = observeExperiment(predict, experiment)
 * await predict.batch([1, 2, 3], { keys: ['ann', 'bo', 'ann'] })
 * const { control, candidate } = verdict({ at: Date.now() }).exposures
 * assert.equal(control! + candidate!, 2)
 * ```
 */
export const observeExperiment = (predictor: { observe(observer: Observer): () => void }, experiment: Experiment, options: ObserveExperimentOptions = {}): ExperimentObserver => {
  const owner = 'an observer of an experiment'
  membersOption(owner, 'predictor', predictor, ['observe'])
  optionsObject(owner, options, ['split', 'unit', 'weights', 'labels'])
  const split = stringOption(owner, 'split', options.split ?? experiment.name)
  const unitOf = functionOption(owner, 'unit', options.unit)
  const weightsOf = functionOption(owner, 'weights', options.weights)
  const [control, candidate] = experiment.arms
  const direct = experiment.metrics.filter(({ from }) => from !== undefined)
  const late = experiment.metrics.filter(({ fromLabel }) => fromLabel !== undefined)
  const join = labelJoin<unknown>(options.labels)
  // By the record that waits, so that a label counts by the arm of its prediction.
  const waiting = new WeakMap<PredictionRecord, { readonly unit: string | number; readonly draw: Draw }>()

  const weightsFor = ({ variant, propensity, epoch }: VariantChoice): readonly [number, number] | undefined => {
    if (weightsOf !== undefined) return weightsOf(epoch)
    if (!(propensity >= 0 && propensity <= 1)) return undefined
    return variant === candidate ? [1 - propensity, propensity] : [propensity, 1 - propensity]
  }

  /** Each metric by itself: what one throws is told when all have had their turn. */
  const take = (unit: string | number, draw: Draw, values: Iterable<readonly [name: string, read: () => unknown]>): void => {
    let thrown: { readonly error: unknown } | undefined
    for (const [name, read] of values) {
      try {
        const value = read()
        if (value !== undefined) experiment.observe(unit, { [name]: value }, { draw })
      } catch (error) {
        thrown ??= { error }
      }
    }
    if (thrown !== undefined) throw thrown.error
  }

  const observer: Observer = (event) => {
    if (event.type !== 'prediction' || event.record.isShadow) return
    const { record } = event
    const choice = record.variants.find((each) => each.split === split)
    if (choice === undefined || choice.reason === 'forced' || choice.reason === 'default' || (choice.variant !== control && choice.variant !== candidate)) return
    const unit = unitOf === undefined ? (choice.unit ?? record.id) : unitOf(record)
    const weights = weightsFor(choice)
    if (unit === undefined || weights === undefined) return
    experiment.expose(unit, choice.variant, { epoch: choice.epoch, at: record.at, weights, isKept: choice.reason === 'sticky' })
    const draw = experiment.drawOf(unit)
    // Not that of this record, where the unit is in the other arm by now or was refused.
    if (draw === undefined || draw.isCandidate !== (choice.variant === candidate)) return
    if (late.length > 0) {
      waiting.set(record, { unit, draw })
      join.observer(event)
    }
    take(unit, draw, direct.map(({ name, from }) => [name, () => from?.(record)] as const))
  }

  join.onJoined((labelled) => {
    const known = waiting.get(labelled.record)
    if (known !== undefined) take(known.unit, known.draw, late.map(({ name, fromLabel }) => [name, () => fromLabel?.(labelled)] as const))
  })
  const stop = predictor.observe(observer)
  return {
    label: (id, value, at) => join.label(id, value, at),
    get labels() {
      return join.counts
    },
    verdict: ({ at }) => experiment.verdict({ at, labels: join.counts }),
    stop,
  }
}
