/** What a look sees apart from the counts: guards, the shadow, and who is served. Callbacks of the user may do what they like. */
import type { ShadowCounts } from '../shadow-counts.js'
import type { Gathered } from './_gathered.js'
import type { RolloutEvidence, ShadowRows } from './next-move.js'
import type { CheckedPlan, GuardAnswer, RolloutGuard } from './plan.js'
import type { ReleasedVersion, RolloutState } from './state.js'

export interface SurroundingsOptions {
  readonly plan: CheckedPlan
  readonly shadow: { readonly counts: ShadowCounts }
  readonly identityOf: (arm: 'control' | 'candidate') => ReleasedVersion
}

const said = (error: unknown): string => (error instanceof Error ? error.message : String(error))

/** Nobody waits for the answer; that it fails is told, and ends no process. */
export const disown = (answer: unknown, told: (error: unknown) => void): boolean => {
  if (typeof (answer as PromiseLike<unknown> | undefined)?.then !== 'function') return false
  void Promise.resolve(answer).catch(told)
  return true
}

const answerOf = ({ check }: RolloutGuard): { readonly status: 'ok' | 'bad' | 'unknown'; readonly why: string } => {
  try {
    const answer: GuardAnswer | undefined = check()
    if (disown(answer, () => {})) return { status: 'unknown', why: 'it answered a promise; a guard answers at once' }
    const { status, why } = typeof answer === 'string' ? { status: answer, why: 'no reason given' } : (answer ?? { status: undefined, why: '' })
    if (['ok', 'bad', 'unknown'].includes(status as string)) return { status: status as 'ok', why }
    return { status: 'unknown', why: `it answered ${JSON.stringify(answer)}` }
  } catch (error) {
    return { status: 'unknown', why: `it threw ${said(error)}` }
  }
}

export class Surroundings {
  readonly #options: SurroundingsOptions
  /** Counts of the shadow when this release began: those before are of another candidate. */
  #base = { compared: 0, agreed: 0, failed: 0 }

  constructor(options: SurroundingsOptions) {
    this.#options = options
  }

  /** A release begins. */
  begin(): void {
    const { compared, agreed, failed } = this.#options.shadow.counts
    this.#base = { compared, agreed, failed }
  }

  get shadowCounts(): ShadowCounts {
    const { counts } = this.#options.shadow
    return { ...counts, compared: counts.compared - this.#base.compared, agreed: counts.agreed - this.#base.agreed, failed: counts.failed - this.#base.failed }
  }

  get shadow(): ShadowRows {
    const { compared, agreed, failed } = this.shadowCounts
    return { compared, agreed, failed }
  }

  /** Why what was counted is not about these versions, or not all there is. */
  #foreign(state: RolloutState, refused: readonly string[]): string | undefined {
    try {
      for (const arm of ['candidate', 'control'] as const) {
        const now = this.#options.identityOf(arm)
        if (state[arm]?.digest !== now.digest) return `the ${arm} that it started with (${state[arm]?.version ?? '?'}): current value is ${now.version}`
      }
    } catch (error) {
      return `\`versionOf\`, which threw ${said(error)}`
    }
    return refused.length > 0 ? `counts of all processes (${refused.join('; ')})` : undefined
  }

  /** @param proof - why this process has sent the candidate's units back already */
  seen(state: RolloutState, { verdict, stepUnits, shadow, burns, refused }: Gathered, proof: string | undefined): RolloutEvidence {
    return {
      decision: proof === undefined ? verdict.decision : 'rollback',
      reason: proof ?? verdict.reason,
      isMismatch: verdict.sampleRatio.isMismatch,
      stepUnits,
      shadow,
      guards: this.#options.plan.guards.map((guard) => ({ name: guard.name, then: guard.then ?? 'wait', ...answerOf(guard) })),
      burns,
      foreign: this.#foreign(state, refused),
    }
  }
}
