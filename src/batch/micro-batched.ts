import type { Call } from '../core/call.js'
import { InvalidOptionError } from '../core/errors.js'
import { applyLayer } from '../core/layer.js'
import type { AnyStage } from '../core/stage.js'
import { functionOption, membersOption, numberOption, optionsObject } from '../core/options.js'
import type { Predictor } from '../core/predictor.js'
import { extraWorkBudget, type ExtraWorkBudget } from '../policy/extra-work-budget.js'
import { Batcher, type BatcherSettings, type MicroBatchState } from './_batcher.js'

/** Options of {@link microBatched}. */
export interface MicroBatchedOptions<I> {
  /** A run never takes more rows. @default 256 */
  readonly maxSize?: number
  /** The p99 of waiting and running together that the size must keep, in milliseconds. @default none: a run is as large as pays */
  readonly objectiveMs?: number
  /** With an idle engine a row waits so long for others, in milliseconds. @default 0: it leaves at once */
  readonly maxDelayMs?: number
  /** So many runs go on at once. @default 1 */
  readonly concurrency?: number
  /** So many rows wait at most; a client may hold as many as there is room left. @default 10_000 */
  readonly maxQueue?: number
  /** Who is rejected when the queue is full: who comes, or who has the lowest priority. @default 'reject-lowest-priority' */
  readonly whenFull?: 'reject-newest' | 'reject-lowest-priority'
  /** Learns the size, and goes out of the way where batching does not pay. Without, every run takes up to `maxSize`. @default true */
  readonly adaptive?: boolean
  /** Whose row it is: each client has its turn in every round. @default the call's `key` */
  readonly fairBy?: (input: I, call: Call) => unknown
  /** Rows of different groups never share a run. @default the type and shape of its tensors */
  readonly groupBy?: (input: I) => string
  /** The model takes exactly so many rows. @default any number */
  readonly fixedSize?: number
  /** What fills a run of a model with a `fixedSize`: the last row again, a row of yours, or nothing, so that it is refused. @default 'repeat' */
  readonly pad?: 'repeat' | false | ((inputs: readonly I[]) => I)
  /** Asks again for halves of a run that failed, to find the row that makes it fail. @default true */
  readonly bisect?: boolean
  /** Bounds asking again. @default a budget of its own: 10 % of the rows, and two full runs at once */
  readonly budget?: ExtraWorkBudget
  /** Gives runs copies of the inputs, for models that read them late and callers who reuse theirs after they gave up. @default false */
  readonly copy?: boolean
}

/** The layer, and what it is doing. */
export interface MicroBatchedLayer<I> {
  <O>(inner: Predictor<I, O>): Predictor<I, O>
  /** What it is doing around the predictor that it was put around last. */
  readonly state: MicroBatchState
}

/** The same without functions of the input: it fits any input. */
export interface NeutralMicroBatchedLayer {
  <I, O>(inner: Predictor<I, O>): Predictor<I, O>
  readonly state: MicroBatchState
}

const OPTIONS = ['maxSize', 'objectiveMs', 'maxDelayMs', 'concurrency', 'maxQueue', 'whenFull', 'adaptive', 'fairBy', 'groupBy', 'fixedSize', 'pad', 'bisect', 'budget', 'copy'] as const

/**
 * Lets calls that come together travel as one batch.
 *
 * With an idle engine a call leaves at once; while a run goes on calls gather, and leave when it ends. No timer is set
 * and nobody waits for company (unless `maxDelayMs` says so). How many rows a run takes is learned from how long runs
 * take; where a batch saves nothing calls go straight through.
 *
 * Each caller gets its own row, in its own async context, and leaves alone: one that gives up before the run leaves the
 * queue, one that gives up during it is told at once and disturbs nobody. A run is aborted when all its callers have left.
 * Higher priorities go first, scoring jobs last, and clients take turns. A run that fails as a whole is asked for again in
 * halves, so that a row that makes it fail fails alone.
 *
 * @throws `ERR_OUTRIGGER_INVALID_OPTION`; a call rejects with `ERR_OUTRIGGER_QUEUE_FULL` when there is no room to wait
 * @example
 * ```ts
 * import { pipe } from 'outrigger'
 * import { microBatched } from 'outrigger/batch'
 * const sizes: number[] = []
 * const model = { predictBatch: async (rows: readonly number[]) => { sizes.push(rows.length); return rows.map((x) => x * 2) } }
 * const predict = pipe(model, microBatched())
 * assert.deepEqual(await Promise.all([predict(1), predict(2), predict(3)]), [2, 4, 6])
 * assert.deepEqual(sizes, [3])
 * ```
 */
