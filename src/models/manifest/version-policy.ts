/** Which versions of a model are meant: the latest, some, all, or a range. Pure. */
import { InvalidOptionError } from '../../core/errors.js'

/**
 * Which versions of a model are meant.
 *
 * - `'all'`
 * - `{ latest: n }`: the `n` highest numbers
 * - `{ specific: [1, 4] }`: those, as far as they exist
 * - `{ from: 2, to: 4 }`: a range with both ends in it; either may be left out
 */
export type VersionPolicy =
  | 'all'
  | { readonly latest: number }
  | { readonly specific: readonly number[] }
  | { readonly from: number; readonly to?: number }
  | { readonly from?: number; readonly to: number }

const isNumber = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) > 0

/** Refuses what is no policy. */
export const checkVersionPolicy = (action: string, policy: unknown): VersionPolicy => {
  const fields = typeof policy === 'object' && policy !== null ? policy as Readonly<Record<string, unknown>> : {}
  const { latest, specific, from, to, ...others } = fields
  const isRange = (from !== undefined || to !== undefined) && [from, to].every((end) => end === undefined || isNumber(end))
  const isList = Array.isArray(specific) && specific.every(isNumber)
  const kinds = [latest !== undefined, specific !== undefined, from !== undefined || to !== undefined].filter(Boolean).length
  if (policy === 'all' || (kinds === 1 && Object.keys(others).length === 0 && (isNumber(latest) || isList || isRange))) return policy as VersionPolicy
  throw new InvalidOptionError(`Cannot ${action} as a version policy must be 'all', { latest }, { specific } or { from, to } with positive integers: current value is ${JSON.stringify(policy) ?? String(policy)}`)
}

/**
 * The versions that a policy selects, in ascending order.
 *
 * @param versions numbers, in any order
 * @throws `ERR_OUTRIGGER_INVALID_OPTION` for what is no policy
 * @example
 * ```ts
 * import { selectVersions } from 'outrigger/models'
 * const versions = [1, 2, 3, 5]
 * assert.deepEqual(selectVersions({ latest: 2 }, versions), [3, 5])
 * assert.deepEqual(selectVersions({ specific: [1, 4] }, versions), [1])
 * assert.deepEqual(selectVersions({ from: 2, to: 4 }, versions), [2, 3])
 * assert.deepEqual(selectVersions('all', versions), versions)
 * ```
 */
export const selectVersions = (policy: VersionPolicy, versions: readonly number[]): number[] => {
  checkVersionPolicy('select versions', policy)
  const sorted = [...versions].sort((a, b) => a - b)
  if (policy === 'all') return sorted
  if ('latest' in policy) return sorted.slice(-policy.latest)
  if ('specific' in policy) return sorted.filter((version) => policy.specific.includes(version))
  const { from = 1, to = Infinity } = policy
  return sorted.filter((version) => version >= from && version <= to)
}
