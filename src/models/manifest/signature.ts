/** Who stands for a version: signatures over its manifest. */

/** A signature over the bytes of a manifest, and so over every byte of the version. */
export interface ManifestSignature {
  /** SHA-256 of the public key (DER, SubjectPublicKeyInfo): 64 hexadecimal digits. */
  readonly keyId: string
  readonly algorithm: 'ed25519'
  /** 64 bytes in base64. */
  readonly signature: string
}
