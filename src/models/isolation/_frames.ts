/**
 * Messages on a stream of bytes: each is a frame of a header, the structure of the message, and its arrays.
 *
 * The header is three words and a size per array: what it is, how long the structure is, how many arrays follow.
 */
import { packed, unpacked } from './_packet.js'

/** "OTR1": a stream that does not begin a frame with it was written by something else. */
const magic = 0x3152544f
const fixedBytes = 12
const sizeBytes = 8
/** What is larger is no structure, but noise: the arrays are beside it. */
const maxMetaBytes = 1 << 30
const maxParts = 1 << 20

/** The bytes of a message, in pieces: those of its arrays are the arrays themselves. */
export const frameOf = (message: unknown): Uint8Array[] => {
  const { meta, parts } = packed(message)
  const header = Buffer.allocUnsafe(fixedBytes + sizeBytes * parts.length + meta.length)
  header.writeUInt32LE(magic, 0)
  header.writeUInt32LE(meta.length, 4)
  header.writeUInt32LE(parts.length, 8)
  parts.forEach((part, index) => header.writeDoubleLE(part.length, fixedBytes + sizeBytes * index))
  header.set(meta, fixedBytes + sizeBytes * parts.length)
  return [header, ...parts.filter(({ length }) => length > 0)]
}

/** Puts frames together from what a stream brings, in pieces of any size. Each array is copied once, to a buffer of its own. */
export class FrameReader {
  readonly #onMessage: (message: unknown) => void
  /** What is being filled: the fixed header, the sizes and the structure, or the arrays one after the other. */
  #filling: Uint8Array = new Uint8Array(fixedBytes)
  #filled = 0
  #metaBytes = 0
  #sizes: number[] | undefined
  #meta: Uint8Array | undefined
  #parts: Uint8Array[] = []

  constructor(onMessage: (message: unknown) => void) {
    this.#onMessage = onMessage
  }

  /** @throws if the bytes are no frames */
  push(chunk: Uint8Array): void {
    let at = 0
    for (;;) {
      const size = Math.min(chunk.length - at, this.#filling.length - this.#filled)
      this.#filling.set(chunk.subarray(at, at + size), this.#filled)
      this.#filled += size
      at += size
      if (this.#filled < this.#filling.length) return
      this.#next()
    }
  }

  #fill(bytes: number): void {
    this.#filling = new Uint8Array(bytes)
    this.#filled = 0
  }

  /** What was being filled is full. */
  #next(): void {
    const full = Buffer.from(this.#filling.buffer)
    if (this.#sizes === undefined) {
      const parts = full.readUInt32LE(8)
      this.#metaBytes = full.readUInt32LE(4)
      if (full.readUInt32LE(0) !== magic || this.#metaBytes > maxMetaBytes || parts > maxParts) throw new Error('The stream holds something that is no message.')
      this.#sizes = new Array<number>(parts)
      this.#fill(sizeBytes * parts + this.#metaBytes)
      return
    }
    if (this.#meta === undefined) {
      for (let index = 0; index < this.#sizes.length; index += 1) this.#sizes[index] = full.readDoubleLE(sizeBytes * index)
      this.#meta = full.subarray(sizeBytes * this.#sizes.length)
    } else {
      this.#parts.push(this.#filling)
    }
    if (this.#parts.length < this.#sizes.length) {
      this.#fill(this.#sizes[this.#parts.length] as number)
      return
    }
    const packet = { meta: this.#meta, parts: this.#parts }
    this.#sizes = undefined
    this.#meta = undefined
    this.#parts = []
    this.#fill(fixedBytes)
    this.#onMessage(unpacked(packet))
  }
}
