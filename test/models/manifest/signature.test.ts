import { createHash, createPrivateKey, createPublicKey, generateKeyPairSync, verify, type KeyObject } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { isSmallOrder, keyIdOf, signEd25519, verifyEd25519 } from '../../../src/models/manifest/_ed25519.js'
import { serializeManifest, type ModelManifest } from '../../../src/models/manifest/manifest.js'
import { publicKeyId, signedBytes, signManifest, verifySignature, type Ed25519Key } from '../../../src/models/manifest/signature.js'

const manifest: ModelManifest = {
  format: 'outrigger-model', formatVersion: 1, name: 'delay', version: 3, engine: 'tfjs',
  files: [{ path: 'model.json', bytes: 3, sha256: 'ab'.repeat(32) }], created: '2001-02-01T00:00:00.000Z',
}
const hex = (text: string): Buffer => Buffer.from(text, 'hex')
const privateOf = (seed: string): KeyObject => createPrivateKey({ key: hex(`302e020100300506032b657004220420${seed}`), format: 'der', type: 'pkcs8' })
const publicOf = (point: string | Uint8Array): KeyObject =>
  createPublicKey({ key: Buffer.concat([hex('302a300506032b6570032100'), typeof point === 'string' ? hex(point) : point]), format: 'der', type: 'spki' })
const order = 2n ** 252n + 27742317777372353535851937790883648493n
const littleEndian = (value: bigint): Buffer => Buffer.from(value.toString(16).padStart(64, '0'), 'hex').reverse()
const fromLittleEndian = (bytes: Uint8Array): bigint => BigInt(`0x${Buffer.from(bytes).reverse().toString('hex')}`)

// RFC 8032, section 7.1: TEST 1, 2, 3 and TEST SHA(abc).
const vectors = [
  ['9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60', 'd75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a', '',
    'e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b'],
  ['4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb', '3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c', '72',
    '92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00'],
  ['c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7', 'fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025', 'af82',
    '6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a'],
  ['833fe62409237b9d62ec77587520911e9a759cec1d19755b7da901b96dca3d42', 'ec172b93ad5e563bf4932c70e1245034c35467ef2efd4d64ebf819683467e2bf', createHash('sha512').update('abc').digest('hex'),
    'dc2a4459e7369633a52b1bf277839a00201009a3efbf3ecb69bea2186c26b58909351fc9ac90b3ecfdfbc7c66431e0303dca179c138ac17ad9bef1177331a704'],
] as const

