/** What a version must show before it may answer anybody. */
import type { Predictor } from '../../core/predictor.js'
import type { RowResult } from '../../core/results.js'
import { difference, nonFinite } from './_compare.js'
import type { GoldenPrediction } from '../manifest/manifest.js'
import type { ModelVersion } from '../store/model-store.js'

/** The part of the way to going live at which a version was refused. */
export type RefusalStage = 'open' | 'load' | 'build' | 'warm-up' | 'golden' | 'check'

/** What {@link passGate} asks of a candidate. */
export interface GateOptions<I, O> {
  readonly warmup?: readonly I[] | undefined
  readonly golden?: readonly GoldenPrediction[] | undefined
  readonly check?: ((candidate: Predictor<I, O>, version: ModelVersion) => unknown) | undefined
}

/** Why a candidate was refused. */
export class Refusal {
  readonly stage: RefusalStage
  readonly reason: string
  readonly cause: unknown

  constructor(stage: RefusalStage, reason: string, cause?: unknown) {
    this.stage = stage
    this.reason = reason
    this.cause = cause
  }
}

export const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))

/** The outputs of rows, or a refusal that names the row. One row goes through the single form too. */
const outputsOf = async <I, O>(candidate: Predictor<I, O>, rows: readonly I[], stage: RefusalStage, name: (row: number) => string): Promise<O[] | Refusal> => {
  if (rows.length === 0) return []
  try {
    const found = nonFinite(await candidate(rows[0] as I), `the output of ${name(0)}`)
    if (found !== undefined) return new Refusal(stage, found)
  } catch (error) {
    return new Refusal(stage, `${name(0)} failed: ${messageOf(error)}`, error)
  }
  const outputs: O[] = []
  let results: RowResult<O>[]
  try {
    results = await candidate.detailedBatch(rows)
  } catch (error) {
    return new Refusal(stage, `a batch of ${rows.length} failed: ${messageOf(error)}`, error)
  }
  for (const [row, result] of results.entries()) {
    if (!result.ok) return new Refusal(stage, `${name(row)} failed: ${messageOf(result.error)}`, result.error)
    const found = nonFinite(result.output, `the output of ${name(row)}`)
    if (found !== undefined) return new Refusal(stage, found)
    outputs.push(result.output)
  }
  return outputs
}

/**
 * Warms the candidate up, then holds it against its golden predictions, then asks the user's check. Every output is
 * looked through for NaN and infinities. Golden inputs go through the whole adapter, as a caller's would.
 *
 * @returns the first thing that is wrong, or `undefined`
 */
export const passGate = async <I, O>(candidate: Predictor<I, O>, version: ModelVersion, options: GateOptions<I, O>): Promise<Refusal | undefined> => {
  const { warmup = [], golden = [], check } = options
  const warm = await outputsOf(candidate, warmup, 'warm-up', (row) => `warm-up row ${row}`)
  if (warm instanceof Refusal) return warm
  const outputs = await outputsOf(candidate, golden.map(({ input }) => input as I), 'golden', (row) => `golden prediction ${row}`)
  if (outputs instanceof Refusal) return outputs
  for (const [row, { output, tolerance }] of golden.entries()) {
    const found = difference(output, outputs[row], tolerance, 'the output')
    if (found !== undefined) return new Refusal('golden', `golden prediction ${row} differs: ${found}`)
  }
  try {
    await check?.(candidate, version)
  } catch (error) {
    return new Refusal('check', `the check failed: ${messageOf(error)}`, error)
  }
  return undefined
}
