/** Engines for tests of sizes: how long a run of n rows takes, in milliseconds. */
import type { Random } from 'outrigger'

export type Engine = (rows: number) => number

export const linear: Engine = (rows) => 5 + 0.1 * rows
/** Costs the same until it is full. */
export const saturating: Engine = (rows) => Math.max(10, 0.2 * rows)
/** Works in tiles of 32. */
export const tiled: Engine = (rows) => 5 * Math.ceil(rows / 32)
/** Rows get dearer in a larger run: it runs out of cache. */
export const congested: Engine = (rows) => 4 + 0.1 * rows + 0.002 * rows * rows
/** No batch form to speak of. */
export const rowByRow: Engine = (rows) => 0.3 * rows

const gauss = (random: Random): number => Math.sqrt(-2 * Math.log(1 - random.next())) * Math.cos(2 * Math.PI * random.next())

/** The same with log-normal noise of 15 %, and a pause of the garbage collector in one run of fifty. */
export const noisy =
  (engine: Engine, random: Random): Engine =>
  (rows) =>
    engine(rows) * Math.exp(0.15 * gauss(random) - 0.011) * (random.next() < 0.02 ? 8 : 1)

/** The best throughput that a fixed size reaches, in rows per millisecond, among those whose runs take no longer than the limit. */
export const bestStatic = (engine: Engine, maxSize: number, limitMs = Infinity): number => {
  let best = 0
  for (let rows = 1; rows <= maxSize; rows += 1) if (engine(rows) <= limitMs) best = Math.max(best, rows / engine(rows))
  return best
}
