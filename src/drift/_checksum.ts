import { createHash } from 'node:crypto'

/** JSON with the keys of every object in order: one text for one content. */
const canonical = (value: unknown): string =>
  JSON.stringify(value, (_, inner: unknown) =>
    typeof inner === 'object' && inner !== null && !Array.isArray(inner) ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1))) : inner,
  )

/** The SHA-256 of a JSON value, whatever the order of its keys and its white space. */
export const checksumOf = (value: unknown): string => `sha256:${createHash('sha256').update(canonical(value)).digest('hex')}`
