import { Moments } from '../stats/moments.js'
import { countField, numberField, refusedState } from './_state.js'

/** For `metrics/`, to which what begins with a dash is private. */
export { countField, isState, numberField, refusedInput, refusedState } from './_state.js'

/** A part of a state as a record; each field is still to be checked. */
export const fieldsOf = (owner: string, state: unknown): Readonly<Record<string, unknown>> => {
  if (typeof state !== 'object' || state === null || Array.isArray(state)) throw refusedState(owner, 'its state must be an object', state)
  return state as Readonly<Record<string, unknown>>
}

/** Moments from a state whose fields are checked. */
export const momentsOf = (owner: string, state: unknown): Moments => {
  const fields = fieldsOf(owner, state)
  return new Moments({ count: countField(owner, fields, 'count'), mean: numberField(owner, fields, 'mean'), squares: numberField(owner, fields, 'squares', 0) })
}

/** A list of so many counts. */
export const countList = (owner: string, name: string, value: unknown, length: number): number[] => {
  if (!Array.isArray(value) || value.length !== length || !value.every((count) => Number.isSafeInteger(count) && (count as number) >= 0)) throw refusedState(owner, `\`${name}\` must be ${length} counts`, value)
  return [...(value as number[])]
}
