import { InvalidOptionError } from '../core/errors.js'
import { functionOption, membersOption, optionsObject, requiredFunction, stringOption } from '../core/options.js'
import { isPredictor, stageOf, type Predictor } from '../core/predictor.js'
import type { PredictionRecord } from '../core/record.js'
import type { ModelSource } from '../models/store/model-source.js'
import { answerStages, type AnswerEvidence } from './_output-stages.js'
import { bytesStage, routeStage, type RouteCheck } from './_bound-stages.js'
import { findFill, findRecord, type ExplainSource, type FoundRecord } from './_found-record.js'
import { throughFill } from './_kept-answer.js'
import { failureOf } from './_failure.js'
import { featuresStage, schemaStage } from './_input-stages.js'
import { Rerun, type Again, type ReplayFactory, type ReplaySubject, type RerunOptions } from './_rerun.js'
import { limitsOf, type ReplayTolerance } from './difference.js'
import { Explanation, stageNames, type StageFinding } from './explanation.js'
import { rebuildInput, type Fields } from './rebuilt-input.js'
import { iterableOption } from './replay.js'

/** Options of {@link explain}. Each one that is given lets another stage be looked at. */
export interface ExplainOptions<I, O> extends RerunOptions<I> {
  /** Where the prediction is found, with the rows of its batch. */
  readonly source: ExplainSource
  /** The whole stack as it is meant to be, for the version that answered: with its checkpoints, and with no cache or an empty one. @default cache, model, batch and post-processing are not checked */
  readonly predictor?: Predictor<I, O> | ReplayFactory<I, O>
  /** Computes the features of a prediction again, as of its time. @default features are not checked */
  readonly features?: (record: PredictionRecord) => Fields | undefined | Promise<Fields | undefined>
  /** Assigners of the splits, and the unit. @default the route is not checked */
  readonly route?: RouteCheck
  /** Where versions come from: the digest is compared, and every file is read. @default the predictor's digest only */
  readonly store?: Pick<ModelSource, 'resolve' | 'open'>
  /** When two numbers are the same. @default exactly, bit for bit */
  readonly tolerance?: ReplayTolerance
}

const owner = 'an explanation'
const known = ['source', 'predictor', 'features', 'route', 'store', 'tolerance', 'input', 'output', 'as', 'complete'] as const

/**
 * Follows the path that one prediction took, and finds the first stage that would do otherwise now.
 *
 * Each stage is looked at by itself, on what was recorded to have come to it: features against the same computed again; the schema's rules, what was imputed or
 * clipped, and what reached checkpoints on the way in; an answer of a cache against a direct one; the variant against the assigner's; the digest and every byte
 * against the store; the model alone; the model among the rows of its batch; and what left checkpoints on the way out. A stage that could not be looked at says why.
 *
 * @throws `ERR_OUTRIGGER_INVALID_OPTION` for options that are none, and an id that is not among the records; what the source throws
 * @example
 * ```ts
 * import { pipe, predictor } from 'outrigger'
 * import { cached } from 'outrigger/cache'
 * import { explain } from 'outrigger/debug'
 * import { defineSchema } from 'outrigger/schema'
 * interface Trip { readonly km: number; readonly night: boolean }
 * const input = defineSchema({ km: { type: 'number' }, night: { type: 'boolean' } })
 * const output = defineSchema({ fare: { type: 'number' } })
 * const model = predictor(({ km, night }: Trip) => ({ fare: night ? 2 * km : km }), { input, output })
 * const served = pipe(model, cached({ key: ({ km }: Trip) => km })) // it forgot the night
 * const records = []
 * for (const night of [false, true]) records.push((await served.detailed({ km: 10, night }, { id: night ? 'b' : 'a' })).record)
 * const explanation = await explain('b', { source: records, predictor: model })
 * assert.equal(explanation.first?.stage, 'cache')
 * assert.deepEqual(explanation.first?.differences, [{ path: 'fare', recorded: 10, now: 20, by: 10 }])
 * ```
 */
