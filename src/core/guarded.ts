/**
 * What a record leaves out and a keyed hash may stand for: the key of the call, and the fields tagged `key`.
 *
 * Only the writer of captured records asks for it, and hands on nothing but hashes; it is not exported. While no writer asks, nothing is kept.
 */
import type { Masked } from './masking.js'
import type { PredictionRecord } from './record.js'

/** Raw values. Never to be handed on. */
export interface Guarded {
  readonly key: string | undefined
  readonly fields: Masked | undefined
}

const held = new WeakMap<PredictionRecord, Guarded>()
let askers = 0

/** Asks that guarded values are kept, until the returned function is called. */
export const askForGuarded = (): (() => void) => {
  askers += 1
  return () => void (askers -= 1)
}

/** Keeps what a record leaves out for as long as the record lives, if anybody asks. */
export const keepGuarded = (record: PredictionRecord, key: string | undefined, fields: () => Masked | undefined): void => {
  if (askers > 0) held.set(record, { key, fields: fields() })
}

/** What a record left out. */
export const guardedOf = (record: PredictionRecord): Guarded | undefined => held.get(record)
