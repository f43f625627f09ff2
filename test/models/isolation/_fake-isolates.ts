/** Isolates without a thread or a process, which do what the test says, on a fake clock. */
import { fakeClock, type FakeClock } from 'outrigger/testing'
import { seededRandom, type Random } from '../../../src/core/random.js'
import { runtimeOf } from '../../../src/core/runtime.js'
import type { Ending, Isolate, IsolateListener } from '../../../src/models/isolation/_isolate.js'
import type { Work } from '../../../src/models/isolation/_job.js'
import type { Member } from '../../../src/models/isolation/_member.js'
import { IsolatePool, type PoolSettings } from '../../../src/models/isolation/_pool.js'
import type { FromIsolate, ToIsolate } from '../../../src/models/isolation/_protocol.js'
import { noCounts } from '../../../src/models/isolation/isolation-stats.js'
import { callOf, versionOf } from './_kit.js'

type Run = Extract<ToIsolate, { readonly type: 'run' }>

/** What one does with a message, if not the usual. `true`: it has dealt with it. */
export type Behaviour = (message: ToIsolate, isolate: FakeIsolate) => boolean

export class FakeIsolate implements Isolate {
  readonly name: string
  readonly pid: number | undefined
  listener: IsolateListener | undefined
  readonly sent: ToIsolate[] = []
  held = false
  ended = false
  killed = false
  /** The run that is in it. */
  running: Run | undefined
  readonly #clock: FakeClock
  readonly #behaviour: Behaviour
  readonly #canBeKilled: boolean

  constructor(number: number, clock: FakeClock, behaviour: Behaviour, canBeKilled: boolean) {
    this.name = `fake ${number}`
    this.pid = canBeKilled ? number : undefined
    this.#clock = clock
    this.#behaviour = behaviour
    this.#canBeKilled = canBeKilled
  }

  send(message: ToIsolate): void {
    this.sent.push(message)
    if (this.ended) return
    if (message.type === 'run') this.running = message
    if (this.#behaviour(message, this)) return
    if (message.type === 'load') this.soon(() => this.say({ type: 'loaded', kind: 'tensors', description: { batchable: true } }))
    if (message.type === 'unload') this.soon(() => this.say({ type: 'unloaded' }))
    if (message.type === 'end') this.soon(() => this.end({ reason: 'exit code 0', exitCode: 0 }))
  }

  soon(action: () => void, delayMs = 0): void {
    this.#clock.setTimeout(action, delayMs)
  }

  say(message: FromIsolate): void {
    if (!this.ended) this.listener?.onMessage(message)
  }

  /** Answers the run that is in it. */
  answer(): void {
    const run = this.running
    if (run === undefined) throw new Error(`${this.name} has no run`)
    this.running = undefined
    this.say({ type: 'ran', id: run.id, tensors: run.tensors })
  }

  end(ending: Ending): void {
    if (this.ended) return
    this.ended = true
    this.running = undefined
    this.listener?.onEnd(ending)
  }

  drained(): undefined {
    return undefined
  }

  hold(held: boolean): void {
    this.held = held
  }

  kill(): boolean {
    if (!this.#canBeKilled) return false
    this.killed = true
    this.soon(() => this.end({ reason: 'signal SIGKILL', signal: 'SIGKILL' }))
    return true
  }
}

export interface FakePool {
  readonly pool: IsolatePool
  readonly clock: FakeClock
  readonly isolates: FakeIsolate[]
  readonly counts: PoolSettings['counts']
  readonly lost: Set<Member>
  readonly printed: string[]
  /** The isolate that has this run in it. */
  holding(x: number): FakeIsolate
}

export interface FakePoolOptions extends Partial<PoolSettings> {
  readonly behaviour?: Behaviour
  readonly canBeKilled?: boolean
  readonly random?: Random
}

/** A pool of fakes, loaded. */
export const fakePool = async (options: FakePoolOptions = {}): Promise<FakePool> => {
  const { behaviour = () => false, canBeKilled = true, random = seededRandom(1), ...settings } = options
  const clock = fakeClock()
  const isolates: FakeIsolate[] = []
  const counts = noCounts()
  const lost = new Set<Member>()
  const printed: string[] = []
  const take = (): FakeIsolate => {
    const isolate = new FakeIsolate(isolates.length, clock, behaviour, canBeKilled)
    isolates.push(isolate)
    return isolate
  }
  const loading = IsolatePool.load({
    workers: 1, maxQueue: 10, deadlineMs: 1000, loadDeadlineMs: 5000, replay: 'idempotent', maxCrashes: 5,
    source: { take, giveBack: () => false, replenish: () => {} },
    runtime: runtimeOf({ clock, random }), counts, lost, print: (text) => printed.push(text),
    ...versionOf({ 'factor.json': '2' }),
    ...settings,
  })
  loading.catch(() => {})
  await clock.advance(0)
  const holding = (x: number): FakeIsolate => {
    const found = isolates.find(({ running }) => running?.tensors['x']?.data[0] === x)
    if (found === undefined) throw new Error(`nobody has ${x}`)
    return found
  }
  return { pool: await loading, clock, isolates, counts, lost, printed, holding }
}

/** A run whose answer is its input. */
export const workOf = (x: number, mayRepeat = true): Work<number> => ({
  mayRepeat,
  message: (id) => ({ message: { type: 'run', id, tensors: { x: { dtype: 'float32', shape: [1], data: Float32Array.of(x) } }, facts: { remainingMs: Infinity, isIdempotent: true } }, transfer: [] }),
  answer: (message) => {
    if (message.type === 'ran') return message.tensors['x']?.data[0] as number
    throw new Error(message.type)
  },
})

export { callOf }
