/** A real PostgreSQL for one test file: on loopback, on a free port, in a temporary folder; stopped at the end. */
import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { chownSync, existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { systemClock } from 'outrigger/core'
import { Pool } from 'pg'
import { freePort } from './redis.js'

export interface PostgresServer {
  readonly pool: Pool
  stop(): Promise<void>
}

/** Debian keeps the programs of each version in a folder of its own, which is not on PATH. */
const home = (): string | undefined => {
  const versions = '/usr/lib/postgresql'
  const found = existsSync(versions) ? readdirSync(versions).sort((a, b) => Number(b) - Number(a)).map((version) => join(versions, version, 'bin')) : []
  return found.find((folder) => existsSync(join(folder, 'postgres')) && existsSync(join(folder, 'initdb')))
}

/** Whether PostgreSQL is installed. With CI=true its absence is an error and not a skip. */
export const hasPostgres = (): boolean => {
  const found = home() !== undefined
  if (!found && process.env['CI'] === 'true') throw new Error('PostgreSQL is not installed, and CI=true: install it (.ci/run does).')
  if (!found) console.warn('SKIPPED: PostgreSQL is not installed, so that the tests against a real one do not run.')
  return found
}

/** The server refuses to run as root; Debian's package has a user for it. */
const unprivileged = (): { uid?: number; gid?: number } => {
  if (process.getuid?.() !== 0) return {}
  const [uid, gid] = ['-u', '-g'].map((flag) => Number(spawnSync('id', [flag, 'postgres']).stdout.toString()))
  return { uid: uid as number, gid: gid as number }
}

export const startPostgres = async (): Promise<PostgresServer> => {
  const programs = home() as string
  const port = await freePort()
  const folder = mkdtempSync(join(tmpdir(), 'outrigger-postgres-'))
  const user = unprivileged()
  if (user.uid !== undefined) chownSync(folder, user.uid, user.gid as number)
  const data = join(folder, 'data')
  execFileSync(join(programs, 'initdb'), ['-D', data, '-U', 'test', '--auth=trust', '--no-sync', '--encoding=UTF8', '--locale=C'], { ...user, cwd: folder, stdio: ['ignore', 'ignore', 'inherit'] })
  const child = spawn(join(programs, 'postgres'), ['-D', data, '-p', String(port), '-h', '127.0.0.1', '-k', folder, '-c', 'fsync=off', '-c', 'lc_messages=C'], { ...user, cwd: folder, stdio: ['ignore', 'ignore', 'pipe'] })
  const gone = new Promise((resolve) => child.once('exit', resolve))
  await new Promise<void>((resolve, reject) => {
    const late = systemClock.setTimeout(() => reject(new Error('PostgreSQL did not start within 20 s')), 20_000)
    createInterface({ input: child.stderr }).on('line', (line) => {
      if (!line.includes('ready to accept connections')) return
      systemClock.clearTimeout(late)
      resolve()
    })
    child.once('error', reject)
    child.once('exit', (code) => reject(new Error(`PostgreSQL ended with ${code}`)))
  })
  const settings = { host: '127.0.0.1', port, user: 'test', database: 'postgres' }
  const pool = new Pool({ ...settings, max: 8 })
  return {
    pool,
    stop: async () => {
      await pool.end()
      // The gentle end: it waits for connections that are closing.
      child.kill('SIGTERM')
      await gone
      rmSync(folder, { recursive: true, force: true })
    },
  }
}
