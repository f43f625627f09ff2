import { rejection, type OutriggerError } from '../core/errors.js'
import { toError } from '../core/model.js'
import type { Schema } from '../schema/schema.js'
import type { EntityMemory } from './_entity-memory.js'
import { fieldPlans, isImputation, type FieldPlan } from './_field-plan.js'
import { copyOf, copyOfValue, isList, replace, valueOf } from './_row-access.js'
import { RowRules, type RowContext, type RowFault } from './_row-rules.js'
import type { FieldAction, FieldRule, Imputation, QualityFinding, ValidationPolicy } from './validation-policy.js'

/** What became of a row: it goes on, as it is now, or fails. */
export interface RowVerdict {
  readonly row: unknown
  readonly findings: readonly QualityFinding[]
  /** Why it does not go on. */
  readonly refusal: Error | undefined
}

/** Judges rows; gives `undefined` for one that is good as it is. */
export interface RowJudge {
  judge(row: unknown, context: RowContext): RowVerdict | undefined | Promise<RowVerdict | undefined>
}

/** Findings of a row under way. */
export class Findings {
  readonly list: QualityFinding[] = []
  /** What the message says of the first one that the row fails for. */
  #says: string | undefined
  #isRejected = false
  #isRefused = false

  /** A row that only passes, clipped, imputed or flagged. */
  pass(rule: string, subject: string, action: 'flagged' | 'clipped' | 'imputed'): void {
    this.list.push({ rule, subject, action })
  }

  /** A rule that decides over the row. */
  add(rule: string, subject: string, action: FieldAction, says: string): void {
    if (action === 'flag') {
      this.pass(rule, subject, 'flagged')
      return
    }
    const isFallback = action === 'fallback'
    this.list.push({ rule, subject, action: isFallback ? 'fallback' : 'rejected' })
    this.#says ??= `\`${subject}\`: ${says}`
    this.#isRefused = true
    this.#isRejected ||= !isFallback
  }

  get isRefused(): boolean {
    return this.#isRefused
  }

  verdict(row: unknown): RowVerdict {
    return { row, findings: this.list, refusal: this.#isRefused ? refusalOf(this.#isRejected, this.#says as string, this.list) : undefined }
  }
}

/** One rule that rejects outweighs all that would hand over. */
const refusalOf = (isRejected: boolean, says: string, findings: readonly QualityFinding[]): OutriggerError => {
  const others = findings.filter(({ action }) => action === 'rejected' || action === 'fallback').length - 1
  return rejection(isRejected ? 'ERR_OUTRIGGER_INVALID_INPUT' : 'ERR_OUTRIGGER_UNFIT_INPUT', `Cannot pass the row on as ${says}${others > 0 ? `, and ${others} more` : ''}`, { findings })
}

/** What a row gets that cannot even be looked at: a getter threw, a schema failed. */
export const brokenRow = (error: unknown): RowVerdict => ({
  row: undefined,
  findings: [{ rule: 'type', subject: 'row', action: 'rejected' }],
  refusal: rejection('ERR_OUTRIGGER_INVALID_INPUT', `Cannot pass the row on as it must be readable: current value is one that throws`, { cause: toError(error), findings: [{ rule: 'type', subject: 'row', action: 'rejected' }] }),
})

/** Adds what the rules over whole rows say, and remembers the row if it goes on. */
export const finish = (rules: RowRules, row: object, memory: EntityMemory | undefined, context: RowContext, findings: Findings | undefined): Findings | undefined => {
  let all = findings
  if (!rules.isEmpty && findings?.isRefused !== true) {
    const faults: RowFault[] | undefined = rules.judge(row, memory, context)
    if (faults !== undefined) {
      all ??= new Findings()
      for (const { rule, subject, action, says } of faults) all.add(rule, subject, action, says)
    }
  }
  if (memory !== undefined && all?.isRefused !== true) rules.accept(row, memory)
  return all
}

/** Judges rows by our own field specification. */
export class FieldRowJudge implements RowJudge {
  readonly #plans: readonly FieldPlan[]
  readonly #kept: readonly FieldPlan[]
  readonly #rules: RowRules
  readonly #otherwise: FieldAction

  constructor(schema: Schema, policy: ValidationPolicy<never>) {
    this.#plans = fieldPlans(schema, policy)
    this.#kept = this.#plans.filter(({ keepsLast }) => keepsLast)
    this.#rules = new RowRules(policy, this.#plans)
    this.#otherwise = policy.otherwise ?? 'reject'
  }

