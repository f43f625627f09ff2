/** How a version gets in: its files are hashed, held, written, and then the first line of its log makes it visible. */
import { hasCode, OutriggerError } from '../../core/errors.js'
import { sha256Hex } from '../manifest/digest.js'
import { parseManifest, serializeManifest, type ManifestFile, type ModelManifest } from '../manifest/manifest.js'
import type { ManifestSignature } from '../manifest/signature.js'
import type { Author } from './_attribution.js'
import { chunksOf, chunksOfFile, identify } from './_chunks.js'
import type { StoreParts } from './_parts.js'
import { corrupt, tooLarge } from './_faults.js'
import { inParallel } from './_in-parallel.js'
import { blobKey } from './_layout.js'
import { checkFileSizes } from './limits.js'
import { refuseLookAlike } from './_look-alike.js'
import { draftManifest } from './_draft-manifest.js'
import { checkSignature } from './_version-changes.js'
import type { Tags } from './change.js'
import type { ModelVersion } from './model-source.js'
import type { FileContent, PublishOptions } from './model-store.js'

/** The bytes of a file to publish, in pieces, from the beginning. */
const contentChunks = (content: FileContent): AsyncIterable<Uint8Array> => {
  if (typeof content === 'string') return chunksOf(new TextEncoder().encode(content))
  return content instanceof Uint8Array ? chunksOf(content) : chunksOfFile(content.from)
}

/** Passes chunks on up to a limit. */
async function* atMost(chunks: AsyncIterable<Uint8Array>, maxBytes: number, what: string): AsyncGenerator<Uint8Array> {
  let bytes = 0
  for await (const chunk of chunks) {
    bytes += chunk.length
    if (bytes > maxBytes) throw tooLarge(what, maxBytes, bytes, 'publish')
    yield chunk
  }
}

/** That a number was used for something else. */
export const versionExists = (name: string, version: number, action = 'publish', value = 'a published version'): OutriggerError =>
  new OutriggerError('ERR_OUTRIGGER_MODEL_EXISTS', `Cannot ${action} ${name}@${version} as a number is used once: current value is ${value}`, { model: name, version })

/** A manifest in its bytes, which must not be too large. */
export const sealManifest = (manifest: ModelManifest, maxBytes: number, action: string): { readonly bytes: Uint8Array; readonly digest: string } => {
  const bytes = serializeManifest(manifest)
  if (bytes.length > maxBytes) throw tooLarge(`the manifest of ${manifest.name}@${manifest.version}`, maxBytes, bytes.length, action)
  return { bytes, digest: sha256Hex(bytes) }
}

export class Publisher {
  readonly #parts: StoreParts

  constructor(parts: StoreParts) {
    this.#parts = parts
  }

  async publish(options: PublishOptions, author: Author): Promise<ModelVersion> {
    const { depot, limits, versions } = this.#parts
    const { at } = author()
    const draft = draftManifest(options, at)
    const { name } = draft
    await refuseLookAlike(depot, 'models/', 'publish', name)
    if (options.version !== undefined && await versions.log(name, options.version).lastRevision() > 0) throw versionExists(name, options.version)

    const files: ManifestFile[] = []
    for (const [path, content] of Object.entries(options.files)) {
      files.push({ path, ...await identify(atMost(contentChunks(content), limits.maxFileBytes, `\`${path}\` of ${name}`)) })
    }
    checkFileSizes({ ...draft, files }, limits, 'publish')
    for (let version = options.version ?? await this.#nextVersion(name); ; version += 1) {
      const published = await this.#publish({ ...draft, version, files }, options, author)
      if (published !== undefined) return published
      if (options.version !== undefined) throw versionExists(name, version)
    }
  }

  /** One more than the highest number that was ever used. A folder without a line is a publish that did not end. */
  async #nextVersion(name: string): Promise<number> {
    const { versions } = this.#parts
    for (const version of (await versions.numbers(name)).reverse()) if (await versions.log(name, version).lastRevision() > 0) return version + 1
    return 1
  }

  /** `undefined` if the number is taken. */
  async #publish(manifest: ModelManifest, { files, tags = {}, sign }: PublishOptions, author: Author): Promise<ModelVersion | undefined> {
    const { bytes, digest } = sealManifest(manifest, this.#parts.limits.maxManifestBytes, 'publish')
    const signatures = sign === undefined ? [] : [checkSignature('publish', await sign(parseManifest(bytes)))]
    const contents = Object.values(files)
    return await this.commit(manifest, { bytes, digest }, 'published', author, async () => {
      await inParallel(manifest.files, (file, index) => this.#writeContent(file, contents[index] as FileContent))
      return { tags: { ...tags }, signatures }
    })
  }

  /** Stores a file under its hash. It is read for the second time: its name had to be known before it could be written. */
  async #writeContent({ path, ...blob }: ManifestFile, content: FileContent): Promise<void> {
    try {
      await this.#parts.depot.writeBlob(blobKey(blob.sha256), blob, contentChunks(content))
    } catch (error) {
      throw hasCode(error, 'ERR_OUTRIGGER_MODEL_CORRUPT') ? corrupt(`\`${path}\``, 'it must not change while it is published', 'other bytes', error) : error
    }
  }

  /**
   * Makes a version visible, after `write` has seen to its files and given the rest. They are held meanwhile, so that none
   * that was there already is collected in between. `undefined` if the number is taken.
   */
  async commit(
    manifest: ModelManifest,
    { bytes, digest }: { readonly bytes: Uint8Array; readonly digest: string },
    kind: 'published' | 'imported',
    author: Author,
    write: () => Promise<{ readonly tags: Tags; readonly signatures: readonly ManifestSignature[] }>,
  ): Promise<ModelVersion | undefined> {
    const { depot, claims, versions } = this.#parts
    const { name, version } = manifest
    const blobs = [blobKey(digest), ...manifest.files.map(({ sha256 }) => blobKey(sha256))]
    return await claims.holding(blobs, async (hold) => {
      for (;;) {
        const { lapses } = hold
        const state = await write()
        await depot.writeBlob(blobKey(digest), { sha256: digest, bytes: bytes.length }, chunksOf(bytes))
        if (!hold.isLive) await hold.renew()
        // If the hold did not count all the time (the process stood still), what was seen to be there may be gone again.
        if (hold.lapses !== lapses) continue
        const line = { kind, name, version, revision: 1, from: null, to: digest, digest, ...state, ...author() } as const
        return await versions.log(name, version).append(line) ? { name, version, digest, manifest: parseManifest(bytes), ...state } : undefined
      }
    })
  }
}
