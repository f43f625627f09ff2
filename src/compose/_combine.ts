/** How the answers of several members become one: pure functions of plain values. */
import { OutriggerError } from '../core/errors.js'

/** What can be voted for. */
export type Label = string | number | boolean | bigint

type Floats = Float32Array | Float64Array

const isFloats = (value: unknown): value is Floats => ArrayBuffer.isView(value) && /Float\d+Array\]$/.test(Object.prototype.toString.call(value))

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> => typeof value === 'object' && value !== null && Object.prototype.toString.call(value) === '[object Object]'

/** Why an answer cannot be averaged: `type`, `not-finite`; `undefined` when it can. */
export const whyNotAverageable = (value: unknown): 'type' | 'not-finite' | undefined => {
  if (typeof value === 'number') return Number.isFinite(value) ? undefined : 'not-finite'
  if (isFloats(value)) return value.every((element) => Number.isFinite(element)) ? undefined : 'not-finite'
  const elements = Array.isArray(value) ? (value as unknown[]) : isRecord(value) ? Object.values(value) : undefined
  if (elements === undefined) return 'type'
  for (const element of elements) {
    const reason = whyNotAverageable(element)
    if (reason !== undefined) return reason
  }
  return undefined
}

/** Why an answer cannot be voted for. */
export const whyNotLabel = (value: unknown): 'type' | 'not-finite' | undefined => {
  if (typeof value === 'number') return Number.isNaN(value) ? 'not-finite' : undefined
  return typeof value === 'string' || typeof value === 'boolean' || typeof value === 'bigint' ? undefined : 'type'
}

/**
 * The mean of values of one shape, element by element: sum of weight × value over sum of weights, in double precision.
 *
 * @throws `ERR_OUTRIGGER_BAD_ANSWER` with `reason: 'shape'` when the shapes differ
 */
export const average = (values: readonly unknown[], weights: readonly number[]): unknown => {
  const first = values[0]
  const total = weights.reduce((sum, weight) => sum + weight, 0)
  if (typeof first === 'number') return meanOf(values.map((value) => (typeof value === 'number' ? value : mismatch(values))), weights, total)
  if (isFloats(first)) {
    for (const value of values) if (!isFloats(value) || value.constructor !== first.constructor || value.length !== first.length) mismatch(values)
    const result = first.slice()
    for (let index = 0; index < result.length; index += 1) {
      let sum = 0
      for (let member = 0; member < values.length; member += 1) sum += (weights[member] as number) * ((values[member] as Floats)[index] as number)
      result[index] = sum / total
    }
    return result
  }
  if (Array.isArray(first)) {
    for (const value of values) if (!Array.isArray(value) || value.length !== first.length) mismatch(values)
    return first.map((_, index) => average(values.map((value) => (value as readonly unknown[])[index]), weights))
  }
  const names = Object.keys(first as object)
  for (const value of values) if (!isRecord(value) || Object.keys(value).length !== names.length || !names.every((name) => Object.hasOwn(value, name))) mismatch(values)
  return Object.fromEntries(names.map((name) => [name, average(values.map((value) => (value as Readonly<Record<string, unknown>>)[name]), weights)]))
}

const meanOf = (values: readonly number[], weights: readonly number[], total: number): number => values.reduce((sum, value, index) => sum + (weights[index] as number) * value, 0) / total

/** Weights that are equal but for the rounding of their sums are a tie. */
const TIE = 1e-12

/** The label with the greatest sum of weights. In a tie, the one that the earliest member of the tie gave. */
export const vote = (labels: readonly unknown[], weights: readonly number[]): unknown => {
  // A map keeps its keys in the order in which they came; -0 and 0 are one label.
  const sums = new Map<unknown, number>()
  labels.forEach((label, index) => sums.set(label, (sums.get(label) ?? 0) + (weights[index] as number)))
  let winner: unknown
  let most = -Infinity
  for (const [label, sum] of sums) {
    if (sum > most * (1 + TIE)) {
      winner = label
      most = sum
    }
  }
  return winner
}

const mismatch = (values: readonly unknown[]): never => {
  throw new OutriggerError('ERR_OUTRIGGER_BAD_ANSWER', `Cannot average the answers of an ensemble as they must have one shape: current value is ${[...new Set(values.map(shapeOf))].join(' beside ')}`, { reason: 'shape' })
}

const shapeOf = (value: unknown): string => {
  if (typeof value !== 'object' || value === null) return `a ${typeof value}`
  if (isFloats(value)) return `${Object.prototype.toString.call(value).slice(8, -1)} of ${value.length}`
  if (Array.isArray(value)) return `an array of ${value.length}`
  const names = Object.keys(value)
  return `a record of ${names.slice(0, 8).join(', ')}${names.length > 8 ? `, … (${names.length})` : ''}`
}
