/** The program of a worker or a child process that holds a model. */
import { Socket } from 'node:net'
import { setPriority } from 'node:os'
import { isMainThread, parentPort, workerData, type MessagePort } from 'node:worker_threads'
import { InvalidOptionError } from '../../core/errors.js'
import { encodeError } from './_error-codec.js'
import { frameOf, FrameReader } from './_frames.js'
import { ModelHost } from './_model-host.js'
import { movable } from './_packet.js'
import type { FromIsolate, ToIsolate } from './_protocol.js'
import { startWatchdog } from './_watchdog.js'
import { WorkerOutput } from './_worker-output.js'

/** What a worker is started with. */
export interface IsolateWorkerData {
  readonly outriggerIsolate: true
  /** 1 once the worker stands still for the end of the process. */
  readonly halted: Int32Array<SharedArrayBuffer>
  readonly niceness: number
}

/** The descriptor of the pipe that messages of a process travel on, both ways. */
export const channelDescriptor = 3

/** The first argument of a process; the parent's id and the memory that it may take follow. */
export const isolateArgument = 'outrigger-isolate'

const inWorker = (port: MessagePort, { halted, niceness }: IsolateWorkerData): void => {
  // Elsewhere it would be that of the whole process.
  if (process.platform === 'linux') giveWay(niceness)
  const output = new WorkerOutput((stream, text) => port.postMessage({ type: 'output', stream, text } satisfies FromIsolate))
  output.capture()
  const host = new ModelHost({
    send: (message, transfer) => {
      output.flush()
      if (message.type !== 'ran-rows') return port.postMessage(message, transfer)
      const moved = movable(message.outputs)
      port.postMessage({ ...message, outputs: moved.packet }, moved.transfer)
    },
    // A timer or a socket of the engine must not keep the worker; nothing native runs on this thread now.
    exit: () => process.exit(0),
  })
  // A message that cannot be read would be a run that never ends.
  port.on('messageerror', (error) => { throw error })
  port.on('message', (message: ToIsolate) => {
    if (message.type !== 'halt') {
      host.receive(message)
      if (message.type === 'piece') port.postMessage({ type: 'taken' } satisfies FromIsolate)
      return
    }
    // The process ends, and ends this worker, which must not be inside of native code then. It waits here to be ended.
    Atomics.store(halted, 0, 1)
    Atomics.notify(halted, 0)
    Atomics.wait(halted, 0, 1)
  })
}

/** A system that refuses it has nobody give way. */
const giveWay = (niceness: number): void => {
  if (!(niceness > 0)) return
  try {
    setPriority(niceness)
  } catch {}
}

const inProcess = (): void => {
  const [, , , parent, maxMemoryBytes, niceness] = process.argv
  giveWay(Number(niceness))
  // Only its parent ends it. Who interrupts a group of processes means the parent, which may still have calls to answer.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => {})
  const socket = new Socket({ fd: channelDescriptor, readable: true, writable: true })
  const send = (message: FromIsolate): void => {
    const pieces = frameOf(message)
    socket.cork()
    for (const piece of pieces) socket.write(piece)
    socket.uncork()
  }
  const host = new ModelHost({ send, exit: () => socket.end(() => process.exit(0)) })
  const reader = new FrameReader((message) => host.receive(message as ToIsolate))
  socket.on('data', (chunk: Buffer) => reader.push(chunk))
  // The parent is gone, or has let go of us.
  socket.on('close', () => process.exit(0))
  socket.on('error', () => process.exit(0))
  // What nobody catches ends the process, as ever; the parent should know why.
  process.on('uncaughtExceptionMonitor', (error) => send({ type: 'dying', error: encodeError(error) }))
  startWatchdog(Number(parent), Number(maxMemoryBytes))
}

const isIsolateData = (data: unknown): data is IsolateWorkerData => typeof data === 'object' && data !== null && 'outriggerIsolate' in data

/**
 * What a program of your own calls that {@link isolated} starts in the place of outrigger's, by its option `entry`.
 * Needed only where everything is bundled into a few files: then make `isolate.js`, which only calls this, one of them.
 *
 * @throws `ERR_OUTRIGGER_INVALID_OPTION` if it was not started by `isolated`
 * @example
 * ```ts
 * import { isolateMain } from 'outrigger/models'
 * assert.throws(() => isolateMain(), { code: 'ERR_OUTRIGGER_INVALID_OPTION' }) // it belongs into a file of its own
 * ```
 */
export const isolateMain = (): void => {
  if (parentPort !== null && isIsolateData(workerData)) inWorker(parentPort, workerData)
  else if (isMainThread && process.argv[2] === isolateArgument) inProcess()
  else throw new InvalidOptionError('Cannot run isolateMain as it must be the program of a worker or process that `isolated` started: current value is another program')
}
