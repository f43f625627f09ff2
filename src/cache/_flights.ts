/** Work in progress that several callers wait for. */
import { AsyncLocalStorage } from 'node:async_hooks'
import type { Call } from '../core/call.js'
import { abortErrorOf } from '../core/model.js'
import { RowFailure, type Row } from '../core/rows.js'
import type { CacheKey } from './cache-key.js'
import type { CachedAnswer, CacheUse } from './cache-store.js'

/**
 * How a flight ended: by a row of what is inside (`by` is set when another flight did the work); or by an answer that
 * was stored, which was found in time (`hit`), was found past its time (`due`), or stands in for a failure (`stale`).
 */
export type Landing<O> = { readonly row: Row<O>; readonly by?: Call; readonly stored?: undefined } | { readonly row?: undefined; readonly stored: CachedAnswer; readonly status: 'hit' | 'due' | 'stale' }

/** One piece of shared work. */
export interface Flight<O> {
  readonly key: CacheKey
  readonly call: Call
  readonly landed: Promise<Landing<O>>
  /** Ends it, once. */
  land(landing: Landing<O>): void
  waiters: number
  /** What is inside has answered. */
  isOver: boolean
  /** It is refreshed for nobody in particular: nobody's leaving ends it. */
  readonly isBackground: boolean
  /** The store is being asked; nothing is known yet. */
  isLookingUp: boolean
  use: CacheUse
  /** What the look-up gave. */
  asOf: unknown
  /** Whether the store could be asked. */
  isStorable: boolean
  /** What may stand in if the work fails. */
  kept: CachedAnswer | undefined
  /** Tags that were invalidated while it was under way. */
  revoked: Set<string> | undefined
  /** What it brings may be out of date for those who come now: they start anew. */
  isClosed: boolean
}

/** So many invalidated tags are remembered for a flight; after more nothing that it brings is kept. */
const mostRevoked = 1000

/**
 * The async context in which this module was loaded. Not the one in which a layer is made: that may be the request
 * that came first.
 */
export const neutral: ReturnType<typeof AsyncLocalStorage.snapshot> = AsyncLocalStorage.snapshot()

/**
 * Flights by key. The work runs under a call of its own, outside of every caller's async context; a caller who leaves
 * disturbs nobody, and when the last one has left the work is aborted and forgotten.
 */
export class Flights<O> {
  readonly #flights = new Map<string | number, Flight<O>>()

  get size(): number {
    return this.#flights.size
  }

  /** The flight for just this key. */
  get(key: CacheKey): Flight<O> | undefined {
    if (this.#flights.size === 0) return undefined
    const flight = this.#flights.get(key.lookup)
    return flight !== undefined && !flight.isClosed && flight.key.equals(key) ? flight : undefined
  }

  /** Whether a flight for the key would be found by others. */
  isFree(key: CacheKey): boolean {
    return this.#flights.get(key.lookup)?.isClosed !== false
  }

  /** Whether nobody has abandoned or forgotten it: what it brings may be kept. */
  isKnown(flight: Flight<O>): boolean {
    return this.#flights.get(flight.key.lookup) === flight
  }

  /** Opens a flight for a caller's call. Where another input has the same hash, it stays private. The key must be a kept one. */
  open(key: CacheKey, call: Call, use: CacheUse, isBackground = false): Flight<O> {
    let land!: (landing: Landing<O>) => void
    const landed = new Promise<Landing<O>>((resolve) => (land = resolve))
    const flight: Flight<O> = { key, call: call.detach(), landed, land, waiters: 0, isOver: false, isBackground, isLookingUp: false, use, asOf: undefined, isStorable: true, kept: undefined, revoked: undefined, isClosed: false }
    if (!isBackground) flight.call.deadline = call.deadline
    if (this.isFree(key)) this.#flights.set(key.lookup, flight)
    return flight
  }

  /** Takes it from the list: nobody joins it any more. Says whether it was still known. */
  remove(flight: Flight<O>): boolean {
    if (!this.isKnown(flight)) return false
    this.#flights.delete(flight.key.lookup)
    return true
  }

  /** Lets flights go on for those who wait, but nobody joins them any more, and what they bring is not kept. */
  forget(isMeant: (flight: Flight<O>) => boolean): void {
    for (const [lookup, flight] of this.#flights) if (isMeant(flight)) this.#flights.delete(lookup)
  }

  /** What flights bring is out of date if it carries this tag, which nobody knows yet. */
  revoke(tag: string): void {
    this.forget((flight) => {
      flight.isClosed = true
      flight.revoked ??= new Set()
      flight.revoked.add(tag)
      return flight.isLookingUp || flight.revoked.size > mostRevoked
    })
  }

  /** Waits for a flight, or until the caller leaves. */
  join(flight: Flight<O>, call: Call): Promise<Landing<O> | RowFailure> {
    flight.waiters += 1
    if (call.deadline > flight.call.deadline) flight.call.deadline = call.deadline
    return new Promise((resolve) => {
      const stop = call.onAbort((reason) => {
        const error = abortErrorOf(reason)
        resolve(new RowFailure(error))
        flight.waiters -= 1
        if (flight.waiters > 0 || flight.isOver || flight.isBackground) return
        this.remove(flight)
        flight.call.abort(error)
      })
      void flight.landed.then((landing) => {
        stop()
        resolve(landing)
      })
    })
  }
}
