import { resolve } from 'node:path'
import { InvalidOptionError } from '../core/errors.js'
import { showIdentity } from '../core/identity.js'
import { functionOption, membersOption, numberOption, optionsObject, stringOption } from '../core/options.js'
import { predictor as makePredictor, stageOf, type Model, type Predictor } from '../core/predictor.js'
import type { JobFingerprint, JobProgress } from './_checkpoint.js'
import { deadLetterFile } from './_dead-letters.js'
import { FileSink } from './_file-sink.js'
import { jobError, nodeJobFileSystem, refuseExisting, type JobContext, type JobFileSystem } from './_job-files.js'
import { PartDirectory, type JobPlan, type PartResult, type PlannedPart } from './_part-directory.js'
import type { PartQueue, QueuedPart } from './part-queue.js'
import { runScoring } from './_scoring-run.js'
import type { Answer } from './score-batch.js'
import { askOptions, scoringOptionNames, type DeadLetter, type Scored, type ScoredRow, type ScoringOptions } from './scoring-options.js'
import type { Sink } from './sink.js'
import { sourceOf, type Source } from './source.js'

/** Options of {@link scoringJob}. */
export interface ScoringJobOptions<I> extends ScoringOptions<I> {
  /** Names the job in the queue: letters, digits, `.`, `_` and `-`. The same name with another input is an error. */
  readonly name: string
  /** A directory that all workers share; its parent must exist. It belongs to this job alone. */
  readonly directory: string
  /** What a worker does at a time, and does again when it dies. @default 50_000 */
  readonly rowsPerPart?: number
  /** Where rows that failed go (JSONL). @default nowhere, and the first one fails its part */
  readonly deadLetters?: string
  /** How often the queue tries a part that fails, before somebody has to look. @default 5 */
  readonly attempts?: number
  /** The calls of `node:fs/promises` that are used. @default Node's */
  readonly fileSystem?: JobFileSystem
}

/** What a job did. */
export interface ScoringJobSummary {
  readonly parts: number
  readonly rows: number
  readonly ok: number
  readonly failed: number
  /** Of all workers together. */
  readonly ms: number
  readonly model: string
  readonly sources: Readonly<Record<string, number>>
}

/** A scoring job that many processes work on. */
export interface ScoringJob {
  /**
   * Plans the job, and puts the parts that are not done into the queue. To be called again after anything: parts that wait or
   * run stay as they are, those that failed are tried again.
   */
  enqueue(queue: PartQueue): Promise<{ readonly parts: number; readonly done: number }>
  /** What a BullMQ `Worker` calls. Whoever does the last part writes the output. */
  readonly process: (queued: QueuedPart, token: string | undefined, signal: AbortSignal | undefined) => Promise<PartResult>
  status(): Promise<{ readonly parts: number; readonly done: number; readonly finished: boolean }>
  /**
   * Writes the output, if nobody has yet, and says what the job did.
   * @throws `ERR_OUTRIGGER_JOB` when parts are missing
   */
  finish(): Promise<ScoringJobSummary>
}

const progressEveryMs = 1000

/**
 * The same job as `scoreBatch`, for many processes on many machines: the input is cut into parts, a queue of BullMQ hands them out,
 * and the last one puts the results together. Workers may come, go, and be killed at any moment: no row is lost, and none is
 * twice in the output, which is the one that `scoreBatch` would have written.
 *
 * Every process makes the job by the same call. They share the input, the output and a directory (NFS or the like); Redis only
 * says who does what, so that also its loss costs nothing but a call of `enqueue`.
 *
 * @param model - a predictor, or what `predictor()` takes; all processes must have the same version
 * @param source - `jsonlFile`, `csvFile`, `parquetFile` or an array that is the same everywhere
 * @param sink - `jsonlFile`, `csvFile` or `parquetFile`
 * @throws `ERR_OUTRIGGER_INVALID_OPTION`
 * @example
 * ```ts
 * import { mkdtemp, readFile, writeFile } from 'node:fs/promises'
 * import { tmpdir } from 'node:os'
 * import { jsonlFile, scoringJob, type PartQueue } from 'outrigger/batch'
 * const folder = await mkdtemp(`${tmpdir()}/score-`)
 * await writeFile(`${folder}/in.jsonl`, '10\n20\n30\n')
 * const job = scoringJob((km: number) => km * 1.5, jsonlFile(`${folder}/in.jsonl`), jsonlFile(`${folder}/out.jsonl`), {
 *   name: 'delays-2026-03',
 *   directory: `${folder}/delays.parts`,
 *   rowsPerPart: 2,
 * })
 * // Stands for `new Queue('scoring', { connection })` and `new Worker('scoring', job.process, { connection })`.
 * const queue: PartQueue = {
 *   addBulk: async (parts) => {
 *     for (const { data } of parts) await job.process({ data }, undefined, undefined)
 *     return []
 *   },
 * }
 * assert.deepEqual(await job.enqueue(queue), { parts: 2, done: 0 })
 * assert.equal(await readFile(`${folder}/out.jsonl`, 'utf8'), '{"row":0,"output":15}\n{"row":1,"output":30}\n{"row":2,"output":45}\n')
 * ```
 */
