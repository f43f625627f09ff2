/** How large a manifest, a file and a version may be, checked before anything is read. */
import { numberOption, optionsObject } from '../../core/options.js'
import type { ModelManifest } from '../manifest/manifest.js'
import { tooLarge } from './_faults.js'

/** How large things may be. */
export interface ModelLimits {
  /** @default 16 MiB */
  readonly maxManifestBytes?: number
  /** A file of a version. @default 2 GiB */
  readonly maxFileBytes?: number
  /** All files of a version, which are in memory at once when it is opened. @default 4 GiB */
  readonly maxVersionBytes?: number
}

const gib = 2 ** 30

/** Limits, every one of them set. */
export const limitsOf = (owner: string, limits: ModelLimits = {}): Required<ModelLimits> => {
  optionsObject(owner, limits, ['maxManifestBytes', 'maxFileBytes', 'maxVersionBytes'])
  const { maxManifestBytes = 2 ** 24, maxFileBytes = 2 * gib, maxVersionBytes = 4 * gib } = limits
  for (const [name, value] of Object.entries({ maxManifestBytes, maxFileBytes, maxVersionBytes })) numberOption(owner, name, value, { min: 1, integer: true, infinite: true })
  return { maxManifestBytes, maxFileBytes, maxVersionBytes }
}

/** Refuses a version whose files are too large, by what its manifest says of them. */
export const checkFileSizes = (manifest: ModelManifest, limits: Required<ModelLimits>, action = 'load'): void => {
  const what = `${manifest.name}@${manifest.version}`
  let total = 0
  for (const { path, bytes } of manifest.files) {
    if (bytes > limits.maxFileBytes) throw tooLarge(`\`${path}\` of ${what}`, limits.maxFileBytes, bytes, action)
    total += bytes
  }
  if (total > limits.maxVersionBytes) throw tooLarge(what, limits.maxVersionBytes, total, action)
}
