import { describe, expect, it } from 'vitest'
import { fakeClock } from 'outrigger/testing'

describe('fakeClock', () => {
  it('stands still until it is told to go on; wall goes with it', async () => {
    const clock = fakeClock({ wallMs: 1000 })
    expect([clock.now(), clock.wall()]).toEqual([0, 1000])
    await clock.advance(2.5)
    expect([clock.now(), clock.wall()]).toEqual([2.5, 1002.5])
  })

  it('runs timers in order of their time, then of their making, each at its own time', async () => {
    const clock = fakeClock()
    const log: [string, number][] = []
    for (const [name, ms] of [['c', 30], ['a', 10], ['b', 10], ['late', 31], ['now', 0], ['past', -5]] as const) clock.setTimeout(() => log.push([name, clock.now()]), ms)
    await clock.advance(30)
    expect(log).toEqual([['now', 0], ['past', 0], ['a', 10], ['b', 10], ['c', 30]])
    expect(clock.pending).toBe(1)
  })

  it('lets what a timer settles run before the next timer, and runs timers that timers set', async () => {
    const clock = fakeClock()
    const log: string[] = []
    const sleep = (ms: number): Promise<void> => new Promise((resolve) => void clock.setTimeout(resolve, ms))
    const work = async (): Promise<void> => {
      await sleep(10)
      log.push('woke at 10')
      await sleep(5)
      log.push(`woke at ${clock.now()}`)
    }
    clock.setTimeout(() => log.push('timer at 12'), 12)
    void work()
    await clock.advance(20)
    expect(log).toEqual(['woke at 10', 'timer at 12', 'woke at 15'])
  })

  it('counts what is asked of it, and which timers would hold a process', async () => {
    const clock = fakeClock()
    const timers = [clock.setTimeout(() => {}, 10), clock.setTimeout(() => {}, 20)]
    timers[0]!.unref()
    clock.now()
    clock.wall()
    expect([clock.reads, clock.timersSet, clock.pending, clock.holding]).toEqual([2, 2, 2, 1])
    timers[0]!.ref()
    clock.clearTimeout(timers[1]!)
    expect([clock.pending, clock.holding]).toEqual([1, 1])
    await clock.advance(10)
    expect([clock.pending, clock.timersSet]).toEqual([0, 2])
  })

  it('a timer that is cleared by one before it does not run', async () => {
    const clock = fakeClock()
    let ran = false
    const second = clock.setTimeout(() => (ran = true), 10)
    clock.setTimeout(() => clock.clearTimeout(second), 5)
    await clock.advance(20)
    expect(ran).toBe(false)
  })

  it('settle runs what is ready, and lets no time pass', async () => {
    const clock = fakeClock()
    const log: string[] = []
    clock.setTimeout(() => log.push('timer'), 0)
    clock.setImmediate(() => void Promise.resolve().then(() => log.push('immediate')))
    await clock.settle()
    expect([log, clock.now()]).toEqual([['immediate'], 0])
  })
})
