/** Ed25519 (RFC 8032) by node:crypto: what keys are taken, and what is refused beyond what OpenSSL refuses. */
import { createPrivateKey, createPublicKey, KeyObject, sign, verify, type JsonWebKey } from 'node:crypto'
import { InvalidOptionError } from '../../core/errors.js'
import { sha256Hex } from './digest.js'

/** A key as users hold it: PEM, a JWK, or a `KeyObject`. */
export type Ed25519Key = string | JsonWebKey | KeyObject

const signatureBytes = 64
const pointBytes = 32

/** Never a part of the key: what somebody passed by mistake may be a secret. */
const refuse = (action: string, option: string, constraint: string, value: string, cause?: unknown): never => {
  const error = new InvalidOptionError(`Cannot ${action} as ${option} must be ${constraint}: current value is ${value}`)
  if (cause !== undefined) error.cause = cause
  throw error
}

const isRecord = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null

const show = (value: unknown): string => (typeof value === 'string' ? `a string of ${value.length} characters` : Object.prototype.toString.call(value))

const read = (action: string, option: string, input: Ed25519Key, kind: 'public' | 'private'): KeyObject => {
  const constraint = kind === 'public'
    ? 'an Ed25519 public key (PEM "PUBLIC KEY", a JWK without `d`, or a KeyObject)'
    : 'an Ed25519 private key (PEM "PRIVATE KEY", not encrypted, a JWK with `d`, or a KeyObject)'
  const wrong = (value: string, cause?: unknown): never => refuse(action, option, constraint, value, cause)
  if (input instanceof KeyObject) return input.type === kind ? input : wrong(`a ${input.type} key`)
  const create = kind === 'public' ? createPublicKey : createPrivateKey
  try {
    if (typeof input === 'string') {
      // Node would take a certificate without looking at its dates, and a private key where a public one is meant.
      const label = /-----BEGIN ([A-Z0-9 ]+)-----/.exec(input)?.[1]
      if (label === undefined) return wrong(show(input))
      return label === (kind === 'public' ? 'PUBLIC KEY' : 'PRIVATE KEY') ? create(input) : wrong(`PEM "${label}"`)
    }
    if (isRecord(input) && typeof input['kty'] === 'string') {
      if ((input['d'] === undefined) !== (kind === 'public')) return wrong(`a ${kind === 'public' ? 'private' : 'public'} JWK`)
      return create({ key: input as JsonWebKey, format: 'jwk' })
    }
  } catch (error) {
    if (error instanceof InvalidOptionError) throw error
    return wrong('a key that Node cannot read', error)
  }
  return wrong(show(input))
}

const ofKind = (action: string, option: string, input: Ed25519Key, kind: 'public' | 'private'): KeyObject => {
  const key = read(action, option, input, kind)
  if (key.asymmetricKeyType !== 'ed25519') return refuse(action, option, 'an Ed25519 key', `a key of kind ${String(key.asymmetricKeyType)}`)
  return key
}

// The encodings of the eight points of small order and of y = p and p + 1, without the sign bit. With such a key a
// signature can be made that holds for (almost) any message: RFC 8032 section 7, and "Taming the many EdDSAs" (2020).
const smallOrder = [
  '0000000000000000000000000000000000000000000000000000000000000000',
  '0100000000000000000000000000000000000000000000000000000000000000',
  '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05',
  'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a',
  'ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
  'edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
  'eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
]

/** Whether the 32 bytes of a point name one of small order. */
export const isSmallOrder = (point: Uint8Array): boolean => {
  const masked = Buffer.from(point)
  masked[pointBytes - 1] = (masked[pointBytes - 1] ?? 0) & 0x7f
  return smallOrder.includes(masked.toString('hex'))
}

/** Reads a private key. @throws `ERR_OUTRIGGER_INVALID_OPTION` */
export const readPrivateKey = (action: string, input: Ed25519Key): KeyObject => ofKind(action, 'the private key', input, 'private')

/** Reads a public key. @throws `ERR_OUTRIGGER_INVALID_OPTION`, also for one of small order */
export const readPublicKey = (action: string, option: string, input: Ed25519Key): KeyObject => {
  const key = ofKind(action, option, input, 'public')
  if (isSmallOrder(spki(key).subarray(-pointBytes))) return refuse(action, option, 'a key of full order', 'a point of small order, for which anybody can sign')
  return key
}

const spki = (key: KeyObject): Buffer => key.export({ type: 'spki', format: 'der' })

/** SHA-256 of the public key in DER (SubjectPublicKeyInfo): 64 hexadecimal digits. */
export const keyIdOf = (key: KeyObject): string => sha256Hex(spki(key.type === 'private' ? createPublicKey(key) : key))

/** 64 bytes in base64. */
export const signEd25519 = (bytes: Uint8Array, key: KeyObject): string => sign(null, bytes, key).toString('base64')

/** Whether a text is the signature of the bytes by the key. One spelling only: anything else is `false`, never an error. */
export const verifyEd25519 = (bytes: Uint8Array, signature: unknown, key: KeyObject): boolean => {
  if (typeof signature !== 'string') return false
  const raw = Buffer.from(signature, 'base64')
  if (raw.length !== signatureBytes || raw.toString('base64') !== signature || isSmallOrder(raw.subarray(0, pointBytes))) return false
  return verify(null, bytes, key, raw) // refuses S of the group's order or above
}
