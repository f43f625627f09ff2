/** The breakers of one layer, one per scope. */
import type { Breaker, BreakerChange, BreakerRule } from '../policy/breaker.js'
import type { SlowBaseline } from '../policy/slow-baseline.js'

/** A breaker, and what it is told from. */
export interface Cell<B extends Breaker = Breaker> {
  readonly scope: string
  readonly breaker: B
  baseline: SlowBaseline | undefined
}

/** The breakers of one layer. */
export interface Cells<B extends Breaker = Breaker> {
  /** The one of a scope, made at first use; of more than the most the one that was asked least recently is forgotten. O(1). */
  of(scope: string): Cell<B>
  all(): Cell<B>[]
  now(): number
}

/** What works breakers by hand: it makes them, and is told of them. */
export interface Control<B extends Breaker = Breaker> {
  attach(cells: Cells<B>): void
  create(rule: BreakerRule, draw: () => number, onChange: (change: BreakerChange) => void): B
}

/** Makes the breakers of one layer. */
export const breakerCells = (most: number, create: (onChange: (change: BreakerChange) => void) => Breaker, onChange: (cell: Cell, change: BreakerChange) => void, now: () => number): Cells => {
  const cells = new Map<string, Cell>()
  let last: Cell | undefined
  return {
    of: (scope) => {
      if (last?.scope === scope) return last
      let cell = cells.get(scope)
      if (cell === undefined) {
        const made: Cell = { scope, breaker: create((change) => onChange(made, change)), baseline: undefined }
        cell = made
        if (cells.size === most) cells.delete(cells.keys().next().value as string)
      } else cells.delete(scope)
      cells.set(scope, cell)
      return (last = cell)
    },
    all: () => [...cells.values()],
    now,
  }
}
