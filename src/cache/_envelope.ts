/** An answer as one run of bytes, which says what it is, whose it is, and whether it is whole. */
import { createHash } from 'node:crypto'
import type { CacheKey } from './cache-key.js'
import type { CachedAnswer } from './cache-store.js'
import { decodeValue, encodeValue } from './_codec.js'
import { isReading } from './_reading.js'

/** `ORC` and the version of this format. */
const magic = Buffer.from('ORC\u0001', 'latin1')
const checkBytes = 16
const digestBytes = 32
const head = magic.length + checkBytes
const body = head + 2 * digestBytes + 8

const sha256 = (bytes: Uint8Array | string): Buffer => createHash('sha256').update(bytes).digest()

/** The digest of a version and variant, as it stands in keys of a store. */
export const scopeDigest = (scope: string): Buffer => sha256(Buffer.from(scope, 'utf16le'))

/** Magic, 128 bits of a checksum of the rest, the SHA-256 of the input and of the scope, `asOf`, the answer. */
export const sealAnswer = (answer: CachedAnswer, key: CacheKey, scope: Buffer, asOf: number): Buffer => {
  const { output, refusal, at, freshUntil, tookMs, tags, identity } = answer
  const time = Buffer.alloc(8)
  time.writeDoubleLE(asOf)
  const rest = Buffer.concat([Buffer.from(key.digest, 'base64url'), scope, time, encodeValue([output, refusal, at, freshUntil, tookMs, tags, identity])])
  return Buffer.concat([magic, sha256(rest).subarray(0, checkBytes), rest])
}

/** The answer, or `undefined` for anything that is not exactly the answer to this key. */
export const openAnswer = (bytes: Buffer, key: CacheKey, scope: Buffer): { readonly answer: CachedAnswer; readonly asOf: number } | undefined => {
  if (bytes.length <= body || !bytes.subarray(0, magic.length).equals(magic)) return undefined
  const rest = bytes.subarray(head)
  if (!sha256(rest).subarray(0, checkBytes).equals(bytes.subarray(magic.length, head))) return undefined
  if (!rest.subarray(0, digestBytes).equals(Buffer.from(key.digest, 'base64url')) || !rest.subarray(digestBytes, 2 * digestBytes).equals(scope)) return undefined
  try {
    const [output, refusal, at, freshUntil, tookMs, tags, identity] = decodeValue(bytes.subarray(body)) as [unknown, never, never, never, never, never, never]
    const reading = { answer: { output, refusal, at, freshUntil, tookMs, tags, identity } }
    return isReading(reading) ? { answer: reading.answer, asOf: bytes.readDoubleLE(body - 8) } : undefined
  } catch {
    return undefined
  }
}
