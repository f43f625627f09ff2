/** Checks of answers for `circuitBreaker`: a model that is up and answers nonsense is down. */
import { InvalidOptionError } from '../core/errors.js'
import { functionOption, numberOption, optionsObject } from '../core/options.js'
import { fingerprintOf } from './fingerprint.js'

/** Options of {@link answerChecks}; each one that is given is a check. */
export interface AnswerChecksOptions<V = unknown> {
  /** Every number in the answer must be one: no NaN, no Infinity. @default true */
  readonly finite?: boolean
  /** The length of each dimension, outermost first; `null` for any. Of a typed array, whose shape is not known, the product. */
  readonly shape?: readonly (number | null)[]
  /** The least and the greatest number that may be in the answer. */
  readonly range?: readonly [number, number]
  /** The numbers of the answer are probabilities that sum to 1, give or take so much. */
  readonly sumsToOne?: number
  /** So many equal answers to different inputs, one after another, are bad: something is stuck. */
  readonly constantOver?: number
  /** The part of the answer that is checked. @default the whole answer */
  readonly of?: (output: V) => unknown
}

/** What is wrong with an answer, or `undefined`. It fits any model. */
export interface AnswerChecks {
  (output: unknown, input?: unknown): string | undefined
  /** The names of the checks that it makes. */
  readonly checks: readonly string[]
}

/** The same of a part of the answer: it fits models that have it. */
export interface PartChecks<V> {
  (output: V, input?: unknown): string | undefined
  readonly checks: readonly string[]
}

const owner = 'answer checks'

/**
 * Says what is wrong with an answer: NaN or an infinity, a wrong shape, numbers out of range, probabilities that do not
 * sum to 1, one and the same answer whatever is asked. Give it to `circuitBreaker` as `isBadAnswer`.
 *
 * An answer may be a number, an array (nested, typed), or an object or map of these; strings and other values count as they are
 * for `constantOver` only. One nested deeper than 100 levels is bad, and so is a cycle. One pass over the answer; `constantOver` reads the input too, and keeps 32-bit fingerprints
 * of the last pair only. Make one for each breaker: it has a memory.
 *
 * @throws `ERR_OUTRIGGER_INVALID_OPTION`
 * @example
 * ```ts
 * import { answerChecks } from 'outrigger/resilience'
 * const check = answerChecks({ shape: [3], sumsToOne: 1e-6 })
 * assert.equal(check([0.2, 0.3, 0.5]), undefined)
 * assert.equal(check([0.2, NaN, 0.5]), 'NaN at 1')
 * assert.equal(check([0.2, 0.8]), '2 elements instead of 3')
 * assert.equal(check([0.2, 0.2, 0.2]), 'probabilities that sum to 0.6000000000000001')
 * ```
 */
export function answerChecks(options?: AnswerChecksOptions & { readonly of?: undefined }): AnswerChecks
export function answerChecks<V>(options: AnswerChecksOptions<V>): PartChecks<V>
export function answerChecks<V>(options: AnswerChecksOptions<V> = {}): PartChecks<V> {
  optionsObject(owner, options, ['finite', 'shape', 'range', 'sumsToOne', 'constantOver', 'of'])
  const { finite = true, shape, range, sumsToOne, constantOver } = options
  const of = functionOption(owner, 'of', options.of)
  if (shape !== undefined && !Array.isArray(shape)) throw new InvalidOptionError(`Cannot create ${owner} as \`shape\` must be an array: current value is ${String(shape)}`)
  for (const length of shape ?? []) if (length !== null) numberOption(owner, 'shape', length, { min: 0, integer: true })
  if (range !== undefined) numberOption(owner, 'range[1]', range[1], { min: numberOption(owner, 'range[0]', range[0], { infinite: true }), infinite: true })
  if (sumsToOne !== undefined) numberOption(owner, 'sumsToOne', sumsToOne, { min: 0, max: 1 })
  if (constantOver !== undefined) numberOption(owner, 'constantOver', constantOver, { min: 2, integer: true })
  const [least, most] = sumsToOne === undefined ? (range ?? [-Infinity, Infinity]) : [-sumsToOne, 1 + sumsToOne]

  let lastOutput: number | undefined
  let lastInput: number | undefined
  let equal = 0
  const stuck = (value: unknown, input: unknown): string | undefined => {
    const print = fingerprintOf(value)
    if (print !== lastOutput) equal = 0
    const inputPrint = fingerprintOf(input)
    if (equal === 0 || inputPrint !== lastInput) equal += 1
    lastOutput = print
    lastInput = inputPrint
    return equal >= (constantOver as number) ? `the same answer to ${equal} different inputs` : undefined
  }

  const check = (output: V, input?: unknown): string | undefined => {
    const value = of === undefined ? output : of(output)
    const wrong = (shape && wrongShape(value, shape, 0)) ?? wrongNumber(value, finite, least, most, '')
    if (wrong !== undefined) return wrong
    if (sumsToOne !== undefined) {
      const sum = sumOf(value)
      if (!(Math.abs(sum - 1) <= sumsToOne)) return `probabilities that sum to ${sum}`
    }
    return constantOver === undefined ? undefined : stuck(value, input)
  }
  const checks = Object.entries({ finite, shape, range, sumsToOne, constantOver }).flatMap(([name, given]) => (given === undefined || given === false ? [] : [name]))
  return Object.assign(check, { checks })
}

