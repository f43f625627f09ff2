/** Why a version does not go live. */

/** The part of the way to going live at which a version was refused; `traffic` for one that was quarantined by hand, for what it did when it was live. */
export type RefusalStage = 'trust' | 'compatibility' | 'open' | 'load' | 'build' | 'warm-up' | 'golden' | 'check' | 'traffic'

/** What exactly was wrong, where there is something to point at. */
export interface RefusalDetails {
  /** The warm-up row or golden prediction, from 0. */
  readonly row?: number
  /** How it was asked: alone, or in a batch of so many. */
  readonly form?: 'single' | 'batch'
  readonly batchSize?: number
  /** Where in the output: `.late`, `[3].score`; empty for the output itself. */
  readonly path?: string
  readonly expected?: unknown
  readonly actual?: unknown
  readonly tolerance?: number
  /** What differs from the signature of the live version. */
  readonly faults?: readonly string[]
}

/** Thrown inside a loader. What users get is an `ERR_OUTRIGGER_MODEL_REFUSED` made of it. */
export class Refusal extends Error {
  override readonly name = 'Refusal'
  readonly stage: RefusalStage
  readonly details: RefusalDetails

  constructor(stage: RefusalStage, reason: string, details: RefusalDetails = {}, cause?: unknown) {
    super(reason, { cause })
    this.stage = stage
    this.details = details
  }
}

export const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))

/** Does a step; what it throws becomes a refusal at that stage, and a refusal stays what it is. */
export const atStage = async <T>(stage: RefusalStage, work: () => T | Promise<T>): Promise<T> => {
  try {
    return await work()
  } catch (error) {
    throw error instanceof Refusal ? error : new Refusal(stage, messageOf(error), {}, error)
  }
}
