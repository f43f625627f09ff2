/** How a version is said to be in use; see `ModelStore.hold`. */
import { numberOption, optionsObject } from '../../core/options.js'
import { defaultAuthor } from './_attribution.js'
import { defaultHoldMs, Hold } from './_hold.js'
import { blobKey, versionFolder } from './_layout.js'
import type { StoreParts } from './_parts.js'
import type { ModelVersion } from './model-source.js'
import type { HoldOptions, ModelHold } from './model-store.js'

/** Holds the version that `resolve` finds, and everything that it is made of. */
export const holdVersion = async ({ claims }: StoreParts, resolve: () => Promise<ModelVersion>, options: HoldOptions, defaultBy: string | null): Promise<ModelHold> => {
  optionsObject('a hold', options, ['ttlMs', 'by'])
  const ttlMs = numberOption('a hold', 'ttlMs', options.ttlMs ?? defaultHoldMs, { min: 1000, max: 3_600_000 })
  const by = defaultAuthor(options.by) ?? defaultBy
  for (;;) {
    const { name, version, digest, manifest } = await resolve()
    const hold = new Hold(claims, [versionFolder(name, version), blobKey(digest), ...manifest.files.map(({ sha256 }) => blobKey(sha256))], ttlMs, by)
    try {
      await hold.renew()
      // It may have been removed before the hold counted, or an alias have moved on.
      const found = await resolve()
      if (found.digest === digest) {
        return {
          version: found,
          get error() { return hold.error },
          release: () => hold.release(),
          [(Symbol.asyncDispose ?? Symbol.for('Symbol.asyncDispose')) as typeof Symbol.asyncDispose]: () => hold.release(),
        }
      }
      await hold.release()
    } catch (error) {
      await hold.release().catch(() => {}) // then it ends by its time
      throw error
    }
  }
}
