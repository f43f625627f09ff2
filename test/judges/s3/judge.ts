/**
 * `s3Depot` against moto, which honours `If-None-Match`, keeps checksums, and gives long lists in pages: what s3rver, the
 * server of the unit tests, does not. The client is `@aws-sdk/client-s3` as it comes.
 */
import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { S3 } from '@aws-sdk/client-s3'
import { modelStore, s3Depot } from 'outrigger/models'
import { modelDepotConformance, modelSourceConformance } from 'outrigger/testing'
import { freePort } from '../../_servers/redis.js'
import { command } from '../../gate/command.js'
import { check, type Check, type Judge } from '../judge.js'
import { venv } from '../venv.js'

const motoVersion = '5.2.5'
const processes = 6

const startMoto = async (): Promise<{ readonly endpoint: string; stop(): Promise<void> }> => {
  const home = await venv(`moto-${motoVersion}`, [`moto[server,s3]==${motoVersion}`])
  const port = await freePort()
  const endpoint = `http://127.0.0.1:${port}`
  const child = spawn(join(home, 'bin/moto_server'), ['-H', '127.0.0.1', '-p', String(port)], { stdio: 'ignore' })
  const gone = new Promise((resolve) => child.once('exit', resolve))
  const isReady = (): Promise<boolean> => fetch(`${endpoint}/moto-api/data.json`).then(({ ok }) => ok, () => false)
  for (let tries = 0; !(await isReady()); tries += 1) {
    if (child.exitCode !== null || tries > 120) throw new Error('moto_server is not ready')
    await new Promise((resolve) => setTimeout(resolve, 250))
  }
  return { endpoint, stop: async () => { child.kill('SIGKILL'); await gone } }
}

const expect = (holds: boolean, seen: unknown): void => {
  if (!holds) throw new Error(`seen: ${JSON.stringify(seen)}`)
}

export const judge: Judge = async () => {
  const server = await startMoto()
  const client = new S3({ endpoint: server.endpoint, region: 'us-east-1', forcePathStyle: true, credentials: { accessKeyId: 'x', secretAccessKey: 'y' } })
  const bucket = 'models'
  const checks: Check[] = []
  try {
    await client.createBucket({ Bucket: bucket })
    let places = 0
    const depot = modelDepotConformance(() => {
      const prefix = `depot/${places += 1}`
      return () => s3Depot({ client, bucket, prefix })
    })
    for (const { name, run } of depot) checks.push(await check(`depot: ${name}`, async () => { await run(); return 'holds' }))

    const source = modelSourceConformance(() => {
      const prefix = `source/${places += 1}`
      const store = modelStore({ depot: s3Depot({ client, bucket, prefix }) })
      return {
        source: store,
        publish: async (model) => (await store.publish({ ...model, engine: 'function' })).version,
        setAlias: (name, alias, version) => store.setAlias(name, alias, version),
        damage: async ({ name, version, path }, change) => {
          const { manifest } = await store.resolve(`${name}@${version}`)
          const at = { Bucket: bucket, Key: `${prefix}/blobs/sha256-${manifest.files.find((file) => file.path === path)?.sha256}` }
          const bytes = change(await (await client.getObject(at)).Body?.transformToByteArray() ?? new Uint8Array())
          await (bytes === undefined ? client.deleteObject(at) : client.putObject({ ...at, Body: bytes }))
        },
      }
    })
    for (const { name, run } of source) checks.push(await check(`source: ${name}`, async () => { await run(); return 'holds' }))

    checks.push(await check('many processes publish and move an alias at once', async () => {
      const script = fileURLToPath(new URL('./writer.ts', import.meta.url))
      const ran = await Promise.all(Array.from({ length: processes }, (_, me) => command(process.execPath, ['--import', 'tsx', script, server.endpoint, bucket, String(me)], { timeoutMs: 300_000 })))
      for (const { ok, output } of ran) expect(ok, output.slice(-300))
      const said = ran.map(({ stdout }) => JSON.parse(stdout) as { readonly published: number[]; readonly moves: number })
      const published = said.flatMap((one) => one.published).sort((a, b) => a - b)
      const moves = said.reduce((sum, one) => sum + one.moves, 0)
      const store = modelStore({ depot: s3Depot({ client, bucket, prefix: 'race' }) })
      const listed = await store.list('delay')
      const [champion] = await store.aliases('delay')
      expect(published.every((version, index) => version === index + 1) && published.length === processes * 10, published)
      expect(listed.length === published.length && listed.every(({ ok }) => ok) && champion?.revision === moves, { listed: listed.length, champion, moves })
      return `${processes} processes, ${published.length} versions without a gap or a double, ${moves} moves of the alias, its revision ${champion?.revision}`
    }))
    checks.push(await check('a large file goes up in parts and comes back', async () => {
      const bytes = new Uint8Array(40 * 2 ** 20).map((_, index) => (index * 31 + (index >> 12)) % 251)
      const store = modelStore({ depot: s3Depot({ client, bucket, prefix: 'large', partBytes: 8 * 2 ** 20 }) })
      const { manifest } = await store.publish({ name: 'large', engine: 'function', files: { 'weights.bin': bytes } })
      const key = `large/blobs/sha256-${manifest.files[0]?.sha256}`
      const { ETag = '' } = await client.headObject({ Bucket: bucket, Key: key })
      const opened = (await store.open('large@1')).files.bytes('weights.bin')
      expect(ETag.endsWith('-5"') && Buffer.from(opened).equals(bytes), ETag)
      return `40 MiB, ETag ${ETag}`
    }))
    checks.push(await check('the server keeps the SHA-256 of a file that went up at once', async () => {
      const store = modelStore({ depot: s3Depot({ client, bucket, prefix: 'sums' }) })
      await store.publish({ name: 'small', engine: 'function', files: { 'a.txt': 'hello' } })
      const sha256 = createHash('sha256').update('hello').digest()
      const { ChecksumSHA256 } = await client.headObject({ Bucket: bucket, Key: `sums/blobs/sha256-${sha256.toString('hex')}`, ChecksumMode: 'ENABLED' })
      expect(ChecksumSHA256 === sha256.toString('base64'), ChecksumSHA256)
      return String(ChecksumSHA256)
    }))
  } finally {
    client.destroy()
    await server.stop()
  }
  const { version } = JSON.parse(readFileSync(new URL('../../../node_modules/@aws-sdk/client-s3/package.json', import.meta.url), 'utf8')) as { readonly version: string }
  return { versions: { moto: motoVersion, '@aws-sdk/client-s3': version }, checks }
}
