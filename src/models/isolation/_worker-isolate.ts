/** An isolate that is a thread of this process. */
import { Worker, type WorkerOptions } from 'node:worker_threads'
import type { Ending, Isolate, IsolateListener } from './_isolate.js'
import { isTypeScript } from './_entry-place.js'
import { guardExit, unguardExit, type Halting } from './_exit-guard.js'
import { OutputTail } from './_output-tail.js'
import { movable } from './_packet.js'
import { pieceBytes, type FromIsolate, type ToIsolate } from './_protocol.js'
import type { IsolateWorkerData } from './isolate-main.js'

/** How workers and processes are started. */
export interface StartOptions {
  readonly entry: URL
  readonly maxMemoryBytes: number
  readonly niceness: number
  readonly execArgv: readonly string[] | undefined
  readonly env: Readonly<Record<string, string | undefined>> | undefined
}

const workerOptions = ({ maxMemoryBytes, execArgv, env }: StartOptions, data: IsolateWorkerData): WorkerOptions => ({
  workerData: data,
  name: 'outrigger',
  ...(maxMemoryBytes === Infinity ? {} : { resourceLimits: { maxOldGenerationSizeMb: Math.max(1, Math.floor(maxMemoryBytes / 2 ** 20)) } }),
  ...(execArgv === undefined ? {} : { execArgv: [...execArgv] }),
  ...(env === undefined ? {} : { env: { ...env } }),
})

/** Worker threads know no TypeScript of ours, whatever the process was started with. */
const startTypeScript = (entry: URL): string => `import('tsx/esm/api').then(({ tsImport }) => tsImport(${JSON.stringify(entry.href)}, ${JSON.stringify(entry.href)}))`

class WorkerIsolate implements Isolate, Halting {
  readonly name: string
  readonly pid = undefined
  readonly halted: Int32Array<SharedArrayBuffer> = new Int32Array(new SharedArrayBuffer(4))
  listener: IsolateListener | undefined
  readonly #worker: Worker
  readonly #tail = new OutputTail()
  /** Where pieces of model files lie until the worker has taken them: one place for all, and no new memory for each. */
  #stage: SharedArrayBuffer | undefined
  #taken: { readonly promise: Promise<void>; readonly resolve: () => void } | undefined
  #error: unknown

  constructor(options: StartOptions) {
    const data: IsolateWorkerData = { outriggerIsolate: true, halted: this.halted, niceness: options.niceness }
    const { entry } = options
    this.#worker = isTypeScript(entry) ? new Worker(startTypeScript(entry), { ...workerOptions(options, data), eval: true }) : new Worker(entry, workerOptions(options, data))
    this.name = `worker ${this.#worker.threadId}`
    this.#worker.on('message', (message: FromIsolate) => this.#receive(message))
    this.#worker.on('error', (error) => { this.#error = error })
    this.#worker.on('messageerror', (error) => { this.#error = error })
    this.#worker.on('exit', (exitCode) => this.#ended(exitCode))
    this.#worker.unref()
  }

  #receive(message: FromIsolate): void {
    if (message.type === 'taken') return this.#onTaken()
    if (message.type !== 'output') {
      this.listener?.onMessage(message)
      return
    }
    if (message.stream === 'stderr') this.#tail.push(message.text)
    this.listener?.onOutput(message.stream, message.text)
  }

  send(message: ToIsolate, transfer: ArrayBuffer[] = []): void {
    if (message.type === 'piece') return this.#sendPiece(message.bytes)
    if (message.type !== 'rows') return this.#worker.postMessage(message, transfer)
    const { packet, transfer: moved } = movable(message.rows)
    this.#worker.postMessage({ ...message, rows: packet }, moved)
  }

  #sendPiece(piece: Uint8Array): void {
    const bytes = new Uint8Array((this.#stage ??= new SharedArrayBuffer(pieceBytes)), 0, piece.length)
    bytes.set(piece)
    let resolve = (): void => {}
    this.#taken = { promise: new Promise<void>((done) => { resolve = done }), resolve }
    this.#worker.postMessage({ type: 'piece', bytes } satisfies ToIsolate)
  }

  #onTaken(): void {
    this.#taken?.resolve()
    this.#taken = undefined
  }

  drained(): Promise<void> | undefined {
    return this.#taken?.promise
  }

  hold(held: boolean): void {
    if (held) {
      this.#worker.ref()
      guardExit(this)
    } else {
      this.#worker.unref()
      unguardExit(this)
    }
  }

  halt(): void {
    this.#worker.postMessage({ type: 'halt' } satisfies ToIsolate)
  }

  /** `worker.terminate()` in the middle of native code may abort the whole process, so it is called nowhere. */
  kill(): boolean {
    this.hold(false)
    // Should it come back, it ends by itself.
    this.#worker.postMessage({ type: 'end' } satisfies ToIsolate)
    this.#onTaken()
    return false
  }

  #ended(exitCode: number): void {
    unguardExit(this)
    this.#onTaken()
    const ending: Ending = this.#error === undefined
      ? { reason: `exit code ${exitCode}`, exitCode, output: this.#tail.text }
      : { reason: this.#error instanceof Error ? this.#error.message : String(this.#error), exitCode, error: this.#error, output: this.#tail.text }
    this.listener?.onEnd(ending)
    this.listener = undefined
  }
}

/** Starts a worker thread. */
export const startWorker = (options: StartOptions): Isolate => new WorkerIsolate(options)
