import { InvalidOptionError } from '../core/errors.js'
import { guardedTags } from '../core/masking.js'
import { optionsObject } from '../core/options.js'
import type { Field, Schema } from '../schema/schema.js'
import { fieldJudge, timeOf, type FieldJudge } from './_field-judge.js'
import { fittedValues, type FittedValues } from './fitted-values.js'
import type { FieldAction, FieldPolicy, FieldRule, Imputation, ValidationPolicy } from './validation-policy.js'

/** What is done with one field of every row. */
export interface FieldPlan {
  readonly name: string
  readonly field: Field
  /** Where it stands in a row that is a list. */
  readonly position: number
  /** Whether every object has something of this name, such as `constructor`. */
  readonly isInherited: boolean
  /** Whether its values stay out of messages. */
  readonly isGuarded: boolean
  readonly judge: FieldJudge
  readonly actions: Readonly<Record<FieldRule, FieldAction>>
  /** Whether its last good value is kept. */
  readonly keepsLast: boolean
  /** The nearest allowed value, or `undefined` if there is none. */
  readonly clip: (value: unknown) => unknown
  /** The value that an imputation gives without looking at the past; `undefined` if none does. */
  readonly fill: (imputation: Imputation) => unknown
  /** Median and scales, where they are known. */
  readonly fitted: FittedValues | undefined
}

const owner = 'a validation'

/** The rules of fields, in the order in which messages name them. */
export const fieldRules: readonly FieldRule[] = ['missing', 'type', 'nan', 'infinite', 'range', 'category', 'shape', 'outlier']

/** Compiles what a schema and a policy say of each field. */
export const fieldPlans = (schema: Schema, policy: ValidationPolicy<never>): FieldPlan[] => {
  const names = Object.keys(schema.fields)
  optionsObject(`\`rules\` of ${owner}`, policy.rules ?? {}, fieldRules)
  for (const name of Object.keys(policy.fields ?? {})) {
    if (!names.includes(name)) throw new InvalidOptionError(`Cannot create ${owner} as \`fields\` may only name fields of the schema: current value is ${JSON.stringify(name)}`)
  }
  return names.map((name, position) => planOf(name, position, schema.fields[name] as Field, policy))
}

/** Whether an action puts a value in the place of another. */
export const isImputation = (action: FieldPolicy | undefined): action is Imputation => typeof action === 'object' && action !== null && 'impute' in action

/** Refuses an action that is none. */
export const checkAction = (name: string, action: unknown): void => {
  if (action === 'reject' || action === 'fallback' || action === 'flag' || action === 'clip') return
  if (typeof action === 'object' && action !== null && 'impute' in action) {
    const { impute } = action
    optionsObject(`\`${name}\``, action, impute === 'constant' ? ['impute', 'value'] : ['impute'])
    if (impute === 'mean' || impute === 'median' || impute === 'mode' || impute === 'last' || (impute === 'constant' && 'value' in action)) return
  }
  throw new InvalidOptionError(`Cannot create ${owner} as \`${name}\` must be 'reject', 'fallback', 'flag', 'clip' or { impute }: current value is ${JSON.stringify(action)}`)
}

const planOf = (name: string, position: number, field: Field, policy: ValidationPolicy<never>): FieldPlan => {
  const fitted = policy.reference === undefined ? undefined : fittedValues(policy.reference, name)
  const actions = Object.fromEntries(fieldRules.map((rule) => [rule, actionOf(name, field, rule, policy)])) as Record<FieldRule, FieldAction>
  const outliers = policy.outliers === undefined ? undefined : outlierBounds(field, fitted, policy.outliers.cut ?? 6)
  const { min = -Infinity, max = Infinity, optional = false, nullable = optional, nan = false } = field
  const low = Math.max(min, outliers?.[0] ?? -Infinity)
  const high = Math.min(max, outliers?.[1] ?? Infinity)
  const plan: FieldPlan = {
    name,
    field,
    position,
    isInherited: name in Object.prototype,
    isGuarded: (field.tags ?? []).some((tag) => guardedTags.has(tag.toLowerCase())),
    // Who says what fills a missing value has a model that takes none, also where the schema allows it.
    judge: fieldJudge(field, { mayBeAbsent: optional && !isImputation(actions.missing), mayBeNull: nullable && !isImputation(actions.missing), mayBeNaN: nan && !isImputation(actions.nan), outliers }),
    actions,
    keepsLast: fieldRules.some((rule) => isImputation(actions[rule]) && (actions[rule] as Imputation).impute === 'last'),
    clip: (value) => nearest(value, low, high, field),
    fill: (imputation) => fillOf(imputation, fitted, field),
    fitted,
  }
  for (const rule of fieldRules) if (isImputation(actions[rule])) checkFill(plan, actions[rule] as Imputation)
  return plan
}

