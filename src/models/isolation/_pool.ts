/**
 * The isolates of one loaded model, and the runs that wait for them.
 *
 * A pool of our own, not piscina: that one hands tasks to any of its threads, while here each thread holds a loaded model;
 * it ends threads by `terminate()`, which aborts the process in the middle of native code; and it knows no processes.
 */
import type { Timer } from '../../core/clock.js'
import { OutriggerError, rejection } from '../../core/errors.js'
import type { NoticeEvent, StateEvent } from '../../core/events.js'
import type { Runtime } from '../../core/runtime.js'
import type { EngineDescription, TensorCall } from '../engines/engine.js'
import type { ModelFiles } from '../store/model-files.js'
import type { ModelVersion } from '../store/model-store.js'
import { CrashWindow } from './_crash-window.js'
import type { Ending, Isolate } from './_isolate.js'
import { Job, type Work } from './_job.js'
import { crashError, Member, type Loaded, type MemberHost, type MemberLimits } from './_member.js'
import { OutputLines } from './_output-lines.js'
import type { IsolationCounts, IsolateStats } from './isolation-stats.js'

const layer = 'isolation'
/** A worker that does not come back holds a core and the memory of its model. */
export const maxLost = 2

/** Where isolates come from, and go. */
export interface IsolateSource {
  /** One with the engine in it, started now or before. */
  take(): Isolate
  /** One that has disposed its model, and may hold another. `false` if it is not wanted: end it. */
  giveBack(isolate: Isolate): boolean
  /** A model is loaded: there is time to start one that stands by. */
  replenish(): void
}

export interface PoolSettings extends MemberLimits {
  readonly workers: number
  readonly maxQueue: number
  readonly replay: 'idempotent' | 'never'
  readonly maxCrashes: number
  readonly source: IsolateSource
  readonly runtime: Runtime
  readonly counts: IsolationCounts
  readonly files: ModelFiles
  readonly version: ModelVersion
  /** The members that do not come back, of all models of the engine. */
  readonly lost: Set<Member>
  /** Where output goes that nobody observes. */
  readonly print: (text: string) => void
}

/** A place for an isolate: there is one in it, or one will be started, or the pool has ended. */
interface Slot {
  member: Member | undefined
  restart: Timer | undefined
}

type Listener = (event: StateEvent | NoticeEvent) => void

export class IsolatePool implements MemberHost {
  readonly #settings: PoolSettings
  readonly #name: string
  readonly #slots: readonly Slot[]
  readonly #idle: Member[] = []
  readonly #queue = new Set<Job>()
  /** Runs that were in a crash go first. */
  readonly #again: Job[] = []
  readonly #crashes: CrashWindow
  readonly #listeners = new Set<Listener>()
  readonly #lines = new Map<Member, { readonly stdout: OutputLines; readonly stderr: OutputLines }>()
  /** Why no run is taken any more. */
  #over: { readonly error: () => OutriggerError } | undefined
  #released: Promise<void> | undefined
  #loaded: Loaded | undefined

  private constructor(settings: PoolSettings) {
    this.#settings = settings
    this.#name = `${settings.version.name}@${settings.version.version}`
    this.#slots = Array.from({ length: settings.workers }, () => ({ member: undefined, restart: undefined }))
    this.#crashes = new CrashWindow(settings.maxCrashes, settings.runtime.random)
  }

