/** The changes of a store: each is made by writing its own line, so none is without one. */
import type { ManifestSignature } from '../manifest/signature.js'

/** Who changes something in a store, and why. */
export interface Attribution {
  /** Up to 256 characters. @default what the store was opened with */
  readonly by?: string
  /** Up to 2000 characters. @default none */
  readonly reason?: string
}

/** What every change says. */
interface ChangeBase {
  /** The model. */
  readonly name: string
  /** 1 for the first change of this version or alias, one more for each that follows. */
  readonly revision: number
  /** When, ISO 8601 in UTC, by the clock of whoever made the change. */
  readonly at: string
  readonly by: string | null
  readonly reason: string | null
}

/** What happened to a version. */
export type VersionChange = ChangeBase & { readonly version: number } & (
  /** It was published, or came in from a file; `to` is its digest. */
  | { readonly kind: 'published' | 'imported'; readonly from: null; readonly to: string }
  /** Tags were set or removed; only the ones that changed are named, `null` where there is none. */
  | { readonly kind: 'tagged'; readonly from: Tags<string | null>; readonly to: Tags<string | null> }
  /** A signature was added; `to` is the id of its key, `from` too if another signature by that key stood there. */
  | { readonly kind: 'signed'; readonly from: string | null; readonly to: string }
  /** It was removed; `from` was its digest, or `null` if that could not be read any more. */
  | { readonly kind: 'removed'; readonly from: string | null; readonly to: null }
)

/** What happened to an alias: the versions that it pointed to before and after. */
export interface AliasChange extends ChangeBase {
  readonly kind: 'alias-set' | 'alias-rolled-back' | 'alias-removed'
  readonly alias: string
  readonly from: number | null
  readonly to: number | null
}

/** A change of a store. */
export type ModelChange = VersionChange | AliasChange

/** A line of the audit trail; one that is damaged or missing is given with what is wrong with it. */
export type AuditLine =
  | { readonly ok: true; readonly change: ModelChange }
  | { readonly ok: false; readonly key: string; readonly error: unknown }

/** Key-values of a version. */
export type Tags<V = string> = Readonly<Record<string, V>>

/** What a version is after a change, kept in the line of the change, so that the last line says all. A removed version has none. */
export interface VersionState {
  readonly digest: string
  readonly tags: Tags
  readonly signatures: readonly ManifestSignature[]
}
