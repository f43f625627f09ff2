/** What a rollout goes through, as data: validated once, and the same in every process. */
import { InvalidOptionError } from '../../core/errors.js'
import { functionOption, numberOption, optionsObject, stringOption } from '../../core/options.js'
import type { ExperimentOptions } from '../../experiment/experiment.js'
import type { BurnRateOptions } from '../../policy/burn-rate.js'

/** A share of units on the candidate, and what must have happened before the next step. */
export interface RolloutStep {
  /** The candidate's share of units, in (0, 1]; not below that of the step before. */
  readonly weight: number
  /** @default 0 */
  readonly minMs?: number
  /** Units that the candidate must have served in this step, at least 1: without data nothing goes on. @default 100 */
  readonly minUnits?: number
}

/** The candidate sees traffic before anybody sees its answers. */
export interface RolloutShadowStep {
  /** The share of units that it sees too. @default 1 */
  readonly rate?: number
  /** @default 0 */
  readonly minMs?: number
  /** Rows that both have answered, at least 1. @default 100 */
  readonly minRows?: number
  /** The share of rows for which the candidate alone may fail, by evidence that holds at every look; 1 for any. @default 0.01 */
  readonly maxFailures?: number
  /** The share of rows in which the answers may differ; see `agree` or `comparison` of the shadow. Without a limit, as a better model differs. @default 1 */
  readonly maxDisagreement?: number
}

/** Something else that must be well: a drift monitor, a check of outputs, a dependency. */
export interface RolloutGuard {
  readonly name: string
  /**
   * Asked at every look: `unknown` (no data yet) and `bad` stop the rollout from going on, and `bad` does what `then` says. One that throws is `unknown`.
   * It says `ok` again by itself; a rollout that only waited goes on then.
   */
  readonly check: () => GuardAnswer
  /** @default 'wait' */
  readonly then?: 'wait' | 'roll-back'
}

/** What a guard says, and why. */
export type GuardAnswer = 'ok' | 'bad' | 'unknown' | { readonly status: 'ok' | 'bad' | 'unknown'; readonly why: string }

/** A rollout as a plan. */
export interface RolloutPlan {
  /** @default none */
  readonly shadow?: RolloutShadowStep
  /** In order; the last one is where promotion is decided. */
  readonly steps: readonly RolloutStep[]
  /** The evidence: metrics, levels of error, units. The name and the arms are the rollout's. */
  readonly evidence: Omit<ExperimentOptions, 'name' | 'arms' | 'deadlineMs' | 'deadlineUnits'>
  /**
   * When the last step ends in promotion. `evidence`: once every primary metric passes. `unless-worse`: once its time and units are over and nothing speaks
   * against the candidate; nobody has shown then that it is good.
   * @default 'evidence'
   */
  readonly promotion?: 'evidence' | 'unless-worse'
  /** Where a person must say yes: `approve()`. @default 'none' */
  readonly approval?: 'none' | 'promotion' | 'every-step'
  /** The whole rollout, from its start on. @default 30 days */
  readonly deadlineMs?: number
  /** What then, if it is still not decided. @default 'wait' */
  readonly atDeadline?: 'wait' | 'roll-back'
  /** No new rollout for so long after one was rolled back. @default 1 hour */
  readonly coolDownMs?: number
  /**
   * The objective of the service, for all its calls: where both arms are bad, no comparison sees it. A rollout waits while any rule burns; one that
   * burns at the rule's rate of at least 6 (`fast` and `slow` by default) rolls back, without quarantine.
   * @default none
   */
  readonly objective?: BurnRateOptions
  /** @default none */
  readonly guards?: readonly RolloutGuard[]
}

/** A plan with its defaults. */
export interface CheckedPlan extends Required<Omit<RolloutPlan, 'shadow' | 'steps' | 'objective'>> {
  readonly shadow: Required<RolloutShadowStep> | undefined
  readonly steps: readonly Required<RolloutStep>[]
  readonly objective: BurnRateOptions | undefined
}

const owner = 'a rollout plan'
const hour = 3_600_000

const list = <T>(name: string, value: readonly T[] | undefined, atLeast: number): readonly T[] => {
  if (!Array.isArray(value) || value.length < atLeast) throw new InvalidOptionError(`Cannot create ${owner} as \`${name}\` must be a list of at least ${atLeast}: current value is ${Array.isArray(value) ? 'empty' : String(value)}`)
  return value as readonly T[]
}

