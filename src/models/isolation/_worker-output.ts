/**
 * What is printed in a worker goes to the pool by the messages' own way, in its place among them.
 *
 * The streams that Node has for it (`stdout: true`) would hold the host's process alive while the worker is idle, as
 * `worker.unref()` leaves them out, and arrive in no order with the answers.
 */

/** So much is sent at once, in UTF-16 units; less at the end of a turn, or before a message. */
const maxLength = 8_192

export class WorkerOutput {
  readonly #send: (stream: 'stdout' | 'stderr', text: string) => void
  readonly #texts = { stdout: '', stderr: '' }
  #scheduled = false

  constructor(send: (stream: 'stdout' | 'stderr', text: string) => void) {
    this.#send = send
  }

  /** From now on what goes to the streams of this thread comes here. */
  capture(): void {
    for (const name of ['stdout', 'stderr'] as const) {
      process[name].write = (chunk: string | Uint8Array, encoding?: unknown, callback?: unknown): boolean => {
        this.#push(name, typeof chunk === 'string' ? chunk : Buffer.from(chunk).toString())
        const done = typeof encoding === 'function' ? encoding : callback
        if (typeof done === 'function') process.nextTick(done as () => void)
        return true
      }
    }
    process.on('exit', () => this.flush())
  }

  flush(): void {
    for (const name of ['stdout', 'stderr'] as const) {
      const text = this.#texts[name]
      this.#texts[name] = ''
      if (text !== '') this.#send(name, text)
    }
  }

  #push(name: 'stdout' | 'stderr', text: string): void {
    this.#texts[name] += text
    if (this.#texts[name].length >= maxLength) this.flush()
    if (this.#scheduled) return
    this.#scheduled = true
    process.nextTick(() => {
      this.#scheduled = false
      this.flush()
    })
  }
}
