/** A real MLflow server on loopback, and the Python that logs models to it. */
import { spawn, type ChildProcess } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { freePort } from '../../_servers/redis.js'
import { venv } from '../venv.js'

/** A training job: `ask('log_onnx', 'delay', 2)` runs a command of `registry.py`. */
export type Ask = (command: string, ...args: unknown[]) => Promise<unknown>

export interface MlflowServer {
  readonly url: string
  /** Where the server keeps artifacts. */
  readonly artifacts: string
  readonly ask: Ask
  /** Ends the server, as a crash does; `start` brings it back. */
  kill(): Promise<void>
  start(): Promise<void>
  stop(): Promise<void>
}

const packages: Readonly<Record<string, readonly string[]>> = {
  '3.17.2': ['mlflow==3.17.2', 'onnx==1.23.2', 'onnxruntime==1.32.0'],
  // With a newer SQLAlchemy, 2.22.5 does not start.
  '2.22.5': ['mlflow==2.22.5', 'onnx==1.23.2', 'onnxruntime==1.32.0', 'sqlalchemy<2.1'],
}

const ended = async (child: ChildProcess, signal: NodeJS.Signals): Promise<void> => {
  if (child.exitCode !== null || child.signalCode !== null) return
  const gone = new Promise((resolve) => child.once('exit', resolve))
  // The server has workers: the whole group.
  if (child.pid !== undefined) process.kill(-child.pid, signal)
  await gone
}

export const startMlflow = async (version: string, extra: readonly string[] = ['--artifacts-destination', 'artifacts']): Promise<MlflowServer> => {
  const home = await venv(`mlflow-${version}`, packages[version] as readonly string[])
  const folder = mkdtempSync(join(tmpdir(), 'outrigger-mlflow-'))
  const port = await freePort()
  const url = `http://127.0.0.1:${port}/`
  let server: ChildProcess | undefined
  let output = ''

  const isReady = async (): Promise<boolean> => {
    try {
      return (await fetch(`${url}health`)).ok
    } catch {
      return false
    }
  }
  const start = async (): Promise<void> => {
    const child = spawn(join(home, 'bin/mlflow'), ['server', '--host', '127.0.0.1', '--port', String(port), '--backend-store-uri', `sqlite:///${join(folder, 'db.sqlite')}`, ...extra], {
      cwd: folder, detached: true, stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, PATH: `${join(home, 'bin')}:${process.env['PATH'] ?? ''}`, MLFLOW_DISABLE_TELEMETRY: 'true' },
    })
    server = child
    for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (text: string) => (output = (output + text).slice(-4000)))
    for (let tries = 0; !(await isReady()); tries += 1) {
      if (child.exitCode !== null || tries > 240) throw new Error(`mlflow ${version} is not ready: ${output}`)
      await new Promise((resolve) => setTimeout(resolve, 500))
    }
  }
  await start()

  const job = spawn(join(home, 'bin/python'), [join(fileURLToPath(new URL('.', import.meta.url)), 'registry.py'), url], { cwd: folder, detached: true, stdio: ['pipe', 'pipe', 'ignore'], env: { ...process.env, GIT_PYTHON_REFRESH: 'quiet', MLFLOW_DISABLE_TELEMETRY: 'true' } })
  const lines = createInterface({ input: job.stdout })[Symbol.asyncIterator]()
  const ask: Ask = async (...command) => {
    job.stdin.write(`${JSON.stringify(command)}\n`)
    const line = await lines.next()
    if (line.done === true) throw new Error(`the training job ended at ${command[0]}`)
    const answer = JSON.parse(line.value) as { readonly ok?: unknown; readonly error?: string }
    if (answer.error !== undefined) throw new Error(`${command[0]}: ${answer.error}`)
    return answer.ok
  }
  const kill = async (): Promise<void> => {
    if (server !== undefined) await ended(server, 'SIGKILL')
  }
  return {
    url,
    artifacts: join(folder, 'artifacts'),
    ask,
    kill,
    start,
    stop: async () => {
      await kill()
      await ended(job, 'SIGKILL')
      rmSync(folder, { recursive: true, force: true })
    },
  }
}
