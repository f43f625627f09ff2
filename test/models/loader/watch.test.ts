import { describe, expect, it } from 'vitest'
import { seededRandom } from '../../../src/core/random.js'
import { modelLoader, type ModelLoader } from '../../../src/models/loader/model-loader.js'
import type { ModelLoaderOptions } from '../../../src/models/loader/loader-options.js'
import { fakeClock, type FakeClock } from '../../../src/testing/fake-clock.js'
import { eventsOf, FakeSource, heardOf, settle } from './_loader-kit.js'

interface Watched {
  readonly source: FakeSource
  readonly clock: FakeClock
  readonly loader: ModelLoader<number, string>
  /** The versions that were loaded, in order. */
  readonly loads: string[]
}

const watched = async (versions: number, options: Partial<ModelLoaderOptions<number, string>> = {}): Promise<Watched> => {
  const source = new FakeSource()
  for (let version = 0; version < versions; version += 1) source.publish()
  source.aliases.set('champion', 1)
  const clock = fakeClock()
  const loads: string[] = []
  const loader = modelLoader({
    store: source, name: 'delay', follow: 'champion', clock, random: seededRandom('watch'),
    load: (files) => {
      const content = files.text('content')
      loads.push(content)
      if (content.startsWith('bad')) throw new Error('bad')
      return (row: number) => `${content}:${row}`
    },
    ...options,
  } as ModelLoaderOptions<number, string>)
  await loader.whenReady()
  return { source, clock, loader, loads }
}

const outage = (): never => { throw Object.assign(new Error('no store'), { code: 'ECONNREFUSED' }) }

