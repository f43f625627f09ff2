import { describe, expect, test } from 'vitest'
import { ShadowGuard, type GuardChange } from '../../src/route/_shadow-guard.js'

const guarded = (rule: { maxLagMs?: number; maxShare?: number } = {}) => {
  const changes: GuardChange[] = []
  return { changes, guard: new ShadowGuard({ maxLagMs: 20, maxShare: 0.05, ...rule }, (change) => changes.push(change)) }
}

describe('ShadowGuard', () => {
  test('keeps the share over a long time, whatever the runs ask for', () => {
    for (const [runMs, share] of [[0.1, 0.05], [1, 0.05], [4, 0.02]] as const) {
      const { guard } = guarded({ maxShare: share })
      let spent = 0
      for (let now = 0; now < 600_000; now += 5) {
        if (!guard.admits(now)) continue
        for (let run = 0; run < 4 / runMs; run += 1) {
          guard.spend(runMs, 5, now)
          spent += runMs
        }
      }
      // What was saved up at first, and one turn beyond.
      expect(spent / 600_000).toBeLessThanOrEqual(share + (share * 4000 + 4) / 600_000)
      expect(spent / 600_000).toBeGreaterThan(0.95 * share)
    }
  })

  test('counts a long run as many times as it is longer than what is tolerated', () => {
    const { guard } = guarded()
    let held = 0
    for (let now = 0; now < 600_000; now += 5) {
      if (!guard.admits(now)) continue
      guard.spend(20, 1, now)
      held += 20
    }
    // Pieces of 20 ms where 1 ms is tolerated get a twentieth of the share.
    expect(held / 600_000).toBeGreaterThan(0.9 * 0.0025)
    expect(held / 600_000).toBeLessThan(1.1 * 0.0025)
  })

  test('forgives even the longest run after a minute', () => {
    const { guard } = guarded()
    guard.spend(100_000, 1, 0)
    expect([guard.admits(59_900), guard.admits(60_100)]).toEqual([false, true])
  })

  test('pauses while the event loop is late, and says so once until it was calm for ten seconds', () => {
    const { guard, changes } = guarded()
    const at = (now: number, lagMs: number): boolean => {
      if (guard.wantsLook(now)) guard.look(lagMs, now)
      return guard.admits(now)
    }
    expect([at(0, 19), at(100, 99), at(300, 21), at(600, 15), at(900, 9), at(1200, 30), at(1500, 1), at(9000, 1), at(11_300, 1)]).toEqual([true, true, false, false, true, false, true, true, true])
    expect(changes.map(({ from, to }) => `${from}-${to}`)).toEqual(['running-paused', 'paused-running'])
    expect(changes[0]!.reason).toBe('the event loop is 21.0 ms late, above 20 ms')
  })

  test('can be told not to mind', () => {
    const { guard } = guarded({ maxLagMs: Infinity, maxShare: 1 })
    guard.spend(1e9, 1, 0)
    expect([guard.wantsLook(1000), guard.admits(0)]).toEqual([false, true])
  })

  test('a clock that jumps back pays nothing and stops nothing', () => {
    const { guard } = guarded()
    guard.admits(1e9)
    guard.spend(500, 1000, 1e9)
    expect([guard.admits(0), guard.wantsLook(0), guard.admits(7000)]).toEqual([false, true, true])
  })
})
