/** Several processes of one rollout agree through each store, the real ones among them; here they are several rollouts in one process, with nothing in common but the store. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { failureMetric } from 'outrigger/experiment'
import { rollout, type Rollout, type RolloutPlan } from 'outrigger/route'
import { fileJournal, fileStateStore, memoryJournal, memoryStateStore, postgresJournal, postgresStateStore, redisJournal, redisStateStore, type Journal, type StateStore } from 'outrigger/store'
import { hasPostgres, startPostgres, type PostgresServer } from '../../_servers/postgres.js'
import { redisClients } from '../../_servers/redis-clients.js'
import { hasRedis } from '../../_servers/redis.js'

interface Shared {
  readonly journal: Journal
  readonly states: StateStore
}

const plan: RolloutPlan = { steps: [{ weight: 0.2, minUnits: 30 }, { weight: 0.5, minUnits: 60 }], evidence: { metrics: [failureMetric()] }, promotion: 'unless-worse' }
const names = ['a', 'b', 'c']

/** @param open - opens the same store for one more process */
const agrees = (open: () => Promise<() => Shared>): void => {
  const processes = async (fails: boolean): Promise<{ readonly all: Rollout<number, string>[]; readonly moved: string[] }> => {
    const shared = await open()
    const moved: string[] = []
    const candidate = (): string => {
      if (fails) throw new Error('broken')
      return 'candidate'
    }
    const all = await Promise.all(names.map((process) => rollout<number, string>({
      name: 'delay', control: () => 'control', candidate, plan, everyMs: 0, process, ...shared(),
      versionOf: (arm) => ({ name: 'delay', version: arm === 'control' ? '1' : '2', digest: arm }),
      target: { promote: () => moved.push('promote'), rollBack: () => moved.push('rollBack') },
    })))
    return { all, moved }
  }
  /** Each unit at one process, as a balancer by key does it. */
  const serve = async (all: readonly Rollout<number, string>[], from: number, to: number): Promise<void> => {
    for (let i = from; i < to; i++) await (all[i % all.length] as Rollout<number, string>)(i, { key: `user-${i}` }).catch(() => {})
  }
  const tick = (all: readonly Rollout<number, string>[]): Promise<unknown> => Promise.all(all.map((one) => one.tick()))

  it('they start, go on and promote as one, on the sum of their counts, though all look at once', async () => {
    const { all, moved } = await processes(false)
    await Promise.all(all.map((one) => one.start({ by: 'ann' })))
    for (let round = 0; round < 12 && all.some(({ status }) => status.end?.isApplied !== true); round++) {
      await serve(all, 0, 300)
      await tick(all)
    }
    await tick(all)
    expect(all.map(({ status }) => [status.release, status.stage, status.end?.isApplied])).toEqual(names.map(() => [1, 'promoted', true]))
    expect(new Set(moved)).toEqual(new Set(['promote']))
    const [text] = all.map((one) => one.text())
    expect(text!.split('\n').filter((line) => /^\d{4}-/.test(line)).map((line) => line.split(' ').slice(1, 3).join(' '))).toEqual(['started by', 'to 20', 'to 50', 'promoted: The', 'applied'])
    await Promise.all(all.map((one) => one.close()))
  })

  it('they roll back together, on failures of which no process alone has seen enough', async () => {
    const { all, moved } = await processes(true)
    await all[0]!.start({ by: 'ann' })
    await tick(all)
    let failures = 0
    for (let i = 0; i < 300 && all[0]!.status.stage !== 'rolled-back'; i++) {
      const before = failures
      await all[i % 3]!(i, { key: `user-${i}` }).catch(() => (failures += 1))
      if (failures > before) await tick(all)
    }
    await tick(all)
    expect(all.map(({ status }) => [status.stage, status.weight, status.quarantined])).toEqual(names.map(() => ['rolled-back', 0, ['candidate']]))
    expect(failures).toBeLessThan(10)
    expect(new Set(moved)).toEqual(new Set(['rollBack']))
    await Promise.all(all.map((one) => one.close()))
  })
}

describe('in memory', () => {
  agrees(async () => {
    const shared = { journal: memoryJournal(), states: memoryStateStore() }
    return () => shared
  })
})

describe('in files', () => {
  const root = mkdtempSync(join(tmpdir(), 'outrigger-rollout-stores-'))
  afterAll(() => rmSync(root, { recursive: true, force: true }))
  agrees(async () => {
    const [journal, states] = ['j-', 's-'].map((name) => mkdtempSync(join(root, name))) as [string, string]
    return () => ({ journal: fileJournal({ directory: journal }), states: fileStateStore({ directory: states }) })
  })
})

describe.runIf(hasRedis())('on a real Redis', () => {
  const clients = redisClients()
  let made = 0
  agrees(async () => {
    const prefix = `r${(made += 1)}`
    let opened = 0
    return () => {
      const client = clients[(opened += 1) % 2 === 0 ? 'ioredis' : 'node-redis']()
      return { journal: redisJournal({ client, prefix: `${prefix}:j` }), states: redisStateStore({ client, prefix: `${prefix}:s` }) }
    }
  })
})

describe.runIf(hasPostgres())('in a real PostgreSQL', () => {
  let server: PostgresServer
  let made = 0
  beforeAll(async () => void (server = await startPostgres()), 30_000)
  afterAll(async () => await server.stop())
  agrees(async () => {
    const table = `rollout_${(made += 1)}`
    return () => ({ journal: postgresJournal({ client: server.pool, table: `${table}_journal` }), states: postgresStateStore({ client: server.pool, table: `${table}_states` }) })
  })
})
