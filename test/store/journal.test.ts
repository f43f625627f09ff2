import { mkdtemp, rm, unlink, readdir } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { fileJournal } from '../../src/store/file-journal.js'
import { nodeFileSystem } from '../../src/store/file-system.js'
import { memoryJournal, type Journal } from '../../src/store/journal.js'
import { postgresJournal } from '../../src/store/postgres-journal.js'
import { redisJournal } from '../../src/store/redis-journal.js'
import { journalConformance } from '../../src/testing/journal-conformance.js'
import { hasPostgres, startPostgres, type PostgresServer } from '../_servers/postgres.js'
import { redisClients } from '../_servers/redis-clients.js'
import { hasRedis } from '../_servers/redis.js'

const conforms = (make: () => Journal | Promise<Journal>): void => {
  for (const { name, run } of journalConformance(make)) it(name, run)
}
let places = 0

describe('in memory', () => {
  conforms(() => memoryJournal())
})

describe('in files', () => {
  let directory: string
  beforeAll(async () => void (directory = await mkdtemp(join(tmpdir(), 'outrigger-journal-'))))
  afterAll(async () => await rm(directory, { recursive: true, force: true }))
  const fresh = async (): Promise<string> => await mkdtemp(join(directory, 'j-'))

  conforms(async () => fileJournal({ directory: await fresh() }))

  it('an entry that was taken away does not pass for the end', async () => {
    const place = await fresh()
    const journal = fileJournal({ directory: place })
    for (const position of [0, 1, 2]) await journal.append('a', position, String(position))
    const [folder] = await readdir(place)
    await unlink(join(place, folder as string, '00000001.entry'))
    await expect(journal.read('a')).rejects.toMatchObject({ code: 'ERR_OUTRIGGER_STORE_FAILED' })
  })

  it('a write that fails leaves nothing that a reader sees, and may be tried again', async () => {
    const place = await fresh()
    const failing = fileJournal({ directory: place, fileSystem: { ...nodeFileSystem, link: () => Promise.reject(new Error('disk full')) } })
    await expect(failing.append('a', 0, 'lost')).rejects.toThrow('disk full')
    const journal = fileJournal({ directory: place })
    expect(await journal.read('a')).toEqual([])
    expect(await journal.append('a', 0, 'kept')).toBe(true)
  })
})

describe.skipIf(!hasRedis())('in Redis', () => {
  const clients = redisClients()
  describe('by ioredis', () => {
    conforms(() => redisJournal({ client: clients['ioredis'](), prefix: `j${(places += 1)}` }))
  })
  describe('by node-redis', () => {
    conforms(() => redisJournal({ client: clients['node-redis'](), prefix: `j${(places += 1)}` }))
  })
})

describe.skipIf(!hasPostgres())('in PostgreSQL', () => {
  let server: PostgresServer
  beforeAll(async () => void (server = await startPostgres()), 30_000)
  afterAll(async () => await server.stop())

  conforms(() => postgresJournal({ client: server.pool, table: `journal_${(places += 1)}` }))

  it('many who make the table at once', async () => {
    const journals = Array.from({ length: 6 }, () => postgresJournal({ client: server.pool, table: 'at_once' }))
    const won = await Promise.all(journals.map((journal) => journal.append('a', 0, 'x')))
    expect(won.filter(Boolean)).toHaveLength(1)
  })

  it('a row that was deleted does not pass for the end', async () => {
    const journal = postgresJournal({ client: server.pool, table: 'with_gap' })
    for (const position of [0, 1, 2]) await journal.append('a', position, String(position))
    await server.pool.query('delete from with_gap where position = 1')
    await expect(journal.read('a')).rejects.toMatchObject({ code: 'ERR_OUTRIGGER_STORE_FAILED' })
  })

  it('a table with a name that is none is refused', () => {
    expect(() => postgresJournal({ client: server.pool, table: 'a"; drop table b' })).toThrow(expect.objectContaining({ code: 'ERR_OUTRIGGER_INVALID_OPTION' }))
  })
})
