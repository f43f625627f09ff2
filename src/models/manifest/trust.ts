/** Whether a version may be loaded at all: asked after it was found and before any file of it is read. Fails closed. */
import type { KeyObject } from 'node:crypto'
import { InvalidOptionError, OutriggerError } from '../../core/errors.js'
import { numberOption, optionsObject } from '../../core/options.js'
import { keyIdOf, readPublicKey, verifyEd25519, type Ed25519Key } from './_ed25519.js'
import { isSha256Hex, sha256Hex } from './digest.js'
import { serializeManifest, type ModelManifest } from './manifest.js'
import { signedBytes, type ManifestSignature } from './signature.js'

/** Options of {@link trustPolicy}. Everything that is given must hold. */
export interface TrustPolicyOptions {
  /**
   * `'digest'`: every byte must be what the manifest says (a loader always checks that). It protects against damage, not
   * against somebody who can write to the store, unless `digests` is given.
   * `'signature'`: moreover, `threshold` of `keys` must have signed the manifest.
   */
  readonly require: 'digest' | 'signature'
  /**
   * The Ed25519 public keys that are trusted: PEM, JWK or `KeyObject`. Needed for `'signature'`, refused otherwise. To
   * revoke a key, take it out: its signatures count no more.
   */
  readonly keys?: readonly Ed25519Key[]
  /** How many different keys must have signed. @default 1 */
  readonly threshold?: number
  /** The only digests that may be loaded: SHA-256 of manifests, 64 hexadecimal digits, `sha256:` in front or not. @default any */
  readonly digests?: readonly string[]
}

/** A policy, checked: made by {@link trustPolicy}, asked by {@link checkTrust}. */
export interface TrustPolicy {
  readonly require: 'digest' | 'signature'
  /** The ids of the trusted keys. */
  readonly keyIds: readonly string[]
  readonly threshold: number
  readonly digests: readonly string[] | undefined
}

/** What {@link checkTrust} looks at: a `ModelVersion`. */
export interface TrustSubject {
  readonly digest: string
  readonly manifest: ModelManifest
  readonly signatures?: readonly ManifestSignature[]
}

/** Why a version is not trusted. */
export type UntrustedReason =
  /** The manifest does not have the digest that the source says. */
  | 'digest-mismatch'
  /** The digest is not one of `digests`. */
  | 'digest-not-listed'
  /** There is no signature at all. */
  | 'unsigned'
  /** No signature names a trusted key. */
  | 'unknown-key'
  /** A signature names a trusted key and is not by it over this manifest; too few others are. */
  | 'bad-signature'
  /** Fewer trusted keys than `threshold` have signed. */
  | 'too-few-signatures'
  /** More signatures than anybody needs; none was looked at. */
  | 'too-many-signatures'

/** On what a version was trusted. */
export interface TrustEvidence {
  readonly digest: string
  /** The ids of the trusted keys that signed it, in the order of the policy; empty where no signature was required. */
  readonly signedBy: readonly string[]
}

const owner = 'a trust policy'
const maxSignatures = 64
const keysOf = new WeakMap<TrustPolicy, ReadonlyMap<string, KeyObject>>()

const refuse = (constraint: string, value: unknown): never => {
  throw new InvalidOptionError(`Cannot create ${owner} as ${constraint}: current value is ${String(value)}`)
}

const listOption = <T>(name: string, value: readonly T[] | undefined): readonly T[] | undefined => {
  if (value === undefined) return undefined
  if (!Array.isArray(value)) return refuse(`\`${name}\` must be an array`, Object.prototype.toString.call(value))
  // An empty list trusts nothing, or, read carelessly, everything: whoever writes it means neither.
  return value.length > 0 ? value as readonly T[] : refuse(`\`${name}\` must not be empty`, 'an array of 0')
}

/**
 * Reads a policy once, so that a mistake in it stops the service's start and not its first release.
 *
 * @throws `ERR_OUTRIGGER_INVALID_OPTION` if `'signature'` is required and no key is given, a key is no Ed25519 public key
 * or stands there twice, `threshold` is more than there are keys, keys are given though `'digest'` would not look at them, or
 * a digest is none
 * @example
 * ```ts
 * import { generateKeyPairSync } from 'node:crypto'
 * import { checkTrust, manifestDigest, signManifest, trustPolicy, type ModelManifest } from 'outrigger/models'
 * const release = generateKeyPairSync('ed25519')
 * const policy = trustPolicy({ require: 'signature', keys: [release.publicKey] })
 * const manifest: ModelManifest = {
 *   format: 'outrigger-model', formatVersion: 1, name: 'delay', version: 1, engine: 'function',
 *   files: [], created: '2001-02-01T00:00:00.000Z',
 * }
 * const version = { manifest, digest: manifestDigest(manifest) }
 * assert.throws(() => checkTrust(version, policy), { code: 'ERR_OUTRIGGER_MODEL_UNTRUSTED', reason: 'unsigned' })
 * const signed = { ...version, signatures: [signManifest(manifest, release.privateKey)] }
 * assert.deepEqual(checkTrust(signed, policy).signedBy, policy.keyIds)
 * ```
 */
