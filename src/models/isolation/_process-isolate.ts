/** An isolate that is a process of its own: whatever happens in it, this process goes on. */
import { spawn, type ChildProcess } from 'node:child_process'
import type { Socket } from 'node:net'
import type { Readable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { systemClock, type Timer } from '../../core/clock.js'
import { isTypeScript } from './_entry-place.js'
import { decodeError } from './_error-codec.js'
import { frameOf, FrameReader } from './_frames.js'
import { inheritedArguments, inheritedEnvironment } from './_inherited.js'
import type { Isolate, IsolateListener } from './_isolate.js'
import { OutputTail } from './_output-tail.js'
import type { FromIsolate, ToIsolate } from './_protocol.js'
import { channelDescriptor, isolateArgument } from './isolate-main.js'
import type { StartOptions } from './_worker-isolate.js'

/** So long the streams of a process that has ended are waited for. */
const lastWordsMs = 100

class ProcessIsolate implements Isolate {
  readonly name: string
  readonly pid: number | undefined
  listener: IsolateListener | undefined
  readonly #child: ChildProcess
  readonly #socket: Socket | undefined
  readonly #tail = new OutputTail()
  /** Why it ended, as far as is known before it has. */
  #error: unknown
  #drained: Promise<void> | undefined
  #lastWords: Timer | undefined

  constructor({ entry, maxMemoryBytes, niceness, execArgv, env }: StartOptions) {
    const flags = execArgv ?? inheritedArguments(process.execArgv)
    this.#child = spawn(
      process.execPath,
      [...flags, ...(isTypeScript(entry) && !flags.includes('tsx') ? ['--import', 'tsx'] : []), fileURLToPath(entry), isolateArgument, String(process.pid), String(maxMemoryBytes), String(niceness)],
      // Our own pipe: node's IPC copies every array twice on the event loop, and knows no backpressure.
      { stdio: ['ignore', 'pipe', 'pipe', 'pipe'], env: { ...(env ?? inheritedEnvironment(process.env)) }, windowsHide: true },
    )
    this.pid = this.#child.pid
    this.name = `process ${this.pid ?? 'that did not start'}`
    // Too many open files: then there is no pipe either.
    this.#socket = (this.#child.stdio as ChildProcess['stdio'] | undefined)?.[channelDescriptor] as Socket | undefined
    this.#child.on('error', (error) => {
      this.#error ??= error
      if (this.pid === undefined) this.#ended(null, null) // It never started; nothing else will be heard.
    })
    // Its streams end right after it, and then its last words are known; unless it leaves children behind that hold them.
    this.#child.on('exit', (exitCode, signal) => { this.#lastWords = systemClock.setTimeout(() => this.#ended(exitCode, signal), lastWordsMs) })
    this.#child.on('close', (exitCode, signal) => this.#ended(exitCode, signal))
    if (this.#socket === undefined) return
    for (const stream of ['stdout', 'stderr'] as const) {
      (this.#child[stream] as Readable).setEncoding('utf8').on('data', (text: string) => {
        if (stream === 'stderr') this.#tail.push(text)
        this.listener?.onOutput(stream, text)
      })
    }
    const reader = new FrameReader((message) => this.#receive(message as FromIsolate))
    this.#socket.on('data', (chunk: Buffer) => {
      try {
        reader.push(chunk)
      } catch (error) {
        // What runs in it has written into our memory or our pipe: nothing it says can be trusted any more.
        this.#error ??= error
        this.kill()
      }
    })
    this.#socket.on('error', () => {}) // It is ending: `close` says how.
    this.hold(false)
  }

  #receive(message: FromIsolate): void {
    if (message.type === 'dying') this.#error ??= decodeError(message.error)
    else this.listener?.onMessage(message)
  }

  send(message: ToIsolate): void {
    const pieces = frameOf(message)
    if (this.#socket === undefined || this.#socket.destroyed) return // It is ending: whoever waits for the answer hears of that.
    this.#socket.cork()
    for (const piece of pieces) this.#socket.write(piece)
    this.#socket.uncork()
  }

  drained(): Promise<void> | undefined {
    const socket = this.#socket
    if (socket === undefined || !socket.writableNeedDrain || socket.destroyed) return undefined
    return (this.#drained ??= new Promise((resolve) => {
      const done = (): void => {
        this.#drained = undefined
        socket.off('drain', done).off('close', done)
        resolve()
      }
      socket.on('drain', done).on('close', done)
    }))
  }

  get #streams(): (Socket | null | undefined)[] {
    return [this.#socket, this.#child.stdout as Socket | null, this.#child.stderr as Socket | null]
  }

  hold(held: boolean): void {
    const act = held ? 'ref' : 'unref'
    this.#child[act]()
    for (const stream of this.#streams) stream?.[act]()
  }

  kill(): boolean {
    this.#child.kill('SIGKILL')
    return true
  }

  #ended(exitCode: number | null, signal: string | null): void {
    if (this.#lastWords !== undefined) systemClock.clearTimeout(this.#lastWords)
    const { listener } = this
    this.listener = undefined
    for (const stream of this.#streams) stream?.destroy()
    listener?.onEnd({
      reason: this.pid === undefined ? `no start (${String(this.#error)})` : signal === null ? `exit code ${exitCode ?? 'unknown'}` : `signal ${signal}`,
      exitCode: exitCode ?? undefined,
      signal: signal ?? undefined,
      error: this.#error,
      output: this.#tail.text,
    })
  }
}

/** Starts a child process. */
export const startProcess = (options: StartOptions): Isolate => new ProcessIsolate(options)
