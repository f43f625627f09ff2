import { InvalidOptionError } from '../../core/errors.js'

/** Which changes of a mean are looked for. */
export type Direction = 'up' | 'down' | 'both'

/** The direction, or a coded error that names the option. */
export const directionOption = (owner: string, value: unknown): Direction => {
  if (value !== 'up' && value !== 'down' && value !== 'both') throw new InvalidOptionError(`Cannot create ${owner} as \`direction\` must be 'up', 'down' or 'both': current value is ${String(value)}`)
  return value
}
