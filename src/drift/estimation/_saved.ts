import { OutriggerError } from '../../core/errors.js'
import { checksumOf, isRecord, isWhole } from '../saved-json.js'

/** Content with its checksum. */
export const sealed = <C extends object>(content: C): C & { readonly checksum: string } => ({ ...content, checksum: checksumOf(content) })

/** Refuses a saved state, with the reason. */
export const refused = (owner: string, why: string, value: unknown): OutriggerError => new OutriggerError('ERR_OUTRIGGER_PROFILE', `Cannot read ${owner} as ${why}: current value is ${typeof value === 'object' && value !== null ? 'an object' : String(value)}`)

/** The fields of a saved state of this format, unchanged since; each is still to be checked. */
export const opened = (owner: string, format: string, state: unknown): Readonly<Record<string, unknown>> => {
  if (!isRecord(state) || state['format'] !== format || state['version'] !== 1) throw refused(owner, `its state must be of the format ${format}, version 1`, isRecord(state) ? state['version'] : state)
  const { checksum, ...content } = state
  let found: string | undefined
  try {
    found = checksumOf(content)
  } catch {
    // A cycle, or nested without end: nothing that was saved.
  }
  if (found === undefined || found !== checksum) throw refused(owner, 'its checksum must be that of its content (it was changed or cut after it was saved)', checksum)
  return content
}

/** Whether a JSON value is a list of counts of this length. */
export const areCounts = (value: unknown, length: number): value is number[] => Array.isArray(value) && value.length === length && value.every(isWhole)