export function scoringJob<I, O, W>(model: Model<I, O>, source: Source<NoInfer<I>>, sink: Sink<NoInfer<W>>, options: ScoringJobOptions<I> & { readonly result: (scored: Scored<I, Answer<O>>) => W }): ScoringJob
export function scoringJob<I, O>(model: Model<I, O>, source: Source<NoInfer<I>>, sink: Sink<ScoredRow<Answer<O>>>, options: ScoringJobOptions<I>): ScoringJob
export function scoringJob<I, O, W>(
  model: Model<I, O>,
  source: Source<I>,
  sink: Sink<W>,
  options: ScoringJobOptions<I> & { readonly result?: (scored: Scored<I, Answer<O>>) => W },
): ScoringJob {
  const owner = 'a scoring job'
  optionsObject(owner, options, [...scoringOptionNames, 'name', 'directory', 'rowsPerPart', 'deadLetters', 'attempts', 'fileSystem', 'result'])
  const { name, rowsPerPart = 50_000, deadLetters, attempts = 5, fileSystem = nodeJobFileSystem } = options
  if (!/^[\w.-]{1,128}$/.test(stringOption(owner, 'name', name))) throw new InvalidOptionError(`Cannot create ${owner} as \`name\` must be letters, digits, ".", "_" and "-": current value is ${JSON.stringify(name)}`)
  numberOption(owner, 'rowsPerPart', rowsPerPart, { min: 1, integer: true })
  numberOption(owner, 'attempts', attempts, { min: 1, integer: true })
  membersOption(owner, 'fileSystem', fileSystem, ['open', 'stat', 'truncate', 'link', 'readdir', 'unlink'])
  const result = functionOption(owner, 'result', options.result) ?? (({ row, output }) => ({ row, output }) as W)
  const ask = askOptions(owner, options, deadLetters !== undefined)
  const from = sourceOf(owner, source)
  const { split } = from
  if (split === undefined) throw new InvalidOptionError(`Cannot create ${owner} as its source must be a file or an array: current value is ${from.describe()}`)
  if (!(sink instanceof FileSink)) throw new InvalidOptionError(`Cannot create ${owner} as its sink must be a file: current value is none`)
  const into = sink as FileSink<W>
  const letters = deadLetters === undefined ? undefined : deadLetterFile<I>(stringOption(owner, 'deadLetters', deadLetters))
  const directory = new PartDirectory(fileSystem, resolve(stringOption(owner, 'directory', options.directory)))
  const predictor = makePredictor(model) as Predictor<I, Answer<O>>
  const { runtime: { clock }, events } = stageOf(predictor)
  const context: JobContext = { fileSystem, pageRows: ask.batchSize, chunkBytes: 1 << 16, staging: (path) => path }

  const fingerprint = async (): Promise<JobFingerprint> => ({
    name,
    input: await from.fingerprint(context),
    output: into.describe(),
    deadLetters: letters?.describe() ?? '',
    model: showIdentity(predictor.identity),
  })

  const existingPlan = async (): Promise<JobPlan> => {
    const plan = await directory.plan(await fingerprint())
    if (plan === undefined) throw jobError(`Cannot work on the scoring job "${name}" as it must be planned by \`enqueue\`: current value is no plan in ${directory.path}`)
    return plan
  }

  const makePlan = async (): Promise<JobPlan> => {
    const job = await fingerprint()
    const known = await directory.plan(job)
    if (known !== undefined) return known
    for (const file of [into, letters]) if (file !== undefined) await refuseExisting(fileSystem, file.path)
    const parts: PlannedPart[] = []
    let firstRow = 0
    for await (const part of split.call(from, context, rowsPerPart)) {
      parts.push({ ...part, firstRow })
      firstRow += part.rows
    }
    await directory.make()
    const plan: JobPlan = { v: 1, job, parts }
    // Of two who plan one wins, and both go by that.
    return (await directory.writeOnce('plan.json', plan)) ? plan : await existingPlan()
  }

  const scorePart = async (part: number, { from: begin, to, rows, firstRow }: PlannedPart, queued: QueuedPart, signal: AbortSignal | undefined): Promise<PartResult> => {
    const attempt = directory.attempt(part)
    const progress: JobProgress = { position: begin, rows: 0, failed: 0, sources: {}, ms: 0 }
    let toldAt = clock.now()
    const onPage = (): void => {
      if (clock.now() - toldAt < progressEveryMs) return
      toldAt = clock.now()
      queued.updateProgress?.({ rows: progress.rows, failed: progress.failed, of: rows }).catch((error: unknown) => {
        events.emit({ type: 'notice', layer: 'scoring-job', message: 'Progress could not be told; the job goes on.', error, at: clock.wall() })
      })
    }
    let isCommitted = false
    try {
      const writer = await into.part(directory.at(attempt.rows)).open(context, undefined)
      try {
        const letterWriter = await (letters === undefined ? undefined : deadLetterFile<I>(directory.at(attempt.letters)).open(context, undefined))
        try {
          await runScoring<I, Answer<O>, W>({ predictor, source: from, to, firstRow, writer, letters: letterWriter, result, ask, job: context, model: showIdentity(predictor.identity), progress, checkpoint: undefined, signal, onPage })
          if (progress.rows !== rows) throw jobError(`Cannot use part ${part} as it must have ${rows} rows: current value is ${progress.rows}`)
          const made: PartResult = {
            part,
            rows,
            failed: progress.failed,
            sources: progress.sources,
            ms: progress.ms,
            output: { file: attempt.rows, bytes: await writer.sync() },
            letters: letterWriter === undefined ? undefined : { file: attempt.letters, bytes: await letterWriter.sync() },
          }
          isCommitted = await directory.commit(made)
          return isCommitted ? made : ((await directory.result(part)) as PartResult)
        } finally {
          await letterWriter?.close(true)
        }
      } finally {
        await writer.close(true)
      }
    } finally {
      if (!isCommitted) await directory.remove(attempt.rows, attempt.letters)
    }
  }

  const collect = async ({ job, parts }: JobPlan): Promise<ScoringJobSummary> => {
    const done: PartResult[] = []
    const missing: number[] = []
    // One after the other: there may be more parts than files that a process can open.
    for (const part of parts.keys()) {
      const found = await directory.result(part)
      if (found === undefined) missing.push(part)
      else done.push(found)
    }
    if (missing.length > 0) throw jobError(`Cannot finish the scoring job "${name}" as all of its ${parts.length} parts must be done: current value lacks ${missing.length}, the first of them part ${missing[0]}`, { missing })
    const failed = done.reduce((sum, one) => sum + one.failed, 0)
    if (failed > ask.maxFailures) throw jobError(`Cannot finish the scoring job "${name}" as at most ${ask.maxFailures} rows may fail (\`maxFailures\`): current value is ${failed}`, { failed })
    const sources: Record<string, number> = {}
    for (const one of done) for (const [source_, count] of Object.entries(one.sources)) sources[source_] = (sources[source_] ?? 0) + count
    const rows = done.reduce((sum, one) => sum + one.rows, 0)
    const summary: ScoringJobSummary = { parts: parts.length, rows, ok: rows - failed, failed, ms: done.reduce((sum, one) => sum + one.ms, 0), model: job.model, sources }
    if (letters !== undefined && failed > 0) await directory.join<DeadLetter<I>>(letters, done.flatMap((one) => one.letters ?? []))
    await directory.join(into, done.map(({ output }) => output))
    await directory.writeOnce('finished.json', summary)
    await directory.clear()
    return summary
  }

  const finish = async (plan: JobPlan): Promise<ScoringJobSummary> => {
    const finished = (): Promise<ScoringJobSummary | undefined> => directory.read<ScoringJobSummary>('finished.json')
    const before = await finished()
    if (before !== undefined) return before
    try {
      return await collect(plan)
    } catch (error) {
      // Somebody else may have finished meanwhile, and have taken the parts away.
      const meanwhile = await finished()
      if (meanwhile === undefined) throw error
      return meanwhile
    }
  }

  return {
    enqueue: async (queue) => {
      membersOption('a scoring job', 'queue', queue, ['addBulk'])
      const plan = await makePlan()
      const done = await directory.done()
      const missing = plan.parts.flatMap((_, part) => (done.has(part) ? [] : [part]))
      if (missing.length === 0) await finish(plan)
      for (let first = 0; first < missing.length; first += 500) {
        const added = await queue.addBulk(missing.slice(first, first + 500).map((part) => ({
          name: 'part',
          data: { job: name, part },
          // A job of this id that is there already stays as it is.
          opts: { jobId: `${name}-${part}`, attempts, backoff: { type: 'exponential', delay: 1000 }, removeOnComplete: true, removeOnFail: false },
        })))
        for (const queued of added) if ((await queued.getState()) === 'failed') await queued.retry('failed')
      }
      return { parts: plan.parts.length, done: done.size }
    },

    // Three parameters, by number: BullMQ makes a signal only for who takes one.
    process: async (queued, _token, signal) => {
      const { job, part } = queued.data
      if (job !== name) throw jobError(`Cannot work on a part of the scoring job "${name}" as it must be of this job: current value is of "${job}"`)
      const plan = await existingPlan()
      const planned = plan.parts[part]
      if (planned === undefined) throw jobError(`Cannot work on a part of the scoring job "${name}" as it has ${plan.parts.length}: current value is part ${part}`)
      const made = (await directory.result(part)) ?? (await scorePart(part, planned, queued, signal))
      const done = await directory.done()
      if (done.size === plan.parts.length) await finish(plan)
      return made
    },

    status: async () => {
      const plan = await existingPlan()
      return { parts: plan.parts.length, done: (await directory.done()).size, finished: (await directory.read('finished.json')) !== undefined }
    },

    finish: async () => await finish(await existingPlan()),
  }
}
