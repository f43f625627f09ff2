/**
 * The index of a model: one small document that says which versions there are and where the aliases point, so that a
 * server needs to know nothing but files.
 *
 * `models/<name>/index.json` below the server's root; everything that it names lies in `blobs/sha256-<hex>`, manifests
 * included.
 */
import { canonicalJson, type JsonObject } from '../manifest/canonical-json.js'
import { isSha256Hex, sha256Hex } from '../manifest/digest.js'
import { serializeManifest } from '../manifest/manifest.js'
import { isAliasName } from '../manifest/names.js'
import type { ManifestSignature } from '../manifest/signature.js'
import type { Tags } from '../store/change.js'
import type { ModelVersion } from '../store/model-source.js'
import type { ModelStore } from '../store/model-store.js'

/** A version in an index: its digest is the name of its manifest. */
export interface IndexedVersion {
  readonly version: number
  readonly digest: string
  /** The size of its manifest. */
  readonly bytes: number
  readonly signatures?: readonly ManifestSignature[]
  readonly tags?: Tags
}

/** What an index says. */
export interface StoreIndex {
  readonly name: string
  /** Ascending. */
  readonly versions: readonly IndexedVersion[]
  /** Versions that are there and cannot be read. They are not served, and nothing older in their place. */
  readonly damaged: readonly number[]
  readonly aliases: Readonly<Record<string, number>>
}

const format = 'outrigger-index'
export const maxIndexBytes: number = 16 * 1024 * 1024

export const indexPath = (name: string): string => `models/${name}/index.json`
export const blobPath = (sha256: string): string => `blobs/sha256-${sha256}`

/** The document, with a hash of its own: what was damaged on the way is not believed. */
export const serializeIndex = ({ name, versions, damaged, aliases }: StoreIndex): string => {
  const content = { format, formatVersion: 1, name, versions, damaged, aliases }
  return canonicalJson({ ...content, sha256: sha256Hex(canonicalJson(content)) }, 'the index')
}

const isVersion = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) > 0
const isFields = (value: unknown): value is Readonly<Record<string, unknown>> => typeof value === 'object' && value !== null && !Array.isArray(value)

/** A signature of a kind that we do not know is passed on: it convinces nobody. */
const isSignature = (value: unknown): boolean =>
  isFields(value) && ['keyId', 'algorithm', 'signature'].every((field) => typeof value[field] === 'string')

const isIndexedVersion = (value: unknown): boolean =>
  isFields(value) && isVersion(value['version']) && isSha256Hex(value['digest']) && isVersion(value['bytes'])
  && (value['signatures'] === undefined || (Array.isArray(value['signatures']) && value['signatures'].every(isSignature)))
  && (value['tags'] === undefined || (isFields(value['tags']) && Object.values(value['tags']).every((tag) => typeof tag === 'string')))

/** The content of a document that is what was written, or what is there instead. */
const unseal = (text: string): JsonObject | string => {
  try {
    const value = JSON.parse(text) as unknown
    if (!isFields(value) || value['format'] !== format) return 'no index of outrigger'
    if (value['formatVersion'] !== 1) return `format version ${String(value['formatVersion'])}`
    const { sha256, ...content } = value
    return sha256 === sha256Hex(canonicalJson(content)) ? content as JsonObject : 'another one than was written'
  } catch {
    return 'no JSON'
  }
}

/** Reads the document, or says what is there instead. */
export const parseIndex = (text: string, name: string): StoreIndex | string => {
  const content = unseal(text)
  if (typeof content === 'string') return content
  if (content['name'] !== name) return `the index of ${String(content['name'])}`
  const { versions, damaged, aliases } = content
  const isWhole = Array.isArray(versions) && versions.every(isIndexedVersion)
    && Array.isArray(damaged) && damaged.every(isVersion)
    && isFields(aliases) && Object.entries(aliases).every(([alias, version]) => isAliasName(alias) && isVersion(version))
  return isWhole ? content as unknown as StoreIndex : 'an index with wrong fields'
}

/** What a store says of a model now. */
export const indexOf = async (store: Pick<ModelStore, 'list' | 'aliases'>, name: string): Promise<StoreIndex> => {
  // The aliases first: what they point to is then among the versions.
  const aliases = await store.aliases(name)
  const listed = await store.list(name)
  return {
    name,
    versions: listed.flatMap((entry) => (entry.ok ? [indexedVersion(entry)] : [])),
    damaged: listed.flatMap((entry) => (entry.ok ? [] : [entry.version])),
    aliases: Object.fromEntries(aliases.map(({ alias, version }) => [alias, version])),
  }
}

const indexedVersion = ({ version, digest, manifest, signatures, tags }: ModelVersion): IndexedVersion =>
  ({ version, digest, bytes: serializeManifest(manifest).length, ...(signatures === undefined ? {} : { signatures }), ...(tags === undefined ? {} : { tags }) })
