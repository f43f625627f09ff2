/** One isolate with the model in it: loading, idle, busy, leaving, ended. One run at a time is in it. */
import type { Clock, Timer } from '../../core/clock.js'
import { OutriggerError } from '../../core/errors.js'
import type { ModelFiles } from '../store/model-files.js'
import type { ModelVersion } from '../store/model-store.js'
import { decodeError } from './_error-codec.js'
import type { Ending, Isolate } from './_isolate.js'
import type { Job } from './_job.js'
import { pieceBytes, type FromIsolate } from './_protocol.js'

/** What the pool hears of a member. */
export interface MemberHost {
  /** A run has ended. */
  onIdle(member: Member): void
  /** It ended with the model in it, or does not come back; `job`: the run that was in it. */
  onCrash(member: Member, ending: Ending, job: Job | undefined): void
  /** It was given up, but has ended after all. */
  onReturn(member: Member): void
  onOutput(member: Member, stream: 'stdout' | 'stderr', text: string): void
}

/** Time limits, in milliseconds. */
export interface MemberLimits {
  readonly deadlineMs: number
  readonly loadDeadlineMs: number
}

export type MemberState = 'loading' | 'idle' | 'busy' | 'leaving' | 'ended'
export type Loaded = Extract<FromIsolate, { readonly type: 'loaded' }>

/** Waits for one message, or for the end. */
interface Waiting {
  readonly resolve: (message: FromIsolate) => void
  readonly reject: (error: unknown) => void
}

let lastRun = 0

export class Member {
  readonly isolate: Isolate
  readonly #host: MemberHost
  readonly #clock: Clock
  readonly #limits: MemberLimits
  #state: MemberState = 'loading'
  #waiting: Waiting | undefined
  #timer: Timer | undefined
  #job: Job | undefined
  #run = 0
  /** When the run began, on the clock. */
  #since = 0
  #onRunEnd: (() => void) | undefined
  #stopped: Promise<void> | undefined
  #isLost = false
  /** The time that runs took, in milliseconds. */
  busyMs = 0

  constructor(isolate: Isolate, host: MemberHost, clock: Clock, limits: MemberLimits) {
    this.isolate = isolate
    this.#host = host
    this.#clock = clock
    this.#limits = limits
    isolate.listener = {
      onMessage: (message) => this.#receive(message),
      onOutput: (stream, text) => host.onOutput(this, stream, text),
      onEnd: (ending) => this.#end(ending),
    }
  }

  get state(): MemberState {
    return this.#state
  }

  /** Whether it was given up, and has not ended. */
  get isLost(): boolean {
    return this.#isLost
  }

  // ---- loading

  /**
   * Sends the files and waits for the model.
   *
   * @throws what loading failed with there; `ERR_OUTRIGGER_ENGINE_CRASHED` if the isolate ended or took too long
   */
  async load(files: ModelFiles, version: ModelVersion): Promise<Loaded> {
    this.isolate.hold(true)
    const answer = this.#wait(this.#limits.loadDeadlineMs, 'loading')
    answer.catch(() => {}) // It may come while the files are on their way.
    await this.#send(files, version)
    const message = await answer
    if (message.type === 'load-failed') throw decodeError(message.error)
    if (message.type !== 'loaded') throw new Error(`An isolate answered ${message.type} when it was to load a model.`)
    this.#state = 'idle'
    this.isolate.hold(false)
    return message
  }

