import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { fakeClock } from 'outrigger/testing'
import { Deadlines, type Deadline } from '../../src/core/deadlines.js'

describe('Deadlines', () => {
  it('expires limits in the order in which they began, each at its time, with one timer', async () => {
    const clock = fakeClock()
    const queue = new Deadlines(clock, 100)
    const log: [string, number][] = []
    queue.add(() => log.push(['a', clock.now()]))
    await clock.advance(30)
    queue.add(() => log.push(['b', clock.now()]))
    expect(clock.pending).toBe(1)
    await clock.advance(200)
    expect(log).toEqual([['a', 100], ['b', 130]])
    expect([clock.pending, clock.holding]).toEqual([0, 0])
  })

  it('holds the process while a limit is pending, and only then', async () => {
    const clock = fakeClock()
    const queue = new Deadlines(clock, 100)
    const first = queue.add(() => {})
    expect(clock.holding).toBe(1)
    queue.remove(first)
    expect([clock.pending, clock.holding]).toEqual([1, 0])
    const second = queue.add(() => {})
    expect(clock.holding).toBe(1)
    queue.remove(second)
    queue.remove(second)
    await clock.advance(1000)
    expect(clock.timersSet).toBe(1)
  })

  it('a timer that fires early waits for the rest', async () => {
    const fake = fakeClock()
    const clock = { ...fake, setTimeout: (callback: () => void, ms: number) => fake.setTimeout(callback, ms * 0.9) }
    let expiredAt = -1
    new Deadlines(clock, 100).add(() => (expiredAt = fake.now()))
    await fake.advance(200)
    expect(expiredAt).toBeGreaterThanOrEqual(100)
    expect(expiredAt).toBeLessThan(110)
  })

  it('a limit that is added while others expire gets its time, with one timer', async () => {
    const clock = fakeClock()
    const queue = new Deadlines(clock, 10)
    const log: number[] = []
    queue.add(() => void queue.add(() => log.push(clock.now())))
    queue.add(() => void queue.add(() => log.push(clock.now())))
    await clock.advance(10)
    expect(clock.pending).toBe(1)
    await clock.advance(10)
    expect([log, clock.pending]).toEqual([[20, 20], 0])
    const alone = new Deadlines(clock, 10)
    alone.add(() => void alone.add(() => {}))
    await clock.advance(10)
    expect(clock.pending).toBe(1)
  })

  it('closed while nothing is pending it keeps no timer; what is pending expires all the same', async () => {
    const clock = fakeClock()
    const idle = new Deadlines(clock, 10)
    idle.remove(idle.add(() => {}))
    idle.close()
    expect(clock.pending).toBe(0)
    const busy = new Deadlines(clock, 10)
    let isExpired = false
    busy.add(() => (isExpired = true))
    busy.close()
    await clock.advance(10)
    expect([isExpired, clock.pending]).toEqual([true, 0])
  })

  it('agrees with a list: every limit that is not removed expires once, at its time', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.tuple(fc.constantFrom('add', 'remove', 'wait'), fc.nat({ max: 60 })), { maxLength: 60 }), async (steps) => {
        const clock = fakeClock()
        const queue = new Deadlines(clock, 50)
        const pending: { at: number; deadline: Deadline; id: number }[] = []
        const expired: [number, number][] = []
        const expected: [number, number][] = []
        let now = 0
        let id = 0
        const pass = async (ms: number): Promise<void> => {
          now += ms
          while (pending.length > 0 && pending[0]!.at <= now) {
            const { at, id: due } = pending.shift()!
            expected.push([due, at])
          }
          await clock.advance(ms)
        }
        for (const [kind, number] of steps) {
          if (kind === 'add') {
            const mine = (id += 1)
            pending.push({ id: mine, at: now + 50, deadline: queue.add(() => expired.push([mine, clock.now()])) })
          } else if (kind === 'remove' && pending.length > 0) queue.remove(pending.splice(number % pending.length, 1)[0]!.deadline)
          else await pass(number)
          expect(clock.holding).toBe(pending.length > 0 ? 1 : 0)
        }
        await pass(100)
        expect(expired).toEqual(expected)
        expect(clock.pending).toBe(0)
      }),
      { seed: 8, numRuns: 60 },
    )
  })
})
