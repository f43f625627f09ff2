import { createHash } from 'node:crypto'
import { OutriggerError } from '../../core/errors.js'

/** The SHA-256 of a JSON value, whatever the order of its keys. */
const checksumOf = (value: unknown): string => {
  const text = JSON.stringify(value, (_, inner: unknown) => (isRecord(inner) ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1))) : inner))
  return `sha256:${createHash('sha256').update(text).digest('hex')}`
}

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

/** Whether a JSON value is an object. */
export const isRecord = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null && !Array.isArray(value)

/** Whether a JSON value is a list of counts of this length. */
export const areCounts = (value: unknown, length: number): value is number[] => Array.isArray(value) && value.length === length && value.every((count) => Number.isSafeInteger(count) && (count as number) >= 0)
