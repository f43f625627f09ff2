/**
 * At the end of the process, workers are ended wherever they are. In the middle of a run of onnxruntime-node that aborts
 * the whole process: exit code 134 in the place of yours, also by a plain `process.exit(0)`. So at exit the process
 * waits until its busy workers stand still between two steps of JavaScript.
 */

/** A worker that is busy now. */
export interface Halting {
  /** 1 once it stands still. */
  readonly halted: Int32Array<SharedArrayBuffer>
  halt(): void
}

/** A run longer than that loses: a process that does not end is worse than one that ends badly. */
const maxWaitMs = 5_000

const busy = new Set<Halting>()

const onExit = (): void => {
  for (const worker of busy) worker.halt()
  for (const { halted } of busy) {
    // In turn, so that all of them together take at most twice as long as one may.
    if (Atomics.load(halted, 0) === 0) Atomics.wait(halted, 0, 0, maxWaitMs)
  }
}

/** From now on the process does not end under this worker. */
export const guardExit = (worker: Halting): void => {
  if (busy.size === 0) process.on('exit', onExit)
  busy.add(worker)
}

/** It may end again: the worker is idle, has ended, or is given up. */
export const unguardExit = (worker: Halting): void => {
  if (busy.delete(worker) && busy.size === 0) process.off('exit', onExit)
}
