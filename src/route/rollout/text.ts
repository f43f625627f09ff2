/** Where a rollout stands, as a text for a ticket. */
import type { CheckedPlan } from './plan.js'
import type { RolloutEntry, RolloutState } from './state.js'

const percent = (share: number): string => `${Number((100 * share).toPrecision(4))} %`
const time = (at: number): string => new Date(at).toISOString().replace(/\.\d+Z$/, 'Z')

const stage = (plan: CheckedPlan, { stage, step }: RolloutState): string => (stage === 'canary' ? `canary, step ${step + 1} of ${plan.steps.length} (${percent(plan.steps[step]?.weight ?? 0)})` : stage)

const line = (plan: CheckedPlan, entry: RolloutEntry): string => {
  const by = entry.by === 'rollout' ? '' : ` by ${entry.by}`
  switch (entry.kind) {
    case 'started':
      return `started${by}: ${entry.candidate.name}@${entry.candidate.version} against ${entry.control.version}`
    case 'advanced':
      return `to ${percent(plan.steps[entry.to]?.weight ?? 0)}${by}: ${entry.reason}`
    case 'applied':
      return 'applied'
    default:
      return `${entry.kind}${by}: ${entry.reason}`
  }
}

/** @param waits - what it waits for; @param evidence - the verdict's text */
export const rolloutText = ({ name, plan, state, history, waits, evidence }: {
  readonly name: string
  readonly plan: CheckedPlan
  readonly state: RolloutState
  readonly history: readonly RolloutEntry[]
  readonly waits: readonly string[]
  readonly evidence: string | undefined
}): string => {
  const { candidate, control, end } = state
  const versions = candidate === undefined ? '' : ` ${candidate.name}@${candidate.version} (${candidate.digest.slice(0, 12)}) against ${control?.version ?? '?'}`
  const lines = [`rollout ${name}:${versions} ${stage(plan, state)}`]
  if (end !== undefined) lines.push(`${end.reason} (${end.cause}, by ${end.by}${end.quarantine ? '; quarantined' : ''})`)
  else if (waits.length > 0) lines.push(...waits.map((what) => `waits for ${what}`))
  lines.push(...history.map((entry) => `${time(entry.at)} ${line(plan, entry)}`))
  const decided = history.findLast((entry) => (entry.kind === 'promoted' || entry.kind === 'rolled-back') && entry.evidence !== undefined) as { readonly evidence?: string } | undefined
  const numbers = decided?.evidence ?? evidence
  if (numbers !== undefined) lines.push('', numbers)
  return lines.join('\n')
}
