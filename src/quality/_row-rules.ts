import { InvalidOptionError } from '../core/errors.js'
import { functionOption, numberOption, optionsObject, stringOption } from '../core/options.js'
import { chiSquareSurvival } from '../stats/chi-square.js'
import { EntityMemories, type EntityMemory } from './_entity-memory.js'
import { timeOf } from './_field-judge.js'
import type { FieldPlan } from './_field-plan.js'
import { valueOf } from './_row-access.js'
import type { RowCheck } from './check.js'
import type { FittedValues } from './fitted-values.js'
import type { RowAction, ValidationPolicy } from './validation-policy.js'

/** A rule that a whole row breaks. */
export interface RowFault {
  readonly rule: 'check' | 'stale' | 'backwards' | 'joint-outlier'
  readonly subject: string
  readonly action: RowAction
  /** What must be, and what is. */
  readonly says: string
}

/** What row rules ask of the layer. */
export interface RowContext {
  /** Milliseconds since 1970. */
  readonly now: () => number
  /** Tells that a function of the user threw. */
  readonly threw: (what: string, error: unknown) => void
}

const owner = 'a validation'

/** The rules that look at more than one field, or at the past. They see a row whose fields were repaired. */
export class RowRules {
  readonly #policy: ValidationPolicy<never>
  readonly #otherwise: RowAction
  readonly #joint: readonly { readonly plan: FieldPlan; readonly fitted: FittedValues }[]
  /** The cut of the joint distance by how many numbers a row has. */
  readonly #cuts: number[] = []
  readonly #alpha: number
  readonly #fresh: Place | undefined
  readonly #monotone: Place | undefined
  readonly #memories: EntityMemories
  readonly #needsMemory: boolean
  /** Whether there is any rule, so that a row without one costs nothing here. */
  readonly isEmpty: boolean

  constructor(policy: ValidationPolicy<never>, plans: readonly FieldPlan[]) {
    const { checks = [], fresh, monotone, outliers } = policy
    checkOptions(policy)
    this.#policy = policy
    this.#otherwise = policy.otherwise ?? 'reject'
    this.#alpha = outliers?.joint?.alpha ?? 0
    this.#joint = outliers?.joint === undefined ? [] : plans.flatMap((plan) => (isScaled(plan) ? [{ plan, fitted: plan.fitted as FittedValues }] : []))
    this.#fresh = fresh === undefined ? undefined : placeOf(fresh.field, plans)
    this.#monotone = monotone === undefined ? undefined : placeOf(monotone.field, plans)
    this.#memories = new EntityMemories(policy.maxEntities ?? 10_000)
    this.#needsMemory = monotone !== undefined || plans.some(({ keepsLast }) => keepsLast)
    this.isEmpty = checks.length === 0 && fresh === undefined && monotone === undefined && this.#joint.length === 0
  }

