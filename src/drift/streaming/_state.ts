import { InvalidOptionError, OutriggerError } from '../../core/errors.js'
import { murmur3 } from '../../core/hash.js'
import { optionsObject } from '../../core/options.js'
import { isRecord } from '../saved-json.js'
import type { DetectorState } from './stream-detector.js'

const sorted = (record: object): [string, unknown][] => Object.entries(record).sort(([a], [b]) => (a < b ? -1 : 1))

/** The same for the same content, whatever the order of its keys. */
export const checksum = ({ detector, version, options, signal, memory }: Omit<DetectorState, 'checksum'>): number =>
  murmur3(JSON.stringify([detector, version, sorted(options), signal, sorted(memory)]))

const refused = (kind: string, why: string, value: unknown): OutriggerError =>
  new OutriggerError('ERR_OUTRIGGER_PROFILE', `Cannot restore ${kind} as ${why}: current value is ${String(value)}`)

const checkState = (kind: string, state: unknown): DetectorState => {
  if (!isRecord(state)) throw refused(kind, 'its state must be an object', state)
  if (state['detector'] !== kind) throw refused(kind, `its state must be that of ${kind}`, state['detector'])
  if (state['version'] !== 1) throw refused(kind, 'this release reads version 1', state['version'])
  if (!isRecord(state['options']) || !isRecord(state['memory']) || checksum(state as unknown as DetectorState) !== state['checksum']) {
    throw refused(kind, 'the checksum of its state must be that of its content (it was changed or cut after it was saved)', state['checksum'])
  }
  return state as unknown as DetectorState
}

/**
 * The options of a detector, as far as they are given: those of its `state`, if it has one, which the others must not contradict.
 *
 * @throws ERR_OUTRIGGER_INVALID_OPTION for an option that there is not, or that is not the state's
 * @throws ERR_OUTRIGGER_PROFILE for a state of another detector or version, or one that was damaged
 */
export const readOptions = <Options extends { readonly state?: DetectorState }>(kind: string, options: Options, known: readonly (keyof Options & string)[]): Options => {
  optionsObject(kind, options, [...known, 'state'])
  if (options.state === undefined) return options
  const state = checkState(kind, options.state)
  for (const name of known) {
    if (options[name] !== undefined && options[name] !== state.options[name]) {
      throw new InvalidOptionError(`Cannot create ${kind} as \`${name}\` must be that of its state, ${String(state.options[name])}, or left out: current value is ${String(options[name])}`)
    }
  }
  return { ...(state.options as unknown as Options), state }
}
