/** A real redis-server for one test file: on loopback, on a free port, in a temporary folder; stopped at the end. */
import { spawn, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { systemClock } from 'outrigger/core'

export interface RedisServer {
  readonly host: '127.0.0.1'
  readonly port: number
  /** Kills it without warning; it can be started anew on the same port. */
  kill(): Promise<void>
  start(): Promise<void>
  /** Stops the process for the time being (SIGSTOP): connections stay open and nothing answers. */
  freeze(): void
  thaw(): void
  stop(): Promise<void>
}

/** Whether `redis-server` is on PATH. With CI=true its absence is an error and not a skip. */
export const hasRedis = (): boolean => {
  const found = spawnSync('redis-server', ['--version']).status === 0
  if (!found && process.env['CI'] === 'true') throw new Error('redis-server is not on PATH, and CI=true: install it (.ci/run does).')
  if (!found) console.warn('SKIPPED: redis-server is not on PATH, so that the tests against a real Redis do not run.')
  return found
}

export const freePort = (): Promise<number> =>
  new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo
      server.close(() => resolve(port))
    })
  })

export const startRedis = async (args: readonly string[] = []): Promise<RedisServer> => {
  const port = await freePort()
  const folder = mkdtempSync(join(tmpdir(), 'outrigger-redis-'))
  let child: ReturnType<typeof spawn> | undefined
  const start = (): Promise<void> =>
    new Promise((resolve, reject) => {
      const spawned = spawn('redis-server', ['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no', '--dir', folder, ...args], { stdio: ['ignore', 'pipe', 'inherit'] })
      child = spawned
      const late = systemClock.setTimeout(() => reject(new Error('redis-server did not start within 10 s')), 10_000)
      createInterface({ input: spawned.stdout }).on('line', (line) => {
        if (!line.includes('Ready to accept connections')) return
        systemClock.clearTimeout(late)
        resolve()
      })
      spawned.once('error', reject)
      spawned.once('exit', (code) => reject(new Error(`redis-server ended with ${code}`)))
    })
  const kill = async (): Promise<void> => {
    const dying = child
    if (dying === undefined || dying.exitCode !== null || dying.signalCode !== null) return
    const gone = new Promise((resolve) => dying.once('exit', resolve))
    dying.kill('SIGKILL')
    await gone
  }
  await start()
  return {
    host: '127.0.0.1',
    port,
    start,
    kill,
    freeze: () => void child?.kill('SIGSTOP'),
    thaw: () => void child?.kill('SIGCONT'),
    stop: async () => {
      child?.kill('SIGCONT')
      await kill()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}
