import { spawn } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { build } from 'esbuild'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { seededRandom } from 'outrigger'
import type { Orders } from './_killed-program.js'
import { unitOf } from './_killed-requests.js'

const root = join(import.meta.dirname, '../../..')
const folder = mkdtempSync(join(tmpdir(), 'outrigger-killed-'))
const program = join(folder, 'service.mjs')
beforeAll(async () => {
  const alias = Object.fromEntries(['experiment', 'route', 'store'].map((name) => [`outrigger/${name}`, join(root, 'src', name, 'index.ts')]))
  await build({ entryPoints: [join(import.meta.dirname, '_killed-program.ts')], outfile: program, bundle: true, minify: true, platform: 'node', format: 'esm', target: 'node20', logLevel: 'silent', packages: 'external', alias })
}, 120_000)
afterAll(() => rmSync(folder, { recursive: true, force: true }))

type Arm = 'control' | 'candidate'
type Line = Partial<{ intends: number; step: number; request: number; arm: Arm; failed: boolean; tells: number; label: number; status: Status; moved: string; ends: string }>
interface Status {
  readonly stage: string
  readonly step: number
  readonly exposed: readonly number[]
  readonly failures: readonly number[]
  readonly hits: readonly number[]
  readonly joined: number
  readonly pending: number
}

/** What must have been counted, from what was acknowledged: plain maps, nothing of the library. */
class Reference {
  readonly exposed = new Set<string>()
  readonly failed = new Map<string, Arm>()
  readonly waits = new Map<number, { readonly unit: string; readonly arm: Arm; readonly step: number }>()
  /** By unit and step: the draw that values count by, and whether it has one, or can have none. */
  readonly draws = new Map<string, { hasHit: boolean }>()
  readonly arms = new Map<string, Arm>()
  readonly hits = { control: 0, candidate: 0 }
  joined = 0

  /** @param upTo - a request that a kill cut may have got so far */
  request(n: number, step: number, arm: Arm, failed: boolean, upTo: 'exposed' | 'counted' = 'counted'): void {
    const unit = unitOf(n)
    this.exposed.add(`${arm} ${step} ${unit}`)
    // A unit of the candidate stays as weights grow, so that nothing is learnt from its arm any more. One of the control is drawn again in each step.
    if (!this.draws.has(`${unit} ${step}`)) this.draws.set(`${unit} ${step}`, { hasHit: this.arms.get(unit) === 'candidate' })
    this.arms.set(unit, arm)
    if (upTo === 'exposed') return
    if (!failed) this.waits.set(n, { unit, arm, step })
    else if (!this.failed.has(unit)) this.failed.set(unit, arm)
  }

  label(n: number): void {
    const record = this.waits.get(n)
    if (record === undefined) return
    this.waits.delete(n)
    this.joined += 1
    // Also of a step before: it counts by the draw that it was answered by.
    const draw = this.draws.get(`${record.unit} ${record.step}`)
    if (draw === undefined || draw.hasHit) return
    draw.hasHit = true
    this.hits[record.arm] += 1
  }

  get counts(): Omit<Status, 'stage' | 'step'> {
    const by = (arms: Iterable<string>): number[] => {
      const list = [...arms]
      return (['control', 'candidate'] as const).map((arm) => list.filter((one) => one.startsWith(arm)).length)
    }
    return { exposed: by(this.exposed), failures: by(this.failed.values()), hits: [this.hits.control, this.hits.candidate], joined: this.joined, pending: this.waits.size }
  }

  copy(): Reference {
    const copy = new Reference()
    for (const key of this.exposed) copy.exposed.add(key)
    for (const [unit, arm] of this.failed) copy.failed.set(unit, arm)
    for (const [n, record] of this.waits) copy.waits.set(n, record)
    for (const [key, draw] of this.draws) copy.draws.set(key, { ...draw })
    for (const [unit, arm] of this.arms) copy.arms.set(unit, arm)
    Object.assign(copy.hits, this.hits)
    copy.joined = this.joined
    return copy
  }
}

const live = (orders: Orders, killAfterMs: number | undefined): Promise<{ readonly signal: string | null; readonly errors: string }> =>
  new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [program, JSON.stringify(orders)], { stdio: ['ignore', 'ignore', 'pipe'] })
    let errors = ''
    child.stderr.setEncoding('utf8').on('data', (text: string) => (errors += text))
    const timer = killAfterMs === undefined ? undefined : setTimeout(() => child.kill('SIGKILL'), killAfterMs)
    child.on('error', reject).on('exit', (code, signal) => {
      clearTimeout(timer)
      if (code !== null && code !== 0) reject(new Error(`The service ended by itself: ${code}\n${errors}`))
      else resolve({ signal, errors })
    })
  })

interface Story {
  kills: number
  /** Kills that found an operation in flight, and how much of it had been counted. */
  readonly inFlight: { none: number; part: number; whole: number }
  readonly ends: string[]
}

