/** Which model it is. */

/** The identity of a model: what records, cache keys and lineage name. */
export interface ModelIdentity {
  readonly name: string
  /** The published version, as text; '0' for a model that no store knows. */
  readonly version: string
  /** SHA-256 of the version's manifest in hex, or `undefined` for a model that no store knows. */
  readonly digest: string | undefined
}

/** `name@version`, and the first twelve digits of the digest where there is one. */
export const showIdentity = (identity: ModelIdentity): string => {
  const name = identity.version === '0' ? identity.name : `${identity.name}@${identity.version}`
  return identity.digest === undefined ? name : `${name} (${identity.digest.slice(0, 12)})`
}
