import { OutriggerError } from '../core/errors.js'

const shown = (value: unknown): string => (typeof value === 'string' ? JSON.stringify(value.slice(0, 80)) : String(value))

/** Refuses what cannot be counted, compared or joined. */
export const refusedInput = (what: string, why: string, value: unknown): OutriggerError => new OutriggerError('ERR_OUTRIGGER_INVALID_INPUT', `Cannot ${what} as ${why}: current value is ${shown(value)}`)

/** Refuses a state, with the reason. */
export const refusedState = (owner: string, why: string, value: unknown): OutriggerError => new OutriggerError('ERR_OUTRIGGER_PROFILE', `Cannot restore ${owner} as ${why}: current value is ${shown(value)}`)

/** What every saved state begins with. */
export interface EvidenceState {
  readonly kind: string
  readonly version: 1
}

/** Whether what a constructor was given is a state, and not options. */
export const isState = (given: unknown): given is EvidenceState => typeof given === 'object' && given !== null && 'kind' in given

/** The fields of a state of this kind; each is still to be checked. */
export const openedState = (kind: string, owner: string, state: unknown): Readonly<Record<string, unknown>> => {
  if (!isState(state) || state.kind !== kind) throw refusedState(owner, `its state must be that of ${JSON.stringify(kind)}`, isState(state) ? state.kind : state)
  if (state.version !== 1) throw refusedState(owner, 'this release reads version 1', state.version)
  return state as unknown as Readonly<Record<string, unknown>>
}

/** A field that is a count, or a coded error. */
export const countField = (owner: string, fields: Readonly<Record<string, unknown>>, name: string): number => {
  const value = fields[name]
  if (!Number.isSafeInteger(value) || (value as number) < 0) throw refusedState(owner, `\`${name}\` must be a count`, value)
  return value as number
}

/** A field that is a finite number of at least `min`, or a coded error. */
export const numberField = (owner: string, fields: Readonly<Record<string, unknown>>, name: string, min: number = -Infinity): number => {
  const value = fields[name]
  if (!Number.isFinite(value) || (value as number) < min) throw refusedState(owner, `\`${name}\` must be a finite number${min === -Infinity ? '' : ` of at least ${min}`}`, value)
  return value as number
}
