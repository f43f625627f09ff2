/** One run of a scoring job: rows of a part of a source, through a predictor, into sinks, in order, each once. */
import { inspect } from 'node:util'
import type { BatchOptions } from '../core/call-options.js'
import { OutriggerError, isError } from '../core/errors.js'
import { showIdentity } from '../core/identity.js'
import { stageOf, type Predictor } from '../core/predictor.js'
import type { RowResult } from '../core/results.js'
import { discardStream, isStream } from '../core/streams.js'
import { askRows } from './_ask-rows.js'
import type { CheckpointFile, JobProgress } from './_checkpoint.js'
import { jobError, type JobContext } from './_job-files.js'
import { pagesInOrder } from './_pages-in-order.js'
import type { AskOptions, DeadLetter, Scored } from './scoring-options.js'
import type { RowWriter } from './sink.js'
import { UnreadableRow, type RowPage, type RowSource } from './source.js'

/** What a run works on. */
export interface ScoringRun<I, O, W> {
  readonly predictor: Predictor<I, O>
  readonly source: RowSource<I>
  /** The place in the source where the run ends; where it begins is in `progress`. */
  readonly to: number
  /** The position of the part's first row in the whole. */
  readonly firstRow: number
  readonly writer: RowWriter<W>
  readonly letters: RowWriter<DeadLetter<I>> | undefined
  readonly result: (scored: Scored<I, O>) => W
  readonly ask: AskOptions<I>
  readonly job: JobContext
  /** The model that all rows shall be scored by, as text. */
  readonly model: string
  /** What has been done before; it is brought forward. */
  readonly progress: JobProgress
  readonly checkpoint: { readonly file: CheckpointFile; readonly everyMs: number } | undefined
  readonly signal: AbortSignal | undefined
  onPage(): void
}

type Outcome<O> = RowResult<O> | { readonly ok: false; readonly error: unknown }

/** A page, and what became of each of its rows. */
interface Answered<I, O> {
  readonly page: RowPage<I>
  readonly outcomes: readonly Outcome<O>[]
}

const minimumRowsOfRate = 100

/** A run that another one has taken the job from notices it so soon, before it writes on into a file that is not its own any more. */
const checkEveryMs = 50

