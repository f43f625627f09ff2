/** Lists of texts that only grow, in one order that all who write agree on. */
import { InvalidOptionError, OutriggerError } from '../core/errors.js'
import { stateName } from './state-store.js'

/**
 * Append-only lists under names. An entry is appended only at the place where its writer believes the list to end, so that of several
 * writers who decide at the same time one wins and the others read what it decided.
 *
 * What it rejects with is an error of the store. An entry is whole or absent, and never changes.
 */
export interface Journal {
  /** The entries from a position on; 0 is the first. */
  read(name: string, from?: number): Promise<string[]>
  /** Appends an entry as number `position` (so many are there before it). Says whether it did; if not, the list does not end there. */
  append(name: string, position: number, text: string): Promise<boolean>
}

/** So long may an entry be, in UTF-16 code units: a decision with its numbers is a thousandth of it. */
const longest = 2 ** 20

/** A position to read from or to append at, or a coded error. */
export const journalPosition = (owner: string, position: unknown): number => {
  if (!Number.isSafeInteger(position) || (position as number) < 0) {
    throw new InvalidOptionError(`Cannot use ${owner} as a position must be a whole number of at least 0: current value is ${String(position)}`)
  }
  return position as number
}

/** An entry, or a coded error. */
export const journalText = (owner: string, text: unknown): string => {
  if (typeof text !== 'string' || text.length > longest) {
    throw new InvalidOptionError(`Cannot append to ${owner} as an entry must be a string of at most ${longest} characters: current value is ${typeof text === 'string' ? text.length : typeof text}`)
  }
  return text
}

export const journalDamage = (owner: string, name: string, what: string): OutriggerError =>
  new OutriggerError('ERR_OUTRIGGER_STORE_FAILED', `Cannot read the journal ${name} of ${owner} as its entries must be whole and without a gap: current value is ${what}`)

/** Journals in the memory of this process: for tests, and for a service that is one process and may forget. */
export const memoryJournal = (): Journal => {
  const owner = 'a memory journal'
  const lists = new Map<string, string[]>()
  return {
    read: async (name, from = 0) => {
      const start = journalPosition(owner, from)
      return lists.get(stateName(owner, name))?.slice(start) ?? []
    },
    append: async (name, position, text) => {
      const list = lists.get(stateName(owner, name)) ?? []
      journalText(owner, text)
      if (list.length !== journalPosition(owner, position)) return false
      lists.set(name, list)
      list.push(text)
      return true
    },
  }
}
