/** What a store reads from its depot: small files up to a limit, and blobs whose bytes are checked as they come. */
import { startSha256 } from '../manifest/digest.js'
import { readInto } from './_chunks.js'
import { corrupt, tooLarge } from './_faults.js'
import { blobKey } from './_layout.js'
import { roomFor } from './room.js'
import type { BlobId, ModelDepot } from './depot.js'

/** The whole of a small file, or `undefined` if there is none. */
export const readSmall = async (depot: ModelDepot, key: string, maxBytes: number): Promise<Uint8Array | undefined> =>
  await depot.read(key, async (reader) => {
    if (reader.bytes > maxBytes) throw tooLarge(key, maxBytes, reader.bytes)
    const bytes = new Uint8Array(reader.bytes)
    await readInto(reader, bytes, key)
    return bytes
  })

/** A blob's bytes, whose size and hash are what they must be. The bytes that were hashed are the bytes returned. */
export const readBlob = async (depot: ModelDepot, blob: BlobId, what: string, mayShare: boolean): Promise<Uint8Array> => {
  const found = await depot.read(blobKey(blob.sha256), async (reader) => {
    if (reader.bytes !== blob.bytes) throw corrupt(what, `it must have ${blob.bytes} bytes`, reader.bytes)
    const hash = startSha256()
    const bytes = roomFor(reader.bytes, mayShare)
    await readInto(reader, bytes, what, (chunk) => hash.update(chunk))
    const actual = hash.digest('hex')
    if (actual !== blob.sha256) throw corrupt(what, `its SHA-256 must be ${blob.sha256}`, actual)
    return bytes
  })
  if (found === undefined) throw corrupt(what, 'its file must be in the store', 'missing')
  return found
}
