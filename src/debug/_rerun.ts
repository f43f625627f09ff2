/** Asks again what was asked before: at the recorded time, with the recorded variants, and without anything of the process that asks. */
import type { Call } from '../core/call.js'
import type { Clock } from '../core/clock.js'
import { InvalidOptionError, isError, outcomeOf } from '../core/errors.js'
import { applyLayer } from '../core/layer.js'
import type { MaskableSchema } from '../core/masking.js'
import { isPredictor, predictor, stageOf, type Model, type Predictor } from '../core/predictor.js'
import { seededRandom, type Random } from '../core/random.js'
import type { PredictionRecord } from '../core/record.js'
import { forceVariants } from '../route/forced-variants.js'
import type { InputOptions } from './rebuilt-input.js'
import { standingClock } from './standing-clock.js'

/** What a factory makes a predictor from. */
export interface ReplayContext {
  /** It stands at the time at which the call came in. Only timers move it. */
  readonly clock: Clock
  /** Seeded by the record's id. */
  readonly random: Random
  /** What is asked again; of a batch the first row. */
  readonly record: PredictionRecord
}

/** Makes the predictor that is asked, anew for each record. It is closed afterwards: put a `pipe` around one that shall live on. */
export type ReplayFactory<I, O> = (context: ReplayContext) => Model<I, O> | Promise<Model<I, O>>

/** Who is asked: a predictor as it is, or one that is made for each record. */
export type ReplaySubject<I, O> = Predictor<I, O> | ReplayFactory<I, O>

/** How an input is made again, and what of an output is compared. */
export interface RerunOptions<I> extends InputOptions<I> {
  /** The fields of the output. @default what the predictor declares */
  readonly output?: MaskableSchema
}

/** What came out: a record of the second time. */
export type Again = Pick<PredictionRecord, 'outcome' | 'error' | 'output' | 'checkpoints' | 'identity' | 'schema' | 'marks' | 'variants'>

/** When a call came in, to the millisecond. */
export const enteredAt = (record: PredictionRecord): number => Math.round(record.at - Math.max(0, record.durations.totalMs))

/** A predictor for some records, and the schemas by which inputs are rebuilt and outputs compared. */
export class Rerun<I, O> {
  readonly input: MaskableSchema
  readonly output: MaskableSchema
  readonly #predict: Predictor<I, O>
  readonly #close: () => Promise<void>
  /** What is asked now, and what came of it, in the order in which calls enter: ids may be given twice. */
  #asked: readonly PredictionRecord[] = []
  #settled: PredictionRecord[] = []
  #entered = 0

  private constructor(inner: Predictor<I, O>, options: RerunOptions<I>, close: () => Promise<void>) {
    const declared = stageOf(inner).schema
    const [input, output] = [options.input ?? declared.input, options.output ?? declared.output]
    if (input === undefined || output === undefined) throw new InvalidOptionError(`Cannot replay as the fields of the ${input === undefined ? 'input' : 'output'} must be declared, in the options or by the predictor: current value is undefined`)
    this.input = input
    this.output = output
    this.#close = close
    this.#predict = applyLayer<I, O>(inner, 'replay', () => ({
      schema: { input, output },
      bind: (call: Call) => {
        const at = this.#entered++
        forceVariants(call, new Map(this.#asked[at]?.variants.map(({ split, variant }) => [split, variant])))
        ;(call.note().watchers ??= []).push((record) => (this.#settled[at] = record))
      },
      one: async (next, row, call) => await next(row, call),
      many: async (next, rows, batch) => await next(rows, batch),
    }))
  }

  /** The predictor for a record. */
  static async for<I, O>(subject: ReplaySubject<I, O>, record: PredictionRecord, options: RerunOptions<I>): Promise<Rerun<I, O>> {
    if (isPredictor(subject)) return new Rerun(subject as Predictor<I, O>, options, async () => {})
    const clock = standingClock(enteredAt(record))
    const random = seededRandom(record.id)
    const made: unknown = await (subject as ReplayFactory<I, O>)({ clock, random, record })
    if ((typeof made !== 'function' && typeof made !== 'object') || made === null) throw new InvalidOptionError(`Cannot replay as the function must make a model or a predictor (one that predicts goes into \`predictor()\`): current value is of type ${made === null ? 'null' : typeof made}`)
    const given = made as Model<I, O> & object
    if (isPredictor(given)) {
      if (closed.has(given)) throw new InvalidOptionError('Cannot replay as the function must make a predictor for each record, which is closed afterwards (pass the predictor itself, or put `pipe` around it): current value is the same again')
      closed.add(given)
      return new Rerun(given as Predictor<I, O>, options, async () => await (given as Predictor<I, O>).close())
    }
    const { input, output } = options
    const own = predictor(given as never, { name: record.identity.name, version: record.identity.version, clock, random, ...(input === undefined ? {} : { input }), ...(output === undefined ? {} : { output }) }) as Predictor<I, O>
    return new Rerun(own, options, async () => await own.close())
  }

  /** Asks again, rows of a batch as a batch: a model may have another way for one. It rejects for no row. */
  async ask(records: readonly PredictionRecord[], inputs: readonly I[]): Promise<Again[]> {
    const [first] = records as readonly [PredictionRecord]
    this.#asked = records
    this.#settled = []
    this.#entered = 0
    const failures: unknown[] = []
    const tags = { 'outrigger.replay': 'true' }
    if (first.batch === undefined) await this.#predict.detailed(inputs[0] as I, { id: first.id, tags }).catch((error: unknown) => (failures[0] = error))
    else for (const [at, row] of (await this.#predict.detailedBatch(inputs, { ids: records.map(({ id }) => id), tags })).entries()) if (!row.ok) failures[at] = row.error
    return records.map(({ identity }, at) => this.#settled[at] ?? unbound(failures[at], identity))
  }

  async close(): Promise<void> {
    await this.#close()
  }
}

const closed = new WeakSet<object>()

/** What is known of a call that could not be bound, and so has no record. */
const unbound = (error: unknown, identity: PredictionRecord['identity']): Again => ({
  outcome: outcomeOf(error), error: { name: isError(error) ? error.name : typeof error, code: codeOf(error) }, output: undefined, checkpoints: [], identity, schema: undefined, marks: [], variants: [],
})

const codeOf = (error: unknown): string | undefined => (isError(error) && 'code' in error && typeof error.code === 'string' ? error.code : undefined)