export const trustPolicy = (options: TrustPolicyOptions): TrustPolicy => {
  optionsObject(owner, options, ['require', 'keys', 'threshold', 'digests'])
  const { require } = options
  if (require !== 'digest' && require !== 'signature') return refuse('`require` must be "digest" or "signature"', JSON.stringify(require))
  const inputs = listOption('keys', options.keys)
  if (require === 'signature' && inputs === undefined) return refuse('`keys` must be given where a signature is required', 'undefined')
  if (require === 'digest' && inputs !== undefined) return refuse('`keys` are looked at only if `require` is "signature"', '"digest"')
  if (require === 'digest' && options.threshold !== undefined) return refuse('`threshold` is looked at only if `require` is "signature"', '"digest"')
  const keys = new Map<string, KeyObject>()
  for (const [index, input] of (inputs ?? []).entries()) {
    const key = readPublicKey(`create ${owner}`, `\`keys[${index}]\``, input)
    const id = keyIdOf(key)
    if (keys.has(id)) return refuse('no key may stand in `keys` twice', id)
    keys.set(id, key)
  }
  const threshold = require === 'digest' ? 0 : numberOption(owner, 'threshold', options.threshold ?? 1, { min: 1, max: keys.size, integer: true })
  const digests = listOption('digests', options.digests)?.map((digest) => {
    const hex = typeof digest === 'string' && digest.startsWith('sha256:') ? digest.slice(7) : digest
    return isSha256Hex(hex) ? hex : refuse('`digests` must be SHA-256 in 64 lower-case hexadecimal digits', JSON.stringify(digest))
  })
  const policy: TrustPolicy = Object.freeze({ require, keyIds: Object.freeze([...keys.keys()]), threshold, digests: digests && Object.freeze(digests) })
  keysOf.set(policy, keys)
  return policy
}

/**
 * Refuses a version that the policy does not trust. Pure: it reads no file and no clock. It goes by the manifest that it is given, whose
 * hashes the files are held against afterwards; who calls it loads by this manifest and by no other.
 *
 * A trusted key counts once, however often it signed. A bad or foreign signature beside enough good ones does no harm.
 *
 * @throws `ERR_OUTRIGGER_MODEL_UNTRUSTED` with `reason` ({@link UntrustedReason}), `name`, `version` and `digest`;
 * `ERR_OUTRIGGER_INVALID_OPTION` if the policy was not made by {@link trustPolicy}
 */
export const checkTrust = (version: TrustSubject, policy: TrustPolicy): TrustEvidence => {
  const keys = keysOf.get(policy)
  if (keys === undefined) throw new InvalidOptionError('Cannot check trust as the policy must be made by trustPolicy(): current value is another object')
  const { digest, manifest } = version
  const untrusted = (reason: UntrustedReason, constraint: string, value: string): OutriggerError =>
    new OutriggerError('ERR_OUTRIGGER_MODEL_UNTRUSTED', `Cannot trust ${manifest.name}@${manifest.version} as ${constraint}: current value is ${value}`, { reason, name: manifest.name, version: manifest.version, digest })

  const actual = sha256Hex(serializeManifest(manifest))
  if (actual !== digest) throw untrusted('digest-mismatch', 'its manifest must have the digest that the source says', `${actual} instead of ${digest}`)
  if (policy.digests !== undefined && !policy.digests.includes(digest)) throw untrusted('digest-not-listed', 'its digest must be one of `digests`', digest)
  if (policy.require === 'digest') return { digest, signedBy: [] }

  // What a source read is not to be relied on: an entry that is no object is no signature.
  const signatures = (Array.isArray(version.signatures) ? version.signatures as readonly (ManifestSignature | null)[] : []).filter((entry) => typeof entry === 'object' && entry !== null)
  if (signatures.length === 0) throw untrusted('unsigned', 'it must be signed', 'no signature')
  if (signatures.length > maxSignatures) throw untrusted('too-many-signatures', `it may have at most ${maxSignatures} signatures`, String(signatures.length))
  const bytes = signedBytes(manifest)
  const named = signatures.filter(({ keyId }) => keys.has(keyId))
  const isBy = (id: string, key: KeyObject) => ({ keyId, algorithm, signature }: ManifestSignature): boolean => keyId === id && algorithm === 'ed25519' && verifyEd25519(bytes, signature, key)
  const signedBy = [...keys].filter(([id, key]) => named.some(isBy(id, key))).map(([id]) => id)
  if (signedBy.length >= policy.threshold) return { digest, signedBy }
  if (named.length === 0) throw untrusted('unknown-key', 'a trusted key must have signed it', `signed by ${signatures.slice(0, 3).map(({ keyId }) => (isSha256Hex(keyId) ? keyId : 'a key without an id')).join(', ')}`)
  if (named.some(({ keyId }) => !signedBy.includes(keyId))) throw untrusted('bad-signature', 'signatures by trusted keys must be over exactly this manifest', `${signedBy.length} of ${policy.threshold} good`)
  throw untrusted('too-few-signatures', `${policy.threshold} trusted keys must have signed it`, `signed by ${signedBy.join(', ')}`)
}
