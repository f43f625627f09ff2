/**
 * A service that is killed: it serves numbered requests by a rollout whose journal, ledger and states are files, and dies by a real SIGKILL at the point of its
 * life that it is told: before, after or in the middle of one of its accesses to files. What it intends and what was acknowledged it writes to a log of its own.
 */
import fs, { readFileSync } from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import { join } from 'node:path'
import { failureMetric, rateMetric } from 'outrigger/experiment'
import { fileLedger, rollout } from 'outrigger/route'
import { fileJournal, fileStateStore } from 'outrigger/store'
import { nodeFileSystem } from '../../../src/store/file-system.js'
import { fails, isHit, unitOf } from './_killed-requests.js'

export interface Orders {
  readonly folder: string
  readonly scene: 'good' | 'broken'
  readonly hasStates: boolean
  readonly maxBytes: number
  /** The first request, and the first that has no label yet. */
  readonly from: number
  readonly fromLabel: number
  /** It dies at this point of its life; Infinity comes as null. */
  readonly diesAt: number | null
  /** Whether it dies at points while it starts, too. */
  readonly alsoStarting: boolean
}

const orders = JSON.parse(process.argv[2] as string) as Orders
const { folder, scene, diesAt } = orders
const plainWrite = fs.writeSync
const log = fs.openSync(join(folder, 'service.log'), 'a')
const say = (line: object): void => void plainWrite(log, `${JSON.stringify(line)}\n`)

let isArmed = orders.alsoStarting
let points = 0
const isDue = (): boolean => isArmed && (points += 1) === diesAt
const die = (): void => {
  process.kill(process.pid, 'SIGKILL')
  // The signal is there before this returns, in practice; nothing more may happen in any case.
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)
}
const point = (): void => {
  if (isDue()) die()
}

for (const name of ['openSync', 'fdatasyncSync', 'renameSync', 'ftruncateSync', 'closeSync'] as const) {
  const plain = fs[name] as (...given: unknown[]) => unknown
  Object.assign(fs, {
    [name]: (...given: unknown[]): unknown => {
      point()
      const result = plain(...given)
      point()
      return result
    },
  })
}
Object.assign(fs, {
  writeSync: (file: number, data: Buffer, from: number): number => {
    point()
    if (isDue()) {
      plainWrite(file, data, from, Math.floor((data.length - from) / 2))
      die()
    }
    const written = plainWrite(file, data, from)
    point()
    return written
  },
})
syncBuiltinESMExports()

/** With a point before and after each access. */
const mortal = <T extends object>(object: T): T =>
  new Proxy(object, {
    get: (target, name) => {
      const value: unknown = Reflect.get(target, name, target)
      if (typeof value !== 'function') return value
      return async (...given: unknown[]): Promise<unknown> => {
        point()
        const result: unknown = await Reflect.apply(value, target, given)
        point()
        return name === 'open' ? mortal(result as object) : result
      }
    },
  })

const fileSystem = mortal(nodeFileSystem)
const moved = (what: string) => (): void => {
  point()
  say({ moved: what })
  point()
}
class Failed extends Error {
  constructor(readonly arm: 'control' | 'candidate') {
    super(arm)
  }
}
const arm = (name: 'control' | 'candidate') => (n: number): string => {
  if (fails(scene, name, n)) throw new Failed(name)
  return name
}

const release = await rollout<number, string>({
  name: 'killed',
  control: arm('control'),
  candidate: arm('candidate'),
  by: unitOf,
  versionOf: (name) => ({ name: 'killed', version: name === 'control' ? '1' : '2', digest: name }),
  plan: {
    steps: [0.1, 0.3, 0.6].map((weight) => ({ weight, minUnits: 12 })),
    evidence: { metrics: [failureMetric(), rateMetric({ name: 'hit', better: 'higher', fromLabel: ({ label }) => label.value as boolean })], rollbackAlpha: scene === 'good' ? 1e-9 : 0.01 },
    promotion: 'unless-worse',
  },
  everyMs: 0,
  journal: fileJournal({ directory: join(folder, 'journal'), fileSystem }),
  ledger: fileLedger({ path: join(folder, 'ledger'), maxBytes: orders.maxBytes }),
  ...(orders.hasStates ? { states: fileStateStore({ directory: join(folder, 'states'), fileSystem }), process: 'one' } : {}),
  target: { promote: moved('promote'), rollBack: moved('rollBack') },
})
if (release.status.stage === 'idle') await release.start({ by: 'ann' })

const status = async (): Promise<boolean> => {
  const { stage, step, verdict, labels, end } = await release.tick()
  const counts = (name: string): number[] => Object.values(verdict?.metrics.find((metric) => metric.name === name)?.arms ?? {}).map(({ units }) => units)
  say({ status: { stage, step, exposed: Object.values(verdict?.exposures ?? {}), failures: counts('failures'), hits: counts('hit'), joined: labels.joined, pending: labels.pending } })
  return end === undefined
}

const isOpen = await status()
isArmed = true
let label = orders.fromLabel
const answered = new Set(readFileSync(join(folder, 'service.log'), 'utf8').split('\n').filter((line) => line.startsWith('{"request"')).flatMap((line) => {
  const { request, failed } = JSON.parse(line) as { readonly request: number; readonly failed: boolean }
  return failed ? [] : [request]
}))
if (isOpen) {
  for (let n = orders.from; n < 20_000; n++) {
    const { step, stage } = release.status
    if (stage !== 'canary') break
    say({ intends: n, step })
    let from: string
    let failed = false
    try {
      from = await release(n, { id: `p${n}` })
      answered.add(n)
    } catch (error) {
      if (!(error instanceof Failed)) throw error
      from = error.arm
      failed = true
    }
    point()
    say({ request: n, step, arm: from, failed })
    point()
    // The truth comes some requests later.
    for (; label < n - 5; label++) {
      if (!answered.has(label) || label % 3 === 0) continue
      say({ tells: label })
      release.label(`p${label}`, isHit(label), Date.now())
      point()
      say({ label })
      point()
    }
    if (n % 7 === 0) await release.tick()
  }
}
await release.tick()
await status()
isArmed = false
say({ ends: release.status.stage })
await release.close()
