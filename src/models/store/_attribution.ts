/** Who changes something, when, and why. */
import type { Clock } from '../../core/clock.js'
import { InvalidOptionError } from '../../core/errors.js'
import type { Attribution } from './change.js'

/** What a change says of its maker, at the moment it is called. */
export type Author = () => { readonly at: string; readonly by: string | null; readonly reason: string | null }

/** The options that every change takes. */
export const attributionOptions = ['by', 'reason'] as const

const textOption = (owner: string, name: string, value: unknown, max: number): string | null => {
  if (value === undefined) return null
  if (typeof value === 'string' && value !== '' && value.length <= max) return value
  throw new InvalidOptionError(`Cannot ${owner} as \`${name}\` must be a text of 1 to ${max} characters: current value is ${typeof value === 'string' ? `one of ${value.length}` : String(value)}`)
}

/** Checks who is said to change something. */
export const authorOf = (action: string, { by, reason }: Attribution, defaultBy: string | null, clock: Clock): Author => {
  const who = textOption(action, 'by', by, 256) ?? defaultBy
  const why = textOption(action, 'reason', reason, 2000)
  return () => ({ at: new Date(clock.wall()).toISOString(), by: who, reason: why })
}

/** The `by` that a store is opened with. */
export const defaultAuthor = (by: unknown): string | null => textOption('create modelStore', 'by', by, 256)
