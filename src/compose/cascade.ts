import type { InputOf, OutputOf } from '../core/any-model.js'
import type { Call } from '../core/call.js'
import { hasCode, InvalidOptionError, outcomeOf } from '../core/errors.js'
import type { ModelIdentity } from '../core/identity.js'
import { functionOption, membersOption, numberOption, optionsObject, stringOption } from '../core/options.js'
import type { Predictor } from '../core/predictor.js'
import { isRowFailure, pick, RowFailure, type Row } from '../core/rows.js'
import type { ExtraWorkBudget } from '../policy/extra-work-budget.js'
import { confidenceOf } from './_confidence.js'
import { partsOf, predictorOfSeveral, withoutStream, withoutStreams, type Part } from './_several.js'

/** Options of {@link cascade}. One of `isUnsure` and `minimumConfidence` is required. */
export interface CascadeOptions<I, C> {
  /** Whether the cheap model's answer is not good enough, so that the large one is asked. */
  readonly isUnsure?: (output: C, input: I) => boolean
  /**
   * The large model is asked when the confidence of the cheap one is below it; in [0, 1]. The confidence is
   * `output.confidence` where there is one; of class probabilities the greatest; of a single probability p the greater
   * of p and 1 − p.
   */
  readonly minimumConfidence?: number
  /** What happens when the cheap model fails. An input that it finds invalid is never sent on. @default 'large' */
  readonly onCheapFailure?: 'large' | 'throw'
  /** What happens when the large model fails: the cheap answer serves, unsure as it is, or the call fails. @default 'throw' */
  readonly onLargeFailure?: 'cheap' | 'throw'
  /**
   * Bounds the escalations: each row that is sent on takes from it, and when nothing is left the cheap answer serves.
   * @default every unsure row is sent on
   */
  readonly budget?: ExtraWorkBudget
  /** The name of its identity. Give another one when `isUnsure` changes. @default 'cascade' */
  readonly name?: string
}

/** What became of the rows. */
export interface CascadeCounts {
  /** Rows that the cheap model was asked. */
  readonly rows: number
  /** Rows that were sent on to the large model. */
  readonly escalated: number
  /** Rows that should have been sent on, but there was no budget. */
  readonly overBudget: number
  /** Rows for which the cheap model failed. */
  readonly cheapFailed: number
  /** Rows for which the large model failed. */
  readonly largeFailed: number
}

/** The predictor, and what became of its rows. */
export interface CascadePredictor<I, O> extends Predictor<I, O> {
  readonly counts: CascadeCounts
  /** The share of rows that were sent on, in [0, 1]; 0 before the first. */
  readonly escalationRate: number
}

const cheapStage = 0
const largeStage = 1

/**
 * Asks a cheap model first, and a large one only when the cheap one is unsure.
 *
 * In a batch only the unsure rows travel on, together, as one batch. `record.rung` and `record.identity` say which of
 * the two answered: index 0 is the cheap one, 1 the large one. An unsure answer that serves all the same, as the large
 * model failed or the budget was used up, has the source `fallback`, so that no cache keeps it.
 *
 * It owns models made from functions and objects. Give it to `pipe` like any model, in `owned` to have it closed. The
 * large model's answer may be a stream, the cheap one's may not.
 *
 * @throws `ERR_OUTRIGGER_INVALID_OPTION`
 * @example
 * ```ts
 * import { cascade } from 'outrigger/compose'
 * const predict = cascade(
 *   (km: number) => ({ hours: km / 800, confidence: km < 3000 ? 0.95 : 0.4 }),
 *   async (km: number) => ({ hours: km / 800 + 0.5, confidence: 1 }),
 *   { minimumConfidence: 0.8 },
 * )
 * const answers = await predict.detailedBatch([800, 8000])
 * assert.deepEqual(answers.map((row) => row.ok && row.output.hours), [1, 10.5])
 * assert.deepEqual(answers.map(({ record }) => record.rung?.index), [0, 1])
 * assert.equal(predict.escalationRate, 0.5)
 * ```
 */
