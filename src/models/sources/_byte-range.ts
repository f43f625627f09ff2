/** Ranges of bytes as HTTP asks for them (RFC 9110, section 14). Pure. */

/** Bytes `start` to `end`, both included. */
export interface ByteRange { readonly start: number; readonly end: number }

/**
 * What a `Range` header asks of a file: one range, `undefined` for the whole (no header, another unit, several ranges),
 * `'unsatisfiable'` if it begins behind the end.
 */
export const byteRange = (header: string | null, bytes: number): ByteRange | 'unsatisfiable' | undefined => {
  const match = /^bytes=(\d{0,15})-(\d{0,15})$/.exec(header?.trim() ?? '')
  if (match === null) return undefined
  const [, first = '', last = ''] = match
  if (first === '' && last === '') return undefined
  if (first === '') {
    const count = Math.min(Number(last), bytes)
    return count === 0 ? 'unsatisfiable' : { start: bytes - count, end: bytes - 1 }
  }
  const start = Number(first)
  if (last !== '' && Number(last) < start) return undefined // no range at all
  if (start >= bytes) return 'unsatisfiable'
  return { start, end: last === '' ? bytes - 1 : Math.min(Number(last), bytes - 1) }
}
