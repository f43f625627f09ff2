import { generateKeyPairSync } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { manifestDigest, type ModelManifest } from '../../../src/models/manifest/manifest.js'
import { publicKeyId, signManifest, type ManifestSignature } from '../../../src/models/manifest/signature.js'
import { checkTrust, trustPolicy, type TrustPolicyOptions, type TrustSubject } from '../../../src/models/manifest/trust.js'

const manifest: ModelManifest = {
  format: 'outrigger-model', formatVersion: 1, name: 'delay', version: 3, engine: 'tfjs',
  files: [{ path: 'model.json', bytes: 3, sha256: 'ab'.repeat(32) }], created: '2001-02-01T00:00:00.000Z',
}
const [a, b, c] = [generateKeyPairSync('ed25519'), generateKeyPairSync('ed25519'), generateKeyPairSync('ed25519')]
const by = (pair: typeof a, over = manifest): ManifestSignature => signManifest(over, pair.privateKey)
const version = (...signatures: ManifestSignature[]): TrustSubject => ({ manifest, digest: manifestDigest(manifest), signatures })
const outcome = (subject: TrustSubject, options: TrustPolicyOptions): unknown => {
  const policy = trustPolicy(options)
  try {
    return checkTrust(subject, policy).signedBy.map((id) => [a, b, c].findIndex(({ publicKey }) => publicKeyId(publicKey) === id))
  } catch (error) {
    expect(error).toMatchObject({ code: 'ERR_OUTRIGGER_MODEL_UNTRUSTED', name: 'delay', version: 3 })
    return (error as { reason: string }).reason
  }
}
const signature = (...keys: TrustPolicyOptions['keys'] & {}): TrustPolicyOptions => ({ require: 'signature', keys })

describe('checkTrust', () => {
  it('tells whose signatures counted', () => {
    expect(outcome(version(by(a)), signature(a.publicKey))).toEqual([0])
    expect(outcome(version(by(b), by(a)), signature(a.publicKey, b.publicKey))).toEqual([0, 1])
    expect(checkTrust(version(by(a)), trustPolicy(signature(a.publicKey)))).toEqual({ digest: manifestDigest(manifest), signedBy: [publicKeyId(a.publicKey)] })
  })

  it('refuses what is not signed by a trusted key over exactly this manifest, and says why', () => {
    expect(outcome(version(), signature(a.publicKey))).toBe('unsigned')
    expect(outcome({ manifest, digest: manifestDigest(manifest) }, signature(a.publicKey))).toBe('unsigned')
    expect(outcome(version(by(b)), signature(a.publicKey))).toBe('unknown-key')
    expect(outcome(version(by(a, { ...manifest, version: 4 })), signature(a.publicKey))).toBe('bad-signature')
    expect(outcome(version({ ...by(b), keyId: publicKeyId(a.publicKey) }), signature(a.publicKey))).toBe('bad-signature')
    expect(outcome(version({ ...by(a), algorithm: 'none' as 'ed25519' }), signature(a.publicKey))).toBe('bad-signature')
    expect(outcome(version({ ...by(a), signature: '' }), signature(a.publicKey))).toBe('bad-signature')
  })

  it('counts a key once, however often it signed', () => {
    const two = { ...signature(a.publicKey, b.publicKey), threshold: 2 }
    expect(outcome(version(by(a), by(a), by(a)), two)).toBe('too-few-signatures')
    expect(outcome(version(by(a), by(c)), two)).toBe('too-few-signatures')
    expect(outcome(version(by(a), by(b)), two)).toEqual([0, 1])
  })

  it('a bad or foreign signature beside enough good ones does no harm', () => {
    expect(outcome(version({ ...by(a), signature: 'x' }, by(a), by(c)), signature(a.publicKey))).toEqual([0])
    expect(outcome(version({ ...by(a), signature: 'x' }, by(b)), { ...signature(a.publicKey, b.publicKey), threshold: 2 })).toBe('bad-signature')
  })

  it('a key that was taken out counts no more', () => {
    const signed = version(by(a))
    expect(outcome(signed, signature(a.publicKey, b.publicKey))).toEqual([0])
    expect(outcome(signed, signature(b.publicKey))).toBe('unknown-key')
  })

  it('goes by the manifest that is loaded, not by what a source says of it', () => {
    const swapped = { ...version(by(a)), manifest: { ...manifest, files: [] } }
    expect(outcome(swapped, signature(a.publicKey))).toBe('digest-mismatch')
    expect(outcome({ ...swapped, digest: manifestDigest(swapped.manifest) }, signature(a.publicKey))).toBe('bad-signature')
    expect(outcome({ ...version(), digest: '0'.repeat(64) }, { require: 'digest' })).toBe('digest-mismatch')
  })

  it('holds the digest against the list, with signatures or without', () => {
    const digest = manifestDigest(manifest)
    expect(outcome(version(), { require: 'digest' })).toEqual([])
    expect(outcome(version(), { require: 'digest', digests: [`sha256:${digest}`] })).toEqual([])
    expect(outcome(version(), { require: 'digest', digests: ['0'.repeat(64)] })).toBe('digest-not-listed')
    expect(outcome(version(by(a)), { ...signature(a.publicKey), digests: ['0'.repeat(64)] })).toBe('digest-not-listed')
    expect(outcome(version(), { ...signature(a.publicKey), digests: [digest] })).toBe('unsigned')
  })

  it('looks at a bounded number of signatures, and takes anything for no signature', () => {
    expect(outcome(version(...Array.from({ length: 65 }, () => by(a))), signature(a.publicKey))).toBe('too-many-signatures')
    for (const signatures of [null, 'x', {}, [null], [7], [[]], [{}], [{ keyId: publicKeyId(a.publicKey) }]]) {
      expect(outcome({ ...version(), signatures: signatures as never }, signature(a.publicKey))).toMatch(/^(unsigned|unknown-key|bad-signature)$/)
    }
    const long = version({ ...by(b), keyId: 'x'.repeat(1e6) })
    expect(() => checkTrust(long, trustPolicy(signature(a.publicKey)))).toThrow(expect.objectContaining({ message: expect.stringMatching(/^.{1,300}$/) }))
  })

  it('takes only a policy that was checked', () => {
    expect(() => checkTrust(version(), { require: 'digest', keyIds: [], threshold: 0, digests: undefined })).toThrow(expect.objectContaining({ code: 'ERR_OUTRIGGER_INVALID_OPTION' }))
    expect(() => checkTrust(version(), undefined as never)).toThrow(expect.objectContaining({ code: 'ERR_OUTRIGGER_INVALID_OPTION' }))
  })
})