/** The action for a rule: the field's own for it, the field's for all, that for the rule, the rest. One that does not fit is passed over, unless it was asked for by name. */
const actionOf = (name: string, field: Field, rule: FieldRule, { fields = {}, rules = {}, otherwise = 'reject' }: ValidationPolicy<never>): FieldAction => {
  const own = Object.hasOwn(fields, name) ? fields[name] : undefined
  if (typeof own === 'object' && !isImputation(own)) {
    optionsObject(`\`fields.${name}\``, own, fieldRules)
    const action = own[rule]
    if (action !== undefined) {
      checkAction(`fields.${name}.${rule}`, action)
      if (!fits(action, rule, field)) throw new InvalidOptionError(`Cannot create ${owner} as \`fields.${name}.${rule}\` must fit the rule and the field: current value is ${JSON.stringify(action)}`)
      return action
    }
  } else if (own !== undefined) {
    checkAction(`fields.${name}`, own)
    if (fits(own, rule, field)) return own
  }
  const general = rules[rule] ?? (rule === 'outlier' ? 'flag' : undefined)
  if (general !== undefined) checkAction(`rules.${rule}`, general)
  return general !== undefined && fits(general, rule, field) ? general : otherwise
}

const fits = (action: FieldAction, rule: FieldRule, field: Field): boolean => {
  if (action === 'clip') return (rule === 'range' || rule === 'infinite' || rule === 'outlier') && field.shape === undefined
  // A list has no median; only what is given or was seen can take its place.
  return !isImputation(action) || field.shape === undefined || action.impute === 'last'
}

const outlierBounds = ({ type, shape }: Field, fitted: FittedValues | undefined, cut: number): readonly [number, number] | undefined => {
  if ((type !== 'number' && type !== 'integer') || shape !== undefined || fitted?.median === undefined) return undefined
  const [below, above] = fitted.scales
  // A side without a scale has no outliers.
  return [below === 0 ? -Infinity : fitted.median - cut * below, above === 0 ? Infinity : fitted.median + cut * above]
}

const nearest = (value: unknown, low: number, high: number, { type }: Field): unknown => {
  const at = type === 'date' ? timeOf(value) : typeof value === 'number' ? value : undefined
  if (at === undefined || Number.isNaN(at)) return undefined
  const [from, to] = type === 'integer' ? [Math.ceil(low), Math.floor(high)] : [low, high]
  const moved = Math.max(from, Math.min(to, at))
  if (!Number.isFinite(moved) || moved > to) return undefined
  if (type !== 'date' || typeof value === 'number') return moved
  return typeof value === 'string' ? new Date(moved).toISOString() : new Date(moved)
}

const fillOf = (imputation: Imputation, fitted: FittedValues | undefined, { type, min = -Infinity, max = Infinity }: Field): unknown => {
  if (imputation.impute === 'constant') return imputation.value
  const value = imputation.impute === 'mean' ? (fitted?.mean ?? fitted?.mode) : imputation.impute === 'mode' ? fitted?.mode : (fitted?.median ?? fitted?.mode)
  if (typeof value !== 'number' || type === 'category' || type === 'string') return value
  return Math.max(min, Math.min(max, type === 'integer' ? Math.round(value) : value))
}

/** What fills must itself be good: otherwise every repair would be a new fault. */
const checkFill = ({ name, fill, judge, field }: FieldPlan, imputation: Imputation): void => {
  const value = fill(imputation)
  if (imputation.impute === 'last' && value === undefined) return
  if (value === undefined) throw new InvalidOptionError(`Cannot create ${owner} as imputing the ${imputation.impute} of \`${name}\` needs a \`reference\` that saw values of it: current value is none`)
  const rule = value === null && field.nullable === true ? undefined : judge(value)
  if (rule !== undefined && rule !== 'outlier') throw new InvalidOptionError(`Cannot create ${owner} as what is imputed for \`${name}\` must be good itself, and breaks the rule \`${rule}\`: current value is ${String(value)}`)
}
