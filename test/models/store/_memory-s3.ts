/** A client for S3 over memory, which honours conditions, gives lists in small pages, and fails on purpose. */
import { createHash, randomUUID } from 'node:crypto'
import { Readable } from 'node:stream'
import type { S3Client } from 'outrigger/models'

export interface StoredObject {
  readonly body: Uint8Array
  readonly metadata: Readonly<Record<string, string>>
  readonly checksum: string | undefined
  readonly modified: Date
}

export interface MemoryS3 extends S3Client {
  readonly objects: Map<string, StoredObject>
  readonly uploads: Map<string, { readonly key: string; readonly metadata: Readonly<Record<string, string>>; readonly parts: Map<number, Uint8Array>; readonly initiated: Date }>
  /** What was asked, as `getObject blobs/…`. */
  readonly calls: string[]
  /** Called before each operation; what it throws is the answer. */
  before: (operation: string, key: string) => void
  /** Called after a put took place, before it is answered: an answer that is lost. */
  afterPut: (key: string) => void
  /** How many bytes of a body go through before its connection is cut. */
  cutAfter: () => number
}

const failure = (name: string, status: number): Error => Object.assign(new Error(name), { name, $metadata: { httpStatusCode: status } })
export const lostAnswer = (): Error => Object.assign(new Error('socket hang up'), { code: 'ECONNRESET' })

export const memoryS3 = (pageSize = 7): MemoryS3 => {
  const objects: MemoryS3['objects'] = new Map()
  const uploads: MemoryS3['uploads'] = new Map()
  const calls: string[] = []
  const asked = async (operation: string, key: string): Promise<void> => {
    calls.push(`${operation} ${key}`)
    await new Promise<void>((resolve) => { setImmediate(resolve) })
    s3.before(operation, key)
  }
  const found = (key: string): StoredObject => {
    const object = objects.get(key)
    if (object === undefined) throw failure('NoSuchKey', 404)
    return object
  }
  const etagOf = ({ body }: StoredObject): string => `"${createHash('md5').update(body).digest('hex')}"`
  const s3: MemoryS3 = {
    objects,
    uploads,
    calls,
    before: () => {},
    afterPut: () => {},
    cutAfter: () => Infinity,
    getObject: async ({ Key, Range, IfMatch }) => {
      await asked(Range === undefined ? 'getObject' : `getObject ${Range}`, Key)
      const object = found(Key)
      if (IfMatch !== undefined && IfMatch !== etagOf(object)) throw failure('PreconditionFailed', 412)
      const body = object.body.subarray(Number(/^bytes=(\d+)-$/.exec(Range ?? '')?.[1] ?? 0))
      const cut = s3.cutAfter()
      const Body = Readable.from((function* () {
        for (let offset = 0; offset < body.length; offset += 1_000) {
          if (offset >= cut) throw lostAnswer()
          yield body.subarray(offset, offset + 1_000)
        }
      })())
      return { Body, ContentLength: body.length, ETag: etagOf(object) }
    },
    headObject: async ({ Key }) => {
      await asked('headObject', Key)
      const { body, metadata, checksum } = found(Key)
      return { ContentLength: body.length, Metadata: metadata, ChecksumSHA256: checksum }
    },
    putObject: async ({ Key, Body, Metadata, IfNoneMatch, ChecksumSHA256 }) => {
      await asked('putObject', Key)
      if (IfNoneMatch === '*' && objects.has(Key)) throw failure('PreconditionFailed', 412)
      if (ChecksumSHA256 !== undefined && createHash('sha256').update(Body).digest('base64') !== ChecksumSHA256) throw failure('BadDigest', 400)
      objects.set(Key, { body: Body.slice(), metadata: Metadata, checksum: ChecksumSHA256, modified: new Date() })
      s3.afterPut(Key)
    },
    deleteObject: async ({ Key }) => {
      await asked('deleteObject', Key)
      objects.delete(Key)
    },
    listObjectsV2: async ({ Prefix, Delimiter, ContinuationToken }) => {
      await asked('listObjectsV2', Prefix)
      const entries = new Map<string, StoredObject | undefined>()
      for (const [key, object] of objects) {
        const end = Delimiter === undefined ? -1 : key.indexOf(Delimiter, Prefix.length)
        if (key.startsWith(Prefix)) entries.set(end < 0 ? key : key.slice(0, end + 1), end < 0 ? object : undefined)
      }
      const keys = [...entries.keys()].sort().filter((key) => key > (ContinuationToken ?? ''))
      const page = keys.slice(0, pageSize)
      return {
        Contents: page.flatMap((Key) => (entries.get(Key) === undefined ? [] : [{ Key, Size: entries.get(Key)?.body.length, LastModified: entries.get(Key)?.modified }])),
        CommonPrefixes: page.flatMap((Prefix) => (entries.get(Prefix) === undefined ? [{ Prefix }] : [])),
        IsTruncated: keys.length > page.length,
        NextContinuationToken: page.at(-1),
      }
    },
    createMultipartUpload: async ({ Key, Metadata }) => {
      await asked('createMultipartUpload', Key)
      const UploadId = randomUUID()
      uploads.set(UploadId, { key: Key, metadata: Metadata, parts: new Map(), initiated: new Date() })
      return { UploadId }
    },
    uploadPart: async ({ Key, UploadId, PartNumber, Body }) => {
      await asked('uploadPart', Key)
      uploads.get(UploadId)?.parts.set(PartNumber, Body.slice())
      return { ETag: `"${PartNumber}"` }
    },
    completeMultipartUpload: async ({ Key, UploadId, MultipartUpload: { Parts } }) => {
      await asked('completeMultipartUpload', Key)
      const upload = uploads.get(UploadId)
      if (upload === undefined) throw failure('NoSuchUpload', 404)
      objects.set(Key, { body: Buffer.concat(Parts.map(({ PartNumber }) => upload.parts.get(PartNumber) ?? new Uint8Array())), metadata: upload.metadata, checksum: undefined, modified: new Date() })
      uploads.delete(UploadId)
    },
    abortMultipartUpload: async ({ Key, UploadId }) => {
      await asked('abortMultipartUpload', Key)
      uploads.delete(UploadId)
    },
    listMultipartUploads: async ({ Prefix, UploadIdMarker }) => {
      await asked('listMultipartUploads', Prefix)
      const ids = [...uploads.keys()].sort().filter((id) => id > (UploadIdMarker ?? ''))
      const page = ids.slice(0, 2)
      return {
        Uploads: page.map((UploadId) => ({ UploadId, Key: uploads.get(UploadId)?.key, Initiated: uploads.get(UploadId)?.initiated })),
        IsTruncated: ids.length > page.length,
        NextKeyMarker: 'x',
        NextUploadIdMarker: page.at(-1),
      }
    },
  }
  return s3
}
