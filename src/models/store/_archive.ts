/**
 * A version in one file: a tar archive, the manifest first.
 *
 * ```
 * manifest.json   exactly the bytes whose SHA-256 is the digest
 * version.json    digest, signatures and tags, sealed by a hash
 * files/<path>    each file of the manifest
 * ```
 */
import { canonicalJson, type JsonObject } from '../manifest/canonical-json.js'
import { sha256Hex } from '../manifest/digest.js'
import type { ManifestSignature } from '../manifest/signature.js'
import { corrupt } from './_faults.js'
import { checkSignature, checkTags } from './_version-changes.js'
import type { Tags } from './change.js'

export const filesFolder = 'files/'

/** What is kept with a version. */
export interface ArchiveState { readonly tags: Tags; readonly signatures: readonly ManifestSignature[] }

/** Signatures and tags, sealed, for a digest. */
export const serializeState = (digest: string, { tags, signatures }: ArchiveState): Uint8Array => {
  const state = { format: 'outrigger-version', formatVersion: 1, digest, tags, signatures }
  return new TextEncoder().encode(canonicalJson({ ...state, sha256: sha256Hex(canonicalJson(state)) }))
}

/** Signatures and tags of an archive, which must be of this digest and in the one spelling. */
export const parseState = (bytes: Uint8Array, digest: string): ArchiveState => {
  const what = 'version.json of the archive'
  const text = new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes)
  let found: unknown
  try {
    const state = JSON.parse(text) as JsonObject
    found = state['digest']
    const tags = checkTags('import', state['tags'] as unknown as Tags)
    const signatures = (state['signatures'] as unknown as readonly ManifestSignature[]).map((signature) => checkSignature('import', signature))
    if (new TextDecoder('utf-8', { ignoreBOM: true }).decode(serializeState(digest, { tags, signatures })) === text) return { tags, signatures }
  } catch { /* refused below, whatever was wrong */ }
  throw corrupt(what, `it must be what was written for ${digest}`, typeof found === 'string' && found !== digest ? `that of ${found}` : `${bytes.length} bytes of something else`)
}
