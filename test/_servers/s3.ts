/** A real server for S3's protocol for one test file: s3rver on loopback, on a free port, in a temporary folder; stopped at the end. */
import { mkdtempSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import type { Server } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { S3 } from '@aws-sdk/client-s3'

interface S3rver {
  run(): Promise<{ readonly port: number }>
  close(): Promise<void>
  readonly httpServer: Server
}
// It comes without types.
const S3rver = createRequire(import.meta.url)('s3rver') as new (options: object) => S3rver

export interface S3Server {
  readonly bucket: string
  readonly endpoint: string
  /** A client of its own; it is closed with the server. */
  client(): S3
  stop(): Promise<void>
}

export const startS3 = async (): Promise<S3Server> => {
  const directory = mkdtempSync(join(tmpdir(), 'outrigger-s3-'))
  const bucket = 'models'
  const server = new S3rver({ address: '127.0.0.1', port: 0, silent: true, directory, configureBuckets: [{ name: bucket, configs: [] }] })
  const { port } = await server.run()
  const clients: S3[] = []
  const endpoint = `http://127.0.0.1:${port}`
  return {
    bucket,
    endpoint,
    client: () => {
      const client = s3Client(endpoint)
      clients.push(client)
      return client
    },
    stop: async () => {
      for (const client of clients) client.destroy()
      server.httpServer.closeAllConnections()
      await server.close()
      rmSync(directory, { recursive: true, force: true })
    },
  }
}

export const s3Client = (endpoint: string): S3 =>
  new S3({ endpoint, region: 'us-east-1', forcePathStyle: true, credentials: { accessKeyId: 'S3RVER', secretAccessKey: 'S3RVER' } })
