/** What a rollout does next. Pure: the whole of its judgement, without a clock, a store or a model. */
import { rateSequence } from '../../experiment/rate-sequence.js'
import type { BurnRateReading } from '../../policy/burn-rate.js'
import type { CheckedPlan } from './plan.js'
import { isUnderWay, type RolloutCause, type RolloutState } from './state.js'

/** What is known at a look. */
export interface RolloutEvidence {
  /** Of the experiment, over all processes. */
  readonly decision: 'promote' | 'rollback' | 'continue' | 'insufficient'
  readonly reason: string
  readonly isMismatch: boolean
  /** Units that the candidate has served in this step. */
  readonly stepUnits: number
  /** Of the shadow: rows that both have answered, those in which they agreed, and those for which the candidate alone failed. */
  readonly shadow: ShadowRows
  readonly guards: readonly { readonly name: string; readonly status: 'ok' | 'bad' | 'unknown'; readonly why: string; readonly then: 'wait' | 'roll-back' }[]
  readonly burns: readonly BurnRateReading[]
  /** Why what was counted is not about these versions any more. */
  readonly foreign: string | undefined
}

/** What to do. Why it waits is a list: all that is missing. */
export type RolloutMove =
  | { readonly move: 'wait'; readonly for: readonly string[] }
  | { readonly move: 'advance'; readonly to: number; readonly reason: string }
  | { readonly move: 'promote'; readonly cause: RolloutCause; readonly reason: string }
  | { readonly move: 'roll-back'; readonly cause: RolloutCause; readonly reason: string; readonly quarantine: boolean }

/** Rows of the shadow, over all processes. */
export interface ShadowRows {
  readonly compared: number
  readonly agreed: number
  readonly failed: number
}

/** The chance that a limit of the shadow is ever misjudged; there are two. */
const shadowAlpha = 0.025
/** A budget that burns as fast ends a rollout; what is slower only stops it. */
const urgentRate = 6

const percent = (share: number): string => `${Number((100 * share).toPrecision(4))} %`

/** Dangers, gravest first. They count while a person holds it, too. */
const danger = (plan: CheckedPlan, state: RolloutState, evidence: RolloutEvidence, at: number): RolloutMove | undefined => {
  const back = (cause: RolloutCause, reason: string, quarantine: boolean): RolloutMove => ({ move: 'roll-back', cause, reason, quarantine })
  if (evidence.decision === 'rollback') return back('evidence', evidence.reason, true)
  const guard = evidence.guards.find(({ status, then }) => status === 'bad' && then === 'roll-back')
  if (guard !== undefined) return back('guard', `The guard ${guard.name} is bad: ${guard.why}`, true)
  const burn = state.stage === 'canary' ? evidence.burns.find(({ isBurning, rule }) => isBurning && rule.rate >= urgentRate) : undefined
  if (burn !== undefined) return back('objective', `The error budget burns at ${burn.long.toPrecision(3)} times its rate (${burn.rule.name}: ${burn.bad} of ${burn.events} calls), in both arms together.`, false)
  if (plan.atDeadline === 'roll-back' && at - state.startedAt >= plan.deadlineMs) return back('deadline', 'The deadline passed without enough evidence.', false)
  return undefined
}

/** What keeps the end of this stage or step waiting. */
const missing = (plan: CheckedPlan, state: RolloutState, evidence: RolloutEvidence, at: number): string[] => {
  const open: string[] = []
  if (state.held !== undefined) open.push(`${state.held.by} to resume: ${state.held.reason}`)
  if (evidence.foreign !== undefined) open.push(evidence.foreign)
  if (at - state.startedAt >= plan.deadlineMs) open.push('a person: the deadline has passed without enough evidence')
  for (const { name, status, why } of evidence.guards) if (status !== 'ok') open.push(`the guard ${name}, which is ${status}: ${why}`)
  for (const { isBurning, rule, long } of evidence.burns) if (isBurning) open.push(`the error budget, which burns at ${long.toPrecision(3)} times its rate (${rule.name})`)
  const step = plan.steps[state.step]
  const { minMs } = step ?? plan.shadow ?? { minMs: 0 }
  if (at - state.since < minMs) open.push(`time: ${Math.max(0, at - state.since)} of ${minMs} ms`)
  if (state.stage === 'shadow' && plan.shadow !== undefined) {
    const { compared, agreed, failed } = evidence.shadow
    if (compared < plan.shadow.minRows) open.push(`rows in the shadow: ${compared} of ${plan.shadow.minRows}`)
    for (const [what, events, trials, limit] of [['failures', failed, compared + failed, plan.shadow.maxFailures], ['differences', compared - agreed, compared, plan.shadow.maxDisagreement]] as const) {
      if (limit === 1) continue
      const { lower, upper } = rateSequence({ events, trials }, { alpha: shadowAlpha })
      if (lower > limit) open.push(`a person: there are more ${what} in the shadow than the ${percent(limit)} that are allowed: ${events} of ${trials} rows`)
      else if (upper > limit) open.push(`evidence that at most ${percent(limit)} are ${what} in the shadow: ${events} of ${trials} rows, at most ${percent(upper)}`)
    }
  }
  if (step !== undefined && evidence.stepUnits < step.minUnits) open.push(`units of the candidate: ${evidence.stepUnits} of ${step.minUnits}`)
  if (evidence.isMismatch) open.push('fair shares: the arms do not get the units that they should (sample ratio mismatch)')
  const isLast = state.step === plan.steps.length - 1
  if (isLast && plan.promotion === 'evidence' && evidence.decision !== 'promote') open.push(`evidence: ${evidence.reason}`)
  if (!state.isApproved && (plan.approval === 'every-step' || (plan.approval === 'promotion' && isLast))) open.push('approval')
  return open
}

/**
 * The next move of a rollout. No data hold it: they never pass, and never fail it.
 *
 * @param at - milliseconds since 1970; one that went back only makes it wait
 */
export const nextMove = (plan: CheckedPlan, state: RolloutState, evidence: RolloutEvidence, at: number): RolloutMove => {
  if (!isUnderWay(state)) return { move: 'wait', for: ['a start'] }
  const back = danger(plan, state, evidence, at)
  if (back !== undefined) return back
  const open = missing(plan, state, evidence, at)
  if (open.length > 0) return { move: 'wait', for: open }
  const to = state.step + 1
  const next = plan.steps[to]
  if (next !== undefined) return { move: 'advance', to, reason: `${state.step >= 0 ? `The step at ${percent((plan.steps[state.step] as { weight: number }).weight)} is over` : plan.shadow === undefined ? 'There is no shadow' : 'The shadow is over'} and nothing speaks against ${percent(next.weight)}.` }
  return plan.promotion === 'evidence'
    ? { move: 'promote', cause: 'evidence', reason: evidence.reason }
    : { move: 'promote', cause: 'time', reason: 'The last step is over and nothing speaks against the candidate.' }
}
