/** What a bandit decides by: pure, from what is known of each arm to the shares they should have. */

/** What is known of an arm. */
export interface ArmStatistics {
  /** Rewards that came back. */
  readonly count: number
  readonly mean: number
  /** The sum of squared deviations from the mean. */
  readonly squares: number
}

/** From what is known of each arm to shares with sum 1. Synchronous, and the same for the same statistics. */
export interface BanditPolicy {
  readonly name: string
  /** Whether it can learn from a reward; others are counted and dropped. */
  accepts(reward: number): boolean
  shares(arms: readonly ArmStatistics[]): number[]
}
