/** Where a source keeps what it has fetched. */
import { numberOption, optionsObject, stringOption } from '../../core/options.js'
import { DirectoryCache, forgiving, noCache, type SourceCache } from './_source-cache.js'

/** A directory in which a source keeps what it has fetched, so that it is fetched once, and found where the source is down. */
export interface SourceCacheOptions {
  /** The directory. Processes and sources on one machine may share it. */
  readonly path: string
  /** How many versions of each model are kept: those that were opened last. @default 3 */
  readonly keepVersions?: number
}

/**
 * The cache that was asked for.
 *
 * @param source - tells sources that share a directory apart
 * @param onError - hears why something could not be kept
 */
export const cacheOf = (owner: string, options: SourceCacheOptions | undefined, source: string, onError: (error: unknown) => void): SourceCache => {
  if (options === undefined) return noCache
  optionsObject(`the cache of ${owner}`, options, ['path', 'keepVersions'])
  const { path, keepVersions = 3 } = options
  const checked = new DirectoryCache(stringOption(owner, 'cache.path', path), numberOption(owner, 'cache.keepVersions', keepVersions, { min: 1, integer: true }), source)
  return forgiving(checked, onError)
}
