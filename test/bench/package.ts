/** What the package weighs: import time, size, packages installed. */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { gzipSync } from 'node:zlib'
import { build } from 'esbuild'
import type { Budget } from './main.js'
import { median } from './measure.js'

const root = fileURLToPath(new URL('../..', import.meta.url))

/** Wall time of processes that import something, in turn with an empty one; median of the rounds, in milliseconds. */
const importTimes = (modules: readonly string[], rounds = 15): number[] => {
  const times = modules.map((): number[] => [])
  for (let round = 0; round < rounds; round += 1) {
    modules.forEach((module, index) => {
      const code = module === '' ? '' : `import ${JSON.stringify(module)}`
      const start = process.hrtime.bigint()
      execFileSync(process.execPath, ['--input-type=module', '-e', code], { cwd: root })
      times[index]!.push(Number(process.hrtime.bigint() - start) / 1e6)
    })
  }
  return times.map(median)
}

/** The root and what it imports of ours, minified and gzipped; in bytes. */
const bundled = async (external: string[]): Promise<number> => {
  const { outputFiles } = await build({ entryPoints: [join(root, 'dist/esm/index.js')], bundle: true, minify: true, platform: 'node', format: 'esm', write: false, logLevel: 'error', external })
  return gzipSync(outputFiles[0]!.contents, { level: 9 }).length
}

export const packageBudgets = async (): Promise<Budget[]> => {
  const [empty, lru, ours, cockatiel] = importTimes(['', 'lru-cache', 'outrigger', 'cockatiel']) as [number, number, number, number]
  const folder = mkdtempSync(join(tmpdir(), 'outrigger-pack-'))
  try {
    const [packed] = JSON.parse(execFileSync('npm', ['pack', '--json', '--ignore-scripts', '--pack-destination', folder], { cwd: root, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] })) as { filename: string; size: number }[]
    const consumer = mkdtempSync(join(folder, 'consumer-'))
    writeFileSync(join(consumer, 'package.json'), '{"private":true}')
    execFileSync('npm', ['install', '--no-audit', '--no-fund', join(folder, packed!.filename)], { cwd: consumer, stdio: 'ignore' })
    const installed = (readdirSync(join(consumer, 'node_modules')).filter((name) => !name.startsWith('.') && statSync(join(consumer, 'node_modules', name)).isDirectory())).length
    const own = await bundled(['lru-cache', 'p-retry'])
    const whole = await bundled([])
    return [
      { what: 'import of the root above an empty process', gate: '≤ 15 ms', measured: `${(ours - empty).toFixed(1)} ms (lru-cache ${(lru - empty).toFixed(1)} ms, cockatiel ${(cockatiel - empty).toFixed(1)} ms)`, holds: ours - empty <= 15 },
      { what: 'packed', gate: '≤ 500 kB', measured: `${(packed!.size / 1000).toFixed(0)} kB`, holds: packed!.size <= 500_000 },
      { what: 'root, minified and gzipped', gate: '≤ 20 kB', measured: `${(own / 1000).toFixed(1)} kB of ours (${(whole / 1000).toFixed(1)} kB with its dependencies)`, holds: own <= 20_000 },
      { what: 'packages installed', gate: '≤ 6', measured: String(installed), holds: installed <= 6 },
    ]
  } finally {
    rmSync(folder, { recursive: true })
  }
}
