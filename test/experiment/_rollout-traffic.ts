/** Simulated traffic of a rollout: sticky users of which a few fail often, ramps, and a base rate that swings by the day. */
import { FailureAttribution } from '../../src/experiment/failure-attribution.js'
import { seeded } from '../drift/_seeded.js'

export interface Traffic {
  readonly seed: number
  readonly requests: number
  /** By part of the run, all of one length: the canary's weight. */
  readonly ramp: readonly number[]
  readonly users: number
  /** Who is in the canary: by user and the weight now, by user and the weight when it first came, or by request. */
  readonly assignment: 'hash' | 'stored' | 'request'
  /** Whether half a percent of the users fail in 30 % of their requests. */
  readonly heavy: boolean
  /** Of everybody else. */
  readonly baseRate: number
  /** The base rate times 1 ± this, with ten days in a run. */
  readonly swing: number
  /** What the canary's chance of failing is multiplied by (up to `canaryRate` if that is given). */
  readonly factor?: number
  readonly canaryRate?: number
  /** What is counted: first failures of units, or every failing request. */
  readonly count?: 'units' | 'requests'
}

export interface Rollout {
  readonly isWorse: boolean
  /** Of the canary, until it was rolled back or the run ended. */
  readonly canaryRequests: number
  readonly peak: number
}

/** Serves the traffic until the canary is rolled back. */
export const rollOut = (traffic: Traffic): Rollout => {
  const { seed, requests, ramp, users, assignment, heavy, baseRate, swing, factor = 1, canaryRate, count = 'units' } = traffic
  const random = seeded(seed * 7919 + 11)
  const failures = new FailureAttribution()
  // Where a user lies in the hash space, the weight when it was stored (0: not yet), and whether it fails often.
  const place = Float64Array.from({ length: users }, () => random.uniform())
  const stored = new Float64Array(users)
  const fails = Uint8Array.from({ length: users }, () => Number(heavy && random.uniform() < 0.005))
  let canaryRequests = 0
  for (let request = 0; request < requests; request++) {
    const weight = ramp[Math.floor((request / requests) * ramp.length)] as number
    // A few users send much: the first percent of them send a fifth of all requests.
    const user = Math.floor(users * random.uniform() ** 3)
    if (stored[user] === 0) stored[user] = weight
    const chance = assignment === 'stored' ? (stored[user] as number) : weight
    const isCanary = (assignment === 'request' ? random.uniform() : (place[user] as number)) < chance
    if (isCanary) canaryRequests++
    const base = (fails[user] === 1 ? 0.3 : baseRate) * (1 + swing * Math.sin((request / requests) * 20 * Math.PI))
    if (random.uniform() >= (isCanary ? (canaryRate ?? base * factor) : base)) continue
    failures.fail({ unit: assignment === 'request' || count === 'requests' ? `request ${request}` : user, isCanary, canaryChance: chance })
    if (failures.isWorse) break
  }
  return { isWorse: failures.isWorse, canaryRequests, peak: failures.peak }
}

/** Many runs: the share that was rolled back, and the median and 90th percentile of the canary requests until then. */
export const rollOuts = (runs: number, traffic: Omit<Traffic, 'seed'>): { readonly share: number; readonly median: number; readonly p90: number } => {
  const all = Array.from({ length: runs }, (_, seed) => rollOut({ ...traffic, seed: seed + 1 }))
  const delays = all.map(({ isWorse, canaryRequests }) => (isWorse ? canaryRequests : Infinity)).sort((a, b) => a - b)
  const at = (share: number): number => delays[Math.min(runs - 1, Math.floor(share * runs))] as number
  return { share: all.filter(({ isWorse }) => isWorse).length / runs, median: at(0.5), p90: at(0.9) }
}
