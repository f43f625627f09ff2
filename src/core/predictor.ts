/** The public face of a stack: {@link Predictor}; and `predictor()`, which makes one from a model. */
import type { BatchOptions, CallOptions } from './call-options.js'
import { Entry, type Closer, type CloseOptions } from './entry.js'
import { InvalidOptionError } from './errors.js'
import type { Observer } from './events.js'
import type { Clock } from './clock.js'
import type { ModelIdentity } from './identity.js'
import type { MaskableSchema } from './masking.js'
import { modelStage, type ModelFunction, type ModelObject } from './model.js'
import { membersOption, optionsObject, requiredFunction, stringOption } from './options.js'
import type { Random } from './random.js'
import type { Prediction, RowResult } from './results.js'
import { runtimeOf, systemRuntime, type Runtime } from './runtime.js'
import { STAGE, type Stage } from './stage.js'
import { describeStage } from './describe.js'

/**
 * A model in our clothes: callable, batchable, closable, with an identity.
 *
 * It is read-only towards its input, and what it gives back is the caller's own.
 */
export interface Predictor<I, O> {
  /**
   * Predicts one row.
   * @throws whatever the model throws, or an error of outrigger; see `docs/errors.md`
   */
  (input: I, options?: CallOptions): Promise<O>
  /**
   * Predicts rows; the outputs are in the order of the inputs. An empty batch asks no model.
   * @throws `ERR_OUTRIGGER_BATCH`, a `BatchPredictionError` with every row's outcome, when any row failed
   */
  batch(inputs: readonly I[], options?: BatchOptions): Promise<O[]>
  /** Like a call, and tells what happened to it. */
  detailed(input: I, options?: CallOptions): Promise<Prediction<O>>
  /** Like `batch`, but never rejects for a row. */
  detailedBatch(inputs: readonly I[], options?: BatchOptions): Promise<RowResult<O>[]>
  /** The model that new calls are bound to now. */
  readonly identity: ModelIdentity
  /**
   * Hears every settled call and every event of the stack, until the returned function is called. While nobody
   * observes predictions, no record is made and no clock is read.
   *
   * @param options - `predictions: false` leaves the records out
   */
  observe(observer: Observer, options?: { readonly predictions?: boolean }): () => void
  /** The stack as a small text tree, outermost first, as a call travels. */
  describe(): string
  /** Whether it can answer now. */
  ready(): boolean
  /**
   * Refuses new calls, waits for those in flight, then closes what it owns, once.
   * @throws `ERR_OUTRIGGER_CLOSE_TIMEOUT` when calls were still in flight at the deadline; everything is closed all the same
   */
  close(options?: CloseOptions): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}

/** Anything that `pipe` takes first: a function, an object, or a predictor. */
export type Model<I, O> = Predictor<I, O> | ModelFunction<I, O> | ModelObject<I, O>

/** What `predictor()` may be told about a model. */
export interface PredictorOptions {
  /** @default the function's name, or 'model' */
  readonly name?: string
  /** @default '0' */
  readonly version?: string
  /** SHA-256 in hex of whatever makes up this version of the model. */
  readonly digest?: string
  /** The time source of the stack. @default the machine's */
  readonly clock?: Clock
  /** The randomness of the stack. @default seeded by the operating system */
  readonly random?: Random
  /** Declares the fields of the input; allowed ones enter records. */
  readonly input?: MaskableSchema
  /** Declares the fields of the output; allowed ones enter records. */
  readonly output?: MaskableSchema
}

const predictorOptions = ['name', 'version', 'digest', 'clock', 'random', 'input', 'output'] as const

/**
 * Makes a predictor from a function, or from an object with `predict` or `predictBatch`. A predictor comes back as it is.
 *
 * @example
 * ```ts
 * import { predictor } from 'outrigger'
 * const double = predictor((x: number) => 2 * x, { name: 'double' })
 * assert.equal(await double(21), 42)
 * assert.deepEqual(await double.batch([1, 2]), [2, 4])
 * assert.equal(predictor(double), double)
 * ```
 */
export function predictor<I, O>(model: Predictor<I, O>): Predictor<I, O>
export function predictor<I, O>(model: ModelFunction<I, O>, options?: PredictorOptions): Predictor<I, Awaited<O>>
export function predictor<I, O>(model: ModelObject<I, O>, options?: PredictorOptions): Predictor<I, Awaited<O>>
export function predictor<I, O>(model: Model<I, O>, options?: PredictorOptions): Predictor<I, O>
export function predictor<I, O>(model: Model<I, O>, options: PredictorOptions = {}): Predictor<I, O> {
  if (isPredictor(model)) return model as Predictor<I, O>
  const stage = stageOfModel(model, options)
  return predictorOver(stage, [() => stage.close()])
}

/** Whether a value is a predictor of outrigger. */
export const isPredictor = (value: unknown): value is Predictor<never, unknown> =>
  typeof value === 'function' && STAGE in value

