/** How tags and signatures of a version change. Pure: from the last line to the next. */
import { InvalidOptionError } from '../../core/errors.js'
import { isSha256Hex } from '../manifest/digest.js'
import type { ManifestSignature } from '../manifest/signature.js'
import type { Author } from './_attribution.js'
import type { LiveLine } from './_versions.js'
import type { Tags } from './change.js'

const maxKey = 128
const maxSignatures = 64 // a trust policy looks at no more

/** Refuses what are no tags. */
export const checkTags = <V extends string | null>(action: string, tags: Tags<V>): Tags<V> => {
  const refuse = (constraint: string, value: unknown): never => {
    throw new InvalidOptionError(`Cannot ${action} as ${constraint}: current value is ${typeof value === 'string' ? JSON.stringify(value) : String(value)}`)
  }
  if (typeof tags !== 'object' || tags === null || Array.isArray(tags)) return refuse('tags must be a record of texts', tags)
  for (const [key, value] of Object.entries(tags)) {
    if (key === '' || key.length > maxKey || key === '__proto__') return refuse(`the key of a tag must have 1 to ${maxKey} characters`, key)
    if (typeof value !== 'string' && (value !== null || action !== 'tag')) return refuse(`tag \`${key}\` must be a text${action === 'tag' ? ' or null' : ''}`, value)
  }
  return { ...tags }
}

/** Refuses what is no signature. Whether it is a good one is not asked here. */
export const checkSignature = (action: string, signature: ManifestSignature): ManifestSignature => {
  const { keyId, algorithm, signature: bytes, ...others } = (signature as Partial<ManifestSignature> | null) ?? {}
  const isOne = isSha256Hex(keyId) && algorithm === 'ed25519' && typeof bytes === 'string' && /^[A-Za-z0-9+/]{86}==$/.test(bytes)
  if (isOne && Object.keys(others).length === 0) return { keyId, algorithm, signature: bytes }
  throw new InvalidOptionError(`Cannot ${action} as a signature must have \`keyId\` (64 hexadecimal digits), \`algorithm\` "ed25519" and \`signature\` (64 bytes in base64): current value is ${JSON.stringify(signature) ?? String(signature)}`)
}

const stateOf = ({ digest, tags, signatures, name, version, revision }: LiveLine): Pick<LiveLine, 'digest' | 'tags' | 'signatures' | 'name' | 'version' | 'revision'> =>
  ({ name, version, revision: revision + 1, digest, tags, signatures })

/** The line that sets and removes tags; the last one, if they are so already. */
export const changeTags = (last: LiveLine, changes: Tags<string | null>, author: Author): LiveLine => {
  const before = (key: string): string | null => (Object.hasOwn(last.tags, key) ? last.tags[key] as string : null)
  const changed = Object.entries(changes).filter(([key, value]) => before(key) !== value)
  if (changed.length === 0) return last
  const to = Object.fromEntries(changed)
  const tags = Object.fromEntries(Object.entries({ ...last.tags, ...to }).filter(([, value]) => value !== null)) as Tags
  return { ...stateOf(last), tags, kind: 'tagged', from: Object.fromEntries(changed.map(([key]) => [key, before(key)])), to, ...author() }
}

/** The line that adds a signature; the last one, if it is there already. */
export const addSignature = (last: LiveLine, signature: ManifestSignature, author: Author): LiveLine => {
  const { keyId } = signature
  const old = last.signatures.find((other) => other.keyId === keyId)
  if (old?.signature === signature.signature) return last
  const signatures = [...last.signatures.filter((other) => other !== old), signature]
  if (signatures.length > maxSignatures) throw new InvalidOptionError(`Cannot add a signature as a version has at most ${maxSignatures}: current value is ${signatures.length}`)
  return { ...stateOf(last), signatures, kind: 'signed', from: old === undefined ? null : keyId, to: keyId, ...author() }
}
