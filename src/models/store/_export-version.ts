/** A version goes out into one file; see `_archive.ts`. */
import { dirname } from 'node:path'
import { syncDirectory, withTemporaryWriter } from '../../store/atomic-file.js'
import { nodeFileSystem } from '../../store/file-system.js'
import { startSha256 } from '../manifest/digest.js'
import { serializeManifest, type ManifestFile } from '../manifest/manifest.js'
import { filesFolder, serializeState } from './_archive.js'
import { chunkBytes } from './_chunks.js'
import { corrupt } from './_faults.js'
import { blobKey } from './_layout.js'
import type { StoreParts } from './_parts.js'
import { TarWriter } from './_tar-writer.js'
import type { ModelVersion } from './model-source.js'

/** Writes a version into a file, which appears when it is whole; see `ModelStore.export`. */
export const exportVersion = async ({ depot }: StoreParts, version: ModelVersion, to: string): Promise<void> => {
  const { manifest, digest, tags = {}, signatures = [] } = version
  const directory = dirname(to)
  await withTemporaryWriter(nodeFileSystem, directory, async (append) => {
    const tar = new TarWriter(append, Math.floor(Date.parse(manifest.created) / 1000))
    const bytes = serializeManifest(manifest)
    await tar.add('manifest.json', bytes.length, (write) => write(bytes))
    const state = serializeState(digest, { tags, signatures })
    await tar.add('version.json', state.length, (write) => write(state))
    for (const file of manifest.files) await tar.add(filesFolder + file.path, file.bytes, (write) => copyBlob(depot, file, write))
    await tar.end()
  }, (temporary) => nodeFileSystem.rename(temporary, to))
  await syncDirectory(nodeFileSystem, directory)
}

const copyBlob = async (depot: StoreParts['depot'], { path, bytes, sha256 }: ManifestFile, append: (chunk: Uint8Array) => Promise<void>): Promise<void> => {
  const what = `\`${path}\``
  const actual = await depot.read(blobKey(sha256), async (reader) => {
    if (reader.bytes !== bytes) throw corrupt(what, `it must have ${bytes} bytes`, reader.bytes)
    const hash = startSha256()
    const buffer = new Uint8Array(Math.min(chunkBytes, bytes))
    for (let left = bytes; left > 0;) {
      const count = await reader.read(buffer.subarray(0, Math.min(buffer.length, left)))
      if (count === 0) throw corrupt(what, `it must have ${bytes} bytes`, bytes - left)
      hash.update(buffer.subarray(0, count))
      await append(buffer.subarray(0, count))
      left -= count
    }
    return hash.digest('hex')
  })
  if (actual !== sha256) throw corrupt(what, `its SHA-256 must be ${sha256}`, actual ?? 'missing')
}
