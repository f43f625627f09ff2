import { describe, expect, it } from 'vitest'
import { BurnRate } from '../../src/policy/burn-rate.js'

const start = Date.UTC(2026, 0, 1)
const minute = 60_000
const hour = 60 * minute
const burning = (burn: BurnRate, at: number): string[] => burn.read(at).filter(({ isBurning }) => isBurning).map(({ rule }) => rule.name)

/** One event a second, of which every `n`th is bad. */
const run = (burn: BurnRate, from: number, to: number, badShare: number): void => {
  let owed = 0
  for (let at = from; at < to; at += 1000) {
    owed += badShare
    const isBad = owed >= 1 - 1e-9
    if (isBad) owed -= 1
    burn.count(!isBad, at)
  }
}

describe('BurnRate', () => {
  it('is quiet within the budget, and reads the rate', () => {
    const burn = new BurnRate({ objective: 0.99 })
    run(burn, start, start + 2 * hour, 0.005)
    expect(burning(burn, start + 2 * hour)).toEqual([])
    expect(burn.read(start + 2 * hour)[0]).toMatchObject({ long: expect.closeTo(0.5, 1) as number, bad: expect.closeTo(18, -1) as number })
  })

  it('fires the rule whose rate is reached in both windows, and no other', () => {
    const burn = new BurnRate({ objective: 0.999 })
    run(burn, start, start + 6 * hour, 0.0075) // 7.5 times the budget: above 6, below 14.4
    expect(burning(burn, start + 6 * hour)).toEqual(['slow', 'creeping'])
  })

  it('a short burst in a quiet hour is not enough for the long window', () => {
    const burn = new BurnRate({ objective: 0.99 })
    run(burn, start, start + hour, 0)
    run(burn, start + hour, start + hour + 3 * minute, 1)
    // 180 of 3780: 4.8 times the budget over the hour, however bad the last minutes.
    expect(burning(burn, start + hour + 3 * minute)).not.toContain('fast')
  })

  it('ends soon after the trouble, by the short window', () => {
    const burn = new BurnRate({ objective: 0.999 })
    run(burn, start, start + hour, 0.05)
    expect(burning(burn, start + hour)).toContain('fast')
    run(burn, start + hour, start + hour + 6 * minute, 0)
    expect(burning(burn, start + hour + 6 * minute)).not.toContain('fast')
    expect(burn.read(start + hour + 6 * minute)[0]!.long).toBeGreaterThan(14.4)
  })

  it('few bad events say nothing', () => {
    const burn = new BurnRate({ objective: 0.999, minimumBad: 10 })
    for (let index = 0; index < 9; index++) burn.count(false, start + index)
    expect(burning(burn, start + 10)).toEqual([])
    burn.count(false, start + 10)
    expect(burning(burn, start + 10)).toEqual(['fast', 'slow', 'creeping'])
  })

  it('forgets what is older than the window, also over a long silence', () => {
    const burn = new BurnRate({ objective: 0.999 })
    run(burn, start, start + hour, 1)
    const [fast, slow, creeping] = burn.read(start + 3 * hour)
    expect([fast!.events, slow!.events, creeping!.events]).toEqual([0, 3600, 3600])
    expect(burn.read(start + 1000 * hour).map(({ events }) => events)).toEqual([0, 0, 0])
  })

  it('an event that is told late counts in its own bucket', () => {
    const burn = new BurnRate({ objective: 0.999 })
    burn.count(true, start + hour)
    burn.count(false, start + 30 * minute)
    burn.count(false, start - 10 * hour)
    const [fast, , creeping] = burn.read(start + hour)
    expect([fast!.bad, creeping!.bad]).toEqual([1, 2])
    expect(fast!.short).toBe(0)
  })

  it.each([minute, 2 * hour, 1000 * hour])('goes on where a clock was ahead by %d ms for a while: what lies after now counts as of now', (ahead) => {
    const burn = new BurnRate({ objective: 0.999 })
    run(burn, start, start + hour - minute, 0)
    burn.count(false, start + hour + ahead)
    // What was pushed out of the windows is gone; the one that is too late is in the newest bucket.
    expect(burn.read(start + hour)).toMatchObject([{ bad: 1, events: ahead > minute ? 1 : 3421 }, { bad: 1 }, { bad: 1 }])
    run(burn, start + hour, start + hour + 10 * minute, 1)
    expect(burn.read(start + hour + 10 * minute)[0]).toMatchObject({ bad: 601, short: expect.closeTo(1000) as number })
    expect(burn.read(start + 200 * hour).map(({ events }) => events)).toEqual([0, 0, 0])
  })

  it('processes add up to what one would have counted, in any order, through JSON', () => {
    const one = new BurnRate({ objective: 0.999 })
    const parts = [0, 1, 2].map(() => new BurnRate({ objective: 0.999 }))
    for (let index = 0; index < 3000; index++) {
      const at = start + index * 7919
      one.count(index % 97 !== 0, at)
      parts[index % 3]!.count(index % 97 !== 0, at)
    }
    const end = start + 3000 * 7919
    for (const order of [[0, 1, 2], [2, 0, 1]]) {
      const sum = new BurnRate({ objective: 0.999 })
      for (const part of order) sum.merge(JSON.parse(JSON.stringify(parts[part])))
      expect(sum.read(end)).toEqual(one.read(end))
    }
  })

  it.each([
    ['another objective', { objective: 0.99, rings: [] }],
    ['counts that are none', { ...new BurnRate({ objective: 0.999 }).toJSON(), rings: [{ newest: 0, events: [-1], bad: [0] }] }],
    ['nothing', undefined],
  ])('refuses to merge %s', (_, other) => {
    expect(() => new BurnRate({ objective: 0.999 }).merge(other as never)).toThrow(expect.objectContaining({ code: 'ERR_OUTRIGGER_INVALID_OPTION' }))
  })

  it.each([[{ objective: 1 }], [{ objective: 0 }], [{ objective: 0.9, rules: [] }], [{ objective: 0.9, minimumBad: 0 }], [{ objective: 0.9, rules: [{ name: 'x', rate: 1, longMs: 10, shortMs: 20 }] }], [{ objective: 0.9, windows: 3 }]])('refuses %j', (options) => {
    expect(() => new BurnRate(options as never)).toThrow(expect.objectContaining({ code: 'ERR_OUTRIGGER_INVALID_OPTION' }))
  })

  it('refuses a time that is none', () => {
    expect(() => new BurnRate({ objective: 0.9 }).count(true, NaN)).toThrow(expect.objectContaining({ code: 'ERR_OUTRIGGER_INVALID_OPTION' }))
  })
})