const stageOfModel = <I, O>(model: ModelFunction<I, O> | ModelObject<I, O>, options: PredictorOptions, inherited?: Runtime): Stage<I, O> => {
  if ((typeof model !== 'function' && typeof model !== 'object') || model === null) {
    throw new InvalidOptionError(`Cannot create a predictor as the model must be a function, or an object with \`predict\` or \`predictBatch\`: current value is of type ${model === null ? 'null' : typeof model}`)
  }
  optionsObject('a predictor', options, predictorOptions)
  const { name = typeof model === 'function' && model.name !== '' ? model.name : 'model', version = '0', digest, clock, random, input, output } = options
  stringOption('a predictor', 'name', name)
  stringOption('a predictor', 'version', version)
  if (clock !== undefined) membersOption('a predictor', 'clock', clock, ['now', 'wall', 'setTimeout', 'clearTimeout', 'setImmediate'])
  if (random !== undefined) membersOption('a predictor', 'random', random, ['next', 'integer', 'substream'])
  const runtime = clock === undefined && random === undefined ? (inherited ?? systemRuntime()) : runtimeOf({ clock, random })
  return modelStage(model, { runtime, identity: Object.freeze({ name, version, digest }), schema: { input, output } })
}

/** A model's stage, and what closes it: what was made here is owned, a predictor passed in is borrowed. */
export interface Claim<I, O> {
  readonly stage: Stage<I, O>
  readonly closers: readonly Closer[]
}

const OWNED: unique symbol = Symbol.for('outrigger.owned.1') as never

/** Takes a model into a stack: the one place where owning and borrowing is decided. */
export const claim = <I, O>(model: Model<I, O>, options: PredictorOptions = {}, inherited?: Runtime): Claim<I, O> => {
  if (isPredictor(model)) {
    const given = model as Predictor<I, O> & { readonly [STAGE]: Stage<I, O>; readonly [OWNED]?: true }
    return { stage: given[STAGE], closers: given[OWNED] === true ? [(options) => given.close(options)] : [] }
  }
  const stage = stageOfModel(model as ModelFunction<I, O> | ModelObject<I, O>, options, inherited)
  return { stage, closers: [() => stage.close()] }
}

/**
 * Hands a predictor over: whoever takes it (a `pipe`, a `fallback`, a `split`) closes it with itself.
 *
 * @example
 * ```ts
 * import { owned, pipe, predictor } from 'outrigger'
 * const inner = predictor((x: number) => x + 1)
 * const outer = pipe(owned(inner))
 * await outer.close()
 * await assert.rejects(inner(1), { code: 'ERR_OUTRIGGER_CLOSED' })
 * ```
 */
export const owned = <I, O>(inner: Predictor<I, O>): Predictor<I, O> => {
  if (!isPredictor(inner)) throw new InvalidOptionError('Cannot own a model as it must be a predictor: current value is no predictor')
  const outer = predictorOver((inner as unknown as { readonly [STAGE]: Stage<I, O> })[STAGE], [(options) => inner.close(options)])
  Object.defineProperty(outer, OWNED, { value: true })
  return outer
}

/** The stage of a predictor. */
export const stageOf = <I, O>(inner: Predictor<I, O>): Stage<I, O> => {
  if (!isPredictor(inner)) throw new InvalidOptionError('Cannot put a layer around it as it must be a predictor (of `predictor()`, `pipe()`): current value is no predictor')
  return (inner as unknown as { readonly [STAGE]: Stage<I, O> })[STAGE]
}

/** Makes a predictor over a stage. `closers` run in order, once, when it closes. */
export const predictorOver = <I, O>(stage: Stage<I, O>, closers: readonly Closer[]): Predictor<I, O> => {
  const entry = new Entry(stage, closers)
  const predict = (input: I, options?: CallOptions): Promise<O> => entry.one(input, options)
  const members = Object.assign(predict, {
    batch: (inputs: readonly I[], options?: BatchOptions) => entry.batch(inputs, options),
    detailed: (input: I, options?: CallOptions) => entry.detailed(input, options),
    detailedBatch: (inputs: readonly I[], options?: BatchOptions) => entry.detailedBatch(inputs, options),
    observe: (observer: Observer, options: { readonly predictions?: boolean } = {}) => {
      requiredFunction('an observer', 'observer', observer)
      optionsObject('an observer', options, ['predictions'])
      return stage.events.observe(observer, options.predictions ?? true)
    },
    describe: () => describeStage(stage),
    ready: () => !entry.isClosing && stage.ready(),
    close: (options?: CloseOptions) => entry.close(options),
    [Symbol.asyncDispose]: () => entry.close(),
    [STAGE]: stage,
  })
  Object.defineProperty(members, 'identity', { get: () => stage.identity, enumerable: true })
  return members as unknown as Predictor<I, O>
}

