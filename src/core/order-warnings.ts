/** Orders of layers that hurt. Found when `pipe` builds the stack, told once by a process warning with a code and the fix. */
import type { AnyStage } from './stage.js'

/** A warning about the order of a stack. */
export interface OrderWarning {
  readonly code: `OUTRIGGER_ORDER_${string}`
  readonly message: string
}

/** Looks at the stages of a stack, innermost first. Pure. */
export const orderWarnings = (stages: readonly AnyStage[]): OrderWarning[] => {
  const warnings: OrderWarning[] = []
  stages.forEach((outer, position) => {
    const inside = stages.slice(0, position)
    const hiding = inside.find((stage) => stage.traits.hidesFailures === true)
    if (hiding !== undefined && outer.traits.retries === true) {
      warnings.push({
        code: 'OUTRIGGER_ORDER_FALLBACK_INSIDE_RETRY',
        message: swapped(outer, hiding, 'nothing is ever retried'),
      })
    }
    if (hiding !== undefined && outer.traits.countsFailures === true) {
      warnings.push({
        code: 'OUTRIGGER_ORDER_FALLBACK_INSIDE_BREAKER',
        message: swapped(outer, hiding, 'it never opens'),
      })
    }
    if (outer.traits.retries === true && inside.some(retriesSomewhere)) {
      warnings.push({
        code: 'OUTRIGGER_ORDER_TWO_RETRIES',
        message: `\`${outer.kind}\` stands outside of another one: their attempts multiply. Keep one.`,
      })
    }
    if (outer.traits.mayRetryRejections === true && inside.some((stage) => stage.traits.countsFailures === true)) {
      warnings.push({
        code: 'OUTRIGGER_ORDER_RETRY_OUTSIDE_BREAKER',
        message: `\`${outer.kind}\` stands outside of a circuit breaker: its filter may retry an open circuit. Put it before.`,
      })
    }
  })
  return warnings
}

const swapped = (outer: AnyStage, hiding: AnyStage, so: string): string =>
  `\`${outer.kind}\` stands outside of \`${hiding.kind}\`, which answers every failure, so that ${so}. Put \`${hiding.kind}\` after it.`

/** Whether a stage asks again, or a rung or variant that it leads to does. What it wraps is looked at for itself, and nobody waits for a shadow. */
const retriesSomewhere = (stage: AnyStage): boolean => stage.traits.retries === true || stage.branches.some(({ label, stage: branch }) => label !== '' && label !== 'candidate' && hasRetry(branch))

const hasRetry = (stage: AnyStage): boolean => stage.traits.retries === true || stage.branches.some((branch) => hasRetry(branch.stage))