  judge(row: unknown, context: RowContext): RowVerdict | undefined {
    if (typeof row !== 'object' || row === null) {
      const findings = new Findings()
      // Nothing can be read of it, so that it cannot even be flagged.
      findings.add('type', 'row', this.#otherwise === 'flag' ? 'reject' : this.#otherwise, `it must be a record or a list of fields: current value is ${row === null ? 'null' : `a ${typeof row}`}`)
      return findings.verdict(row)
    }
    const memory = this.#rules.memoryOf(row, context)
    let findings: Findings | undefined
    let copy: object | undefined
    const plans = this.#plans
    const isVector = isList(row)
    for (let index = 0; index < plans.length; index += 1) {
      const plan = plans[index] as FieldPlan
      // The usual way spelt out: this is where the time goes.
      const value = isVector || plan.isInherited ? valueOf(row, plan) : (row as Readonly<Record<string, unknown>>)[plan.name]
      const rule = plan.judge(value)
      if (rule === undefined) continue
      findings ??= new Findings()
      const action = plan.actions[rule]
      if (action !== 'clip' && !isImputation(action)) {
        findings.add(rule, plan.name, action, saysOf(plan, rule, value))
        continue
      }
      const repaired = action === 'clip' ? plan.clip(value) : imputed(plan, action, memory)
      if (repaired !== undefined) replace((copy ??= copyOf(row)), plan, repaired)
      // Nothing is there yet to put in its place, or a typed array has no place for it.
      if (repaired === undefined || (ArrayBuffer.isView(copy) && breaks(plan, valueOf(copy, plan)))) findings.add(rule, plan.name, 'reject', saysOf(plan, rule, value))
      else findings.pass(rule, plan.name, action === 'clip' ? 'clipped' : 'imputed')
    }
    const now = copy ?? row
    findings = finish(this.#rules, now, memory, context, findings)
    if (memory !== undefined && this.#kept.length > 0 && findings?.isRefused !== true) this.#remember(row, memory)
    return findings?.verdict(now)
  }

  /** Keeps the values that were good as they came. */
  #remember(row: object, memory: EntityMemory): void {
    for (const plan of this.#kept) {
      const value = valueOf(row, plan)
      if (value !== undefined && value !== null && plan.judge(value) === undefined) {
        // The caller may change its own later.
        memory.last.set(plan.name, copyOfValue(value))
      }
    }
  }
}

/** A copy, as the model or the caller may change what it gets. */
const imputed = (plan: FieldPlan, imputation: Imputation, memory: EntityMemory | undefined): unknown => copyOfValue(imputation.impute === 'last' ? (memory?.last.get(plan.name) ?? plan.fill(imputation)) : plan.fill(imputation))

/** An outlier may be what was asked for. */
const breaks = (plan: FieldPlan, value: unknown): boolean => {
  const rule = plan.judge(value)
  return rule !== undefined && rule !== 'outlier'
}

const musts: Readonly<Record<FieldRule, (plan: FieldPlan) => string>> = {
  missing: () => 'it must be there',
  type: ({ field }) => `it must be of the type ${field.type}${field.shape === undefined ? '' : ', in a list'}`,
  nan: () => 'it must be a number',
  infinite: () => 'it must be finite',
  range: ({ field }) => `it must lie in ${field.min ?? -Infinity} to ${field.max ?? Infinity}`,
  category: ({ field }) => `it must be one of ${(field.categories ?? []).slice(0, 10).join(', ')}${(field.categories ?? []).length > 10 ? '…' : ''}`,
  shape: ({ field }) => `it must have the shape [${(field.shape ?? []).map((length) => length ?? 'any').join(', ')}]`,
  outlier: ({ fitted }) => `it must lie nearer to the median ${fitted?.median} of the reference`,
}

const saysOf = (plan: FieldPlan, rule: FieldRule, value: unknown): string => `${musts[rule](plan)}: current value is ${plan.isGuarded ? 'not shown' : show(value)}`

const show = (value: unknown): string => {
  if (typeof value === 'string') return JSON.stringify(value.length > 40 ? `${value.slice(0, 40)}…` : value)
  return typeof value === 'object' && value !== null ? `an ${Array.isArray(value) || ArrayBuffer.isView(value) ? 'array' : 'object'}` : typeof value === 'function' ? 'a function' : String(value)
}
