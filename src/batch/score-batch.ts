import { dirname, join } from 'node:path'
import { InvalidOptionError } from '../core/errors.js'
import { showIdentity, type ModelIdentity } from '../core/identity.js'
import { functionOption, membersOption, numberOption, optionsObject, stringOption } from '../core/options.js'
import { isPredictor, predictor as makePredictor, stageOf, type Model, type Predictor } from '../core/predictor.js'
import type { Source as AnswerSource } from '../core/call-notes.js'
import type { RowFailure } from '../core/rows.js'
import { temporaryName } from '../store/atomic-file.js'
import { CheckpointFile, type Checkpoint, type JobProgress } from './_checkpoint.js'
import { deadLetterSink } from './_dead-letters.js'
import { FileSink } from './_file-sink.js'
import { nodeJobFileSystem, refuseExisting, type JobContext, type JobFileSystem } from './_job-files.js'
import { runScoring } from './_scoring-run.js'
import { askOptions, scoringOptionNames, type DeadLetter, type Scored, type ScoredRow, type ScoringOptions } from './scoring-options.js'
import { ProgressMeter, type ScoringProgress } from './scoring-progress.js'
import { sinkOf, type RowSink, type RowWriter, type Sink } from './sink.js'
import { sourceOf, type Source } from './source.js'

/** Options of {@link scoreBatch}. */
export interface ScoreBatchOptions<I> extends ScoringOptions<I> {
  /** A word of yours that makes it another job: the version of `result`, the date. It is held in the checkpoint. @default '' */
  readonly name?: string
  /** Where rows that failed go: a path (JSONL), an array, or a function. @default nowhere, and the first one stops the job */
  readonly deadLetters?: string | Sink<DeadLetter<I>>
  /** A file that says how far the job is, so that it can be resumed. @default none */
  readonly checkpoint?: string | CheckpointOptions
  /** Ends the job; with a checkpoint it can be resumed. */
  readonly signal?: AbortSignal
  /** Hears how far the job is. See `terminalProgress`. */
  readonly onProgress?: (progress: ScoringProgress) => void
  /** Not more often than this, in milliseconds. @default 250 */
  readonly progressEveryMs?: number
  /** The calls of `node:fs/promises` that are used. @default Node's */
  readonly fileSystem?: JobFileSystem
}

/** What is written for a row. */
export interface ResultOption<I, O, W> {
  /** Makes what is written from what is known of a row. When it throws, the row fails. @default `{ row, output }` */
  readonly result: (scored: Scored<I, O>) => W
}

/** When a checkpoint is written, apart from the end. */
export interface CheckpointOptions {
  readonly path: string
  /** In milliseconds. @default 5000 */
  readonly everyMs?: number
}

/** What a job did, earlier runs included. */
export interface ScoringSummary {
  readonly rows: number
  readonly ok: number
  readonly failed: number
  readonly ms: number
  readonly rowsPerSecond: number
  /** The model that new calls were bound to. */
  readonly identity: ModelIdentity
  /** Rows that were answered, by where the answer came from. */
  readonly sources: Readonly<Partial<Record<AnswerSource, number>>>
  /** How many rows earlier runs had done. */
  readonly resumedAt: number
}

const optionNames = [...scoringOptionNames, 'name', 'deadLetters', 'checkpoint', 'signal', 'onProgress', 'progressEveryMs', 'fileSystem', 'result']

/**
 * Scores every row of a source into a sink (offline inference): in batches, several at a time, in order, with bounded
 * memory. A row that fails goes to the dead letters and the job goes on. With a checkpoint a job that was ended, also by
 * SIGKILL or a power cut, goes on where it was when it is called again with the same arguments: every row is in the
 * output once. Called again after its end it scores nothing and gives the same summary.
 *
 * The calls carry `workload: 'batch'` and a low priority, so that limits shed them first and caches keep the answers of online
 * callers. All rows are scored by one version: when a loader swaps it meanwhile, the job stops.
 *
 * Between checkpoints a file grows under a temporary name, and has its own when it is whole. A function as sink is called in
 * order and awaited; after a crash it sees the rows since the last checkpoint again. An array can be no sink of a job with a
 * checkpoint. An iterable is resumed by passing over what is done.
 *
 * @param model - a predictor (borrowed), a function or an object with `predict` or `predictBatch`
 * @param source - `jsonlFile`, `csvFile`, `parquetFile`, an array, an iterable or an async iterable
 * @param sink - `jsonlFile`, `csvFile`, `parquetFile`, an array, or a function that takes rows
 * @throws `ERR_OUTRIGGER_JOB` when the checkpoint is of another job, something is in the way, or too many rows failed;
 * `ERR_OUTRIGGER_ABORTED`; what source or sink throw. A checkpoint is written before.
 * @example
 * ```ts
 * import { scoreBatch } from 'outrigger/batch'
 * const results: { row: number; output: number }[] = []
 * const deadLetters: { row: number }[] = []
 * const model = (km: number): number => {
 *   if (km < 0) throw new RangeError('negative')
 *   return km * 1.5
 * }
 * const { ok, failed } = await scoreBatch(model, [10, -1, 20], results, { deadLetters })
 * assert.deepEqual(results, [{ row: 0, output: 15 }, { row: 2, output: 30 }])
 * assert.deepEqual([ok, failed, deadLetters.map(({ row }) => row)], [2, 1, [1]])
 * ```
 */