/** One rollout from its start to its end, killed as often as it takes. */
const run = async (seed: number, mostKills: number, story: Story): Promise<void> => {
  const random = seededRandom(seed)
  const home = join(folder, `run-${seed}`)
  for (const part of ['journal', 'states']) mkdirSync(join(home, part), { recursive: true })
  const setting = { folder: home, scene: seed % 3 === 2 ? 'broken' : 'good', hasStates: seed % 2 === 1, maxBytes: [2500, 20_000, 1][seed % 3] as number } as const
  const path = join(home, 'service.log')
  let reference = new Reference()
  let read = 0
  let next = 0
  let nextLabel = 0
  const arms = new Map<string, Arm>()
  let hasFallen = false
  let pending: { readonly request?: number; readonly step?: number; readonly label?: number } | undefined
  let ended: string | undefined

  /** What may have been counted of what a kill cut. */
  const possible = (): [keyof Story['inFlight'], Reference][] => {
    const list: [keyof Story['inFlight'], Reference][] = [['none', reference]]
    const add = (how: keyof Story['inFlight'], change: (copy: Reference) => void): void => {
      const copy = reference.copy()
      change(copy)
      list.push([how, copy])
    }
    const { request, step = 0, label } = pending ?? {}
    if (label !== undefined) add('whole', (copy) => copy.label(label))
    if (request !== undefined) {
      for (const arm of ['control', 'candidate'] as const) {
        if ((arms.get(unitOf(request)) === 'candidate') && arm === 'control') continue
        add('part', (copy) => copy.request(request, step, arm, false, 'exposed'))
        for (const failed of [false, true]) add('whole', (copy) => copy.request(request, step, arm, failed))
      }
    }
    return list
  }

  const readLog = (): void => {
    const lines = existsSync(path) ? readFileSync(path, 'utf8').split('\n').slice(0, -1) : []
    for (const text of lines.slice(read)) {
      const line = JSON.parse(text) as Line
      if (line.status !== undefined) {
        const { stage, step: _, ...counts } = line.status
        const match = possible().find(([, one]) => JSON.stringify(one.counts) === JSON.stringify(counts))
        // Not counted: a verdict is of a rollout under way, or was the last before its end.
        if (stage === 'canary') {
          expect(match?.[1].counts ?? reference.counts, `seed ${seed}, ${JSON.stringify(pending)}`).toEqual(counts)
          if (pending !== undefined) story.inFlight[(match as [keyof Story['inFlight'], Reference])[0]] += 1
          reference = (match as [string, Reference])[1]
          pending = undefined
        }
      } else if (line.intends !== undefined) pending = { request: line.intends, step: line.step as number }
      else if (line.tells !== undefined) pending = { label: line.tells }
      else if (line.request !== undefined) {
        const arm = line.arm as Arm
        const unit = unitOf(line.request)
        if (arms.get(unit) === 'candidate' && arm === 'control') hasFallen = true
        expect(hasFallen && (setting.scene === 'good' || arm === 'candidate'), `seed ${seed}: ${unit} changed to ${arm} at request ${line.request}`).toBe(false)
        arms.set(unit, arm)
        if (!hasFallen) reference.request(line.request, line.step as number, arm, line.failed as boolean)
        next = line.request + 1
        pending = undefined
      } else if (line.label !== undefined) {
        reference.label(line.label)
        nextLabel = line.label + 1
        pending = undefined
      } else if (line.ends !== undefined) ended = line.ends
    }
    read = lines.length
  }

  for (let life = 0; ended === undefined; life++) {
    const isLast = life >= mostKills || story.kills >= 200
    // Some die from outside, at any time; most at a certain point of what they do.
    const isFromOutside = random.next() < 0.15
    const orders: Orders = { ...setting, from: next, fromLabel: nextLabel, alsoStarting: random.next() < 0.3, diesAt: isLast || isFromOutside ? null : 1 + Math.floor(random.next() ** 2 * 400) }
    const { signal, errors } = await live(orders, isFromOutside && !isLast ? 30 + random.next() * 400 : undefined)
    expect(errors).toBe('')
    if (signal === 'SIGKILL') story.kills += 1
    readLog()
    // The client of a request that was cut asks again, or goes away.
    if (pending?.request !== undefined && random.next() < 0.5) next = Math.max(next, pending.request + 1)
    if (pending?.label !== undefined && random.next() < 0.5) nextLabel = Math.max(nextLabel, pending.label + 1)
  }
  story.ends.push(`${setting.scene}: ${ended}`)

  const journals = readdirSync(join(home, 'journal'))
  expect(journals).toHaveLength(1)
  const entries = readdirSync(join(home, 'journal', journals[0] as string)).filter((file) => file.endsWith('.entry')).sort()
  expect(entries).toEqual(entries.map((_, position) => `${String(position).padStart(8, '0')}.entry`))
  const kinds = entries.map((file) => (JSON.parse(readFileSync(join(home, 'journal', journals[0] as string, file), 'utf8')) as { readonly kind: string }).kind)
  expect(kinds).toEqual(setting.scene === 'good' ? ['started', 'advanced', 'advanced', 'advanced', 'promoted', 'applied'] : ['started', ...kinds.filter((kind) => kind === 'advanced'), 'rolled-back', 'applied'])
  const moves = readFileSync(path, 'utf8').split('\n').filter((line) => line.startsWith('{"moved"'))
  expect(new Set(moves)).toEqual(new Set([JSON.stringify({ moved: setting.scene === 'good' ? 'promote' : 'rollBack' })]))
}

it('killed at 200 random points a rollout goes on: no unit changes its arm, and nothing is lost or counted twice', async () => {
  const story: Story = { kills: 0, inFlight: { none: 0, part: 0, whole: 0 }, ends: [] }
  let seed = 0
  const worker = async (): Promise<void> => {
    while (story.kills < 200) await run((seed += 1), 30, story)
  }
  await Promise.all([worker(), worker(), worker()])
  expect(story.kills).toBeGreaterThanOrEqual(200)
  expect(story.ends).toEqual(expect.arrayContaining(['good: promoted', 'broken: rolled-back']))
  // The kills were where it hurts.
  expect(story.inFlight.none).toBeGreaterThan(5)
  expect(story.inFlight.whole).toBeGreaterThan(5)
}, 120_000)
