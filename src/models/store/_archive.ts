/**
 * A version in one file: a tar archive, the manifest first.
 *
 * ```
 * manifest.json   exactly the bytes whose SHA-256 is the digest
 * version.json    digest, signatures and tags, sealed by a hash
 * files/<path>    each file of the manifest
 * ```
 */
import { dirname } from 'node:path'
import { OutriggerError } from '../../core/errors.js'
import { syncDirectory, withTemporaryWriter } from '../../store/atomic-file.js'
import { nodeFileSystem } from '../../store/file-system.js'
import { canonicalJson, type JsonObject } from '../manifest/canonical-json.js'
import { sha256Hex, startSha256 } from '../manifest/digest.js'
import { parseManifest, serializeManifest, type ManifestFile, type ModelManifest } from '../manifest/manifest.js'
import type { ManifestSignature } from '../manifest/signature.js'
import type { Author } from './_attribution.js'
import { chunkBytes, chunksOfFile } from './_chunks.js'
import type { StoreParts } from './_depot-store.js'
import { corrupt, tooLarge } from './_faults.js'
import { blobKey } from './_layout.js'
import { checkFileSizes } from './limits.js'
import { refuseLookAlike } from './_look-alike.js'
import { versionExists, type Publisher } from './_publisher.js'
import { readTar, type TarFile } from './_tar-reader.js'
import { TarWriter } from './_tar-writer.js'
import { checkSignature, checkTags } from './_version-changes.js'
import type { Tags } from './change.js'
import type { ModelVersion } from './model-source.js'

const filesFolder = 'files/'
const maxStateBytes = 1 << 20

interface State { readonly tags: Tags; readonly signatures: readonly ManifestSignature[] }

const serializeState = (digest: string, { tags, signatures }: State): Uint8Array => {
  const state = { format: 'outrigger-version', formatVersion: 1, digest, tags, signatures }
  return new TextEncoder().encode(canonicalJson({ ...state, sha256: sha256Hex(canonicalJson(state)) }))
}

/** Signatures and tags of an archive, which must be of this digest and in the one spelling. */
const parseState = (bytes: Uint8Array, digest: string): State => {
  const what = 'version.json of the archive'
  const text = new TextDecoder().decode(bytes)
  let state: JsonObject
  try {
    state = JSON.parse(text) as JsonObject
  } catch (error) {
    throw corrupt(what, 'it must be JSON', `${bytes.length} bytes`, error)
  }
  if (state['digest'] !== digest) throw corrupt(what, `it must be of the manifest in front of it, ${digest}`, state['digest'])
  try {
    const tags = checkTags('import', state['tags'] as unknown as Tags)
    const signatures = (state['signatures'] as unknown as readonly ManifestSignature[]).map((signature) => checkSignature('import', signature))
    if (new TextDecoder().decode(serializeState(digest, { tags, signatures })) === text) return { tags, signatures }
  } catch { /* refused below, whatever was wrong */ }
  throw corrupt(what, 'it must be what was written', `${bytes.length} bytes of something else`)
}

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

const readWhole = async (file: TarFile, maxBytes: number): Promise<Uint8Array> => {
  if (file.bytes > maxBytes) throw tooLarge(`${file.path} of the archive`, maxBytes, file.bytes, 'import')
  const bytes = new Uint8Array(file.bytes)
  let offset = 0
  for (let piece = await file.next(); piece !== undefined; piece = await file.next()) {
    bytes.set(piece, offset)
    offset += piece.length
  }
  return bytes
}

/** An archive while it is taken in. */
class Incoming {
  readonly manifest: ModelManifest
  readonly bytes: Uint8Array
  readonly digest: string
  readonly #parts: StoreParts
  readonly #archive: AsyncGenerator<TarFile>
  #isRead = false

  private constructor(parts: StoreParts, archive: AsyncGenerator<TarFile>, bytes: Uint8Array) {
    this.#parts = parts
    this.#archive = archive
    this.bytes = bytes
    this.digest = sha256Hex(bytes)
    this.manifest = parseManifest(bytes, 'manifest.json of the archive')
  }