  /** What is remembered of the row's entity, if anything is. */
  memoryOf(row: unknown, context: RowContext): EntityMemory | undefined {
    if (!this.#needsMemory) return undefined
    const { entity } = this.#policy
    if (entity === undefined) return this.#memories.of('')
    try {
      const key: unknown = entity(row as never)
      if (key === undefined || key === null) throw new TypeError(`Cannot remember a row as \`entity\` must return a text: current value is ${key}`)
      return this.#memories.of(String(key))
    } catch (error) {
      context.threw('entity', error)
      // Of nobody: in one memory with all others of whom nothing is known it would be held against them.
      return { highest: -Infinity, last: new Map() }
    }
  }

  /** The faults of a row, or `undefined`. */
  judge(row: object, memory: EntityMemory | undefined, context: RowContext): RowFault[] | undefined {
    let faults: RowFault[] | undefined
    for (const check of this.#policy.checks ?? []) {
      if (!this.#passes(check, row, context)) (faults ??= []).push({ rule: 'check', subject: check.name, action: check.action ?? this.#otherwise, says: `the check must hold: current value is a row that it fails` })
    }
    const late = this.#stale(row, context) ?? undefined
    if (late !== undefined) (faults ??= []).push(late)
    const back = memory === undefined ? undefined : this.#backwards(row, memory)
    if (back !== undefined) (faults ??= []).push(back)
    const far = this.#joint.length === 0 ? undefined : this.#far(row)
    if (far !== undefined) (faults ??= []).push(far)
    return faults
  }

  /** Remembers a row that goes on. */
  accept(row: object, memory: EntityMemory): void {
    if (this.#monotone === undefined) return
    const at = timeOf(valueOf(row, this.#monotone))
    if (at !== undefined && at > memory.highest) memory.highest = at
  }

  #passes(check: RowCheck<never>, row: object, context: RowContext): boolean {
    try {
      const isGood: unknown = check.isGood(row as never)
      // A promise would be true whatever it brings.
      if (typeof isGood !== 'boolean') {
        Promise.resolve(isGood).catch(() => {})
        throw new TypeError(`Cannot use the check \`${check.name}\` as it must return true or false at once: current value is of type ${typeof isGood}`)
      }
      return isGood
    } catch (error) {
      context.threw(check.name, error)
      return false
    }
  }

  #stale(row: object, { now }: RowContext): RowFault | undefined {
    const { fresh } = this.#policy
    const place = this.#fresh
    if (fresh === undefined || place === undefined) return undefined
    const { field, maxAgeMs, maxAheadMs = maxAgeMs, action = this.#otherwise } = fresh
    const at = timeOf(valueOf(row, place))
    const age = at === undefined ? undefined : now() - at
    if (age !== undefined && age <= maxAgeMs && -age <= maxAheadMs) return undefined
    return { rule: 'stale', subject: field, action, says: `it must be at most ${maxAgeMs} ms old and ${maxAheadMs} ms ahead: current value is ${age === undefined ? 'no time' : place.isGuarded ? 'not shown' : `${age} ms old`}` }
  }

  #backwards(row: object, { highest }: EntityMemory): RowFault | undefined {
    const { monotone } = this.#policy
    const place = this.#monotone
    if (monotone === undefined || place === undefined) return undefined
    const { field, strict = false, action = this.#otherwise } = monotone
    const at = timeOf(valueOf(row, place))
    if (at !== undefined && (strict ? at > highest : at >= highest)) return undefined
    return { rule: 'backwards', subject: field, action, says: `it must never go back: current value is ${at === undefined ? 'no number' : place.isGuarded ? 'not shown' : `${at}, after ${highest}`}` }
  }

  #far(row: object): RowFault | undefined {
    let [numbers, distance] = [0, 0]
    for (const { plan, fitted } of this.#joint) {
      const value = valueOf(row, plan)
      if (typeof value !== 'number' || !Number.isFinite(value)) continue
      const z = (value - (fitted.median as number)) / fitted.scales[value < (fitted.median as number) ? 0 : 1]
      numbers += 1
      distance += z * z
    }
    if (numbers === 0 || distance <= (this.#cuts[numbers] ??= chiSquareCut(this.#alpha, numbers))) return undefined
    return { rule: 'joint-outlier', subject: 'row', action: this.#policy.outliers?.joint?.action ?? 'flag', says: `the squared robust distance of its ${numbers} numbers must be at most ${this.#cuts[numbers]}: current value is ${distance}` }
  }
}

type Place = Pick<FieldPlan, 'name' | 'position' | 'isInherited' | 'isGuarded'>

/** A field that the schema does not know is found by name, and so in records only. */
const placeOf = (name: string, plans: readonly FieldPlan[]): Place => plans.find((plan) => plan.name === name) ?? { name, position: -1, isInherited: name in Object.prototype, isGuarded: false }

const isScaled = ({ field, fitted }: FieldPlan): boolean =>
  (field.type === 'number' || field.type === 'integer') && field.shape === undefined && fitted?.median !== undefined && fitted.scales[0] > 0 && fitted.scales[1] > 0

/** The value that a chi-square variable exceeds with probability `alpha`, by bisection. */
const chiSquareCut = (alpha: number, degreesOfFreedom: number): number => {
  let [low, high] = [0, degreesOfFreedom + 1]
  while (chiSquareSurvival(high, degreesOfFreedom) > alpha) high *= 2
  for (let step = 0; step < 60; step += 1) {
    const middle = (low + high) / 2
    if (chiSquareSurvival(middle, degreesOfFreedom) > alpha) low = middle
    else high = middle
  }
  return high
}

const checkRowAction = (name: string, action: unknown): void => {
  if (action !== undefined && action !== 'reject' && action !== 'fallback' && action !== 'flag') throw new InvalidOptionError(`Cannot create ${owner} as \`${name}\` must be 'reject', 'fallback' or 'flag': current value is ${JSON.stringify(action)}`)
}

const checkOptions = ({ otherwise, checks, fresh, monotone, outliers, entity, maxEntities, reference }: ValidationPolicy<never>): void => {
  checkRowAction('otherwise', otherwise)
  functionOption(owner, 'entity', entity)
  if (maxEntities !== undefined) numberOption(owner, 'maxEntities', maxEntities, { min: 1, max: 10_000_000, integer: true })
  if (checks !== undefined && !Array.isArray(checks)) throw new InvalidOptionError(`Cannot create ${owner} as \`checks\` must be an array: current value is of type ${typeof checks}`)
  const names = (checks ?? []).map((one) => {
    if (typeof one?.isGood !== 'function') throw new InvalidOptionError(`Cannot create ${owner} as \`checks\` must hold what \`check()\` makes: current value is of type ${typeof one}`)
    checkRowAction(`checks.${one.name}`, one.action)
    return one.name
  })
  if (new Set(names).size !== names.length) throw new InvalidOptionError(`Cannot create ${owner} as \`checks\` must have different names: current value is ${names.join(', ')}`)
  if (fresh !== undefined) {
    optionsObject(`\`fresh\` of ${owner}`, fresh, ['field', 'maxAgeMs', 'maxAheadMs', 'action'])
    stringOption(owner, 'fresh.field', fresh.field)
    numberOption(owner, 'fresh.maxAgeMs', fresh.maxAgeMs, { min: 0 })
    if (fresh.maxAheadMs !== undefined) numberOption(owner, 'fresh.maxAheadMs', fresh.maxAheadMs, { min: 0, infinite: true })
    checkRowAction('fresh.action', fresh.action)
  }
  if (monotone !== undefined) {
    optionsObject(`\`monotone\` of ${owner}`, monotone, ['field', 'strict', 'action'])
    stringOption(owner, 'monotone.field', monotone.field)
    checkRowAction('monotone.action', monotone.action)
  }
  if (outliers !== undefined) {
    optionsObject(`\`outliers\` of ${owner}`, outliers, ['cut', 'joint'])
    if (reference === undefined) throw new InvalidOptionError(`Cannot create ${owner} as \`outliers\` needs a \`reference\`: current value is undefined`)
    if (outliers.cut !== undefined) numberOption(owner, 'outliers.cut', outliers.cut, { min: 0, exclusive: true })
    if (outliers.joint !== undefined) {
      optionsObject(`\`outliers.joint\` of ${owner}`, outliers.joint, ['alpha', 'action'])
      numberOption(owner, 'outliers.joint.alpha', outliers.joint.alpha, { min: 1e-300, max: 0.5 })
      checkRowAction('outliers.joint.action', outliers.joint.action)
    }
  }
}
