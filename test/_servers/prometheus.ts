/** A real Prometheus for one test file: on loopback, on a free port, in a temporary folder; stopped at the end. */
import { spawn, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { systemClock } from 'outrigger/core'
import { freePort } from './redis.js'

export interface PrometheusServer {
  readonly url: string
  /** What one of its queries answers: `/api/v1/…`. */
  ask(path: string, parameters: Readonly<Record<string, string>>): Promise<unknown>
  stop(): Promise<void>
}

/** Whether `prometheus` is on PATH. With CI=true its absence is an error and not a skip. */
export const hasPrometheus = (): boolean => {
  const found = spawnSync('prometheus', ['--version']).status === 0
  if (!found && process.env['CI'] === 'true') throw new Error('prometheus is not on PATH, and CI=true: install it (.ci/run does).')
  if (!found) console.warn('SKIPPED: prometheus is not on PATH, so that the tests against a real one do not run.')
  return found
}

/** Starts one that scrapes these targets, `host:port` each, every 100 ms. */
export const startPrometheus = async (targets: readonly string[]): Promise<PrometheusServer> => {
  const port = await freePort()
  const folder = mkdtempSync(join(tmpdir(), 'outrigger-prometheus-'))
  // JSON is YAML too.
  writeFileSync(join(folder, 'prometheus.yml'), JSON.stringify({ global: { scrape_interval: '100ms', scrape_timeout: '100ms' }, scrape_configs: [{ job_name: 'outrigger', static_configs: [{ targets }] }] }))
  const child = spawn('prometheus', ['--config.file=prometheus.yml', '--storage.tsdb.path=data', `--web.listen-address=127.0.0.1:${port}`, '--enable-feature=exemplar-storage'], { cwd: folder, stdio: ['ignore', 'ignore', 'pipe'] })
  const url = `http://127.0.0.1:${port}`
  const stop = async (): Promise<void> => {
    if (child.exitCode === null && child.signalCode === null) {
      const gone = new Promise((resolve) => child.once('exit', resolve))
      child.kill('SIGKILL')
      await gone
    }
    rmSync(folder, { recursive: true, force: true })
  }
  await new Promise<void>((resolve, reject) => {
    const late = systemClock.setTimeout(() => reject(new Error('prometheus did not start within 20 s')), 20_000)
    createInterface({ input: child.stderr }).on('line', (line) => {
      if (!line.includes('Server is ready to receive web requests')) return
      systemClock.clearTimeout(late)
      resolve()
    })
    child.once('error', reject)
    child.once('exit', (code) => reject(new Error(`prometheus ended with ${code}`)))
  }).catch(async (error: unknown) => {
    await stop()
    throw error
  })
  return {
    url,
    ask: async (path, parameters) => {
      const answer = (await (await fetch(`${url}/api/v1/${path}?${new URLSearchParams(parameters)}`)).json()) as { status: string; data: unknown; error?: string }
      if (answer.status !== 'success') throw new Error(`prometheus: ${answer.error}`)
      return answer.data
    },
    stop,
  }
}
