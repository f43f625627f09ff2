/** Bytes in pieces, so that neither hashing nor writing a large file holds the event loop. */
import { constants } from 'node:fs'
import { open } from 'node:fs/promises'
import { systemClock } from '../../core/clock.js'
import { InvalidOptionError } from '../../core/errors.js'
import { startSha256 } from '../manifest/digest.js'
import { corrupt } from './_faults.js'
import type { BlobId, DepotReader } from './depot.js'

/** How many bytes are hashed at a time: under a millisecond. */
export const chunkBytes: number = 1 << 20

/** Lets the event loop turn. */
export const nextTurn = (): Promise<void> => new Promise((resolve) => void systemClock.setImmediate(resolve))

/** The bytes of an array in pieces, each in a turn of its own of the event loop. */
export async function* chunksOf(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  for (let offset = 0; offset < bytes.length; offset += chunkBytes) {
    if (offset > 0) await nextTurn()
    yield bytes.subarray(offset, offset + chunkBytes)
  }
}

/** The bytes of a file outside the store. A link is followed: who publishes names it. */
export async function* chunksOfFile(path: string): AsyncGenerator<Uint8Array> {
  const handle = await open(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0))
  try {
    // A pipe can be read once only, and what has no end would fill the disk.
    if (!(await handle.stat()).isFile()) throw new InvalidOptionError(`Cannot publish ${path} as it must be a regular file: current value is something else`)
    for (let position = 0; ;) {
      const buffer = new Uint8Array(chunkBytes)
      const { bytesRead } = await handle.read(buffer, 0, buffer.length, position)
      if (bytesRead === 0) return
      position += bytesRead
      yield buffer.subarray(0, bytesRead)
    }
  } finally {
    await handle.close()
  }
}

/** Size and hash of what comes. */
export const identify = async (chunks: AsyncIterable<Uint8Array>): Promise<BlobId> => {
  const hash = startSha256()
  let bytes = 0
  for await (const chunk of chunks) {
    hash.update(chunk)
    bytes += chunk.length
  }
  return { sha256: hash.digest('hex'), bytes }
}

/** Passes chunks on, and throws instead of ending if they are not what they must be; nothing is passed on beyond the size. */
export async function* checked(chunks: AsyncIterable<Uint8Array>, blob: BlobId, what: string): AsyncGenerator<Uint8Array> {
  const hash = startSha256()
  let bytes = 0
  for await (const chunk of chunks) {
    bytes += chunk.length
    if (bytes > blob.bytes) throw corrupt(what, `it must have ${blob.bytes} bytes`, 'more')
    hash.update(chunk)
    if (chunk.length > 0) yield chunk
  }
  if (bytes !== blob.bytes) throw corrupt(what, `it must have ${blob.bytes} bytes`, bytes)
  const actual = hash.digest('hex')
  if (actual !== blob.sha256) throw corrupt(what, `its SHA-256 must be ${blob.sha256}`, actual)
}

/** Reads the rest of a file, a piece at a time, into `bytes`, which must be of its size. */
export const readInto = async (reader: DepotReader, bytes: Uint8Array, what: string, onChunk?: (chunk: Uint8Array) => void): Promise<void> => {
  for (let offset = 0; offset < bytes.length;) {
    const count = await reader.read(bytes.subarray(offset, offset + chunkBytes))
    if (count === 0) throw corrupt(what, `it must have ${bytes.length} bytes`, offset)
    onChunk?.(bytes.subarray(offset, offset + count))
    offset += count
  }
}

/** A file's bytes in pieces that are the receiver's own. */
export async function* chunksOfReader(reader: DepotReader): AsyncGenerator<Uint8Array> {
  for (let position = 0; ;) {
    // One byte more than is left, so that a file that grows meanwhile is seen to.
    const buffer = new Uint8Array(Math.min(chunkBytes, Math.max(0, reader.bytes - position) + 1))
    const count = await reader.read(buffer)
    if (count === 0) return
    position += count
    yield buffer.subarray(0, count)
  }
}