describe('modelLoader watch', () => {
  it('follows the alias by poll, tries a refused version once, and goes on after errors', async () => {
    const { source, clock, loader, loads } = await watched(1, { retries: 0 })
    const heard = eventsOf(loader)
    source.publish('bad')
    source.publish('3')
    const tick = async (): Promise<void> => {
      await clock.advance(1_000)
      await settle(clock)
    }
    loader.watch({ everyMs: 1_000 })
    expect([clock.pending, clock.holding]).toEqual([1, 0]) // unref'ed
    await tick()
    expect(loads).toEqual(['1'])
    source.aliases.set('champion', 2)
    for (let looks = 0; looks < 3; looks += 1) await tick()
    expect([loads, loader.identity.version]).toEqual([['1', 'bad'], '1'])
    source.aliases.set('champion', 3)
    await tick()
    expect([loads, loader.identity.version]).toEqual([['1', 'bad', '3'], '3'])
    expect(heard.filter((text) => text.includes('quarantined') || text.startsWith('Looking'))).toEqual(['delay@2 quarantined'])
    await loader.close()
    expect(clock.pending).toBe(0)
  })

  it('looks less and less often while the store is down, spread, never less than every `maxMs`, and as before once it is back', async () => {
    const { source, clock, loader } = await watched(2, { retries: 0 })
    const { notices } = heardOf(loader)
    source.fault = outage
    loader.watch({ everyMs: 1_000, maxMs: 60_000 })
    const looks: number[] = []
    let last = 0
    for (let ms = 0; looks.length < 12; ms += 100) {
      await clock.advance(100)
      if (notices.length > looks.length) {
        looks.push(clock.now() - last)
        last = clock.now()
      }
      expect(ms).toBeLessThan(900_000)
    }
    expect(looks[0]).toBe(1_000)
    expect(Math.min(...looks)).toBeGreaterThanOrEqual(1_000)
    expect(Math.max(...looks)).toBeLessThanOrEqual(60_100)
    const sum = (some: readonly number[]): number => some.reduce((total, ms) => total + ms, 0)
    expect(sum(looks.slice(-4))).toBeGreaterThan(3 * sum(looks.slice(0, 4)))
    expect(new Set(looks).size).toBeGreaterThan(6)
    expect(notices[0]).toMatchObject({ layer: 'model-loader', message: 'Looking for a new version of delay@champion failed.', error: { code: 'ECONNREFUSED' } })
    source.fault = () => {}
    source.aliases.set('champion', 2)
    await clock.advance(60_000)
    expect(loader.identity.version).toBe('2')
    source.aliases.set('champion', 1)
    await clock.advance(1_000)
    expect(loader.identity.version).toBe('1')
    await loader.close()
  })

  it('tries again within a look what may pass, and gives that up when somebody asks for something else', async () => {
    const { source, clock, loader } = await watched(3, { retries: 3, retryDelayMs: 100 })
    const { states, notices } = heardOf(loader)
    source.aliases.set('champion', 2)
    source.fault = (place) => (place === 'open' ? outage() : undefined)
    loader.watch({ everyMs: 1_000 })
    await clock.advance(1_000)
    await settle(clock)
    expect(notices.map(({ message }) => message)).toEqual([expect.stringMatching(/^Loading delay@2 failed for now; it is tried again in \d+ ms\.$/)])
    expect([clock.holding, notices[0]?.data]).toEqual([0, expect.objectContaining({ subject: 'delay@2', stage: 'open', retry: 1, retries: 3 })])
    source.fault = () => {}
    const used = loader.use(3) // a person at the keyboard does not wait for the pauses of a watch
    await settle(clock)
    expect((await used).version).toBe('3')
    expect(states.map(({ subject, to }) => `${subject} ${to}`)).toEqual(expect.arrayContaining(['delay@2 disposed', 'delay@3 live']))
    expect(loader.quarantined).toEqual([])
    await loader.close()
    expect(clock.pending).toBe(0)
  })

  it('stops when told, and a pinned version is not swapped away', async () => {
    const { clock, source, loader } = await watched(2, { follow: 'latest' })
    await loader.use(1)
    const stop = loader.watch({ everyMs: 10 })
    await clock.advance(10)
    expect(loader.identity.version).toBe('1')
    source.publish()
    await clock.advance(100)
    expect(loader.identity.version).toBe('1')
    stop()
    expect(clock.pending).toBe(0)
    expect(() => loader.watch({ everyMs: 0 })).toThrow(expect.objectContaining({ code: 'ERR_OUTRIGGER_INVALID_OPTION' }))
    expect(() => loader.watch({ everyMs: 10, maxMs: 9 })).toThrow(expect.objectContaining({ code: 'ERR_OUTRIGGER_INVALID_OPTION' }))
    await loader.close()
  })

  it('a second watch takes the place of the first', async () => {
    const { clock, loader } = await watched(1)
    loader.watch({ everyMs: 10 })
    loader.watch({ everyMs: 20 })
    expect(clock.pending).toBe(1)
    await loader.close()
    expect(clock.pending).toBe(0)
  })
})

describe('modelLoader notify', () => {
  it('looks now; any number of them while a version loads are one look more', async () => {
    const { source, clock, loader, loads } = await watched(2)
    source.aliases.set('champion', 2)
    let open = (): void => {}
    source.fault = (place) => (place === 'open' ? new Promise<void>((resolve) => { open = resolve }) : undefined)
    loader.notify()
    await settle(clock)
    const before = source.asked.length
    for (let times = 0; times < 50; times += 1) loader.notify()
    await settle(clock)
    open()
    await settle(clock)
    expect([loader.identity.version, loads]).toEqual(['2', ['1', '2']])
    expect(source.asked.length - before).toBeLessThanOrEqual(2)
    await loader.close()
  })

  it('failures are notices, not rejections', async () => {
    const { source, clock, loader } = await watched(1, { retries: 0 })
    const { notices } = heardOf(loader)
    source.fault = outage
    loader.notify()
    await settle(clock)
    expect(notices).toHaveLength(1)
    await loader.close()
    loader.notify()
    await settle(clock)
    expect(notices).toHaveLength(1)
  })
})
