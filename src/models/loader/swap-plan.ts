/** How a version makes room for itself: beside the live one, or in its place. Pure. */

/**
 * `available`: the new version is loaded beside the live one, so that calls are answered all the time; for a while both are
 * in memory. `frugal`: the live one is drained and unloaded first; until the new one is live there is none. `auto`:
 * `available` where both fit into the budget, else `frugal`.
 */
export type SwapStrategy = 'available' | 'frugal' | 'auto'

/** What is in memory, and what is to come, in bytes. */
export interface SwapSituation {
  readonly strategy: SwapStrategy
  /** Only `auto` looks at it. */
  readonly budgetBytes: number
  readonly incomingBytes: number
  /** The live version's; `undefined` if none is live. */
  readonly liveBytes: number | undefined
  /** Previous versions that are kept warm, those that go first in front. */
  readonly warmBytes: readonly number[]
  readonly drainingBytes: number
}

/** What has to go before the new version is loaded. */
export interface SwapPlan {
  /** Whether it fits at all, even alone. */
  readonly fits: boolean
  /** So many of the warm versions go. */
  readonly evict: number
  /** Whether the live one goes too. */
  readonly unloadsFirst: boolean
}

/** What has to go before a version is loaded. Warm versions go before the live one, the least recently live first. */
export const planSwap = ({ strategy, budgetBytes, incomingBytes, liveBytes, warmBytes, drainingBytes }: SwapSituation): SwapPlan => {
  const isLive = liveBytes !== undefined
  if (strategy === 'available') return { fits: true, evict: 0, unloadsFirst: false }
  if (strategy === 'frugal') return { fits: true, evict: warmBytes.length, unloadsFirst: isLive }
  if (incomingBytes > budgetBytes) return { fits: false, evict: 0, unloadsFirst: false }
  let total = incomingBytes + (liveBytes ?? 0) + drainingBytes + warmBytes.reduce((sum, bytes) => sum + bytes, 0)
  let evict = 0
  for (; evict < warmBytes.length && total > budgetBytes; evict += 1) total -= warmBytes[evict] as number
  return { fits: true, evict, unloadsFirst: isLive && total > budgetBytes }
}
