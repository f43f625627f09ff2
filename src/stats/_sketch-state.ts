import { OutriggerError } from '../core/errors.js'
import { murmur3 } from '../core/hash.js'

/** What the saved state of every sketch begins with. */
export interface SketchState {
  readonly sketch: string
  readonly version: 1
  /** Of all the rest, whatever the order of its keys. */
  readonly checksum: number
}

/** Refuses a state, with the reason. */
export const refusedState = (owner: string, why: string, value: unknown): OutriggerError =>
  new OutriggerError('ERR_OUTRIGGER_PROFILE', `Cannot restore ${owner} as ${why}: current value is ${typeof value === 'string' ? JSON.stringify(value.slice(0, 80)) : String(value)}`)

/** Refuses what cannot be put in, or joined. */
export const refusedInput = (what: string, why: string, value: unknown): OutriggerError =>
  new OutriggerError('ERR_OUTRIGGER_INVALID_INPUT', `Cannot ${what} as ${why}: current value is ${typeof value === 'string' ? JSON.stringify(value.slice(0, 80)) : String(value)}`)

/** Of the JSON with the keys of every object in order: one number for one content. */
const checksumOf = (content: object): number =>
  murmur3(JSON.stringify(content, (_, inner: unknown) => (typeof inner === 'object' && inner !== null && !Array.isArray(inner) ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1))) : inner)))

/** A state with its name, version and checksum. */
export const sealed = <C extends object>(sketch: string, content: C): C & SketchState => ({ sketch, version: 1, ...content, checksum: checksumOf({ sketch, version: 1, ...content }) })

/** The state as a record, if it is one of this sketch and was not changed since it was saved; each field is still to be checked. */
export const opened = (sketch: string, owner: string, state: unknown): Readonly<Record<string, unknown>> => {
  if (typeof state !== 'object' || state === null || Array.isArray(state)) throw refusedState(owner, 'its state must be an object', state)
  const { checksum, ...content } = state as Record<string, unknown>
  if (content['sketch'] !== sketch) throw refusedState(owner, `its state must be that of ${JSON.stringify(sketch)}`, content['sketch'])
  if (content['version'] !== 1) throw refusedState(owner, 'this release reads version 1', content['version'])
  if (checksumOf(content) !== checksum) throw refusedState(owner, 'the checksum of its state must be that of its content (it was changed or cut after it was saved)', checksum)
  return content
}

/** Whether a JSON value is a count. */
export const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0