  /** Starts all isolates and loads the model into each. If one fails none is left. @throws what the first one failed with */
  static async load(settings: PoolSettings): Promise<IsolatePool> {
    const pool = new IsolatePool(settings)
    const results = await Promise.allSettled(pool.#slots.map((slot) => pool.#fill(slot)))
    const failed = results.find((result) => result.status === 'rejected')
    if (failed === undefined) return pool
    await pool.dispose().catch(() => {}) // The reason of the failure is the one to tell.
    throw failed.reason
  }

  get kind(): Loaded['kind'] {
    return (this.#loaded as Loaded).kind
  }

  get description(): EngineDescription {
    return (this.#loaded as Loaded).description
  }

  get queued(): number {
    return this.#queue.size + this.#again.length
  }

  /** The time that runs took in the isolates that there are now, in milliseconds. */
  get busyMs(): number {
    return this.#slots.reduce((sum, { member }) => sum + (member?.busyMs ?? 0), 0)
  }

  get isolates(): IsolateStats[] {
    return this.#slots.flatMap(({ member }) => {
      if (member === undefined || member.state === 'ended') return []
      const { name, pid } = member.isolate
      return [{ name, model: this.#name, state: member.state, ...(pid === undefined ? {} : { pid }) }]
    })
  }

  observe(listener: Listener): () => void {
    const own: Listener = (event) => listener(event)
    this.#listeners.add(own)
    return () => void this.#listeners.delete(own)
  }

  // ---- runs

  /**
   * Runs the work in the next isolate that is free.
   *
   * @throws what the run failed with; `ERR_OUTRIGGER_QUEUE_FULL`; `ERR_OUTRIGGER_ENGINE_CRASHED`; `ERR_OUTRIGGER_CLOSED`;
   * the reason of the call's signal
   */
  run<T>(work: Work<T>, call: TensorCall): Promise<T> {
    if (this.#over !== undefined) return Promise.reject(this.#over.error())
    const isFull = this.#idle.length === 0 && this.queued >= this.#settings.maxQueue
    if (isFull) return Promise.reject(rejection('ERR_OUTRIGGER_QUEUE_FULL', `Cannot run the model ${this.#name} as at most ${this.#settings.maxQueue} runs may wait for it: current value is as many`))
    const job = new Job(work, call, (left) => this.#left(left as Job))
    if (!job.isSettled) {
      this.#queue.add(job as Job)
      this.#next()
    }
    return job.promise
  }

  /** Its caller does not wait any more. */
  #left(job: Job): void {
    if (this.#queue.delete(job)) return
    const again = this.#again.indexOf(job)
    if (again >= 0) this.#again.splice(again, 1)
    else for (const { member } of this.#slots) member?.abort(job)
  }

  #next(): void {
    while (this.#idle.length > 0 && this.queued > 0) {
      const job = this.#again.shift() ?? (this.#queue.values().next().value as Job)
      this.#queue.delete(job)
      const member = this.#idle.pop() as Member
      if (member.start(job)) this.#settings.counts.runs += 1
      else this.#idle.push(member)
    }
    this.#holdRestarts()
  }

  /** A restart that runs wait for keeps the process alive; another one does not. */
  #holdRestarts(): void {
    for (const { restart } of this.#slots) {
      if (this.queued > 0) restart?.ref()
      else restart?.unref()
    }
  }

  onIdle(member: Member): void {
    if (this.#over !== undefined) return
    this.#idle.push(member)
    this.#next()
  }

  // ---- isolates

  async #fill(slot: Slot): Promise<void> {
    const { source, runtime, files, version } = this.#settings
    const member = new Member(source.take(), this, runtime.clock, this.#settings)
    slot.member = member
    this.#emit(member, 'none', 'loading', 'the model is loaded into it')
    let loaded: Loaded
    try {
      loaded = await member.load(files, version)
    } catch (error) {
      slot.member = undefined
      if (member.isLost) this.#settings.lost.add(member)
      await this.#stop(member)
      throw error
    }
    this.#loaded ??= loaded
    this.#emit(member, 'loading', 'ready', 'it holds the model')
    this.onIdle(member)
    source.replenish()
  }

  async #stop(member: Member): Promise<void> {
    await member.stop()
    this.#settings.counts.busyMs += member.busyMs
    this.#flush(member)
  }

  onCrash(member: Member, ending: Ending, job: Job | undefined): void {
    const { counts, replay } = this.#settings
    counts.crashes += 1
    counts.busyMs += member.busyMs
    const at = this.#idle.indexOf(member)
    if (at >= 0) this.#idle.splice(at, 1)
    if (member.isLost) this.#settings.lost.add(member)
    const { name } = member.isolate
    this.#emit(member, 'ready', ending.isLost === true ? 'lost' : 'crashed', ending.reason, { ...(ending.output === undefined ? {} : { output: ending.output }), ...(ending.error === undefined ? {} : { error: ending.error }) })
    this.#flush(member)
    if (job !== undefined) {
      if (replay === 'idempotent' && ending.isOverdue !== true && job.mayReplay && this.#over === undefined) {
        job.replayed = true
        counts.replays += 1
        this.#again.push(job)
      } else {
        job.fail(crashError(`run the model ${this.#name}`, name, ending))
      }
    }
    const slot = this.#slots.find((one) => one.member === member)
    if (slot === undefined) return
    slot.member = undefined
    this.#restart(slot, ending)
    this.#next()
  }

  onReturn(member: Member): void {
    this.#flush(member)
    if (this.#settings.lost.delete(member)) this.#emit(member, 'lost', 'ended', 'it came back, and has ended')
  }

  /** Starts another one in its place, now or later. */
  #restart(slot: Slot, ending: Ending): void {
    if (this.#over !== undefined) return
    const { lost, runtime: { clock } } = this.#settings
    if (lost.size > maxLost) {
      this.#giveUp(`${lost.size} workers that did not come back`)
      return
    }
    const delayMs = this.#crashes.crashed(clock.now())
    if (delayMs === undefined) {
      this.#giveUp(`more than ${this.#settings.maxCrashes} crashes within a minute, at last ${ending.reason}`)
      return
    }
    const start = (): void => {
      slot.restart = undefined
      this.#settings.counts.restarts += 1
      this.#fill(slot).catch((error: unknown) => {
        if (this.#over !== undefined) return
        const reason = error instanceof Error ? error.message : String(error)
        this.#tell({ type: 'notice', layer, message: `Loading ${this.#name} again failed.`, error, at: this.#settings.runtime.clock.wall(), data: { subject: this.#name } })
        this.#restart(slot, { reason, error })
      })
    }
    if (delayMs === 0) {
      start()
      return
    }
    slot.restart = clock.setTimeout(start, delayMs)
    this.#holdRestarts()
  }

  /** From now on every call fails. */
  #giveUp(reason: string): void {
    const error = (): OutriggerError => rejection('ERR_OUTRIGGER_ENGINE_CRASHED', `Cannot run the model ${this.#name} as it is given up: current value is ${reason}`, { reason, isBroken: true })
    this.#close(error)
    const { runtime: { clock }, version } = this.#settings
    this.#tell({ type: 'state', layer, subject: this.#name, from: 'ready', to: 'broken', reason, at: clock.wall(), data: { digest: version.digest } })
    void this.#release().catch((thrown: unknown) => {
      this.#tell({ type: 'notice', layer, message: `Disposing ${this.#name} failed.`, error: thrown, at: clock.wall(), data: { subject: this.#name } })
    })
  }

  #close(error: () => OutriggerError): void {
    this.#over ??= { error }
    const waiting = [...this.#again, ...this.#queue]
    this.#again.length = 0
    this.#queue.clear()
    this.#idle.length = 0
    for (const job of waiting) job.fail(error())
    for (const slot of this.#slots) {
      if (slot.restart !== undefined) this.#settings.runtime.clock.clearTimeout(slot.restart)
      slot.restart = undefined
    }
  }

  // ---- the end

  /** Disposes the model in every isolate, after the run that is in it. @throws what the first one failed with */
  dispose(): Promise<void> {
    this.#close(() => new OutriggerError('ERR_OUTRIGGER_CLOSED', `Cannot run the model ${this.#name} as it is disposed`))
    return this.#release()
  }

  #release(): Promise<void> {
    return (this.#released ??= this.#releaseAll())
  }

  async #releaseAll(): Promise<void> {
    const members = this.#slots.flatMap(({ member }) => (member === undefined ? [] : [member]))
    const results = await Promise.allSettled(members.map(async (member) => {
      let isReusable = false
      try {
        isReusable = await member.leave()
      } finally {
        if (!isReusable || !this.#settings.source.giveBack(member.isolate)) await this.#stop(member)
        else {
          this.#settings.counts.busyMs += member.busyMs
          this.#flush(member)
        }
      }
    }))
    for (const slot of this.#slots) slot.member = undefined
    const failed = results.find((result) => result.status === 'rejected')
    if (failed !== undefined) throw failed.reason
  }

  // ---- telling

  onOutput(member: Member, stream: 'stdout' | 'stderr', text: string): void {
    if (this.#listeners.size === 0) {
      this.#settings.print(text)
      return
    }
    let lines = this.#lines.get(member)
    if (lines === undefined) this.#lines.set(member, (lines = { stdout: new OutputLines(), stderr: new OutputLines() }))
    for (const line of lines[stream].push(text, this.#settings.runtime.clock.now())) this.#tellLine(member, stream, line)
  }

  /** What it wrote last, without an end of the line. */
  #flush(member: Member): void {
    const lines = this.#lines.get(member)
    this.#lines.delete(member)
    for (const stream of ['stderr', 'stdout'] as const) for (const line of lines?.[stream].end(this.#settings.runtime.clock.now()) ?? []) this.#tellLine(member, stream, line)
  }

  #tellLine(member: Member, stream: 'stdout' | 'stderr', line: string): void {
    this.#tell({ type: 'notice', layer, message: line, at: this.#settings.runtime.clock.wall(), data: { subject: this.#name, isolate: member.isolate.name, stream } })
  }

  #emit(member: Member, from: string, to: string, reason: string, data: Readonly<Record<string, unknown>> = {}): void {
    if (this.#listeners.size === 0) return
    const { name, pid } = member.isolate
    const { runtime, version } = this.#settings
    this.#tell({ type: 'state', layer, subject: `${this.#name} ${name}`, from, to, reason, at: runtime.clock.wall(), data: { digest: version.digest, isolate: name, ...(pid === undefined ? {} : { pid }), ...data } })
  }

  #tell(event: StateEvent | NoticeEvent): void {
    if (this.#listeners.size === 0 && event.type === 'notice') this.#settings.print(`${event.message}${event.error === undefined ? '' : ` ${String(event.error)}`}\n`)
    for (const listener of [...this.#listeners]) {
      try {
        listener(event)
      } catch (error) {
        process.emitWarning(`An observer of an isolated model threw: ${String(error)}`, { code: 'OUTRIGGER_OBSERVER_THREW', detail: error instanceof Error ? error.stack ?? '' : '' })
      }
    }
  }
}
