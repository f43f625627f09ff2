/** Work of one kind at a time: who comes second waits, and finds what the first one has made. */
import { OutriggerError } from '../../core/errors.js'
import { onAbortOf } from '../../core/signals.js'

export class Turns {
  readonly #taken = new Map<string, Promise<unknown>>()

  /** Does the work when nobody else is at work under this key. */
  async take<T>(key: string, action: string, signal: AbortSignal | undefined, work: () => Promise<T>): Promise<T> {
    for (let turn = this.#taken.get(key); turn !== undefined; turn = this.#taken.get(key)) await orAborted(turn, action, signal)
    const result = work()
    const turn = result.catch(() => {}).then(() => this.#taken.delete(key))
    this.#taken.set(key, turn)
    return await result
  }
}

/** Waits for what somebody else does, until the caller leaves. */
const orAborted = async (work: Promise<unknown>, action: string, signal: AbortSignal | undefined): Promise<void> => {
  if (signal === undefined) return void await work
  await new Promise<unknown>((resolve, reject) => {
    const aborted = (): void => reject(new OutriggerError('ERR_OUTRIGGER_ABORTED', `Cannot ${action} as the caller aborted it`, { cause: signal.reason }))
    if (signal.aborted) return aborted()
    const unlisten = onAbortOf(signal, aborted)
    void work.then(() => {
      unlisten()
      resolve(undefined)
    })
  })
}