/** An array, or a typed one. */
const isList = (value: unknown): value is readonly unknown[] => Array.isArray(value) || (ArrayBuffer.isView(value) && !(value instanceof DataView))

const partsOf = (value: unknown): Iterable<[string | number, unknown]> =>
  isList(value) ? value.entries() : value instanceof Map ? (value as Map<string, unknown>).entries() : typeof value === 'object' && value !== null ? Object.entries(value) : []

const wrongShape = (value: unknown, shape: readonly (number | null)[], depth: number): string | undefined => {
  if (depth === shape.length) return isList(value) ? `more than ${depth} dimensions` : undefined
  if (!isList(value)) return `${depth} dimensions instead of ${shape.length}`
  const isFlat = ArrayBuffer.isView(value)
  const rest = isFlat ? shape.slice(depth) : shape.slice(depth, depth + 1)
  // A typed array is all its dimensions in one.
  const known = rest.reduce<number>((product, length) => product * (length ?? 1), 1)
  const isOpen = rest.includes(null)
  if (isOpen ? known === 0 || value.length % known !== 0 : value.length !== known) return `${value.length} elements instead of ${isOpen ? `a multiple of ${known}` : known}`
  if (isFlat) return undefined
  for (const part of value) {
    const wrong = wrongShape(part, shape, depth + 1)
    if (wrong !== undefined) return wrong
  }
  return undefined
}

/** Deeper than answers are. A cycle is, and it ends here: the first path that goes on for so long is the verdict. */
const mostLevels = 100

const wrongNumber = (value: unknown, finite: boolean, least: number, most: number, at: string, levels = 0): string | undefined => {
  if (typeof value === 'number') {
    const where = at === '' ? '' : ` at ${at}`
    if (finite && !Number.isFinite(value)) return `${value}${where}`
    return value < least || value > most ? `${value}${where}, out of ${least} to ${most}` : undefined
  }
  if (levels > mostLevels && typeof value === 'object' && value !== null) return `nested deeper than ${mostLevels} levels, or a cycle`
  if (isList(value)) {
    // Without a tuple per element: this is where the time goes.
    for (let index = 0; index < value.length; index += 1) {
      const part = value[index]
      if (typeof part === 'number' && Number.isFinite(part) && part >= least && part <= most) continue
      const wrong = wrongNumber(part, finite, least, most, at === '' ? `${index}` : `${at}.${index}`, levels + 1)
      if (wrong !== undefined) return wrong
    }
    return undefined
  }
  for (const [name, part] of partsOf(value)) {
    const wrong = wrongNumber(part, finite, least, most, at === '' ? String(name) : `${at}.${name}`, levels + 1)
    if (wrong !== undefined) return wrong
  }
  return undefined
}

const sumOf = (value: unknown): number => {
  if (typeof value === 'number') return value
  let sum = 0
  if (isList(value)) for (let index = 0; index < value.length; index += 1) sum += sumOf(value[index])
  else for (const [, part] of partsOf(value)) sum += sumOf(part)
  return sum
}
