import { driftVerdict } from '../../src/drift/drift-verdict.js'
import { LiveProfile } from '../../src/drift/live-profile.js'
import { referenceProfile } from '../../src/drift/reference-profile.js'
import { seeded } from './_seeded.js'

export type Draw = (random: ReturnType<typeof seeded>) => unknown

/** The share of runs with p ≤ 5 % on one feature, and the share of alarms. */
export const simulate = (runs: number, n: number, m: number, before: Draw, after: Draw = before): { readonly rejected: number; readonly drifted: number } => {
  let rejected = 0
  let drifted = 0
  for (let seed = 1; seed <= runs; seed++) {
    const random = seeded(seed * 7919)
    const reference = referenceProfile(Array.from({ length: n }, () => ({ x: before(random) })))
    const live = new LiveProfile(reference)
    for (let row = 0; row < m; row++) live.count({ x: after(random) })
    const verdict = driftVerdict(reference, live, { minimumRows: 20 })
    if ((verdict.features[0]?.pValue ?? 1) <= 0.05) rejected += 1
    if (verdict.state === 'drifted') drifted += 1
  }
  return { rejected: rejected / runs, drifted: drifted / runs }
}
export const category =
  (shares: readonly number[]): Draw =>
  (random) =>
    `c${random.index(shares)}`
export const even = (k: number): number[] => new Array<number>(k).fill(1 / k)
export const normal: Draw = (random) => random.normal()
/** Heavy tails: Student's t with 2 degrees of freedom. */
export const heavy: Draw = (random) => random.normal() / Math.sqrt(-Math.log(1 - random.uniform()))
