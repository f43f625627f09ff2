/** A depot on storage that speaks the protocol of S3. */
import { InvalidOptionError, isError } from '../../core/errors.js'
import { membersOption, numberOption, optionsObject, stringOption } from '../../core/options.js'
import { temporaryName, temporaryPrefix } from '../../store/atomic-file.js'
import { checked } from './_chunks.js'
import { S3Reader } from './_s3-reader.js'
import type { S3Client } from './_s3-client.js'
import type { BlobId, DepotEntry, DepotReader, ModelDepot } from './depot.js'

/** Options of {@link s3Depot}. */
export interface S3DepotOptions {
  /** The `S3` of `@aws-sdk/client-s3`, made and closed by you: region, endpoint, credentials, retries and timeouts are its own. */
  readonly client: S3Client
  /** It must exist. */
  readonly bucket: string
  /** Where in the bucket: `models/production`. Stores with different prefixes do not see each other. @default the whole bucket */
  readonly prefix?: string
  /**
   * You see to it that only one process at a time writes to this place. Only for servers that do not honour
   * `If-None-Match: *`: without it the depot refuses to write there.
   * @default false
   */
  readonly singleWriter?: boolean
  /** Files above this size are uploaded in parts of it, in bytes: at least 5 MiB (the protocol's limit). @default 16 MiB */
  readonly partBytes?: number
}

const owner = 's3Depot'
const maxParts = 10_000
/** So often a writer is told that another one is at it, and finds nothing. */
const maxContended = 10
const hashField = 'outrigger-sha256'
const writeField = 'outrigger-write'

const statusOf = (error: unknown): number | undefined => (error as { readonly $metadata?: { readonly httpStatusCode?: number } } | null)?.$metadata?.httpStatusCode
const isAbsent = (error: unknown): boolean => statusOf(error) === 404 || (isError(error) && (error.name === 'NoSuchKey' || error.name === 'NotFound'))
const orAbsent = (error: unknown): undefined => {
  if (isAbsent(error) && (error as Error).name !== 'NoSuchBucket') return undefined
  throw error
}
/** 412: the name is taken. 409: somebody is writing it right now. */
const isTaken = (error: unknown): boolean => statusOf(error) === 412
const isContended = (error: unknown): boolean => statusOf(error) === 409 && (error as Error).name !== 'NoSuchBucket'

const base64Of = (sha256: string): string => Buffer.from(sha256, 'hex').toString('base64')

/** What this process is creating now where the server cannot decide, by client: one key at a time. */
const creating = new WeakMap<S3Client, Map<string, Promise<unknown>>>()

class S3Depot implements ModelDepot {
  readonly #client: S3Client
  readonly #bucket: string
  readonly #prefix: string
  readonly #singleWriter: boolean
  readonly #partBytes: number
  #honoursConditions: Promise<void> | undefined

  constructor(options: S3DepotOptions) {
    optionsObject(owner, options, ['client', 'bucket', 'prefix', 'singleWriter', 'partBytes'])
    const { client, bucket, prefix = '', singleWriter = false, partBytes = 16 * 1024 * 1024 } = options
    this.#client = membersOption(owner, 'client', client, ['getObject', 'putObject', 'headObject', 'deleteObject', 'listObjectsV2', 'createMultipartUpload', 'uploadPart', 'completeMultipartUpload', 'abortMultipartUpload', 'listMultipartUploads'])
    this.#bucket = stringOption(owner, 'bucket', bucket)
    if (typeof prefix !== 'string' || prefix.startsWith('/') || prefix.includes('//')) throw new InvalidOptionError(`Cannot create ${owner} as \`prefix\` must be a path such as "models/production": current value is ${JSON.stringify(prefix)}`)
    this.#prefix = prefix === '' || prefix.endsWith('/') ? prefix : `${prefix}/`
    this.#singleWriter = singleWriter
    this.#partBytes = numberOption(owner, 'partBytes', partBytes, { min: 5 * 1024 * 1024, integer: true })
  }

  #at(key: string): { readonly Bucket: string; readonly Key: string } {
    return { Bucket: this.#bucket, Key: this.#prefix + key }
  }

  // ---- reading

  async names(prefix: string): Promise<string[]> {
    const found: string[] = []
    for await (const { Contents = [], CommonPrefixes = [] } of this.#pages(prefix, '/')) {
      for (const { Key = '' } of Contents) found.push(Key)
      for (const { Prefix = '' } of CommonPrefixes) found.push(Prefix.slice(0, -1))
    }
    const start = this.#prefix.length + prefix.length
    // A console marks a folder by an empty object that is called like the prefix.
    return found.map((key) => key.slice(start)).filter((name) => name !== '' && !name.startsWith(temporaryPrefix))
  }

  async *list(prefix: string): AsyncGenerator<DepotEntry> {
    for await (const entry of this.#entries(prefix)) {
      const name = entry.key.slice(entry.key.lastIndexOf('/') + 1)
      if (name !== '' && !name.startsWith(temporaryPrefix)) yield entry
    }
  }

