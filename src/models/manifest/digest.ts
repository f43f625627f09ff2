/** SHA-256 as the store writes it: 64 lower-case hexadecimal digits. */
import { createHash, type Hash } from 'node:crypto'

/** Starts a hash that is fed in pieces. */
export const startSha256 = (): Hash => createHash('sha256')

/** The SHA-256 of some bytes, or of a text in UTF-8. The digest of a version is that of its manifest's bytes. */
export const sha256Hex = (data: Uint8Array | string): string => createHash('sha256').update(data).digest('hex')

/** Whether a text is a SHA-256. */
export const isSha256Hex = (text: unknown): text is string => typeof text === 'string' && /^[0-9a-f]{64}$/.test(text)