  /** Reads the manifest, which says what may follow. */
  static async open(parts: StoreParts, archive: AsyncGenerator<TarFile>): Promise<Incoming> {
    const first = await archive.next()
    if (first.done === true || first.value.path !== 'manifest.json') throw corrupt('the archive', 'it must begin with manifest.json', first.done === true ? 'nothing' : JSON.stringify(first.value.path))
    return new Incoming(parts, archive, await readWhole(first.value, parts.limits.maxManifestBytes))
  }

  /** Writes all files, each checked, and reads on to the end of the archive. */
  async write(): Promise<State> {
    // The hold on what was written has lapsed, and there is no second look at a stream.
    if (this.#isRead) throw new OutriggerError('ERR_OUTRIGGER_STORE_FAILED', `Cannot import ${this.manifest.name}@${this.manifest.version} as the process must not stand still for minutes meanwhile: current value is a hold that lapsed`)
    this.#isRead = true
    const expected = new Map(this.manifest.files.map((file) => [filesFolder + file.path, file]))
    let state: State | undefined
    for await (const entry of this.#archive) {
      const file = expected.get(entry.path)
      if (file !== undefined) {
        expected.delete(entry.path)
        await this.#writeFile(file, entry)
      } else if (entry.path === 'version.json' && state === undefined) {
        state = parseState(await readWhole(entry, maxStateBytes), this.digest)
      } else {
        throw corrupt('the archive', 'it must hold what its manifest names, once, and nothing else', JSON.stringify(entry.path))
      }
    }
    if (state === undefined) throw corrupt('the archive', 'it must hold version.json', 'nothing')
    const [missing] = expected.keys()
    if (missing !== undefined) throw corrupt('the archive', `it must hold ${JSON.stringify(missing)}`, 'nothing')
    return state
  }

  async #writeFile({ path, bytes, sha256 }: ManifestFile, entry: TarFile): Promise<void> {
    const what = `\`${path}\` of the archive`
    if (entry.bytes !== bytes) throw corrupt(what, `it must have ${bytes} bytes`, entry.bytes)
    const hash = startSha256()
    const chunks = async function* (): AsyncGenerator<Uint8Array> {
      for (let piece = await entry.next(); piece !== undefined; piece = await entry.next()) {
        hash.update(piece)
        yield piece
      }
    }
    await this.#parts.depot.writeBlob(blobKey(sha256), { sha256, bytes }, chunks())
    for await (const _ of chunks()); // what a depot that has the blob already did not look at
    const actual = hash.digest('hex')
    if (actual !== sha256) throw corrupt(what, `its SHA-256 must be ${sha256}`, actual)
  }
}

/** That the number is free, or holds this very version. */
const checkNumber = async ({ versions }: StoreParts, { manifest: { name, version }, digest }: Incoming): Promise<void> => {
  const line = await versions.log(name, version).last()
  if (line === undefined) return
  if (line.kind === 'removed') throw versionExists(name, version, 'import', 'a version that was removed')
  if (line.digest !== digest) throw versionExists(name, version, 'import', `a version with the digest ${line.digest}`)
}

/** Takes in a version; see `ModelStore.import`. */
export const importVersion = async (parts: StoreParts, publisher: Publisher, from: string | AsyncIterable<Uint8Array>, author: Author): Promise<ModelVersion> => {
  const archive = readTar(typeof from === 'string' ? chunksOfFile(from) : from)
  try {
    const incoming = await Incoming.open(parts, archive)
    const { manifest, bytes, digest } = incoming
    checkFileSizes(manifest, parts.limits, 'import')
    await refuseLookAlike(parts.depot, 'models/', 'import', manifest.name)
    await checkNumber(parts, incoming)
    const imported = await publisher.commit(manifest, { bytes, digest }, 'imported', author, () => incoming.write())
    if (imported !== undefined) return imported
    await checkNumber(parts, incoming)
    await parts.versions.log(manifest.name, manifest.version).settle(1)
    return await parts.versions.read(manifest.name, manifest.version)
  } finally {
    await archive.return(undefined)
  }
}
