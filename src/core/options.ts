/** Checks of options. They run once, at construction, and never on the hot path. */
import { InvalidOptionError, OptionRangeError } from './errors.js'

const show = (value: unknown): string => {
  if (typeof value === 'string') return JSON.stringify(value)
  if (typeof value === 'function') return 'a function'
  if (typeof value === 'object' && value !== null) return Array.isArray(value) ? `an array of ${value.length}` : 'an object'
  return String(value)
}

const refuse = (owner: string, name: string, must: string, value: unknown): never => {
  throw new InvalidOptionError(`Cannot create ${owner} as \`${name}\` must ${must}: current value is ${show(value)}`)
}

/** What a number option must satisfy. */
export interface NumberRange {
  readonly min?: number
  readonly max?: number
  readonly integer?: boolean
  /** Whether `Infinity` is a value. @default false */
  readonly infinite?: boolean
  /** Whether `min` itself is refused. @default false */
  readonly exclusive?: boolean
}

/** The number, or a coded error that names the option. */
export const numberOption = (owner: string, name: string, value: unknown, range: NumberRange = {}): number => {
  if (typeof value !== 'number' || Number.isNaN(value)) return refuse(owner, name, 'be a number', value)
  const { min = -Infinity, max = Infinity, integer = false, infinite = false, exclusive = false } = range
  const below = exclusive ? value <= min : value < min
  if (below || value > max || (integer && Number.isFinite(value) && !Number.isInteger(value)) || (!infinite && !Number.isFinite(value))) {
    const from = min === -Infinity ? '' : ` ${exclusive ? 'above' : 'of at least'} ${min}`
    const to = max === Infinity ? '' : ` and at most ${max}`
    throw new OptionRangeError(`Cannot create ${owner} as \`${name}\` must be ${integer ? 'an integer' : 'a number'}${from}${to}: current value is ${show(value)}`)
  }
  return value
}

/** The function, `undefined` if it is optional and absent, or a coded error that names the option. */
export const functionOption = <F>(owner: string, name: string, value: F): F => {
  return value === undefined ? value : requiredFunction(owner, name, value)
}

/** The function, or a coded error that names the option. */
export const requiredFunction = <F>(owner: string, name: string, value: F): F => {
  return typeof value === 'function' ? value : refuse(owner, name, 'be a function', value)
}

/** An object with these methods, or a coded error that names the option. */
export const membersOption = <T extends object>(owner: string, name: string, value: T, methods: readonly (keyof T & string)[]): T => {
  for (const method of methods) {
    if (typeof (value as Partial<T> | null)?.[method] !== 'function') refuse(owner, name, `have a method \`${method}\``, value)
  }
  return value
}

/** The string, or a coded error that names the option. */
export const stringOption = (owner: string, name: string, value: unknown): string => {
  return typeof value === 'string' && value !== '' ? value : refuse(owner, name, 'be a string that is not empty', value)
}

/** Refuses an options argument that is no object, and option names that do not exist (a misspelt option is silently no option). */
export const optionsObject = (owner: string, options: unknown, known: readonly string[]): void => {
  if (typeof options !== 'object' || options === null) {
    throw new InvalidOptionError(`Cannot create ${owner} as its options must be an object: current value is ${show(options)}`)
  }
  for (const name of Object.keys(options)) {
    if (!known.includes(name)) {
      throw new InvalidOptionError(`Cannot create ${owner} as it has no option \`${name}\` (it has ${known.join(', ')}): current value is ${show((options as Record<string, unknown>)[name])}`)
    }
  }
}
