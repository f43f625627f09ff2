/** Work in progress that several callers wait for. */
import { AsyncLocalStorage } from 'node:async_hooks'
import { BatchCall, type Call } from '../core/call.js'
import { abortErrorOf } from '../core/model.js'
import { RowFailure, type Row } from '../core/rows.js'

/** One piece of shared work. */
export interface Flight<O> {
  readonly call: Call
  readonly landed: Promise<Row<O>>
  land(row: Row<O>): void
  waiters: number
  isOver: boolean
}

/**
 * The async context in which this module was loaded. Not the one in which a layer is made: that may be the request
 * that came first.
 */
const neutral = AsyncLocalStorage.snapshot()

/**
 * Flights by key. The work runs under a call of its own, outside of every caller's async context; a caller who leaves
 * disturbs nobody, and when the last one has left the work is aborted and forgotten.
 */
export class Flights<O> {
  readonly #flights = new Map<string, Flight<O>>()

  get(key: string): Flight<O> | undefined {
    return this.#flights.get(key)
  }

  /** Opens a flight for a caller's call. It has to be started, and joined by the caller. */
  open(key: string, call: Call): Flight<O> {
    let land!: (row: Row<O>) => void
    const landed = new Promise<Row<O>>((resolve) => (land = resolve))
    const flight: Flight<O> = { call: call.detach(), landed, land, waiters: 0, isOver: false }
    flight.call.deadline = call.deadline
    this.#flights.set(key, flight)
    return flight
  }

  /** Lets flights go on for those who wait, but nobody joins them any more. */
  forget(): void {
    this.#flights.clear()
  }

  /**
   * Runs the work of flights that were opened together. `onLanded` is told whether the flight was still known: the
   * answer of one that everybody left, or that was forgotten, may be cut short or out of date.
   */
  start(keys: readonly string[], flights: readonly Flight<O>[], work: (batch: BatchCall) => Promise<Row<O>[]>, onLanded: (key: string, row: Row<O>, call: Call, isKnown: boolean) => void): void {
    const batch = new BatchCall((flights[0] as Flight<O>).call.runtime, flights.map((flight) => flight.call))
    const run = async (): Promise<void> => {
      let rows: readonly Row<O>[]
      try {
        rows = await work(batch)
      } catch (error) {
        const failure = new RowFailure(error)
        rows = flights.map(() => failure)
      }
      flights.forEach((flight, index) => {
        const key = keys[index] as string
        let row = rows[index] as Row<O>
        flight.isOver = true
        const isKnown = this.#flights.get(key) === flight
        if (isKnown) this.#flights.delete(key)
        try {
          onLanded(key, row, flight.call, isKnown)
        } catch (error) {
          row = new RowFailure(error)
        }
        flight.call.end()
        flight.land(row)
      })
    }
    void neutral(run)
  }

  /** Waits for a flight, or until the caller leaves. */
  join(key: string, flight: Flight<O>, call: Call): Promise<Row<O>> {
    flight.waiters += 1
    if (call.deadline > flight.call.deadline) flight.call.deadline = call.deadline
    if (call.startedAt !== undefined) (call.note().links ??= []).push(flight.call.id)
    return new Promise((resolve) => {
      const stop = call.onAbort((reason) => {
        const error = abortErrorOf(reason)
        resolve(new RowFailure(error))
        flight.waiters -= 1
        if (flight.waiters > 0 || flight.isOver) return
        if (this.#flights.get(key) === flight) this.#flights.delete(key)
        flight.call.abort(error)
      })
      void flight.landed.then((row) => {
        stop()
        resolve(row)
      })
    })
  }
}