export const cascade = <const C extends object, const L extends object>(
  cheap: C,
  large: L,
  options: CascadeOptions<InputOf<C | L>, OutputOf<C>>,
): CascadePredictor<InputOf<C | L>, OutputOf<C> | OutputOf<L>> => {
  type I = InputOf<C | L>
  const owner = 'a cascade'
  optionsObject(owner, options, ['isUnsure', 'minimumConfidence', 'onCheapFailure', 'onLargeFailure', 'budget', 'name'])
  const { minimumConfidence, budget } = options
  const given = functionOption(owner, 'isUnsure', options.isUnsure) as ((output: unknown, input: I) => boolean) | undefined
  if ((given === undefined) === (minimumConfidence === undefined)) throw new InvalidOptionError(`Cannot create a cascade as it needs one of \`isUnsure\` and \`minimumConfidence\`: current value has ${given === undefined ? 'neither' : 'both'}`)
  if (minimumConfidence !== undefined) numberOption(owner, 'minimumConfidence', minimumConfidence, { min: 0, max: 1 })
  const onCheapFailure = oneOf('onCheapFailure', options.onCheapFailure ?? 'large', ['large', 'throw'])
  const onLargeFailure = oneOf('onLargeFailure', options.onLargeFailure ?? 'throw', ['cheap', 'throw'])
  if (budget !== undefined) membersOption(owner, 'budget', budget, ['meter'])
  const name = stringOption(owner, 'name', options.name ?? 'cascade')
  const { parts, runtime } = partsOf<I>({ cheap, large })
  const [first, second] = parts as readonly [Part<I>, Part<I>]
  const { clock } = runtime
  const meter = budget?.meter()
  const counts = { rows: 0, escalated: 0, overBudget: 0, cheapFailed: 0, largeFailed: 0 }

  /** An answer that cannot be judged is not trusted. */
  const isUnsure = (output: unknown, input: I): boolean => {
    try {
      if (given !== undefined) return given(output, input)
      const confidence = confidenceOf(output)
      // Also true for NaN.
      return confidence === undefined || !(confidence >= (minimumConfidence as number))
    } catch (error) {
      events.emit({ type: 'notice', layer: 'cascade', message: '`isUnsure` threw; the large model is asked.', error, at: clock.wall() })
      return true
    }
  }

  const mark = (call: Call, stage: 0 | 1, identity: ModelIdentity): void => {
    const notes = call.note()
    notes.rung = { index: stage, name: (stage === cheapStage ? first : second).stage.identity.name }
    notes.identity = identity
  }

  /**
   * Looks at what the cheap model gave for a row. Gives what to do if it is not to be sent on, or if the large model
   * fails; and whether it is to be sent on.
   */
  const judge = (row: Row<unknown>, input: I, call: Call): { readonly keep: () => Row<unknown>; readonly goesOn: boolean } => {
    counts.rows += 1
    meter?.seen(1)
    const failed = isRowFailure(row)
    if (failed) counts.cheapFailed += 1
    else {
      const { source } = call
      // Its own fallback may have answered.
      const identity = call.notes?.identity ?? first.stage.served(call)
      const serve = (from: Call['source']) => (): Row<unknown> => {
        call.source = from
        mark(call, cheapStage, identity)
        return row
      }
      if (!isUnsure(row, input)) return { keep: serve(source), goesOn: false }
      if (call.isAborted) return { keep: serve(source), goesOn: false }
      return { keep: serve('fallback'), goesOn: mayGoOn() }
    }
    const keep = (): Row<unknown> => row
    const mayEscalate = onCheapFailure === 'large' && !call.isAborted && outcomeOf(row.error) !== 'aborted' && !hasCode(row.error, 'ERR_OUTRIGGER_INVALID_INPUT')
    return { keep, goesOn: mayEscalate && mayGoOn() }
  }

  const mayGoOn = (): boolean => {
    if (meter === undefined || meter.spend(1, clock.now())) {
      counts.escalated += 1
      return true
    }
    counts.overBudget += 1
    return false
  }

  /** Makes the call ready for the large model. Gives the time that the cheap one took. */
  const sendOn = (call: Call): number => {
    call.source = 'model'
    const { notes } = call
    if (notes === undefined) return 0
    delete notes.rung
    delete notes.identity
    delete notes.members
    const spent = notes.modelMs ?? 0
    delete notes.modelMs
    return spent
  }

  /** What the large model gave, or what stands in its place. */
  const conclude = (row: Row<unknown>, call: Call, cheapRow: Row<unknown>, keep: () => Row<unknown>, cheapMs: number): Row<unknown> => {
    if (cheapMs > 0) {
      const notes = call.note()
      notes.modelMs = (notes.modelMs ?? 0) + cheapMs
    }
    if (!isRowFailure(row)) {
      mark(call, largeStage, call.notes?.identity ?? second.stage.served(call))
      return row
    }
    counts.largeFailed += 1
    return onLargeFailure === 'cheap' && !isRowFailure(cheapRow) && !call.isAborted ? keep() : row
  }

  const { predictor, events } = predictorOfSeveral<I, unknown>([first, second], {
    kind: 'cascade',
    name,
    rule: JSON.stringify([minimumConfidence ?? 'isUnsure', onCheapFailure, onLargeFailure]),
    runtime,
    schema: { input: first.stage.schema.input },
    describe: () => `cascade ${name}: the large model ${minimumConfidence === undefined ? 'when `isUnsure`' : `below a confidence of ${minimumConfidence}`}`,
    one: async (input, call) => {
      const cheapRow = await first.one(input, call).then((output) => withoutStream(owner, 'the cheap model', output)).catch((error: unknown) => new RowFailure(error))
      const { keep, goesOn } = judge(cheapRow, input, call)
      let row: Row<unknown>
      if (goesOn) {
        const cheapMs = sendOn(call)
        row = conclude(await second.one(input, call).catch((error: unknown) => new RowFailure(error)), call, cheapRow, keep, cheapMs)
      } else row = keep()
      if (isRowFailure(row)) throw row.error
      return row
    },
    many: async (inputs, batch) => {
      const cheapRows = withoutStreams(owner, 'the cheap model', await first.many(inputs, batch))
      const verdicts = cheapRows.map((row, index) => judge(row, inputs[index] as I, batch.rows[index] as Call))
      const unsure = verdicts.flatMap(({ goesOn }, index) => (goesOn ? [index] : []))
      const rows = verdicts.map(({ keep, goesOn }) => (goesOn ? undefined : keep()))
      if (unsure.length === 0) return rows
      const cheapMs = unsure.map((index) => sendOn(batch.rows[index] as Call))
      const answers = await second.many(pick(inputs, unsure), batch.pick(unsure))
      unsure.forEach((index, position) => {
        rows[index] = conclude(answers[position], batch.rows[index] as Call, cheapRows[index], (verdicts[index] as (typeof verdicts)[number]).keep, cheapMs[position] as number)
      })
      return rows
    },
    ready: () => first.stage.ready() && (onLargeFailure === 'cheap' || second.stage.ready()),
  })
  return Object.defineProperties(predictor, {
    counts: { get: (): CascadeCounts => ({ ...counts }), enumerable: true },
    escalationRate: { get: () => (counts.rows === 0 ? 0 : counts.escalated / counts.rows), enumerable: true },
  }) as unknown as CascadePredictor<I, OutputOf<C> | OutputOf<L>>
}

const oneOf = <T extends string>(name: string, value: T, known: readonly T[]): T => {
  if (!known.includes(value)) throw new InvalidOptionError(`Cannot create a cascade as \`${name}\` must be ${known.map((one) => `'${one}'`).join(' or ')}: current value is ${String(value)}`)
  return value
}