  async *#entries(prefix: string): AsyncGenerator<DepotEntry> {
    for await (const { Contents = [] } of this.#pages(prefix)) {
      for (const { Key = '', Size = 0, LastModified } of Contents) {
        yield { key: Key.slice(this.#prefix.length), bytes: Size, modifiedMs: LastModified?.getTime() ?? 0 }
      }
    }
  }

  async *#pages(prefix: string, delimiter?: string): AsyncGenerator<Awaited<ReturnType<S3Client['listObjectsV2']>>> {
    let token: string | undefined
    do {
      const page = await this.#client.listObjectsV2({
        Bucket: this.#bucket,
        Prefix: this.#prefix + prefix,
        ...(delimiter === undefined ? {} : { Delimiter: delimiter }),
        ...(token === undefined ? {} : { ContinuationToken: token }),
      })
      yield page
      token = page.IsTruncated === true ? page.NextContinuationToken : undefined
    } while (token !== undefined)
  }

  async read<T>(key: string, use: (reader: DepotReader) => Promise<T>): Promise<T | undefined> {
    const reader = await S3Reader.open(this.#client, this.#at(key)).catch(orAbsent)
    if (reader === undefined) return undefined
    try {
      return await use(reader)
    } finally {
      reader.close()
    }
  }

  // ---- writing

  async create(key: string, bytes: Uint8Array): Promise<boolean> {
    if (this.#singleWriter) return await this.#createAlone(key, bytes)
    await this.#checkConditions()
    // The client may write, lose the answer, and be told by its second try that the name is taken: by itself.
    const mark = temporaryName()
    for (let tries = 1; ; tries += 1) {
      try {
        await this.#put(key, bytes, { [writeField]: mark }, true)
        return true
      } catch (error) {
        if (tries === maxContended || (!isTaken(error) && !isContended(error))) throw error
        const head = await this.#head(key)
        if (head !== undefined) return head.Metadata?.[writeField] === mark
      }
    }
  }

  async #createAlone(key: string, bytes: Uint8Array): Promise<boolean> {
    const under = creating.get(this.#client) ?? new Map<string, Promise<unknown>>()
    creating.set(this.#client, under)
    const place = `${this.#bucket} ${this.#prefix}${key}`
    const work = (under.get(place) ?? Promise.resolve()).then(async () => {
      if (await this.#head(key) !== undefined) return false
      await this.#put(key, bytes, {}, false)
      return true
    })
    const turn = work.catch(() => {}).then(() => {
      if (under.get(place) === turn) under.delete(place)
    })
    under.set(place, turn)
    return await work
  }

  /** Finds out, once, whether the server lets exactly one of two writers have a name: who ignores the condition would lose moves of aliases. */
  async #checkConditions(): Promise<void> {
    this.#honoursConditions ??= this.#probe()
    await this.#honoursConditions.catch((error: unknown) => {
      this.#honoursConditions = undefined
      throw error
    })
  }

  async #probe(): Promise<void> {
    const key = temporaryName()
    const isRefused = (): Promise<boolean> => this.#put(key, new Uint8Array(), {}, true).then(() => false, (error: unknown) => {
      if (isTaken(error) || isContended(error)) return true
      throw error
    })
    try {
      // The first one is refused only where the client has tried twice; that says the same.
      if (await isRefused() || await isRefused()) return
    } finally {
      await this.remove(key)
    }
    throw new InvalidOptionError(`Cannot write to the bucket ${this.#bucket} as its server must honour \`If-None-Match: *\` (or set \`singleWriter\`, if only one process writes): current value is a server that overwrites`)
  }

  async #put(key: string, body: Uint8Array, metadata: Readonly<Record<string, string>>, isExclusive: boolean): Promise<void> {
    await this.#client.putObject({ ...this.#at(key), Body: body, ContentLength: body.length, Metadata: { ...metadata }, ...(isExclusive ? { IfNoneMatch: '*' } : {}) })
  }

  async #head(key: string): Promise<Awaited<ReturnType<S3Client['headObject']>> | undefined> {
    return await this.#client.headObject({ ...this.#at(key), ChecksumMode: 'ENABLED' }).catch(orAbsent)
  }

  async writeBlob(key: string, blob: BlobId, chunks: AsyncIterable<Uint8Array>): Promise<void> {
    if (await this.#isIntact(key, blob)) return
    if (blob.bytes <= this.#partBytes) await this.#upload(key, blob, chunks)
    else await this.#uploadParts(key, blob, chunks)
  }

  /** As far as the server says: by the checksum that it keeps, else by the hash that was written with the file. */
  async #isIntact(key: string, { sha256, bytes }: BlobId): Promise<boolean> {
    const head = await this.#head(key)
    if (head === undefined || head.ContentLength !== bytes) return false
    const checksum = head.ChecksumSHA256
    // That of parts is a checksum of checksums.
    if (checksum !== undefined && head.ChecksumType !== 'COMPOSITE' && !checksum.includes('-')) return checksum === base64Of(sha256)
    return head.Metadata?.[hashField] === sha256
  }

  async #upload(key: string, blob: BlobId, chunks: AsyncIterable<Uint8Array>): Promise<void> {
    const body = new Uint8Array(blob.bytes)
    let offset = 0
    for await (const chunk of checked(chunks, blob, key)) {
      body.set(chunk, offset)
      offset += chunk.length
    }
    await this.#client.putObject({ ...this.#at(key), Body: body, ContentLength: body.length, ChecksumAlgorithm: 'SHA256', ChecksumSHA256: base64Of(blob.sha256), Metadata: { [hashField]: blob.sha256 } })
  }

  async #uploadParts(key: string, blob: BlobId, chunks: AsyncIterable<Uint8Array>): Promise<void> {
    const { UploadId } = await this.#client.createMultipartUpload({ ...this.#at(key), Metadata: { [hashField]: blob.sha256 } })
    const upload = { ...this.#at(key), UploadId: UploadId as string }
    try {
      const parts: { readonly ETag: string; readonly PartNumber: number }[] = []
      const part = new Uint8Array(Math.max(this.#partBytes, Math.ceil(blob.bytes / maxParts)))
      let filled = 0
      const send = async (): Promise<void> => {
        const PartNumber = parts.length + 1
        const { ETag } = await this.#client.uploadPart({ ...upload, PartNumber, Body: part.slice(0, filled), ContentLength: filled })
        parts.push({ ETag: ETag as string, PartNumber })
        filled = 0
      }
      for await (const chunk of checked(chunks, blob, key)) {
        for (let offset = 0; offset < chunk.length;) {
          const piece = chunk.subarray(offset, offset + part.length - filled)
          part.set(piece, filled)
          filled += piece.length
          offset += piece.length
          if (filled === part.length) await send()
        }
      }
      if (filled > 0) await send()
      // Not before every byte has been seen: until then there is nothing.
      await this.#client.completeMultipartUpload({ ...upload, MultipartUpload: { Parts: parts } })
    } catch (error) {
      // What cannot be taken back now is found by `sweep`.
      await this.#client.abortMultipartUpload(upload).catch(() => {})
      throw error
    }
  }

  async remove(key: string): Promise<void> {
    await this.#client.deleteObject(this.#at(key)).catch(orAbsent)
  }

  async sweep(beforeMs: number, dryRun: boolean): Promise<DepotEntry[]> {
    const found: DepotEntry[] = []
    for await (const entry of this.#entries('')) {
      const isTemporary = entry.key.slice(entry.key.lastIndexOf('/') + 1).startsWith(temporaryPrefix)
      if (isTemporary && entry.modifiedMs < beforeMs) found.push(entry)
    }
    if (!dryRun) for (const { key } of found) await this.remove(key)
    let marker: { readonly KeyMarker?: string | undefined; readonly UploadIdMarker?: string | undefined } | undefined = {}
    while (marker !== undefined) {
      const page: Awaited<ReturnType<S3Client['listMultipartUploads']>> = await this.#client.listMultipartUploads({ Bucket: this.#bucket, Prefix: this.#prefix, ...marker })
      for (const { Key = '', UploadId = '', Initiated } of page.Uploads ?? []) {
        const modifiedMs = Initiated?.getTime() ?? 0
        if (modifiedMs >= beforeMs) continue
        found.push({ key: Key.slice(this.#prefix.length), bytes: 0, modifiedMs })
        if (!dryRun) await this.#client.abortMultipartUpload({ Bucket: this.#bucket, Key, UploadId }).catch(orAbsent)
      }
      marker = page.IsTruncated === true && page.NextKeyMarker !== undefined ? { KeyMarker: page.NextKeyMarker, UploadIdMarker: page.NextUploadIdMarker } : undefined
    }
    return found
  }
}

/**
 * A place for a store of models in a bucket of Amazon S3, or of another server that speaks its protocol.
 *
 * A version becomes visible by one conditional write (`If-None-Match: *`), as do moves of aliases; so any number of
 * processes may publish. Before its first write the depot finds out whether the server honours the condition, and
 * refuses to write where it does not. Large files are uploaded in parts, and read again from where a connection was cut.
 * The server keeps the SHA-256 of each file that was uploaded at once; every load checks all hashes all the same.
 *
 * It needs the rights to get, put, delete and list objects, and for `gc` to list and abort uploads. A rule of the bucket
 * must not expire files.
 *
 * @throws `ERR_OUTRIGGER_INVALID_OPTION`; of the first write, if the server ignores conditions
 * @example
 * ```ts no-run: needs a bucket; test/models/store/s3-depot.test.ts runs it against a real server
 * import { S3 } from '@aws-sdk/client-s3'
 * import { modelStore, s3Depot } from 'outrigger/models'
 * const store = modelStore({ depot: s3Depot({ client: new S3({ region: 'eu-central-1' }), bucket: 'acme', prefix: 'models' }) })
 * const { version } = await store.publish({ name: 'delay', engine: 'onnx', files: { 'model.onnx': { from: 'model.onnx' } } })
 * await store.setAlias('delay', 'champion', version)
 * ```
 */
export const s3Depot = (options: S3DepotOptions): ModelDepot => new S3Depot(options)

export type { S3Client } from './_s3-client.js'