describe('trustPolicy', () => {
  it.each<[string, unknown]>([
    ['nothing', undefined],
    ['no requirement', {}],
    ['an unknown requirement', { require: 'none' }],
    ['a misspelt option', { require: 'signature', key: [a.publicKey] }],
    ['signatures without keys', { require: 'signature' }],
    ['signatures with an empty list of keys', { require: 'signature', keys: [] }],
    ['keys that nothing looks at', { require: 'digest', keys: [a.publicKey] }],
    ['a threshold that nothing looks at', { require: 'digest', threshold: 1 }],
    ['an empty list of digests', { require: 'digest', digests: [] }],
    ['a digest that is none', { require: 'digest', digests: ['ABC'] }],
    ['a key twice', { require: 'signature', keys: [a.publicKey, a.publicKey.export({ format: 'jwk' })] }],
    ['a private key', { require: 'signature', keys: [a.privateKey] }],
    ['a key of another kind', { require: 'signature', keys: [generateKeyPairSync('x25519').publicKey] }],
    ['keys that are no array', { require: 'signature', keys: a.publicKey }],
    ['a threshold of 0', { require: 'signature', keys: [a.publicKey], threshold: 0 }],
    ['a threshold above the number of keys', { require: 'signature', keys: [a.publicKey], threshold: 2 }],
    ['half a threshold', { require: 'signature', keys: [a.publicKey, b.publicKey], threshold: 1.5 }],
    ['NaN as threshold', { require: 'signature', keys: [a.publicKey], threshold: Number.NaN }],
  ])('refuses %s at construction', (_, options) => {
    expect(() => trustPolicy(options as TrustPolicyOptions)).toThrow(expect.objectContaining({ code: 'ERR_OUTRIGGER_INVALID_OPTION' }))
  })

  it('tells what it holds', () => {
    expect(trustPolicy({ require: 'signature', keys: [a.publicKey, b.publicKey] })).toEqual({ require: 'signature', keyIds: [publicKeyId(a.publicKey), publicKeyId(b.publicKey)], threshold: 1, digests: undefined })
  })
})
