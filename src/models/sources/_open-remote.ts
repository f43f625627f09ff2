/** Opening a version whose files are blobs of a server. */
import { manifestDigest, type ManifestFile } from '../manifest/manifest.js'
import { checkFileSizes, type ModelLimits } from '../store/limits.js'
import { ModelFiles } from '../store/model-files.js'
import type { ModelVersion, OpenedModel, SourceOpenOptions } from '../store/model-source.js'
import type { RemoteBlobs } from './_remote-blobs.js'
import type { SourceCache } from './_source-cache.js'
import { sourceCorrupt } from './_source-errors.js'

/** What a source of a server reads files with. */
export interface RemoteReader {
  readonly blobs: RemoteBlobs
  readonly cache: SourceCache
  readonly limits: Required<ModelLimits>
  /** Where the server has a file. */
  locate(file: ManifestFile): string | Promise<string>
}

export const openRemote = async (version: ModelVersion, { blobs, cache, limits, locate }: RemoteReader, options: SourceOpenOptions): Promise<OpenedModel> => {
  const { name, digest, manifest } = version
  const what = `${name}@${version.version}`
  if (manifestDigest(manifest) !== digest) throw sourceCorrupt(`load ${what}`, 'its manifest must have its digest', manifestDigest(manifest))
  checkFileSizes(manifest, limits)
  const files = new Map<string, Uint8Array>()
  for (const file of manifest.files) files.set(file.path, await blobs.get(file, () => locate(file), `read \`${file.path}\` of ${what}`, options))
  await cache.opened(name, { digest, blobs: manifest.files.map(({ sha256 }) => sha256) })
  return { ...version, files: new ModelFiles(what, files) }
}
