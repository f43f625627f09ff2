/** One of many processes that move an alias and publish at the same time. Says what it achieved as JSON. */
import { S3 } from '@aws-sdk/client-s3'
import { modelStore, s3Depot } from 'outrigger/models'

const [endpoint = '', bucket = '', me = ''] = process.argv.slice(2)
const client = new S3({ endpoint, region: 'us-east-1', forcePathStyle: true, credentials: { accessKeyId: 'x', secretAccessKey: 'y' } })
const store = modelStore({ depot: s3Depot({ client, bucket, prefix: 'race' }) })
const published: number[] = []
let moves = 0
for (let round = 0; round < 10; round += 1) {
  const { version } = await store.publish({ name: 'delay', engine: 'function', files: { 'who.txt': `${me} ${round}` } })
  published.push(version)
  const [champion] = await store.aliases('delay')
  await store.setAlias('delay', 'champion', version, { expect: champion?.version ?? null }).then(() => { moves += 1 }, (error: unknown) => {
    if ((error as { readonly code?: unknown }).code !== 'ERR_OUTRIGGER_ALIAS_CONFLICT') throw error
  })
}
process.stdout.write(JSON.stringify({ published, moves }))
client.destroy()
