import { afterAll, beforeAll, describe, it } from 'vitest'
import { functionSink, postgresRecordSink, postgresRecordSource, s3RecordSink, s3RecordSource, segmentSink, segmentSource, type RecordSink, type StoredRecord } from 'outrigger/capture'
import { recordSinkConformance, type RecordSinkKit } from 'outrigger/testing'
import { hasPostgres, startPostgres, type PostgresServer } from '../_servers/postgres.js'
import { startS3, type S3Server } from '../_servers/s3.js'
import { directories } from './_temporary.js'

const conforms = (make: () => RecordSinkKit): void => {
  it.each(recordSinkConformance(make).map((check) => [check.name, check.run] as const))('%s', async (_, run) => await run())
}

describe('functionSink over a map', () => {
  conforms(() => {
    const kept = new Map<string, string>()
    const another = (): RecordSink => functionSink((lines) => { for (const { key, text } of lines) kept.set(key, text) })
    return { sink: another(), another, read: async function* () { for (const text of kept.values()) yield JSON.parse(text) as StoredRecord } }
  })
})

describe('segmentSink', () => {
  const directory = directories()
  conforms(() => {
    const path = directory()
    const another = (): RecordSink => segmentSink({ directory: path })
    return { sink: another(), another, read: () => segmentSource(path).read() }
  })
})

describe('segmentSink with segments that are sealed at every batch', () => {
  const directory = directories()
  conforms(() => {
    const path = directory()
    const another = (): RecordSink => segmentSink({ directory: path, sealBytes: 1, sync: 'never' })
    return { sink: another(), another, read: () => segmentSource(path).read() }
  })
})

describe('s3RecordSink against a real server', () => {
  let server: S3Server
  let made = 0
  beforeAll(async () => void (server = await startS3()), 30_000)
  afterAll(async () => await server.stop())
  conforms(() => {
    const place = { client: server.client(), bucket: server.bucket, prefix: `place-${made++}` }
    const another = (): RecordSink => s3RecordSink(place)
    return { sink: another(), another, read: () => s3RecordSource(place).read() }
  })
})

describe.runIf(hasPostgres())('postgresRecordSink against a real server', () => {
  let server: PostgresServer
  let made = 0
  beforeAll(async () => void (server = await startPostgres()), 30_000)
  afterAll(async () => await server.stop())
  conforms(() => {
    const place = { client: server.pool, table: `records_${made++}` }
    const another = (): RecordSink => postgresRecordSink(place)
    return { sink: another(), another, read: () => postgresRecordSource(place).read() }
  })
})