  /** In small pieces, each with a turn of the event loop for itself, and no faster than they are taken. */
  async #send(files: ModelFiles, { name, version, digest, manifest, signatures }: ModelVersion): Promise<void> {
    const { isolate } = this
    const contents = files.paths.map((path) => files.bytes(path))
    isolate.send({
      type: 'load',
      version: { name, version, digest, manifest, ...(signatures === undefined ? {} : { signatures }) },
      files: files.paths.map((path, index) => ({ path, bytes: (contents[index] as Uint8Array).length })),
    })
    for (const file of contents) {
      for (let at = 0; at < file.length; at += pieceBytes) {
        await isolate.drained()
        if (this.#state !== 'loading') return
        isolate.send({ type: 'piece', bytes: file.subarray(at, at + pieceBytes) })
        await new Promise<void>((resolve) => this.#clock.setImmediate(resolve))
      }
    }
  }

  // ---- running

  /** Begins a run; the host hears when it has ended. `false` if its inputs could not be sent: it has failed by then. */
  start(job: Job): boolean {
    this.#run = lastRun += 1
    try {
      const { message, transfer } = job.work.message(this.#run)
      this.isolate.send(message, transfer)
    } catch (cause) {
      job.fail(new OutriggerError('ERR_OUTRIGGER_INVALID_INPUT', 'Cannot bring the input over to the isolated model as it must be plain data, which structured cloning can carry: current value is not', { cause }))
      return false
    }
    this.#state = 'busy'
    this.#job = job
    this.#since = this.#clock.now()
    this.isolate.hold(true)
    this.#timer = this.#limits.deadlineMs === Infinity ? undefined : this.#clock.setTimeout(() => this.#overdue('a run'), this.#limits.deadlineMs)
    return true
  }

  /** Tells the isolate that nobody waits for this run any more. Its place stays taken until it ends. */
  abort(job: Job): void {
    if (this.#job === job) this.isolate.send({ type: 'abort', id: this.#run })
  }

  #ran(message: Extract<FromIsolate, { readonly id: number }>): void {
    const job = this.#job
    if (job === undefined || message.id !== this.#run) return
    this.#endRun()
    this.#state = 'idle'
    this.isolate.hold(false)
    job.take(message)
    this.#onRunEnd?.()
    this.#host.onIdle(this)
  }

  #endRun(): Job | undefined {
    const job = this.#job
    this.#stopTimer()
    this.#job = undefined
    if (job !== undefined) this.busyMs += this.#clock.now() - this.#since
    return job
  }

  // ---- leaving

  /**
   * Waits for the run that is in it, then lets the model be disposed. The isolate is left to the caller.
   *
   * @returns whether it still lives, and may hold another model
   * @throws what disposing failed with there; the isolate should be ended then
   */
  async leave(): Promise<boolean> {
    if (this.#state === 'busy') await new Promise<void>((resolve) => { this.#onRunEnd = resolve })
    if (this.#state !== 'idle') return false
    this.#state = 'leaving'
    this.isolate.hold(true)
    this.isolate.send({ type: 'unload' })
    const message = await this.#wait(this.#limits.loadDeadlineMs, 'disposing')
    this.isolate.hold(false)
    if (message.type === 'unloaded' && message.error !== undefined) throw decodeError(message.error)
    return true
  }

  /** Ends the isolate: in order where it can hear, else by force. Resolves when it has ended, or is given up. */
  stop(): Promise<void> {
    return (this.#stopped ??= this.#stop())
  }

  async #stop(): Promise<void> {
    if (this.#state === 'ended') return
    const isDeaf = this.#state === 'loading' || this.#state === 'busy'
    this.#state = 'leaving'
    this.isolate.hold(true)
    const ended = this.#wait(this.#limits.loadDeadlineMs, 'ending').catch(() => {})
    if (!isDeaf || !this.isolate.kill()) this.isolate.send({ type: 'end' })
    await ended
  }

  // ---- hearing

  #wait(limitMs: number, what: string): Promise<FromIsolate> {
    return new Promise((resolve, reject) => {
      this.#waiting?.reject(new Error(`Waiting was given up for ${what}.`))
      this.#stopTimer()
      this.#waiting = { resolve, reject }
      if (limitMs !== Infinity) this.#timer = this.#clock.setTimeout(() => this.#overdue(what), limitMs)
    })
  }

  #stopTimer(): void {
    if (this.#timer !== undefined) this.#clock.clearTimeout(this.#timer)
    this.#timer = undefined
  }

  #receive(message: FromIsolate): void {
    if ('id' in message) return this.#ran(message)
    const waiting = this.#waiting
    this.#waiting = undefined
    this.#stopTimer()
    waiting?.resolve(message)
  }

  #overdue(what: string): void {
    const { deadlineMs, loadDeadlineMs } = this.#limits
    this.#timer = undefined
    // Who waits need not wait for its end as well. Another one hears of that.
    const killed = this.isolate.kill()
    this.#isLost = !killed
    this.isolate.listener = {
      onMessage: () => {},
      onOutput: (stream, text) => this.#host.onOutput(this, stream, text),
      onEnd: () => {
        this.#isLost = false
        this.#host.onReturn(this)
      },
    }
    this.#end({ reason: `${what} took longer than ${what === 'a run' ? deadlineMs : loadDeadlineMs} ms`, ...(killed ? { signal: 'SIGKILL' } : {}), isOverdue: true, isLost: !killed })
  }

  #end(ending: Ending): void {
    if (this.#state === 'ended') return
    const was = this.#state
    this.#state = 'ended'
    const job = this.#endRun()
    const waiting = this.#waiting
    this.#waiting = undefined
    this.isolate.hold(false)
    waiting?.reject(crashError(was === 'loading' ? 'load the model' : 'dispose the model', this.isolate.name, ending))
    this.#onRunEnd?.()
    if (was === 'idle' || was === 'busy') this.#host.onCrash(this, ending, job)
  }
}

/** The error of those who were in it. */
export const crashError = (action: string, name: string, ending: Ending): OutriggerError => {
  const { reason, exitCode, signal, output, error } = ending
  return new OutriggerError('ERR_OUTRIGGER_ENGINE_CRASHED', `Cannot ${action} as ${name} must stay alive: current value is ${reason}`, {
    reason,
    ...(exitCode === undefined ? {} : { exitCode }),
    ...(signal === undefined ? {} : { signal }),
    ...(output === undefined ? {} : { output }),
    ...(error === undefined ? {} : { cause: error }),
  })
}
