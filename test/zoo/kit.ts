/** What every case of the zoo is made of, and what it is run with. */
import { AsyncLocalStorage, createHook } from 'node:async_hooks'
import { getEventListeners } from 'node:events'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { seededRandom, type Clock, type Random } from 'outrigger'
import { fakeClock } from 'outrigger/testing'
import { systemClock } from '../../src/core/clock.js'

/** A public issue or pull request. */
export interface Issue {
  readonly repo: string
  readonly number: number
}

export const issue = (repo: string, number: number): Issue => ({ repo, number })

/** GitHub leads on from `issues` when it is a pull request. */
export const urlOf = ({ repo, number }: Issue): string => `https://github.com/${repo}/issues/${number}`

/** What was seen, judged by the case's oracle. */
export interface Observation {
  readonly verdict: 'passes' | 'fails'
  /** One line. */
  readonly observed: string
}

/** What a run of a case against one library comes to. */
export type Result = Observation | { readonly verdict: 'no such feature'; readonly observed: string }

/** Who can be put to the test. Several versions of one library share a name. */
export type SubjectName = 'outrigger' | 'cockatiel' | 'opossum' | 'p-retry' | 'p-timeout' | 'p-limit' | 'bottleneck' | 'lru-cache' | 'cacheable' | 'async-cache-dedupe' | 'dataloader'

/** Builds what the scenario drives, the way the library's documentation shows; or says that it has no such feature. */
export type Build<S> = ((kit: Kit) => S | Promise<S>) | { readonly noSuchFeature: string }

export const lacks = (noSuchFeature: string): { readonly noSuchFeature: string } => ({ noSuchFeature })

export interface CaseOptions<S> {
  readonly id: string
  readonly title: string
  /** The first is the one it is named after. */
  readonly issues: readonly [Issue, ...Issue[]]
  /** What happened to whom. */
  readonly story: string
  /** What should happen. */
  readonly correct: string
  /** The same for all: does what the story tells, and judges what comes of it. */
  readonly scenario: (subject: S, kit: Kit) => Promise<Observation>
  readonly subjects: { readonly outrigger: Build<S> } & { readonly [name in SubjectName]?: Build<S> }
}

/** A case without the type of its subject. */
export interface ZooCase {
  readonly id: string
  readonly title: string
  readonly issues: readonly Issue[]
  readonly story: string
  readonly correct: string
  readonly subjects: readonly SubjectName[]
  /** Runs the scenario with a subject of any make. */
  observe(subject: unknown, kit: Kit): Promise<Observation>
  run(subject: SubjectName, kit: Kit): Promise<Result>
}

export const zooCase = <S>({ subjects, scenario, ...rest }: CaseOptions<S>): ZooCase => ({
  ...rest,
  subjects: Object.keys(subjects) as SubjectName[],
  observe: (subject, kit) => scenario(subject as S, kit),
  run: async (name, kit) => {
    const build = subjects[name]
    if (build === undefined) throw new RangeError(`${name} is no subject of ${rest.id}`)
    if (typeof build !== 'function') return { verdict: 'no such feature', observed: build.noSuchFeature }
    return await scenario(await build(kit), kit)
  },
})

/** The verdict on whether something held, with what was seen. */
export const judge = (holds: boolean, observed: string): Observation => ({ verdict: holds ? 'passes' : 'fails', observed })

/** What became of a promise, readable without waiting for it. */
export interface Fate {
  state: 'pending' | 'fulfilled' | 'rejected'
  value?: unknown
  error?: unknown
}

export const fateOf = (promise: Promise<unknown>): Fate => {
  const fate: Fate = { state: 'pending' }
  promise.then(
    (value) => Object.assign(fate, { state: 'fulfilled', value }),
    (error: unknown) => Object.assign(fate, { state: 'rejected', error }),
  )
  return fate
}

/** How a fate reads in a sentence. */
export const tell = ({ state, value, error }: Fate): string => {
  if (state === 'pending') return 'still pending'
  if (state === 'fulfilled') return `answered ${typeof value === 'string' ? `'${value}'` : String(value)}`
  const { name, message } = (error ?? {}) as { name?: string; message?: string }
  return `rejected with ${message === undefined ? String(error) : `${name}: ${message.length > 80 ? `${message.slice(0, 77)}…` : message}`}`
}

/** One arrival at the model. */
export interface Arrival {
  readonly input: unknown
  readonly signal: AbortSignal | undefined
  /** The async context it runs in, as {@link Kit.context} says. */
  readonly context: string | undefined
  answer(output: unknown): void
  fail(error: unknown): void
}

type Behaviour = (arrival: Arrival) => void

/** A model that the scenario holds: what arrives, and what is answered. */
export class Model {
  readonly arrivals: Arrival[] = []
  readonly #context: AsyncLocalStorage<string>
  #behaviour: Behaviour = ({ input, answer }) => answer(input)
  running = 0
  /** The most that ever ran at once. */
  peak = 0

  constructor(context: AsyncLocalStorage<string>) {
    this.#context = context
  }

  get calls(): number {
    return this.arrivals.length
  }

  /** From now on answers at once; with the input when nothing is given. */
  answers(respond: (input: unknown) => unknown = (input) => input): void {
    this.#behaviour = ({ input, answer }) => answer(respond(input))
  }

  /** From now on fails at once. */
  fails(error: (input: unknown) => unknown = () => new Error('model down')): void {
    this.#behaviour = ({ input, fail }) => fail(error(input))
  }

