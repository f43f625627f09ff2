/** What saved states are checked by: kinds of JSON values, and one checksum for one content. */
import { createHash } from 'node:crypto'

/** Whether a JSON value is an object. */
export const isRecord = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null && !Array.isArray(value)

/** Whether a JSON value is a count. */
export const isWhole = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0

/** JSON with the keys of every object in order: one text for one content. */
const canonical = (value: unknown): string => JSON.stringify(value, (_, inner: unknown) => (isRecord(inner) ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1))) : inner))

/** The SHA-256 of a JSON value, whatever the order of its keys and its white space. */
export const checksumOf = (value: unknown): string => `sha256:${createHash('sha256').update(canonical(value)).digest('hex')}`