export function microBatched(options?: MicroBatchedOptions<never> & { readonly fairBy?: undefined; readonly groupBy?: undefined; readonly pad?: 'repeat' | false }): NeutralMicroBatchedLayer
export function microBatched<I>(options?: MicroBatchedOptions<I>): MicroBatchedLayer<I>
export function microBatched<I>(options: MicroBatchedOptions<I> = {}): MicroBatchedLayer<I> {
  const settings = settingsOf(options)
  const budget = options.budget === undefined ? undefined : membersOption('microBatched', 'budget', options.budget, ['meter'])
  let current: Batcher<I, unknown> | undefined

  const wrap = <O>(inner: Predictor<I, O>): Predictor<I, O> =>
    applyLayer<I, O>(inner, 'micro-batched', (host, inside) => {
      warnOfCache(inside)
      const meter = (budget ?? extraWorkBudget({ burst: Math.max(100, 2 * settings.maxSize) })).meter()
      const batcher = new Batcher<I, O>(inside, host, settings, meter)
      current = batcher as Batcher<I, unknown>
      return {
        trusted: true,
        describe: () => describe(settings),
        one: (_next, input, call) => batcher.one(input, call),
        oneUntilEnd: (input, call, ended) => batcher.one(input, call, ended),
        many: (_next, inputs, batch) => batcher.many(inputs, batch),
        close: () => batcher.close(),
      }
    })
  return Object.defineProperty(wrap, 'state', { get: () => current?.state ?? idle(settings), enumerable: true }) as MicroBatchedLayer<I>
}

const settingsOf = <I>(options: MicroBatchedOptions<I>): BatcherSettings<I> => {
  const owner = 'microBatched'
  optionsObject(owner, options, OPTIONS)
  const { whenFull = 'reject-lowest-priority', pad = 'repeat', adaptive = true, bisect = true, copy = false } = options
  for (const [name, value] of Object.entries({ adaptive, bisect, copy })) {
    if (typeof value !== 'boolean') throw new InvalidOptionError(`Cannot create ${owner} as \`${name}\` must be true or false: current value is ${String(value)}`)
  }
  if (whenFull !== 'reject-newest' && whenFull !== 'reject-lowest-priority') throw new InvalidOptionError(`Cannot create ${owner} as \`whenFull\` must be 'reject-newest' or 'reject-lowest-priority': current value is ${String(whenFull)}`)
  if (pad !== 'repeat' && pad !== false && typeof pad !== 'function') throw new InvalidOptionError(`Cannot create ${owner} as \`pad\` must be 'repeat', false or a function: current value is ${String(pad)}`)
  const fixedSize = options.fixedSize === undefined ? undefined : numberOption(owner, 'fixedSize', options.fixedSize, { min: 1, integer: true })
  if (fixedSize === undefined && options.pad !== undefined) throw new InvalidOptionError(`Cannot create ${owner} as \`pad\` is for models with a \`fixedSize\`: current value of \`fixedSize\` is undefined`)
  if (fixedSize !== undefined && options.maxSize !== undefined) throw new InvalidOptionError(`Cannot create ${owner} with both \`fixedSize\` and \`maxSize\`: a fixed size is the maximum too`)
  return {
    maxSize: fixedSize ?? numberOption(owner, 'maxSize', options.maxSize ?? 256, { min: 1, integer: true }),
    objectiveMs: options.objectiveMs === undefined ? undefined : numberOption(owner, 'objectiveMs', options.objectiveMs, { min: 0, exclusive: true }),
    maxDelayMs: numberOption(owner, 'maxDelayMs', options.maxDelayMs ?? 0, { min: 0, max: 2 ** 31 - 1 }),
    concurrency: numberOption(owner, 'concurrency', options.concurrency ?? 1, { min: 1, integer: true }),
    maxQueue: numberOption(owner, 'maxQueue', options.maxQueue ?? 10_000, { min: 1, max: 2 ** 30, integer: true }),
    whenFull,
    adaptive,
    fixedSize,
    pad,
    fairBy: functionOption(owner, 'fairBy', options.fairBy),
    groupBy: functionOption(owner, 'groupBy', options.groupBy),
    bisect,
    copy,
  }
}

const describe = <I>({ maxSize, fixedSize, objectiveMs, maxDelayMs, concurrency }: BatcherSettings<I>): string =>
  `micro-batched, ${fixedSize === undefined ? `up to ${maxSize}` : `exactly ${fixedSize}`} rows${objectiveMs === undefined ? '' : `, p99 within ${objectiveMs} ms`}${maxDelayMs === 0 ? '' : `, after up to ${maxDelayMs} ms`}${concurrency === 1 ? '' : `, ${concurrency} runs at once`}`

const idle = <I>({ maxSize }: BatcherSettings<I>): MicroBatchState => ({ mode: 'batching', size: maxSize, fit: undefined, waiting: 0, running: 0, runs: 0, rows: 0, bisections: 0 })

/** Here, and not where `pipe` looks for orders that hurt, as only who gathers needs to know. */
const warnOfCache = (inside: AnyStage): void => {
  for (let stage: AnyStage | undefined = inside; stage !== undefined; stage = stage.branches.find(({ label }) => label === '')?.stage) {
    if (stage.traits.answersAtOnce !== true) continue
    process.emitWarning(`\`micro-batched\` stands outside of \`${stage.kind}\`, so that hits wait in its queue. Put \`${stage.kind}\` after \`micro-batched\` in pipe().`, { type: 'OutriggerWarning', code: 'OUTRIGGER_ORDER_CACHE_INSIDE_BATCHES' })
    return
  }
}