/** Runs to the end of the part, or throws. What it has done then is in `progress`; everything written is flushed. */
export const runScoring = async <I, O, W>(run: ScoringRun<I, O, W>): Promise<void> => {
  const { predictor, source, writer, letters, ask, progress, checkpoint, signal } = run
  const { runtime: { clock, random } } = stageOf(predictor)
  const controller = new AbortController()
  const onAbort = (): void => controller.abort(new OutriggerError('ERR_OUTRIGGER_ABORTED', 'Cannot go on with the scoring job as the caller aborted it', { cause: signal?.reason }))
  let savedAt = clock.now()
  let checkedAt = savedAt
  let resumedAt = savedAt
  /** Whether what is written is what `progress` says. */
  let isWhole = true

  /** Data first, then what says that it is there. */
  const save = async (complete: boolean): Promise<void> => {
    const output = await writer.sync()
    const deadLetters = (await letters?.sync()) ?? 0
    await checkpoint?.file.save({ progress, output, deadLetters, complete })
    savedAt = clock.now()
  }
  const measure = (): void => {
    const now = clock.now()
    progress.ms += now - resumedAt
    resumedAt = now
  }

  const work = async (page: RowPage<I>): Promise<Answered<I, O>> => {
    const outcomes = new Array<Outcome<O>>(page.rows.length)
    const inputs: I[] = []
    const keys: (string | undefined)[] = []
    const asked: number[] = []
    page.rows.forEach((row, index) => {
      try {
        if (row instanceof UnreadableRow) throw row.error
        keys.push(ask.key?.(row))
        inputs.push(row)
        asked.push(index)
      } catch (error) {
        outcomes[index] = { ok: false, error }
      }
    })
    if (inputs.length === 0) return { page, outcomes }
    const isServing = showIdentity(predictor.identity)
    if (isServing !== run.model) throw jobError(`Cannot go on with the scoring job as all its rows must be scored by ${run.model}: current value is ${isServing}`, { model: run.model })
    const options: BatchOptions = {
      workload: 'batch',
      priority: ask.priority,
      signal: controller.signal,
      timeoutMs: Number.isFinite(ask.timeoutMs) ? ask.timeoutMs : undefined,
      tags: ask.tags,
      keys: ask.key === undefined ? undefined : keys,
    }
    const results = await askRows(predictor, inputs, options, { waitMs: ask.waitMs, clock, random, signal: controller.signal })
    asked.forEach((index, position) => (outcomes[index] = results[position] as RowResult<O>))
    return { page, outcomes }
  }

  const take = async ({ page, outcomes }: Answered<I, O>): Promise<void> => {
    // Rows may have failed only because the job ends.
    if (controller.signal.aborted) throw controller.signal.reason
    const lines: unknown[] = []
    const failures: unknown[] = []
    page.rows.forEach((input, index) => {
      const row = run.firstRow + progress.rows + index
      const outcome = outcomes[index] as Outcome<O>
      try {
        if (!outcome.ok) throw outcome.error
        lines.push(lineOf(run, row, input as I, outcome))
        const from = outcome.record.source ?? 'model'
        progress.sources[from] = (progress.sources[from] ?? 0) + 1
      } catch (error) {
        const what = !(input instanceof UnreadableRow) ? { input } : input.text === undefined ? {} : { text: input.text }
        failures.push(letters?.encode({ row, ...what, error: errorOf(error) }))
      }
    })
    if (checkpoint !== undefined && clock.now() - checkedAt >= checkEveryMs) {
      await checkpoint.file.check()
      checkedAt = clock.now()
    }
    isWhole = false
    await writer.write(lines)
    await letters?.write(failures)
    progress.position = page.next
    progress.rows += page.rows.length
    progress.failed += failures.length
    isWhole = true
    measure()
    run.onPage()
    refuseFailures(run)
    if (checkpoint !== undefined && clock.now() - savedAt >= checkpoint.everyMs) await save(false)
  }

  signal?.addEventListener('abort', onAbort, { once: true })
  if (signal?.aborted === true) onAbort()
  try {
    await pagesInOrder(source.read(run.job, progress.position, run.to), { concurrency: ask.concurrency, controller, work, take })
    measure()
    await save(true)
  } catch (error) {
    measure()
    // What stopped the job counts, not what comes of saving where it stopped; the last checkpoint stands.
    if (isWhole) await save(false).catch(() => {})
    throw error
  } finally {
    signal?.removeEventListener('abort', onAbort)
  }
}

const lineOf = <I, O, W>({ result, writer }: ScoringRun<I, O, W>, row: number, input: I, outcome: RowResult<O> & { readonly ok: true }): unknown => {
  const { output, record } = outcome
  if (isStream(output)) {
    discardStream(output)
    throw jobError('Cannot write the row as its output must be a value: current value is a stream')
  }
  return writer.encode(result({ row, input, output, record }))
}

const refuseFailures = <I, O, W>({ ask, progress: { rows, failed } }: ScoringRun<I, O, W>): void => {
  if (failed > ask.maxFailures) throw jobError(`Cannot go on with the scoring job as at most ${ask.maxFailures} rows may fail (\`maxFailures\`): current value is ${failed} of ${rows}`, { rows, failed })
  if (rows >= minimumRowsOfRate && failed / rows > ask.maxFailureRate) throw jobError(`Cannot go on with the scoring job as at most ${ask.maxFailureRate} of the rows may fail (\`maxFailureRate\`): current value is ${failed} of ${rows}`, { rows, failed })
}

const errorOf = (error: unknown): DeadLetter['error'] => {
  if (!isError(error)) return { name: 'Error', message: typeof error === 'string' ? error : inspect(error) }
  const code = 'code' in error && typeof error.code === 'string' ? { code: error.code } : {}
  return { name: String(error.name), ...code, message: String(error.message) }
}
