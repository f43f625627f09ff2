/**
 * Where things lie in a depot.
 *
 * ```
 * blobs/sha256-<hex>                            every file and every manifest, named by its content
 * models/<name>/versions/<version>/<n>.json     what happened to a version; 1.json is its publish
 * models/<name>/aliases/<alias>/<n>.json        what happened to an alias
 * holds/<until>-<id>.json                       what somebody is using right now, until when
 * collecting/<until>-<id>.json                  what a collection is about to remove
 * models/<name>/index.json                      written by `writeIndexes`, for servers of static files
 * ```
 *
 * Blobs are written first, the line that makes them a version last.
 */
import { isSha256Hex } from '../manifest/digest.js'
import { isAliasName, isModelName } from '../manifest/names.js'

export const blobKey = (sha256: string): string => `blobs/sha256-${sha256}`
export const versionsFolder = (name: string): string => `models/${name}/versions/`
export const versionFolder = (name: string, version: number): string => `models/${name}/versions/${version}/`
export const aliasesFolder = (name: string): string => `models/${name}/aliases/`
export const aliasFolder = (name: string, alias: string): string => `models/${name}/aliases/${alias}/`
export const holdsFolder = 'holds/'
export const collectingFolder = 'collecting/'

/** A number as names have it: no sign, no zeros in front, at most 15 digits. */
export const countOf = (text: string | undefined): number | undefined =>
  (text !== undefined && /^[1-9]\d{0,14}$/.test(text) ? Number(text) : undefined)

/** The revision that a file name such as `3.json` stands for. */
export const revisionOf = (file: string | undefined): number | undefined =>
  (file?.endsWith('.json') === true ? countOf(file.slice(0, -5)) : undefined)

/** Until when a claim counts, by its name such as `981000000000-<id>.json`; `undefined` if it is none. */
export const claimUntil = (file: string | undefined): number | undefined => {
  const until = /^(\d{1,15})-[\w-]+\.json$/.exec(file ?? '')?.[1]
  return until === undefined ? undefined : Number(until)
}

/** A line of a log. */
export type LogPlace =
  | { readonly kind: 'version'; readonly folder: string; readonly name: string; readonly version: number; readonly revision: number }
  | { readonly kind: 'alias'; readonly folder: string; readonly name: string; readonly alias: string; readonly revision: number }

/** What a key is. */
export type Place = LogPlace | { readonly kind: 'blob'; readonly sha256: string } | { readonly kind: 'claim'; readonly until: number } | { readonly kind: 'index' }

/** What a key is, or `undefined` if it is none of a store's. */
export const placeOf = (key: string): Place | undefined => {
  const parts = key.split('/')
  const [top, name, part, of, file] = parts
  if (top === 'blobs' && parts.length === 2 && name?.startsWith('sha256-') === true) {
    const sha256 = name.slice(7)
    return isSha256Hex(sha256) ? { kind: 'blob', sha256 } : undefined
  }
  if ((top === 'holds' || top === 'collecting') && parts.length === 2) {
    const until = claimUntil(name)
    return until === undefined ? undefined : { kind: 'claim', until }
  }
  // For servers of static files.
  if (top === 'models' && parts.length === 3 && part === 'index.json' && isModelName(name)) return { kind: 'index' }
  const revision = revisionOf(file)
  if (top !== 'models' || parts.length !== 5 || revision === undefined || !isModelName(name)) return undefined
  if (part === 'versions') {
    const version = countOf(of)
    return version === undefined ? undefined : { kind: 'version', folder: versionFolder(name, version), name, version, revision }
  }
  return part === 'aliases' && isAliasName(of) ? { kind: 'alias', folder: aliasFolder(name, of), name, alias: of, revision } : undefined
}
