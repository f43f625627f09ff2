import { OutriggerError } from '../core/errors.js'

/** The parameter of a distribution if `fits`, or a coded error that names it. */
export const parameter = (owner: string, name: string, value: number, must: string, fits: boolean): number => {
  if (!fits) throw new OutriggerError('ERR_OUTRIGGER_INVALID_INPUT', `Cannot compute ${owner} as \`${name}\` must be ${must}: current value is ${String(value)}`)
  return value
}

/** A finite number above 0, or a coded error. */
export const positive = (owner: string, name: string, value: number): number =>
  parameter(owner, name, value, 'a finite number above 0', value > 0 && value < Infinity)

/** A number in [0, 1], or a coded error. */
export const share = (owner: string, name: string, value: number): number => parameter(owner, name, value, 'a number in [0, 1]', value >= 0 && value <= 1)
