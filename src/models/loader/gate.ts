/** What a version must do before it may answer anybody. */
import type { Predictor } from '../../core/predictor.js'
import type { ModelVersion } from '../store/model-store.js'
import type { GoldenPrediction } from '../manifest/manifest.js'
import { difference, nonFinite, show } from './_compare.js'
import { messageOf, Refusal, type RefusalDetails, type RefusalStage } from './refusal.js'

/** How a version is warmed up. */
export interface WarmUp<I> {
  /** Rows as callers pass them. @default the inputs of the version's golden predictions */
  readonly rows?: readonly I[]
  /** The sizes of batches to run, 1 for single calls; each of them sees every row. @default 1, 8 and 32; 1 alone for a model that gains nothing by batches */
  readonly sizes?: readonly number[]
  /** At least so many runs of each size. @default 1 */
  readonly runs?: number
}

/** What {@link warmUp} and {@link checkGolden} have seen. */
export interface GateReport {
  readonly warmUp: { readonly rows: number; readonly sizes: readonly number[]; readonly runs: number }
  readonly golden: { readonly rows: number }
  /** Whether the user's check was asked. */
  readonly isChecked: boolean
}

/** Golden predictions go through the batch form in batches of at most so many. */
const batchOf = 32

interface Asked {
  readonly stage: RefusalStage
  readonly signal: AbortSignal
  /** Which row it is, by its number. */
  readonly name: (row: number) => string
}

const askedGolden = (signal: AbortSignal): Asked => ({ stage: 'golden', signal, name: (row) => `golden prediction ${row}` })

/** An output of a row, looked through. */
const looked = <O>(output: O, row: number, details: RefusalDetails, { stage, name }: Asked): O => {
  const found = nonFinite(output)
  if (found === undefined) return output
  throw new Refusal(stage, `the output${found.path} of ${name(row)} is ${show(found.actual)}`, { ...details, row, path: found.path, actual: found.actual })
}

/** The output of one row by itself. */
const single = async <I, O>(candidate: Predictor<I, O>, input: I, row: number, asked: Asked): Promise<O> => {
  const details = { row, form: 'single' } as const
  let output: O
  try {
    output = await candidate(input, { signal: asked.signal })
  } catch (error) {
    throw new Refusal(asked.stage, `${asked.name(row)} failed: ${messageOf(error)}`, details, error)
  }
  return looked(output, row, details, asked)
}

/** The outputs of rows in one batch. `numbers` says which rows they are. */
const batched = async <I, O>(candidate: Predictor<I, O>, inputs: readonly I[], numbers: readonly number[], asked: Asked): Promise<O[]> => {
  const details = { form: 'batch', batchSize: inputs.length } as const
  let results: Awaited<ReturnType<Predictor<I, O>['detailedBatch']>>
  try {
    results = await candidate.detailedBatch(inputs, { signal: asked.signal })
  } catch (error) {
    throw new Refusal(asked.stage, `a batch of ${inputs.length} failed: ${messageOf(error)}`, details, error)
  }
  return results.map((result, index) => {
    const row = numbers[index] as number
    if (!result.ok) throw new Refusal(asked.stage, `${asked.name(row)} failed in a batch of ${inputs.length}: ${messageOf(result.error)}`, { ...details, row }, result.error)
    return looked(result.output, row, details, asked)
  })
}

/** What warming up needs to know, with nothing left open. */
export interface WarmUpPlan<I> {
  readonly rows: readonly I[]
  /** Whether the rows are the golden predictions' inputs: what is wrong with them is said so. */
  readonly areGolden: boolean
  readonly sizes: readonly number[]
  readonly runs: number
  readonly signal: AbortSignal
  /** Lets what waits on the event loop have its turn: an engine may compute on this thread. */
  pause(): Promise<void>
}

/** Runs every size over all rows, as a first run of a size is the slow one. Says how many runs it were. */
export const warmUp = async <I, O>(candidate: Predictor<I, O>, { rows, areGolden, sizes, runs, signal, pause }: WarmUpPlan<I>): Promise<number> => {
  if (rows.length === 0) return 0
  const asked: Asked = areGolden ? askedGolden(signal) : { stage: 'warm-up', signal, name: (row) => `warm-up row ${row}` }
  let done = 0
  for (const size of sizes) {
    const enough = Math.max(runs, Math.ceil(rows.length / size))
    for (let run = 0; run < enough; run += 1) {
      const numbers = Array.from({ length: size }, (_, index) => (run * size + index) % rows.length)
      const inputs = numbers.map((number) => rows[number] as I)
      if (size === 1) await single(candidate, inputs[0] as I, numbers[0] as number, asked)
      else await batched(candidate, inputs, numbers, asked)
      done += 1
      await pause()
    }
  }
  return done
}

/** Holds the candidate against its golden predictions, through the whole adapter as a caller's rows would go: each alone, and all in batches. */
export const checkGolden = async <I, O>(candidate: Predictor<I, O>, golden: readonly GoldenPrediction[], { signal, pause }: Pick<WarmUpPlan<I>, 'signal' | 'pause'>): Promise<void> => {
  const asked = askedGolden(signal)
  const hold = (output: O, row: number, details: RefusalDetails): void => {
    const { output: expected, tolerance } = golden[row] as GoldenPrediction
    const found = difference(expected, output, tolerance)
    if (found === undefined) return
    const inBatch = details.batchSize === undefined ? '' : ` in a batch of ${details.batchSize}`
    const within = found.isNumeric ? ` (tolerance ${tolerance})` : ''
    throw new Refusal('golden', `golden prediction ${row} differs${inBatch}: the output${found.path} is ${show(found.actual)} instead of ${show(found.expected)}${within}`, {
      ...details, row, path: found.path, expected: found.expected, actual: found.actual, tolerance,
    })
  }
  for (const [row, { input }] of golden.entries()) {
    hold(await single(candidate, input as I, row, asked), row, { form: 'single' })
    await pause()
  }
  for (let from = 0; from < golden.length; from += batchOf) {
    const part = golden.slice(from, from + batchOf)
    const outputs = await batched(candidate, part.map(({ input }) => input as I), part.map((_, index) => from + index), asked)
    outputs.forEach((output, index) => hold(output, from + index, { form: 'batch', batchSize: part.length }))
    await pause()
  }
}

/** Asks the user's own check. */
export const askCheck = async <I, O>(candidate: Predictor<I, O>, version: ModelVersion, check: (candidate: Predictor<I, O>, version: ModelVersion) => unknown): Promise<void> => {
  try {
    await check(candidate, version)
  } catch (error) {
    throw new Refusal('check', `the check failed: ${messageOf(error)}`, {}, error)
  }
}
