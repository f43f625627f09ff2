import { InvalidOptionError } from '../core/errors.js'
import type { StandardIssue, StandardResult, StandardSchema } from '../schema/standard-schema.js'
import { checkAction, isImputation } from './_field-plan.js'
import { copyOf, replace } from './_row-access.js'
import { brokenRow, finish, Findings, type RowJudge, type RowVerdict } from './_row-judge.js'
import { RowRules, type RowContext } from './_row-rules.js'
import { fittedValues } from './fitted-values.js'
import type { FieldAction, Imputation, ValidationPolicy } from './validation-policy.js'

const owner = 'a validation'

/**
 * Judges rows by a schema of another library. What it gives (with defaults, coerced, transformed) is what goes on.
 *
 * An issue belongs to the field that its path begins with, whose action decides. What is imputed is put in, and the row asked for once more; with
 * `flag` the row goes on as it came.
 */
export class StandardRowJudge implements RowJudge {
  readonly #schema: StandardSchema
  readonly #actions: ReadonlyMap<string, FieldAction>
  readonly #fills: ReadonlyMap<string, unknown>
  readonly #otherwise: FieldAction
  readonly #rules: RowRules

  constructor(schema: StandardSchema, policy: ValidationPolicy<never>) {
    if (policy.rules !== undefined || policy.outliers !== undefined) throw new InvalidOptionError(`Cannot create ${owner} as \`rules\` and \`outliers\` need a schema of \`defineSchema\` or \`schemaOf\`: current value is one of ${schema['~standard'].vendor}`)
    this.#schema = schema
    this.#otherwise = policy.otherwise ?? 'reject'
    this.#actions = new Map(Object.entries(policy.fields ?? {}).map(([name, action]) => [name, actionOf(name, action)]))
    this.#fills = new Map([...this.#actions].flatMap(([name, action]) => (isImputation(action) ? [[name, fillOf(name, action, policy)] as const] : [])))
    this.#rules = new RowRules(policy, [])
  }

  judge(row: unknown, context: RowContext): RowVerdict | undefined | Promise<RowVerdict | undefined> {
    return this.#then(this.#schema['~standard'].validate(row), (result) => this.#first(row, result, context))
  }

  #first(row: unknown, result: StandardResult<unknown>, context: RowContext): RowVerdict | undefined | Promise<RowVerdict | undefined> {
    if (result.issues === undefined) return this.#end(row, result.value, undefined, context)
    const findings = new Findings()
    let copy: object | undefined
    for (const [field, issue] of byField(result.issues)) {
      const action = this.#actions.get(field) ?? this.#otherwise
      if (!isImputation(action) || typeof row !== 'object' || row === null) findings.add('schema', field, isImputation(action) ? 'reject' : action, issue.message)
      else {
        replace((copy ??= copyOf(row)), { name: field, position: Number(field) }, this.#fills.get(field))
        findings.pass('schema', field, 'imputed')
      }
    }
    if (copy === undefined || findings.isRefused) return this.#end(row, row, findings, context)
    const repaired = copy
    return this.#then(this.#schema['~standard'].validate(repaired), (again) => {
      if (again.issues === undefined) return this.#end(row, again.value, findings, context)
      for (const [field, issue] of byField(again.issues)) {
        const action = this.#actions.get(field) ?? this.#otherwise
        // Flagged before, and still what it was.
        if (action !== 'flag') findings.add('schema', field, isImputation(action) ? 'reject' : action, issue.message)
      }
      return this.#end(row, repaired, findings, context)
    })
  }

  #end(row: unknown, value: unknown, findings: Findings | undefined, context: RowContext): RowVerdict | undefined {
    const isRecord = typeof value === 'object' && value !== null
    const all = isRecord && findings?.isRefused !== true ? finish(this.#rules, value, this.#rules.memoryOf(value, context), context, findings) : findings
    if (all !== undefined) return all.verdict(value)
    return value === row ? undefined : { row: value, findings: [], refusal: undefined }
  }

  /** Goes on at once where the schema is synchronous. */
  #then(result: StandardResult<unknown> | Promise<StandardResult<unknown>>, go: (result: StandardResult<unknown>) => RowVerdict | undefined | Promise<RowVerdict | undefined>): RowVerdict | undefined | Promise<RowVerdict | undefined> {
    // Not only our own realm's promises: what is taken for a result would pass without issues.
    if (!('then' in result)) return go(result)
    const later = async (): Promise<RowVerdict | undefined> => {
      try {
        return await go(await result)
      } catch (error) {
        return brokenRow(error)
      }
    }
    return later()
  }
}

/** The first issue of each field, `row` for the row itself. */
const byField = (issues: readonly StandardIssue[]): Map<string, StandardIssue> => {
  const first = new Map<string, StandardIssue>()
  for (const issue of issues) {
    const [part] = issue.path ?? []
    const field = part === undefined ? 'row' : String(typeof part === 'object' ? part.key : part)
    if (!first.has(field)) first.set(field, issue)
  }
  if (first.size === 0) first.set('row', { message: 'it must fit the schema: current value does not, for a reason that the schema does not give' })
  return first
}

const actionOf = (name: string, action: unknown): FieldAction => {
  checkAction(`fields.${name}`, action)
  if (action === 'clip' || (isImputation(action as FieldAction) && (action as Imputation).impute === 'last')) {
    throw new InvalidOptionError(`Cannot create ${owner} as \`fields.${name}\` of a Standard Schema must be 'reject', 'fallback', 'flag' or { impute } of a fitted value or a constant: current value is ${JSON.stringify(action)}`)
  }
  return action as FieldAction
}

const fillOf = (name: string, imputation: Imputation, { reference }: ValidationPolicy<never>): unknown => {
  if (imputation.impute === 'constant') return imputation.value
  const fitted = reference === undefined ? undefined : fittedValues(reference, name)
  const value = imputation.impute === 'mean' ? (fitted?.mean ?? fitted?.mode) : imputation.impute === 'mode' ? fitted?.mode : (fitted?.median ?? fitted?.mode)
  if (value === undefined) throw new InvalidOptionError(`Cannot create ${owner} as imputing the ${imputation.impute} of \`${name}\` needs a \`reference\` that saw values of it: current value is none`)
  return value
}
