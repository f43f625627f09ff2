/** Where the processes of a fleet leave their states for each other. */
import { InvalidOptionError, type OutriggerError } from '../core/errors.js'
import { systemClock, type Clock } from '../core/clock.js'
import { numberOption } from '../core/options.js'

/** The state of one writer. */
export interface StoredState {
  readonly name: string
  /** `undefined` if what is there cannot be read; the others can all the same. */
  readonly text: string | undefined
  /** Why it cannot be read. */
  readonly error?: OutriggerError
}

/**
 * Texts under names, each whole or absent, each gone some time after it was last written. One writer per name.
 *
 * What it rejects with is an error of the store; a reader never sees half of a text. `stateStoreConformance` of `outrigger/testing` holds a
 * store of your own to what all do.
 */
export interface StateStore {
  /** Writes the text, in place of what was there under the name, and keeps it for so long from now on: above 0 and at most 1e13 ms. */
  put(name: string, text: string, keepForMs: number): Promise<void>
  /** The text, or `undefined` if there is none any more. */
  get(name: string): Promise<string | undefined>
  /** All that is kept, by name. */
  list(): Promise<StoredState[]>
  /** Forgets a name; nothing if it is not there. */
  remove(name: string): Promise<void>
}

/** A name of letters, digits, dots, dashes and underscores, or a coded error. */
export const stateName = (owner: string, name: unknown): string => {
  if (typeof name !== 'string' || !/^[A-Za-z0-9._-]{1,100}$/.test(name)) {
    throw new InvalidOptionError(`Cannot use ${owner} as a name must be 1 to 100 letters, digits, dots, dashes or underscores: current value is ${JSON.stringify(name)}`)
  }
  return name
}

/** A time to keep a state, or a coded error. */
export const keptFor = (owner: string, keepForMs: unknown): number => numberOption(owner, 'keepForMs', keepForMs, { min: 0, exclusive: true, max: 1e13 })

export const byName = (x: StoredState, y: StoredState): number => (x.name < y.name ? -1 : 1)

/** States in the memory of this process: for tests, and for threads that post them to one. @param clock - for expiry */
export const memoryStateStore = (clock: Clock = systemClock): StateStore => {
  const owner = 'a memory state store'
  const states = new Map<string, { readonly text: string; readonly until: number }>()
  const current = (name: string): string | undefined => {
    const state = states.get(name)
    if (state !== undefined && state.until <= clock.wall()) states.delete(name)
    return state !== undefined && states.has(name) ? state.text : undefined
  }
  return {
    put: async (name, text, keepForMs) => void states.set(stateName(owner, name), { text, until: clock.wall() + keptFor(owner, keepForMs) }),
    get: async (name) => current(stateName(owner, name)),
    list: async () => [...states.keys()].flatMap((name) => (current(name) === undefined ? [] : [{ name, text: current(name) as string }])).sort(byName),
    remove: async (name) => void states.delete(stateName(owner, name)),
  }
}