describe('Ed25519', () => {
  it.each(vectors)('gives the signature of RFC 8032 for the seed %s', (seed, point, message, signature) => {
    expect(createPublicKey(privateOf(seed)).export({ type: 'spki', format: 'der' }).subarray(-32).toString('hex')).toBe(point)
    const base64 = hex(signature).toString('base64')
    expect(signEd25519(hex(message), privateOf(seed))).toBe(base64)
    expect(verifyEd25519(hex(message), base64, publicOf(point))).toBe(true)
    expect(verifyEd25519(hex(`${message}00`), base64, publicOf(point))).toBe(false)
  })

  it('takes one spelling of a signature only', () => {
    const [, point, message, signature] = vectors[1]
    const good = hex(signature).toString('base64')
    const raw = hex(signature)
    const key = publicOf(point)
    const isGood = (text: unknown): boolean => verifyEd25519(hex(message), text, key)
    expect(isGood(good)).toBe(true)
    // S + L is the same number modulo the order: accepted, it would be a second signature that nobody made.
    const malleable = Buffer.concat([raw.subarray(0, 32), littleEndian(fromLittleEndian(raw.subarray(32)) + order)])
    expect(isGood(malleable.toString('base64'))).toBe(false)
    expect(isGood(raw.toString('base64url'))).toBe(false)
    expect(isGood(`${good}\n`)).toBe(false)
    expect(isGood(` ${good}`)).toBe(false)
    expect(isGood(good.replace(/=+$/, ''))).toBe(false)
    expect(isGood(raw.toString('hex'))).toBe(false)
    expect(isGood(Buffer.concat([raw, hex('00')]).toString('base64'))).toBe(false)
    expect(isGood(raw.subarray(0, 63).toString('base64'))).toBe(false)
    for (const value of ['', undefined, null, 7, raw, {}]) expect(isGood(value)).toBe(false)
  })

  it('refuses every flipped bit of a signature and of what is signed', () => {
    const [, point, , signature] = vectors[2]
    const key = publicOf(point)
    for (let bit = 0; bit < 512; bit += 1) {
      const raw = hex(signature)
      raw[bit >> 3]! ^= 1 << (bit & 7)
      expect(verifyEd25519(hex('af82'), raw.toString('base64'), key)).toBe(false)
    }
  })

  it('knows the eight points of small order, held against the equation of the curve', () => {
    const p = 2n ** 255n - 19n
    const power = (base: bigint, exponent: bigint): bigint => {
      let result = 1n
      for (let b = base, e = exponent; e > 0n; e >>= 1n, b = (b * b) % p) if ((e & 1n) === 1n) result = (result * b) % p
      return result
    }
    const d = ((p - 121665n) * power(121666n, p - 2n)) % p
    // Doubling a point of order 8 gives y = 0: so x² = -y², and -x² + y² = 1 + d x² y² becomes d y⁴ + 2 y² - 1 = 0.
    const y = fromLittleEndian(hex('26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05'))
    expect((d * y ** 4n + 2n * y ** 2n - 1n) % p).toBe(0n)
    // Orders 1, 2, 4 and 8, two spellings of 0 and of 1, and the other sign of x.
    for (const point of [1n, p - 1n, 0n, y, p - y, p, p + 1n]) {
      const bytes = littleEndian(point)
      expect(isSmallOrder(bytes)).toBe(true)
      bytes[31]! |= 0x80
      expect(isSmallOrder(bytes)).toBe(true)
    }
    for (const [, point] of vectors) expect(isSmallOrder(hex(point))).toBe(false)
    for (const point of [2n, 9n, p - 2n, y + 1n]) expect(isSmallOrder(littleEndian(point))).toBe(false)
  })

  it('refuses keys and signatures of small order, by which anybody could sign', () => {
    const neutral = publicOf(`01${'00'.repeat(31)}`)
    const forged = Buffer.concat([hex(`01${'00'.repeat(31)}`), Buffer.alloc(32)])
    // Node itself may well take this for a signature of anything by that key.
    expect(typeof verify(null, Buffer.from('anything'), neutral, forged)).toBe('boolean')
    expect(() => publicKeyId(neutral)).toThrow(expect.objectContaining({ code: 'ERR_OUTRIGGER_INVALID_OPTION', message: expect.stringMatching(/small order/) }))
    expect(verifyEd25519(Buffer.from('anything'), forged.toString('base64'), neutral)).toBe(false)
  })
})