export const explain = async <I, O>(id: string, options: ExplainOptions<I, O>): Promise<Explanation> => {
  optionsObject(owner, options, known)
  stringOption(owner, 'id', id)
  const { source, predictor: subject, features, route, store } = options
  if (typeof source === 'object' && source !== null && 'read' in source) membersOption(owner, 'source', source, ['read'])
  else iterableOption(owner, 'source', source)
  functionOption(owner, 'predictor', subject)
  functionOption(owner, 'features', features)
  if (route !== undefined) {
    optionsObject(`the route of ${owner}`, route, ['assigners', 'unit', 'versions'])
    requiredFunction(`the route of ${owner}`, 'unit', route.unit)
    for (const one of route.assigners) membersOption(`the route of ${owner}`, 'assigners', one, ['choose', 'unitHash'])
  }
  if (store !== undefined) membersOption(owner, 'store', store, ['resolve', 'open'])
  const limits = limitsOf(owner, options.tolerance)
  const found = await findRecord(source, id)
  const { record, label, overrides } = found

  const asking = new Asking(subject as ReplaySubject<I, O> | undefined, options)
  /** The stages inside of the stack. */
  const inside = async ({ record: one, batch }: FoundRecord): Promise<StageFinding[]> => {
    const now = await asking.one(one)
    const again = 'why' in now ? undefined : now
    const bytes = await bytesStage(one, store, again)
    return [schemaStage(one, asking.input, again, limits), bytes, ...(await answerStages({ record: one, now, batch, limits, askTogether: async (rows) => await asking.together(rows) }, bytes.status === 'differs'))]
  }
  let findings: readonly StageFinding[] = await inside(found)
  if (findings.some(({ stage, status }) => stage === 'cache' && status === 'differs')) {
    const fill = await findFill(source, record)
    if (fill !== undefined) findings = throughFill(findings, record, fill, await inside(await findRecord(source, fill.id)), limits)
  }
  findings = [await featuresStage(record, asking.input, features, limits), await routeStage(record, route), ...findings]
  return new Explanation(record, stageNames.map((stage) => findings.find((one) => one.stage === stage) as StageFinding), label, overrides)
}

/** Asks the stack again, made anew each time; what goes wrong is a reason and no failure. */
class Asking<I, O> {
  /** The fields of the input, as far as somebody has declared them. */
  input: Rerun<I, O>['input'] | undefined
  readonly #subject: ReplaySubject<I, O> | undefined
  readonly #options: ExplainOptions<I, O>

  constructor(subject: ReplaySubject<I, O> | undefined, options: ExplainOptions<I, O>) {
    this.#subject = subject
    this.#options = options
    this.input = options.input ?? (subject !== undefined && isPredictor(subject) ? stageOf(subject as Predictor<I, O>).schema.input : undefined)
  }

  async one(record: PredictionRecord): Promise<AnswerEvidence['now']> {
    const answers = await this.together([record])
    return 'why' in answers ? answers : (answers[0] as Again)
  }

  async together(rows: readonly PredictionRecord[]): Promise<readonly Again[] | { readonly why: string }> {
    if (this.#subject === undefined) return { why: 'no predictor' }
    let rerun: Rerun<I, O>
    try {
      rerun = await Rerun.for(this.#subject, rows[0] as PredictionRecord, this.#options)
    } catch (error) {
      if (error instanceof InvalidOptionError) throw error
      return { why: `no predictor could be made: ${failureOf(error)}` }
    }
    try {
      this.input = rerun.input
      const inputs: I[] = []
      for (const row of rows) {
        const rebuilt = await rebuildInput(row, rerun.input, this.#options)
        if ('skipped' in rebuilt) return { why: rebuilt.skipped }
        inputs.push(rebuilt.input)
      }
      return await rerun.ask(rows, inputs)
    } finally {
      await rerun.close()
    }
  }
}