const oneOf = <T extends string>(name: string, value: T, choices: readonly T[]): T => {
  if (!choices.includes(value)) throw new InvalidOptionError(`Cannot create ${owner} as \`${name}\` must be one of ${choices.join(', ')}: current value is ${String(value)}`)
  return value
}

/** @throws `ERR_OUTRIGGER_INVALID_OPTION` */
export const checkedPlan = (plan: RolloutPlan): CheckedPlan => {
  optionsObject(owner, plan, ['shadow', 'steps', 'evidence', 'promotion', 'approval', 'deadlineMs', 'atDeadline', 'coolDownMs', 'objective', 'guards'])
  const { shadow, evidence, promotion = 'evidence', approval = 'none', atDeadline = 'wait', guards = [] } = plan
  if (shadow !== undefined) optionsObject(`${owner}'s \`shadow\``, shadow, ['rate', 'minMs', 'minRows', 'maxFailures', 'maxDisagreement'])
  let weight = 0
  const steps = list('steps', plan.steps, 1).map((step, at) => {
    optionsObject(`${owner}'s \`steps[${at}]\``, step, ['weight', 'minMs', 'minUnits'])
    weight = numberOption(owner, `steps[${at}].weight`, step.weight, { min: weight, max: 1, exclusive: weight === 0 })
    return { weight, minMs: numberOption(owner, `steps[${at}].minMs`, step.minMs ?? 0, { min: 0 }), minUnits: numberOption(owner, `steps[${at}].minUnits`, step.minUnits ?? 100, { min: 1, integer: true }) }
  })
  optionsObject(`${owner}'s \`evidence\``, evidence, ['metrics', 'alpha', 'rollbackAlpha', 'sampleRatioAlpha', 'minimumUnits', 'minimumMs', 'horizon', 'units', 'maxUnits', 'whenFull'])
  oneOf('promotion', promotion, ['evidence', 'unless-worse'])
  if (promotion === 'evidence' && !list('evidence.metrics', evidence.metrics, 0).some(({ role }) => role === 'primary')) {
    throw new InvalidOptionError(`Cannot create ${owner} as promotion by evidence needs a primary metric (or say \`promotion: 'unless-worse'\`): current value has none`)
  }
  // By evidence both arms must get new units there.
  if (promotion === 'evidence' && weight === 1) throw new InvalidOptionError(`Cannot create ${owner} as promotion by evidence needs a control in the last step: current value of its weight is 1`)
  return {
    shadow:
      shadow === undefined
        ? undefined
        : {
            rate: numberOption(owner, 'shadow.rate', shadow.rate ?? 1, { min: 0, max: 1, exclusive: true }),
            minMs: numberOption(owner, 'shadow.minMs', shadow.minMs ?? 0, { min: 0 }),
            minRows: numberOption(owner, 'shadow.minRows', shadow.minRows ?? 100, { min: 1, integer: true }),
            maxFailures: numberOption(owner, 'shadow.maxFailures', shadow.maxFailures ?? 0.01, { min: 0, max: 1, exclusive: true }),
            maxDisagreement: numberOption(owner, 'shadow.maxDisagreement', shadow.maxDisagreement ?? 1, { min: 0, max: 1, exclusive: true }),
          },
    steps,
    evidence,
    promotion,
    approval: oneOf('approval', approval, ['none', 'promotion', 'every-step']),
    deadlineMs: numberOption(owner, 'deadlineMs', plan.deadlineMs ?? 720 * hour, { min: 0, exclusive: true, infinite: true }),
    atDeadline: oneOf('atDeadline', atDeadline, ['wait', 'roll-back']),
    coolDownMs: numberOption(owner, 'coolDownMs', plan.coolDownMs ?? hour, { min: 0 }),
    objective: plan.objective,
    guards: list('guards', guards, 0).map((guard) => {
      optionsObject(`${owner}'s guards`, guard, ['name', 'check', 'then'])
      const check = functionOption(owner, 'guards[].check', guard.check)
      if (check === undefined) throw new InvalidOptionError(`Cannot create ${owner} as each guard must have a \`check\`: current value is undefined`)
      return { name: stringOption(owner, 'guards[].name', guard.name), check, then: oneOf('guards[].then', guard.then ?? 'wait', ['wait', 'roll-back']) }
    }),
  }
}
