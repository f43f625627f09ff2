import { mixtureEvidence, mixtureFor } from './mixture-evidence.js'

/** Evidence about the difference of two arms from strata, each joined anew at a look. */
export abstract class Stratified {
  protected abstract joint(): JointDifference

  get estimate(): number | undefined {
    return this.joint().estimate
  }

  above(bound: number): number {
    return this.joint().evidence(1, bound)
  }

  below(bound: number): number {
    return this.joint().evidence(-1, bound)
  }

  z(bound: number): number {
    return this.joint().z(bound)
  }
}

/** How many units each arm must have before a normal approximation says anything. */
export const leastForNormal = 100

/** The difference of two arms among units that were drawn with the same chance. */
export interface StratumDifference {
  readonly control: number
  readonly candidate: number
  readonly difference: number
  /** Of the difference. */
  readonly variance: number
}

/** Differences within strata, joined. */
export interface JointDifference {
  readonly estimate: number | undefined
  /** (estimate − bound) / standard error. */
  z(bound: number): number
  /** ln of the e-value that the difference is beyond the bound in the direction of `sign`. */
  evidence(sign: 1 | -1, bound: number): number
}

/**
 * Joins the differences within strata by the weights n₀n₁ / (n₀ + n₁), so that units of different weights are never compared.
 *
 * A stratum with fewer than 100 units in an arm says nothing. Source: Cochran (1954), for the weights.
 *
 * @param tunedFor - units after which the evidence is strongest
 */
export const joinStrata = (strata: Iterable<StratumDifference>, tunedFor: number): JointDifference => {
  let weights = 0
  let sum = 0
  let squares = 0
  for (const { control, candidate, difference, variance } of strata) {
    if (Math.min(control, candidate) < leastForNormal || !(variance > 0)) continue
    const weight = (control * candidate) / (control + candidate)
    weights += weight
    sum += weight * difference
    squares += weight * weight * variance
  }
  const z = (bound: number): number => (sum - bound * weights) / Math.sqrt(squares)
  return {
    estimate: weights > 0 ? sum / weights : undefined,
    z,
    evidence: (sign, bound) => mixtureEvidence(sign * z(bound), 4 * weights * mixtureFor(tunedFor, 0.05)),
  }
}