// The one with `result` comes first: the other would fix what a file holds before `result` has said it.
export function scoreBatch<I, O, W>(model: Model<I, O>, source: Source<NoInfer<I>>, sink: Sink<NoInfer<W>>, options: ScoreBatchOptions<I> & ResultOption<I, Answer<O>, W>): Promise<ScoringSummary>
export function scoreBatch<I, O>(model: Model<I, O>, source: Source<NoInfer<I>>, sink: Sink<ScoredRow<Answer<O>>>, options?: ScoreBatchOptions<I>): Promise<ScoringSummary>
export async function scoreBatch<I, O, W>(
  model: Model<I, O>,
  source: Source<I>,
  sink: Sink<W>,
  options: ScoreBatchOptions<I> & Partial<ResultOption<I, Answer<O>, W>> = {},
): Promise<ScoringSummary> {
  const owner = 'a scoring job'
  optionsObject(owner, options, optionNames)
  const { name = '', deadLetters, checkpoint, signal, onProgress, progressEveryMs = 250, fileSystem = nodeJobFileSystem } = options
  const ask = askOptions(owner, options, deadLetters !== undefined)
  const result = functionOption(owner, 'result', options.result) ?? defaultResult<I, Answer<O>, W>
  if (typeof name !== 'string') throw new InvalidOptionError(`Cannot create ${owner} as \`name\` must be a string: current value is of type ${typeof name}`)
  functionOption(owner, 'onProgress', onProgress)
  numberOption(owner, 'progressEveryMs', progressEveryMs, { min: 0 })
  membersOption(owner, 'fileSystem', fileSystem, ['open', 'stat', 'truncate', 'rename', 'unlink'])
  const { path, everyMs } = checkpointOptions(owner, checkpoint)
  const from = sourceOf(owner, source)
  const into = sinkOf(owner, sink)
  const lettersInto = deadLetters === undefined ? undefined : deadLetterSink(owner, deadLetters)
  for (const target of [into, lettersInto]) {
    if (path !== undefined && target?.forgets !== undefined) throw new InvalidOptionError(`Cannot create ${owner} with a checkpoint as its sinks must be files or functions: current value is ${target.describe()}; ${target.forgets}`)
  }
  const predictor = makePredictor(model) as Predictor<I, Answer<O>>
  const { runtime: { clock, newId }, events } = stageOf(predictor)
  const model_ = showIdentity(predictor.identity)
  const job: JobContext = {
    fileSystem,
    pageRows: ask.batchSize,
    chunkBytes: 1 << 16,
    staging: path === undefined ? (file) => join(dirname(file), temporary) : (file) => `${file}.partial`,
  }
  const temporary = temporaryName()
  const tell = (to: 'running' | 'complete' | 'stopped', reason: string): void =>
    events.emit({ type: 'state', layer: 'score-batch', subject: into.describe(), from: to === 'running' ? 'idle' : 'running', to, reason, at: clock.wall() })

  const summary = (progress: JobProgress, resumedAt: number): ScoringSummary => ({
    rows: progress.rows,
    ok: progress.rows - progress.failed,
    failed: progress.failed,
    ms: progress.ms,
    rowsPerSecond: progress.ms > 0 ? (progress.rows * 1000) / progress.ms : 0,
    identity: predictor.identity,
    sources: { ...progress.sources },
    resumedAt,
  })

  const score = async (): Promise<ScoringSummary> => {
    const file =
      path === undefined
        ? undefined
        : new CheckpointFile(fileSystem, path, { name, input: await from.fingerprint(job), output: into.describe(), deadLetters: lettersInto?.describe() ?? '', model: model_ }, newId())
    const stored = await file?.load()
    if (stored?.complete === true) {
      await into.recover?.(job, stored.output)
      await lettersInto?.recover?.(job, stored.deadLetters)
      return summary(stored.progress, stored.progress.rows)
    }
    const progress: JobProgress = stored === undefined ? { position: 0, rows: 0, failed: 0, sources: {}, ms: 0 } : structuredClone(stored.progress)
    const resumedAt = progress.rows
    const meter = onProgress === undefined ? undefined : new ProgressMeter(clock, progressEveryMs, onProgress)
    if (meter !== undefined) {
      const extent = await from.extent(job)
      meter.span = { from: progress.position, to: extent?.total ?? Infinity, unit: extent?.unit, rowsBefore: progress.rows }
    }
    const tellProgress = (done: boolean): void => {
      try {
        meter?.tell(progress, done)
      } catch (error) {
        events.emit({ type: 'notice', layer: 'score-batch', message: 'onProgress threw; the job goes on.', error, at: clock.wall() })
      }
    }
    const { writer, letters } = await openSinks(job, into, lettersInto, file, stored, progress)
    tell('running', resumedAt === 0 ? 'started' : `resumed after ${resumedAt} rows`)
    // Without a checkpoint nobody can come back to a part of an output.
    let keep = file !== undefined
    try {
      await runScoring({
        predictor,
        source: from,
        to: Infinity,
        firstRow: 0,
        writer,
        letters,
        result,
        ask,
        job,
        model: model_,
        progress,
        checkpoint: file === undefined ? undefined : { file, everyMs },
        signal,
        onPage: () => tellProgress(false),
      })
      await writer.finish()
      await letters?.finish()
      keep = true
    } catch (error) {
      tell('stopped', error instanceof Error ? error.message : String(error))
      throw error
    } finally {
      await writer.close(keep)
      await letters?.close(keep)
    }
    tellProgress(true)
    tell('complete', `${progress.rows} rows, ${progress.failed} failed`)
    return summary(progress, resumedAt)
  }

  try {
    return await score()
  } finally {
    // Every row has its outcome. What is in flight still is a model that ignores its signal: it says nothing about the job.
    if (!isPredictor(model)) await predictor.close({ deadlineMs: 0 }).catch((error: unknown) => events.emit({ type: 'notice', layer: 'score-batch', message: 'The model went on after its time.', error, at: clock.wall() }))
  }
}

