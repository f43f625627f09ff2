/** Who stands for a version: Ed25519 signatures over its manifest, and so over every byte of the version. */
import { createPublicKey } from 'node:crypto'
import { keyIdOf, readPrivateKey, readPublicKey, signEd25519, verifyEd25519, type Ed25519Key } from './_ed25519.js'
import { parseManifest, serializeManifest, type ModelManifest } from './manifest.js'

/** A signature over the bytes of a manifest, and so over every byte of the version. */
export interface ManifestSignature {
  /** SHA-256 of the public key (DER, SubjectPublicKeyInfo): 64 hexadecimal digits. */
  readonly keyId: string
  readonly algorithm: 'ed25519'
  /** 64 bytes in base64. */
  readonly signature: string
}

export type { Ed25519Key }

/** A manifest, or a version that has one. */
export type Signable = ModelManifest | { readonly manifest: ModelManifest }

// So that nothing else that somebody signs with the same key can be taken for a manifest, nor the other way round.
const domain = new TextEncoder().encode('outrigger-model-manifest-v1\n')

const manifestOf = (signable: Signable): ModelManifest => ('manifest' in signable ? signable.manifest : signable)

/** What is signed: the domain's line, then the manifest in its one spelling. */
export const signedBytes = (manifest: ModelManifest): Uint8Array => {
  const bytes = serializeManifest(manifest)
  const all = new Uint8Array(domain.length + bytes.length)
  all.set(domain)
  all.set(bytes, domain.length)
  return all
}

/**
 * The id of a key, as signatures name it: SHA-256 of the public key in DER (`openssl pkey -pubin -outform DER | sha256sum`).
 *
 * @throws `ERR_OUTRIGGER_INVALID_OPTION` if it is no Ed25519 public key
 */
export const publicKeyId = (publicKey: Ed25519Key): string => keyIdOf(readPublicKey('name a key', 'the public key', publicKey))

/**
 * Signs a version: Ed25519 over the line `outrigger-model-manifest-v1` and the manifest's bytes. The manifest names every
 * file by its SHA-256, so the signature stands for all of them. The same key and manifest give the same signature.
 *
 * @param privateKey PEM (PKCS #8, `openssl genpkey -algorithm ed25519`), a JWK, or a `KeyObject`. An encrypted key is
 * opened before: `createPrivateKey({ key, passphrase })`.
 * @throws `ERR_OUTRIGGER_INVALID_OPTION` for a key of another kind; `ERR_OUTRIGGER_MODEL_CORRUPT` for what is no manifest
 * @example
 * ```ts
 * import { generateKeyPairSync } from 'node:crypto'
 * import { signManifest, verifySignature, type ModelManifest } from 'outrigger/models'
 * const { publicKey, privateKey } = generateKeyPairSync('ed25519')
 * const manifest: ModelManifest = {
 *   format: 'outrigger-model', formatVersion: 1, name: 'delay', version: 1, engine: 'function',
 *   files: [], created: '2001-02-01T00:00:00.000Z',
 * }
 * const signature = signManifest(manifest, privateKey)
 * assert.equal(verifySignature(manifest, signature, publicKey), true)
 * assert.equal(verifySignature({ ...manifest, version: 2 }, signature, publicKey), false)
 * ```
 */
export const signManifest = (version: Signable, privateKey: Ed25519Key): ManifestSignature => {
  const key = readPrivateKey('sign a manifest', privateKey)
  const manifest = parseManifest(serializeManifest(manifestOf(version)), 'the manifest to sign')
  // A signature by a key of small order would be refused by every reader.
  readPublicKey('sign a manifest', 'the private key', createPublicKey(key))
  return { keyId: keyIdOf(key), algorithm: 'ed25519', signature: signEd25519(signedBytes(manifest), key) }
}

/**
 * Whether a signature over exactly this manifest was made with this key. What is malformed, names another key or another
 * algorithm is `false`. Whether the key is one to trust is another question: see {@link checkTrust}.
 *
 * @throws `ERR_OUTRIGGER_INVALID_OPTION` if the key is no Ed25519 public key
 */
export const verifySignature = (version: Signable, signature: ManifestSignature, publicKey: Ed25519Key): boolean => {
  const key = readPublicKey('verify a signature', 'the public key', publicKey)
  return signature.algorithm === 'ed25519' && signature.keyId === keyIdOf(key) && verifyEd25519(signedBytes(manifestOf(version)), signature.signature, key)
}
