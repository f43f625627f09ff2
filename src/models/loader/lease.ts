/** Who still uses a thing that is to go away: a counter that says when the last one has left. */

/**
 * Counts leases. After {@link retire} it waits for the last lease to end; what is leased may go on handing its lease
 * to others until then (a call that forks). Until then {@link resume} can take the retirement back.
 *
 * @example
 * ```ts
 * import { Leases } from 'outrigger/models'
 * const leases = new Leases()
 * leases.acquire()
 * let gone = false
 * const drained = leases.retire().then(() => { gone = true })
 * assert.equal(gone, false)
 * leases.release()
 * await drained
 * assert.equal(gone, true)
 * ```
 */
export class Leases {
  #held = 0
  #drained: Promise<void> | undefined
  #drain: (() => void) | undefined
  #over = false

  /** How many leases are held now. */
  get held(): number {
    return this.#held
  }

  /** Whether it was retired and the last lease has ended: nobody may take another one. */
  get isOver(): boolean {
    return this.#over
  }

  /** Takes a lease. @throws `Error` when the last lease of a retired thing has ended: a mistake in the code that took it */
  acquire(): void {
    if (this.#over) throw new Error('Cannot take a lease as the last lease of what was retired has ended')
    this.#held += 1
  }

  /** Ends a lease. @throws `Error` if none is held: a lease was ended twice */
  release(): void {
    if (this.#held === 0) throw new Error('Cannot end a lease as none is held: a lease was ended twice')
    this.#held -= 1
    if (this.#held === 0) this.#drain?.()
  }

  /** Resolves when the last lease has ended; at once if there is none. The same promise every time. */
  retire(): Promise<void> {
    return (this.#drained ??= new Promise((resolve) => {
      this.#drain = () => {
        this.#over = true
        this.#drain = undefined
        resolve()
      }
      if (this.#held === 0) this.#drain()
    }))
  }

  /**
   * Takes a retirement back; its promise never resolves then.
   *
   * @throws `Error` when the last lease has ended already
   */
  resume(): void {
    if (this.#over) throw new Error('Cannot take a retirement back as the last lease of what was retired has ended')
    this.#drain = undefined
    this.#drained = undefined
  }
}