/** What a model's answer is to its caller: models may answer with a promise, and batches with failures. */
export type Answer<O> = Exclude<Awaited<O>, RowFailure>

const defaultResult = <I, O, W>({ row, output }: Scored<I, O>): W => ({ row, output }) as W

const checkpointOptions = (owner: string, checkpoint: string | CheckpointOptions | undefined): { readonly path: string | undefined; readonly everyMs: number } => {
  if (checkpoint === undefined) return { path: undefined, everyMs: Infinity }
  if (typeof checkpoint === 'string') return { path: stringOption(owner, 'checkpoint', checkpoint), everyMs: 5000 }
  optionsObject(`the checkpoint of ${owner}`, checkpoint, ['path', 'everyMs'])
  return { path: stringOption(owner, 'checkpoint.path', checkpoint.path), everyMs: numberOption(owner, 'checkpoint.everyMs', checkpoint.everyMs ?? 5000, { min: 0 }) }
}

const openSinks = async <I, W>(
  job: JobContext,
  into: RowSink<W>,
  lettersInto: RowSink<DeadLetter<I>> | undefined,
  file: CheckpointFile | undefined,
  stored: Checkpoint | undefined,
  progress: JobProgress,
): Promise<{ readonly writer: RowWriter<W>; readonly letters: RowWriter<DeadLetter<I>> | undefined }> => {
  if (file !== undefined) {
    if (stored === undefined) for (const sink of [into, lettersInto]) if (sink instanceof FileSink) await refuseAll(job, sink)
    // From here on a file of this job may be there.
    await file.claim(stored ?? { progress, output: 0, deadLetters: 0, complete: false })
  }
  const at = (position: number | undefined): number | undefined => (file === undefined ? undefined : (position ?? 0))
  const writer = await into.open(job, at(stored?.output))
  try {
    return { writer, letters: await lettersInto?.open(job, at(stored?.deadLetters)) }
  } catch (error) {
    await writer.close(file !== undefined)
    throw error
  }
}

const refuseAll = async <W>(job: JobContext, sink: FileSink<W>): Promise<void> => {
  await refuseExisting(job.fileSystem, sink.path)
  await refuseExisting(job.fileSystem, job.staging(sink.path))
}
