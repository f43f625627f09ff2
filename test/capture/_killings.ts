/** Kills writers again and again, and holds what they leave to what they had told: for the simulation, and for the thousand kills of `npm run capture:kills`. */
import { spawn } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { build } from 'esbuild'
import { seededRandom } from 'outrigger'
import { segmentSource, sweepSegments, type StoredRecord } from 'outrigger/capture'
import { systemClock } from 'outrigger/core'
import type { Orders } from './_killed-program.js'

/** What came of all kills. */
export interface Killings {
  readonly kills: number
  readonly writers: number
  readonly records: number
  /** Records whose batch was under way and that are not there. */
  readonly lost: number
  /** Readings while writers wrote, were killed and were swept. */
  readonly readings: number
  readonly torn: number
  readonly problems: readonly string[]
}

const root = join(import.meta.dirname, '../..')

/** @param kills - how many processes; `until` ends it earlier */
export const killings = async (kills: number, seed: string, until = Infinity): Promise<Killings> => {
  const folder = mkdtempSync(join(tmpdir(), 'outrigger-killed-'))
  const program = join(folder, 'program.mjs')
  const alias = Object.fromEntries(['', '/capture', '/schema'].map((name) => [`outrigger${name}`, join(root, 'src', name, 'index.ts')]))
  await build({ entryPoints: [join(import.meta.dirname, '_killed-program.ts')], outfile: program, bundle: true, minify: true, platform: 'node', format: 'esm', target: 'node20', logLevel: 'silent', packages: 'external', alias })
  const random = seededRandom(seed)
  const problems: string[] = []
  const total = { kills: 0, writers: 0, records: 0, lost: 0, readings: 0, torn: 0 }
  try {
    for (let directory = 0; total.kills < kills && performance.now() < until; directory += 1) {
      const path = join(folder, `d${directory}`)
      mkdirSync(path)
      const logs: string[] = []
      let isOver = false
      // Reads all the time, whatever is going on.
      const reading = (async () => {
        const seen = new Map<string, number>()
        while (!isOver) {
          const counts = new Map<string, number>()
          for await (const record of segmentSource(path).read()) check(record, counts, problems)
          for (const [name, count] of seen) if ((counts.get(name) ?? 0) < count) problems.push(`${name} had ${count} records and then ${String(counts.get(name))}`)
          for (const [name, count] of counts) seen.set(name, count)
          total.readings += 1
        }
      })()
      // What several dead processes left in one directory.
      for (let process = 0; process < 5 && total.kills < kills && performance.now() < until; process += 1) {
        const orders: Orders = { directory: path, log: join(folder, `${directory}-${process}.log`), seed: `${seed}-${directory}-${process}`, writers: 1 + random.integer(4), diesAt: random.next() < 0.5 ? 1 + random.integer(200) : null }
        await live(program, orders, random.next() * 60)
        logs.push(orders.log)
        total.kills += 1
        total.writers += orders.writers
      }
      isOver = true
      await reading
      const told = logs.map(toldBy)
      const hold = async (when: string): Promise<void> => {
        const numbers = new Map<string, Set<number>>()
        const counts = new Map<string, number>()
        const source = segmentSource(path)
        for await (const record of source.read()) {
          check(record, counts, problems)
          const [name, n] = record.id.split(':') as [string, string]
          const own = numbers.get(name) ?? new Set()
          numbers.set(name, own)
          if (own.has(Number(n))) problems.push(`${when}: ${record.id} is there twice`)
          own.add(Number(n))
        }
        if (when === 'left') total.torn += source.torn
        for (const writers of told) {
          for (const [name, { begun, ended }] of writers) {
            const own = numbers.get(name) ?? new Set()
            for (let n = 0; n <= ended; n += 1) if (!own.has(n)) problems.push(`${when}: ${name}:${n} was kept and is not there`)
            for (const n of own) if (n > begun) problems.push(`${when}: ${name}:${n} was never handed over`)
            if (when !== 'left') continue
            total.records += own.size
            total.lost += begun + 1 - own.size
          }
        }
      }
      await hold('left')
      // An hour later everything can be sealed, by two at once.
      const later = { ...systemClock, wall: () => systemClock.wall() + 2 * 3_600_000 }
      await Promise.all([sweepSegments(path, { clock: later }), sweepSegments(path, { clock: later })])
      await hold('swept')
      const verdict = await segmentSource(path).verify()
      if (verdict.open > 0 || verdict.damaged.length > 0 || verdict.torn > 0) problems.push(`after a sweep: ${JSON.stringify(verdict)}`)
      const others = readdirSync(path).filter((file) => !file.endsWith('.jsonl'))
      if (others.length > 0) problems.push(`after a sweep there is ${others.join()}`)
      rmSync(path, { recursive: true })
      if (problems.length > 20) break
    }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
  return { ...total, problems }
}

/** A record must be whole: what it says of itself twice must agree. */
const check = (record: StoredRecord, counts: Map<string, number>, problems: string[]): void => {
  const [name, n] = record.id.split(':') as [string, string]
  counts.set(name, (counts.get(name) ?? 0) + 1)
  if (record.kind !== 'prediction' || record.input?.['n'] !== Number(n) || record.output?.['y'] !== Number(n) * 3 || typeof record.input['text'] !== 'string' || !/^x*$/.test(record.input['text'])) problems.push(`torn: ${JSON.stringify(record)}`)
}

/** Lets a process live until it has written something, and so much longer. */
const live = async (program: string, orders: Orders, ms: number): Promise<void> => {
  const child = spawn(process.execPath, [program, JSON.stringify(orders)], { stdio: ['ignore', 'ignore', 'inherit'] })
  const gone = new Promise<void>((resolve, reject) => child.once('exit', (code, signal) => (signal === 'SIGKILL' ? resolve() : reject(new Error(`the program ended by ${String(signal ?? code)}`)))))
  const timers: NodeJS.Timeout[] = []
  const look = (): void => {
    if (existsSync(orders.log) && statSync(orders.log).size > 0) timers.push(setTimeout(() => child.kill('SIGKILL'), orders.diesAt === null ? ms : 5000))
    else timers.push(setTimeout(look, 2))
  }
  look()
  await gone
  timers.forEach(clearTimeout)
}

/** Writer → the last record of a batch that was begun, and of one that was kept; −1 for none. */
const toldBy = (log: string): Map<string, { begun: number; ended: number }> => {
  const writers = new Map<string, { begun: number; ended: number }>()
  const text = existsSync(log) ? readFileSync(log, 'utf8') : ''
  for (const line of text.split('\n').slice(0, -1)) {
    const [what, name, from, to] = line.split(' ') as [string, string, string, string?]
    const known = writers.get(name) ?? { begun: -1, ended: -1 }
    writers.set(name, known)
    if (what === 'begins') known.begun = Number(to)
    else known.ended = Number(from)
  }
  return writers
}
