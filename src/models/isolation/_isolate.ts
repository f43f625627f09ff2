/** A worker or a process, as the pool sees it: something that takes messages and may end at any time. */
import type { FromIsolate, ToIsolate } from './_protocol.js'

/** Why it ended. */
export interface Ending {
  /** In words: `exit code 134`, `signal SIGKILL`… */
  readonly reason: string
  readonly exitCode?: number | undefined
  readonly signal?: string | undefined
  /** What was thrown in it that nobody caught. */
  readonly error?: unknown
  /** The last that it wrote to stderr. */
  readonly output?: string | undefined
  /** It was killed, or given up, because it took longer than it may. */
  readonly isOverdue?: boolean
  /** It still runs somewhere, and cannot be ended. */
  readonly isLost?: boolean
}

/** Who hears of it. One at a time: who holds it. */
export interface IsolateListener {
  onMessage(message: FromIsolate): void
  /** It wrote to stdout or stderr. */
  onOutput(stream: 'stdout' | 'stderr', text: string): void
  /** Called once, last. */
  onEnd(ending: Ending): void
}

/** A running worker or process. */
export interface Isolate {
  /** `worker 3`, `process 4711`. */
  readonly name: string
  /** The process id, where it is one. */
  readonly pid: number | undefined
  listener: IsolateListener | undefined
  /**
   * @param transfer - buffers that may be moved instead of copied. The bytes of a piece stay here, and must stay as they are until it is `drained`
   * @throws if the message cannot be sent as it is
   */
  send(message: ToIsolate, transfer?: ArrayBuffer[]): void
  /** Resolves when it takes more; `undefined` if it does now. */
  drained(): Promise<void> | undefined
  /** Whether this process stays alive for it. It does not at first. */
  hold(held: boolean): void
  /**
   * Ends it now, whatever it does. A worker inside of native code cannot be ended: then nothing happens, this process no
   * longer waits for it, and `false` comes back.
   */
  kill(): boolean
}
