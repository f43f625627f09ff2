import { createHash } from 'node:crypto'
import { systemClock, type Clock } from '../core/clock.js'
import { InvalidOptionError } from '../core/errors.js'
import { membersOption, optionsObject, stringOption } from '../core/options.js'
import type { S3Client } from '../models/store/s3-depot.js'
import { matches, storedRecord } from './_read-record.js'
import type { CapturedLine } from './captured-line.js'
import { sinkBatch, type RecordSink, type SinkBatch } from './record-sink.js'
import { byClass } from './_by-class.js'
import { parseLine, SegmentSummary, type SegmentHeader } from './_segment-format.js'
import type { RecordSource, StoredRecord } from './stored-record.js'

/** Options of {@link s3RecordSource}. */
export interface S3RecordSourceOptions {
  /** The `S3` of `@aws-sdk/client-s3`, made and closed by you. */
  readonly client: Pick<S3Client, 'getObject' | 'listObjectsV2' | 'putObject'>
  /** It must exist. */
  readonly bucket: string
  /** Where in the bucket: `records/delay`. @default the whole bucket */
  readonly prefix?: string
}

/** Options of {@link s3RecordSink}. */
export interface S3RecordSinkOptions extends S3RecordSourceOptions, SinkBatch {
  /** For the order of batches. @default the machine's */
  readonly clock?: Clock
}

interface Place {
  readonly client: S3RecordSourceOptions['client']
  readonly bucket: string
  readonly prefix: string
}

const place = (owner: string, { client, bucket, prefix = '' }: S3RecordSourceOptions): Place => {
  membersOption(owner, 'client', client, ['getObject', 'listObjectsV2', 'putObject'])
  stringOption(owner, 'bucket', bucket)
  if (typeof prefix !== 'string' || prefix.startsWith('/') || prefix.includes('//')) throw new InvalidOptionError(`Cannot create ${owner} as \`prefix\` must be a path such as "records/delay": current value is ${JSON.stringify(prefix)}`)
  return { client, bucket, prefix: prefix === '' || prefix.endsWith('/') ? prefix : `${prefix}/` }
}

/**
 * Records as objects in a bucket of Amazon S3, or of another server that speaks its protocol: each batch is a sealed segment of its own,
 * `<prefix>/<class>/<time>.<key>.jsonl`, with header and footer. A batch that is told again is the same object.
 *
 * Batches are large (8 MiB or a minute), and wait in memory: a process that is killed loses up to one. Where that is too much, write segments to
 * a disk as well. How long objects are kept is a lifecycle rule of the bucket, by the prefix of the class.
 *
 * @throws `ERR_OUTRIGGER_INVALID_OPTION`
 */
export const s3RecordSink = (options: S3RecordSinkOptions): RecordSink => {
  const owner = 'an S3 record sink'
  optionsObject(owner, options, ['client', 'bucket', 'prefix', 'maxBytes', 'maxMs', 'clock'])
  const { client, bucket, prefix } = place(owner, options)
  const { clock = systemClock } = options
  /** When a batch was told first: the same when it is told again, and later than that of the one before, as objects are read in this order. */
  const toldAt = new WeakMap<readonly CapturedLine[], number>()
  let last = -Infinity
  const put = async (name: string, lines: readonly CapturedLine[], from: number): Promise<void> => {
    const first = lines[0] as CapturedLine
    const header: SegmentHeader = { kind: 'header', v: 1, class: name, from }
    const summary = new SegmentSummary()
    let text = `${JSON.stringify(header)}\n`
    for (const line of lines) {
      text += `${line.text}\n`
      summary.add(line.at, line.schema)
    }
    const body = Buffer.from(`${text}${JSON.stringify(summary.footer(name, createHash('sha256').update(text).digest('hex')))}\n`)
    await client.putObject({
      Bucket: bucket,
      Key: `${prefix}${name}/${from}.${first.key}.jsonl`,
      Body: body,
      ContentLength: body.length,
      Metadata: {},
      ChecksumAlgorithm: 'SHA256',
      ChecksumSHA256: createHash('sha256').update(body).digest('base64'),
    })
  }
  return {
    name: 's3',
    batch: sinkBatch(owner, { maxBytes: options.maxBytes ?? 8 << 20, maxMs: options.maxMs ?? 60_000 }),
    write: async (lines) => {
      const from = toldAt.get(lines) ?? Math.max(Math.floor(clock.wall()), last + 1)
      last = Math.max(last, from)
      toldAt.set(lines, from)
      for (const [name, own] of byClass(lines)) await put(name, own, from)
    },
  }
}

/** So often an object is asked for: a connection may be cut. */
const attempts = 3

/**
 * Reads what an {@link s3RecordSink} keeps: class by class, in the order in which batches were told. An object is held in memory while it is read.
 *
 * @throws `ERR_OUTRIGGER_INVALID_OPTION`
 */
export const s3RecordSource = (options: S3RecordSourceOptions): RecordSource => {
  const owner = 'an S3 record source'
  optionsObject(owner, options, ['client', 'bucket', 'prefix'])
  const { client, bucket, prefix } = place(owner, options)
  const textOf = async (key: string): Promise<string> => {
    for (let attempt = 1; ; attempt += 1) {
      try {
        const { Body } = await client.getObject({ Bucket: bucket, Key: key })
        const chunks: Uint8Array[] = []
        for await (const chunk of Body as AsyncIterable<Uint8Array>) chunks.push(chunk)
        return Buffer.concat(chunks).toString('utf8')
      } catch (error) {
        if (attempt === attempts) throw error
      }
    }
  }
  return {
    read: async function* (filter = {}): AsyncGenerator<StoredRecord> {
      const isWanted = matches(filter)
      let token: string | undefined
      do {
        const page = await client.listObjectsV2({ Bucket: bucket, Prefix: prefix, ...(token === undefined ? {} : { ContinuationToken: token }) })
        for (const { Key = '' } of page.Contents ?? []) {
          if (!Key.endsWith('.jsonl')) continue
          for (const line of (await textOf(Key)).split('\n')) {
            const record = line === '' ? undefined : storedRecord(parseLine(line))
            if (record !== undefined && isWanted(record)) yield record
          }
        }
        token = page.IsTruncated === true ? page.NextContinuationToken : undefined
      } while (token !== undefined)
    },
  }
}
