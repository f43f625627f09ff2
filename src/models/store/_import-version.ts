/** A version comes in from one file; see `_archive.ts`. Nothing of it is believed before it is checked. */
import { OutriggerError } from '../../core/errors.js'
import { sha256Hex, startSha256 } from '../manifest/digest.js'
import { parseManifest, type ManifestFile, type ModelManifest } from '../manifest/manifest.js'
import { filesFolder, parseState, type ArchiveState } from './_archive.js'
import type { Author } from './_attribution.js'
import { chunksOfFile } from './_chunks.js'
import { corrupt, tooLarge } from './_faults.js'
import { blobKey } from './_layout.js'
import { checkFileSizes } from './limits.js'
import { refuseLookAlike } from './_look-alike.js'
import type { StoreParts } from './_parts.js'
import { versionExists, type Publisher } from './_publisher.js'
import { readTar, type TarFile } from './_tar-reader.js'
import type { ModelVersion } from './model-source.js'

const maxStateBytes = 1 << 20

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
  async write(): Promise<ArchiveState> {
    // The hold on what was written has lapsed, and there is no second look at a stream.
    if (this.#isRead) throw new OutriggerError('ERR_OUTRIGGER_STORE_FAILED', `Cannot import ${this.manifest.name}@${this.manifest.version} as the process must not stand still for minutes meanwhile: current value is a hold that lapsed`)
    this.#isRead = true
    const expected = new Map(this.manifest.files.map((file) => [filesFolder + file.path, file]))
    let state: ArchiveState | undefined
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