describe('signManifest', () => {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519')
  const forms = {
    KeyObject: [publicKey, privateKey],
    PEM: [publicKey.export({ type: 'spki', format: 'pem' }).toString(), privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()],
    JWK: [publicKey.export({ format: 'jwk' }), privateKey.export({ format: 'jwk' })],
  } as const satisfies Record<string, readonly [Ed25519Key, Ed25519Key]>

  it.each(Object.keys(forms) as (keyof typeof forms)[])('takes keys as %s', (form) => {
    const [open, secret] = forms[form]
    const signature = signManifest(manifest, secret)
    expect(signature).toEqual(signManifest({ manifest }, privateKey))
    expect(signature).toMatchObject({ algorithm: 'ed25519', keyId: publicKeyId(open) })
    expect(verifySignature(manifest, signature, open)).toBe(true)
  })

  it('names a key by the SHA-256 of its SubjectPublicKeyInfo', () => {
    const der = publicKey.export({ type: 'spki', format: 'der' })
    expect(publicKeyId(publicKey)).toBe(createHash('sha256').update(der).digest('hex'))
    expect(keyIdOf(privateKey)).toBe(publicKeyId(publicKey))
  })

  it('signs the domain and the canonical bytes, so that the signature of a bare manifest counts nothing', () => {
    const bytes = serializeManifest(manifest)
    expect(Buffer.from(signedBytes(manifest))).toEqual(Buffer.concat([Buffer.from('outrigger-model-manifest-v1\n'), bytes]))
    const bare = { keyId: publicKeyId(publicKey), algorithm: 'ed25519', signature: signEd25519(bytes, privateKey) } as const
    expect(verifySignature(manifest, bare, publicKey)).toBe(false)
    const reversed = Object.fromEntries(Object.entries(manifest).reverse()) as unknown as ModelManifest
    expect(signManifest(reversed, privateKey)).toEqual(signManifest(manifest, privateKey))
  })

  it('gives a signature that holds for nothing else', () => {
    const signature = signManifest(manifest, privateKey)
    expect(verifySignature({ ...manifest, version: 4 }, signature, publicKey)).toBe(false)
    expect(verifySignature(manifest, signature, generateKeyPairSync('ed25519').publicKey)).toBe(false)
    expect(verifySignature(manifest, { ...signature, keyId: '0'.repeat(64) }, publicKey)).toBe(false)
    expect(verifySignature(manifest, { ...signature, algorithm: 'none' as 'ed25519' }, publicKey)).toBe(false)
  })

  it('signs only what is a manifest', () => {
    expect(() => signManifest({ ...manifest, version: 0 }, privateKey)).toThrow(expect.objectContaining({ code: 'ERR_OUTRIGGER_MODEL_CORRUPT' }))
  })

  const rsa = generateKeyPairSync('rsa', { modulusLength: 1024 })
  const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const x25519 = generateKeyPairSync('x25519')
  const encrypted = privateKey.export({ type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: 'x' }).toString()
  const secretText = forms.PEM[1].split('\n')[1] ?? ''

  it.each<[string, unknown, RegExp]>([
    ['an RSA key', rsa.privateKey, /of kind rsa/],
    ['an EC key in PEM', ec.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(), /of kind ec/],
    ['an EC key as JWK', ec.privateKey.export({ format: 'jwk' }), /of kind ec/],
    ['an X25519 key', x25519.privateKey, /of kind x25519/],
    ['a public key', publicKey, /a public key/],
    ['a public key in PEM', forms.PEM[0], /PEM "PUBLIC KEY"/],
    ['a public JWK', forms.JWK[0], /a public JWK/],
    ['an encrypted key', encrypted, /PEM "ENCRYPTED PRIVATE KEY"/],
    ['base64 without PEM', secretText, /a string of 64 characters/],
    ['broken PEM', '-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----', /cannot read/],
    ['bytes', new Uint8Array(32), /Uint8Array/],
    ['nothing', undefined, /Undefined/],
  ])('refuses %s with a code, and never shows it', (_, key, message) => {
    const attempt = (): unknown => signManifest(manifest, key as Ed25519Key)
    expect(attempt).toThrow(expect.objectContaining({ code: 'ERR_OUTRIGGER_INVALID_OPTION', message: expect.stringMatching(message) }))
    expect(attempt).toThrow(expect.not.objectContaining({ message: expect.stringContaining(secretText) }))
  })

  it.each<[string, unknown, RegExp]>([
    ['a private key', privateKey, /a private key/],
    ['a private key in PEM', forms.PEM[1], /PEM "PRIVATE KEY"/],
    ['a private JWK', forms.JWK[1], /a private JWK/],
    ['a certificate', '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----', /PEM "CERTIFICATE"/],
    ['an RSA key', rsa.publicKey, /of kind rsa/],
    ['a JWK of nothing', { kty: 'OKP', crv: 'Ed25519', x: 'AAAA' }, /cannot read/],
  ])('verifying refuses %s with a code', (_, key, message) => {
    const attempt = (): unknown => verifySignature(manifest, signManifest(manifest, privateKey), key as Ed25519Key)
    expect(attempt).toThrow(expect.objectContaining({ code: 'ERR_OUTRIGGER_INVALID_OPTION', message: expect.stringMatching(message) }))
  })
})