  /** From now on fails at once for what `judge` has an error for, and answers the rest. */
  judges(judge: (input: unknown) => Error | undefined, respond: (input: unknown) => unknown = (input) => input): void {
    this.#behaviour = ({ input, answer, fail }) => {
      const error = judge(input)
      if (error === undefined) answer(respond(input))
      else fail(error)
    }
  }

  /** From now on waits for the scenario to settle each arrival. */
  hangs(): void {
    this.#behaviour = () => {}
  }

  /** From now on waits, and fails when its signal fires, as `fetch` does. */
  obeys(): void {
    this.#behaviour = ({ signal, fail }) => {
      if (signal?.aborted === true) fail(signal.reason)
      signal?.addEventListener('abort', () => fail(signal.reason), { once: true })
    }
  }

  readonly run = (input: unknown, signal?: AbortSignal): Promise<unknown> =>
    new Promise((resolve, reject) => {
      this.running += 1
      this.peak = Math.max(this.peak, this.running)
      let isOver = false
      const over = (): boolean => {
        if (isOver) return false
        isOver = true
        this.running -= 1
        return true
      }
      const arrival: Arrival = {
        input,
        signal,
        context: this.#context.getStore(),
        answer: (output) => {
          if (over()) resolve(output)
        },
        fail: (error) => {
          if (over()) reject(error as Error)
        },
      }
      this.arrivals.push(arrival)
      this.#behaviour(arrival)
    })
}

/** What a scenario is run with: a model, time, and eyes for what leaks. */
export interface Kit {
  readonly model: Model
  /** For ours: a clock that stands still until told to go on. For the others the machine's. */
  readonly clock: Clock
  readonly random: Random
  /** Who asks, for cases about async context. */
  readonly context: AsyncLocalStorage<string>
  /** Lets time pass. */
  wait(ms: number): Promise<void>
  /** Lets everything that is ready run. */
  settle(): Promise<void>
  /** Timers that are pending, whether they hold the process or not. */
  pendingTimers(): number
  /** Whether a pending timer keeps the process alive. */
  holdsProcess(): boolean
  /** Warnings that Node printed so far. */
  readonly warnings: readonly string[]
  /** Rejections that nobody handled so far. */
  readonly unhandled: readonly unknown[]
  /** Collects garbage. */
  collect(): void
  /** A rival's module, from this folder's own `node_modules`. */
  load<T>(name: string): Promise<T>
  close(): void
}

/** Listeners and dependants that a signal keeps. */
export const heldBy = (signal: AbortSignal): number => {
  const dependants = Object.getOwnPropertySymbols(signal).find((symbol) => symbol.description === 'kDependantSignals')
  const held = dependants === undefined ? undefined : (signal as unknown as Record<symbol, { readonly size?: number } | undefined>)[dependants]
  return getEventListeners(signal, 'abort').length + (held?.size ?? 0)
}

const gcOf = (): (() => void) => {
  setFlagsFromString('--expose-gc')
  return runInNewContext('gc') as () => void
}

/** Counts real timers from now on; `process.getActiveResourcesInfo` leaves out those that are unref'ed. */
const countTimers = (): { pending(): number; stop(): void } => {
  const pending = new Set<number>()
  const hook = createHook({
    init: (id, type) => void (type === 'Timeout' && pending.add(id)),
    destroy: (id) => void pending.delete(id),
  })
  hook.enable()
  return { pending: () => pending.size, stop: () => hook.disable() }
}

const watch = (): { readonly warnings: string[]; readonly unhandled: unknown[]; stop(): void } => {
  const warnings: string[] = []
  const unhandled: unknown[] = []
  const onWarning = (warning: Error): void => void warnings.push(`${warning.name}: ${warning.message}`)
  const onUnhandled = (error: unknown): void => void unhandled.push(error)
  process.on('warning', onWarning)
  process.on('unhandledRejection', onUnhandled)
  return {
    warnings,
    unhandled,
    stop: () => {
      process.off('warning', onWarning)
      process.off('unhandledRejection', onUnhandled)
    },
  }
}

/** The kit for outrigger: fake time, no sleeping, the same in every run. */
export const ourKit = (): Kit => {
  const clock = fakeClock()
  const context = new AsyncLocalStorage<string>()
  const { warnings, unhandled, stop } = watch()
  return {
    model: new Model(context),
    clock,
    random: seededRandom(7),
    context,
    wait: async (ms) => {
      await clock.advance(ms)
      for (let turns = 0; turns < 5; turns += 1) await clock.settle()
    },
    settle: () => clock.settle(),
    pendingTimers: () => clock.pending,
    holdsProcess: () => clock.holding > 0,
    warnings,
    unhandled,
    collect: gcOf(),
    load: () => Promise.reject(new Error('outrigger is imported, not loaded')),
    close: stop,
  }
}

/** The kit for the others: real time. `aliases` says under which name a package of this folder is installed. */
export const theirKit = (aliases: Readonly<Record<string, string>> = {}): Kit => {
  const context = new AsyncLocalStorage<string>()
  const { warnings, unhandled, stop } = watch()
  const timers = countTimers()
  const turn = (): Promise<void> => new Promise((resolve) => systemClock.setImmediate(resolve))
  return {
    model: new Model(context),
    clock: systemClock,
    random: seededRandom(7),
    context,
    wait: async (ms) => {
      await new Promise((resolve) => setTimeout(resolve, ms))
      for (let turns = 0; turns < 3; turns += 1) await turn()
    },
    settle: async () => {
      for (let turns = 0; turns < 5; turns += 1) await turn()
    },
    pendingTimers: () => timers.pending(),
    holdsProcess: () => process.getActiveResourcesInfo().includes('Timeout'),
    warnings,
    unhandled,
    collect: gcOf(),
    load: async <T>(name: string): Promise<T> => (await import(aliases[name] ?? name)) as T,
    close: () => {
      timers.stop()
      stop()
    },
  }
}
