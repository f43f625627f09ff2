/** Reads an object from its beginning to its end, over as many connections as it takes. */
import { isError } from '../../core/errors.js'
import type { S3Client, S3Object } from './_s3-client.js'
import type { DepotReader } from './depot.js'

/** So often in a row a connection may be cut without a byte. */
const maxCuts = 3

interface Body extends AsyncIterable<Uint8Array> {
  destroy?(): void
}

const bodyOf = ({ Body }: S3Object): Body => {
  if (typeof (Body as Partial<Body> | undefined)?.[Symbol.asyncIterator] !== 'function') throw new TypeError('The client for S3 gave no body that can be read by `for await`.')
  return Body as Body
}

export class S3Reader implements DepotReader {
  readonly bytes: number
  readonly #client: S3Client
  readonly #place: { readonly Bucket: string; readonly Key: string }
  readonly #etag: string | undefined
  #body: Body
  #chunks: AsyncIterator<Uint8Array>
  #rest: Uint8Array = new Uint8Array()
  #position = 0
  #cuts = 0

  private constructor(client: S3Client, place: { readonly Bucket: string; readonly Key: string }, object: S3Object) {
    this.#client = client
    this.#place = place
    this.bytes = object.ContentLength ?? 0
    this.#etag = object.ETag
    this.#body = bodyOf(object)
    this.#chunks = this.#body[Symbol.asyncIterator]()
  }

  static async open(client: S3Client, place: { readonly Bucket: string; readonly Key: string }): Promise<S3Reader> {
    return new S3Reader(client, place, await client.getObject(place))
  }

  async read(into: Uint8Array): Promise<number> {
    while (this.#rest.length === 0) {
      if (this.#position >= this.bytes) return 0
      try {
        const next = await this.#chunks.next()
        if (next.done === true) throw new Error(`The object ${this.#place.Key} ended at byte ${this.#position} of ${this.bytes}.`)
        this.#rest = next.value
        if (next.value.length > 0) this.#cuts = 0
      } catch (error) {
        await this.#resume(error)
      }
    }
    const count = Math.min(into.length, this.#rest.length)
    into.set(this.#rest.subarray(0, count))
    this.#rest = this.#rest.subarray(count)
    this.#position += count
    return count
  }

  /** Goes on where the connection was cut. The client retries requests, not their bodies. */
  async #resume(error: unknown): Promise<void> {
    this.#cuts += 1
    if (this.#cuts > maxCuts || !isError(error)) throw error
    this.#body.destroy?.()
    const object = await this.#client.getObject({ ...this.#place, Range: `bytes=${this.#position}-`, ...(this.#etag === undefined ? {} : { IfMatch: this.#etag }) })
    this.#body = bodyOf(object)
    this.#chunks = this.#body[Symbol.asyncIterator]()
    // A server that ignores the range sends all of it.
    if ((object.ContentLength ?? 0) === this.bytes) await this.#skip(this.#position)
  }

  async #skip(bytes: number): Promise<void> {
    for (let left = bytes; left > 0;) {
      const next = await this.#chunks.next()
      if (next.done === true) return
      this.#rest = next.value.subarray(Math.min(left, next.value.length))
      left -= Math.min(left, next.value.length)
    }
  }

  close(): void {
    this.#body.destroy?.()
  }
}
