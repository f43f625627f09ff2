/** Which variant has which part of the hash space: monotone as a variant grows. Pure. */
import { InvalidOptionError } from '../core/errors.js'

/** A stretch of the hash space [0, 2³²) that belongs to a variant. */
export interface Stretch {
  /** Inclusive. */
  readonly from: number
  /** Exclusive. */
  readonly to: number
  /** The position of the variant in the order of the weights; 0 is the control. */
  readonly variant: number
}

const SPACE = 4294967296

/**
 * Lays variants out in the hash space.
 *
 * The first weight is the control's: it has whatever no other variant takes. Each other variant has a home, all of one
 * size, and fills it from its start, so that it takes units from the control only as it grows and gives them back to
 * it only as it shrinks. One that outgrows its home fills the others' from their ends. Nobody leaves a variant that
 * grows: for up to two variants beside the control always; for more, as long as none needs more than its home.
 *
 * @param weights - in [0, 1], with sum 1; the control's first
 * @throws `ERR_OUTRIGGER_INVALID_OPTION` when a weight is not in [0, 1], or their sum is not 1 (± 1e-9)
 */
export const layOut = (weights: readonly number[]): Stretch[] => {
  const sum = weights.reduce((total, weight) => total + weight, 0)
  if (weights.length === 0 || weights.some((weight) => typeof weight !== 'number' || !(weight >= 0 && weight <= 1)) || Math.abs(sum - 1) > 1e-9) {
    throw new InvalidOptionError(`Cannot lay out variants as their weights must be in [0, 1] with sum 1: current value is [${weights.join(', ')}]`)
  }
  const homes = weights.length - 1
  const start = (home: number): number => Math.round((SPACE * home) / homes)
  const stretches: Stretch[] = []
  const wanted = weights.slice(1).map((weight) => Math.round(weight * SPACE))
  const bottoms = wanted.map((units, home) => start(home) + Math.min(units, start(home + 1) - start(home)))
  const tops = wanted.map((_, home) => start(home + 1))
  wanted.forEach((units, home) => {
    const variant = home + 1
    const atHome = (bottoms[home] as number) - start(home)
    if (atHome > 0) stretches.push({ from: start(home), to: bottoms[home] as number, variant })
    let left = units - atHome
    for (let step = 1; step < homes && left > 0; step += 1) {
      const other = (home + step) % homes
      const top = tops[other] as number
      const taken = Math.min(left, top - (bottoms[other] as number))
      if (taken <= 0) continue
      stretches.push({ from: top - taken, to: top, variant })
      tops[other] = top - taken
      left -= taken
    }
  })
  return stretches.sort((a, b) => a.from - b.from)
}
