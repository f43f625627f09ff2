import { Queue, QueueEvents } from 'bullmq'
import { fork, type ChildProcess } from 'node:child_process'
import { readFile, readdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { seededRandom } from 'outrigger'
import { jsonlFile, scoreBatch } from 'outrigger/batch'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { hasRedis, startRedis, type RedisServer } from '../_servers/redis.js'
import { bundled } from './_bundle.js'
import { temporaryFolder } from './_folder.js'
import { killJob } from './_kill-job.js'
import { answer, killLines, type KillRow } from './_kill-rows.js'

interface Message {
  readonly ready?: true
  readonly started?: number
  readonly ended?: number
  readonly error?: string
}

describe.runIf(hasRedis())('scoringJob on BullMQ and a real Redis', () => {
  let server: RedisServer
  let program: string
  let queue: Queue
  const workers = new Set<ChildProcess>()
  beforeAll(async () => {
    program = await bundled('_worker-child')
  })
  afterAll(async () => {
    for (const worker of workers) worker.kill('SIGKILL')
    await rm(program, { force: true })
  })

  const withServer = async (test: () => Promise<void>): Promise<void> => {
    server = await startRedis()
    queue = new Queue('scoring', { connection: { host: server.host, port: server.port } })
    try {
      await test()
    } finally {
      for (const worker of workers) worker.kill('SIGKILL')
      await queue.close()
      await server.stop()
    }
  }
  const start = (folder: string, onMessage: (message: Message, worker: ChildProcess) => void): ChildProcess => {
    const worker = fork(program, [folder, String(server.port)], { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] })
    workers.add(worker)
    worker.on('exit', () => workers.delete(worker))
    worker.on('message', (message) => onMessage(message as Message, worker))
    return worker
  }
  /** A promise that must be settled in time. */
  const inTime = async <T>(promise: Promise<T>, what: string): Promise<T> => {
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<never>((_, reject) => (timer = setTimeout(() => reject(new Error(`${what} did not come within 30 s`)), 30_000)))
    try {
      return await Promise.race([promise, late])
    } finally {
      clearTimeout(timer)
    }
  }
  const inputFolder = async (rows: number): Promise<{ readonly folder: string; readonly whole: [string, string] }> => {
    const folder = await temporaryFolder()
    await writeFile(join(folder, 'in.jsonl'), killLines(rows))
    await scoreBatch(answer, jsonlFile<KillRow>(join(folder, 'in.jsonl')), jsonlFile<object>(join(folder, 'alone')), { deadLetters: join(folder, 'alone.dead'), result: ({ row, input, output }) => ({ row, id: input.id, output }) })
    return { folder, whole: [await readFile(join(folder, 'alone'), 'utf8'), await readFile(join(folder, 'alone.dead'), 'utf8')] }
  }
  const outputOf = async (folder: string): Promise<[string, string]> => [await readFile(join(folder, 'out'), 'utf8'), await readFile(join(folder, 'dead.jsonl'), 'utf8')]
  /** Resolves when the output is there; looks whenever a worker says that it ended a part. */
  const finishing = (folder: string): { readonly finished: Promise<void>; readonly look: () => void } => {
    let done = (): void => {}
    const finished = new Promise<void>((resolve) => (done = resolve))
    return { finished, look: () => void readdir(folder).then((names) => (names.includes('out') ? done() : undefined)) }
  }

  it('gives the output of one process while workers are killed and started anew', () => withServer(async () => {
    const { folder, whole } = await inputFolder(3000)
    const job = killJob(folder)
    expect(await job.enqueue(queue)).toEqual({ parts: 30, done: 0 })
    // A second time nothing is there twice.
    expect(await job.enqueue(queue)).toEqual({ parts: 30, done: 0 })
    expect(await queue.count()).toBe(30)
    const random = seededRandom('workers')
    const { finished, look } = finishing(folder)
    let kills = 0
    const started = new Map<number, number>()
    const onMessage = (message: Message, worker: ChildProcess): void => {
      if (message.ended !== undefined) look()
      if (message.started === undefined) return
      started.set(message.started, (started.get(message.started) ?? 0) + 1)
      // In the middle of a part, at its beginning or when it is put down.
      if (kills < 15 && random.integer(2) === 0) {
        kills += 1
        setTimeout(() => worker.kill('SIGKILL'), random.integer(110))
        worker.once('exit', () => start(folder, onMessage))
      }
    }
    for (let worker = 0; worker < 3; worker += 1) start(folder, onMessage)
    await inTime(finished, 'the output')
    expect(kills).toBeGreaterThanOrEqual(8)
    // Killed workers did leave work behind for others.
    expect([...started.values()].reduce((sum, count) => sum + count, 0)).toBeGreaterThan(30)
    const [output, dead] = await outputOf(folder)
    expect([output === whole[0], dead === whole[1]]).toEqual([true, true])
    expect(await job.status()).toEqual({ parts: 30, done: 30, finished: true })
  }), 45_000)

  it('lets a worker that stood still until others had done its part change nothing', () => withServer(async () => {
    const { folder, whole } = await inputFolder(600)
    const job = killJob(folder)
    await job.enqueue(queue)
    const { finished, look } = finishing(folder)
    let frozen: number | undefined
    let hasStarted = (): void => {}
    const started = new Promise<void>((resolve) => (hasStarted = resolve))
    let hasEnded = (): void => {}
    const ended = new Promise<void>((resolve) => (hasEnded = resolve))
    const first = start(folder, (message) => {
      if (message.started !== undefined && frozen === undefined) {
        frozen = message.started
        first.kill('SIGSTOP')
        hasStarted()
      } else if (message.ended !== undefined && message.ended === frozen) hasEnded()
    })
    await inTime(started, 'a part')
    const others = new Set<number>()
    start(folder, (message) => {
      if (message.ended === undefined) return
      others.add(message.ended)
      look()
    })
    await inTime(finished, 'the output')
    expect(others.has(frozen as number)).toBe(true)
    const before = await outputOf(folder)
    first.kill('SIGCONT')
    await inTime(ended, 'the end of the part that stood still')
    expect(await outputOf(folder)).toEqual(before)
    expect(before).toEqual(whole)
    expect((await readdir(join(folder, 'parts'))).filter((name) => name.includes('tmp'))).toEqual([])
  }), 45_000)

  it('goes on from the parts on disk when Redis has lost everything', () => withServer(async () => {
    const { folder, whole } = await inputFolder(600)
    const job = killJob(folder)
    await job.enqueue(queue)
    const { finished, look } = finishing(folder)
    let parts = 0
    let some = (): void => {}
    const someDone = new Promise<void>((resolve) => (some = resolve))
    const onMessage = (message: Message): void => {
      if (message.ended === undefined) return
      look()
      if ((parts += 1) === 2) some()
    }
    const worker = start(folder, onMessage)
    await inTime(someDone, 'two parts')
    worker.kill('SIGKILL')
    await server.kill()
    await server.start()
    const events = new QueueEvents('scoring', { connection: { host: server.host, port: server.port } })
    await events.waitUntilReady()
    const completed: string[] = []
    events.on('completed', ({ jobId }) => void completed.push(jobId))
    const again = await job.enqueue(queue)
    expect(again.done).toBeGreaterThanOrEqual(2)
    start(folder, onMessage)
    await inTime(finished, 'the output')
    expect(await outputOf(folder)).toEqual(whole)
    await events.close()
    expect(completed.length).toBeLessThanOrEqual(6 - again.done)
  }), 45_000)
})
