import { describe, expect, it } from 'vitest'
import { cached } from '../../../src/cache/cached.js'
import { layer } from '../../../src/core/layer.js'
import { pipe } from '../../../src/core/pipe.js'
import { seededRandom } from '../../../src/core/random.js'
import type { ModelLoaderOptions } from '../../../src/models/loader/loader-options.js'
import { modelLoader, type ModelLoader } from '../../../src/models/loader/model-loader.js'
import { fallback } from '../../../src/resilience/fallback.js'
import { fakeClock, type FakeClock } from '../../../src/testing/fake-clock.js'
import { FakeSource, heardOf, settle, steps, throughTheGate } from './_loader-kit.js'

interface Setting {
  readonly source: FakeSource
  readonly clock: FakeClock
  readonly loader: ModelLoader<number, string>
  /** What was loaded and disposed, in order: `+1 -1`. */
  readonly memory: string[]
  /** Contents whose load waits, and what lets it go on. */
  readonly held: Map<string, () => void>
  /** Contents that do not load. */
  readonly bad: Map<string, () => unknown>
}

const setting = async (versions: number, options: Partial<ModelLoaderOptions<number, string>> & { readonly bytes?: number } = {}): Promise<Setting> => {
  const { bytes = 10, ...given } = options
  const source = new FakeSource()
  for (let version = 1; version <= versions; version += 1) source.publish(String(version))
  source.aliases.set('champion', 1)
  const clock = fakeClock()
  const memory: string[] = []
  const held = new Map<string, () => void>()
  const bad = new Map<string, () => unknown>()
  const loader = modelLoader({
    store: source, name: 'delay', follow: 'champion', clock, random: seededRandom('swap'), warmup: [], check: () => {},
    load: async (files) => {
      const content = files.text('content')
      if (held.has(content)) await new Promise<void>((resolve) => held.set(content, resolve))
      bad.get(content)?.()
      memory.push(`+${content}`)
      return { predict: (row: number) => `${content}:${row}`, dispose: () => void memory.push(`-${content}`), describe: () => ({ bytes, device: 'test' }) }
    },
    ...given,
  } as ModelLoaderOptions<number, string>)
  await loader.whenReady()
  return { source, clock, loader, memory, held, bad }
}

/** A layer outside in which calls wait until they are let go. */
const waitingAround = (loader: ModelLoader<number, string>): { readonly outer: ReturnType<typeof pipe<number, string>>; readonly open: () => void } => {
  let open = (): void => {}
  const gate = new Promise<void>((resolve) => { open = resolve })
  const outer = pipe(loader, layer('waiting', { one: async (next, input: number, call) => { await gate; return await next(input, call) } }))
  return { outer: outer as never, open: () => open() }
}

const failure = async (promise: Promise<unknown>): Promise<unknown> => await promise.then(() => 'no error', (error: unknown) => error)
const states = (loader: ModelLoader<number, string>): string[] => loader.loaded.map(({ identity, state, leases }) => `${identity.version} ${state} ${leases}`)
const broken = (): never => { throw new Error('broken') }
const outage = (): never => { throw Object.assign(new Error('no descriptors'), { code: 'EMFILE' }) }

describe('loaded', () => {
  it('says state, leases, bytes, since when, and what the engine says', async () => {
    const { loader, clock } = await setting(2, { bytes: 123 })
    const began = clock.wall()
    await clock.advance(1_000)
    const { outer, open } = waitingAround(loader)
    const stuck = outer(1)
    await loader.use(2)
    expect(loader.loaded).toEqual([
      { identity: expect.objectContaining({ version: '2' }), state: 'live', since: began + 1_000, leases: 0, bytes: 123, description: { bytes: 123, device: 'test' } },
      { identity: expect.objectContaining({ version: '1' }), state: 'draining', since: began + 1_000, leases: 1, bytes: 123, description: { bytes: 123, device: 'test' } },
    ])
    open()
    await stuck
    await outer.close()
    await loader.close()
  })

  it('measures by the files where the engine says nothing', async () => {
    const source = new FakeSource()
    source.publish('four')
    const loader = modelLoader({ store: source, name: 'delay', load: () => ({ predict: (row: number) => row, describe: () => 'a text of another kind' as never }) })
    await loader.whenReady()
    expect(loader.loaded).toMatchObject([{ bytes: 4, description: {} }])
    await loader.close()
  })
})

describe('previous versions that are kept warm', () => {
  it('come back without being loaded, the store unasked, and the least recently live goes first', async () => {
    const { loader, memory, source, clock } = await setting(4, { keepWarm: 2 })
    for (const version of [2, 3]) await loader.use(version)
    expect([memory, states(loader)]).toEqual([['+1', '+2', '+3'], ['3 live 0', '2 ready 0', '1 ready 0']])
    const asked = source.asked.length
    const { states: heard } = heardOf(loader)
    expect((await loader.use(1)).version).toBe('1')
    expect([memory.length, source.asked.length, await loader(7)]).toEqual([3, asked, '1:7'])
    expect(heard.map(({ subject, from, to }) => `${subject} ${from} ${to}`)).toEqual(['delay@1 ready live', 'delay@3 live ready'])
    expect(states(loader)).toEqual(['1 live 0', '3 ready 0', '2 ready 0'])
    await loader.use(4)
    await settle(clock)
    expect([memory.slice(3), states(loader)]).toEqual([['+4', '-2'], ['4 live 0', '1 ready 0', '3 ready 0']])
    await loader.close()
    expect(memory.slice(5).sort()).toEqual(['-1', '-3', '-4'])
  })

  it('an alias that moves back is followed without loading', async () => {
    const { loader, memory, source } = await setting(2, { keepWarm: 1 })
    source.aliases.set('champion', 2)
    await loader.refresh()
    source.aliases.set('champion', 1)
    expect((await loader.refresh()).version).toBe('1')
    expect(memory).toEqual(['+1', '+2'])
    await loader.close()
  })

  it('serve those who hold them, also after they were let go', async () => {
    const { loader, clock, memory } = await setting(3, { keepWarm: 1 })
    const { outer, open } = waitingAround(loader)
    const stuck = outer(5)
    await loader.use(2)
    expect(states(loader)).toEqual(['2 live 0', '1 ready 1'])
    await loader.use(3)
    await settle(clock)
    expect([states(loader), memory]).toEqual([['3 live 0', '2 ready 0', '1 draining 1'], ['+1', '+2', '+3']])
    open()
    expect(await stuck).toBe('1:5')
    await settle(clock)
    expect(memory.at(-1)).toBe('-1')
    await outer.close()
    await loader.close()
  })
})

describe('a version that still drains', () => {
  it('is taken back rather than loaded a second time', async () => {
    const { loader, memory, clock } = await setting(2, { drainMs: 5_000 })
    const { outer, open } = waitingAround(loader)
    const stuck = outer(1)
    await loader.use(2)
    await clock.advance(4_000)
    expect(states(loader)).toEqual(['2 live 0', '1 draining 1'])
    const { states: heard, notices } = heardOf(loader)
    await loader.use(1)
    await settle(clock)
    expect([memory, states(loader)]).toEqual([['+1', '+2', '-2'], ['1 live 1']])
    expect(heard.map(({ subject, from, to }) => `${subject} ${from} ${to}`)).toEqual(['delay@1 draining live', 'delay@2 live draining', 'delay@2 draining disposed'])
    await clock.advance(60_000) // its drain deadline is forgotten
    open()
    expect([await stuck, await loader(2), notices]).toEqual(['1:1', '1:2', []])
    // And drains anew when it is replaced again.
    await loader.use(2)
    await settle(clock)
    expect([memory.slice(3), states(loader)]).toEqual([['+2', '-1'], ['2 live 0']])
    await outer.close()
    await loader.close()
    expect(clock.pending).toBe(0)
  })

  it('is loaded anew after its deadline', async () => {
    const { loader, memory, clock } = await setting(2, { drainMs: 5_000 })
    const { outer, open } = waitingAround(loader)
    const stuck = failure(outer(1))
    await loader.use(2)
    await clock.advance(5_000)
    await loader.use(1)
    expect(memory.slice(0, 4)).toEqual(['+1', '+2', '-1', '+1'])
    open()
    expect(await stuck).toMatchObject({ code: 'ERR_OUTRIGGER_CLOSED' })
    await outer.close()
    await loader.close()
  })

  it('says at the deadline how many hold it, and how many are in it', async () => {
    const source = new FakeSource()
    source.publish()
    source.publish()
    const clock = fakeClock()
    let leave = (): void => {}
    const loader = modelLoader({ store: source, name: 'delay', follow: 1, clock, drainMs: 1_000, load: () => (row: number) => new Promise<number>((resolve) => { leave = () => resolve(row) }) })
    await loader.whenReady()
    const { notices } = heardOf(loader)
    const inside = loader(1)
    const { outer, open } = waitingAround(loader as never)
    const outside = failure(outer(2))
    await settle(clock)
    await loader.use(2)
    await clock.advance(1_000)
    expect(notices.at(-1)).toMatchObject({ message: 'Calls still hold delay@1, 1000 ms after it was replaced.', data: { subject: 'delay@1', leases: 2, inModel: 1, digest: source.versions[0]?.digest } })
    open()
    await outside
    leave()
    await inside
    await outer.close()
    await loader.close()
  })
})

describe('a change while another one loads', () => {
  it('a rollback to what is in memory does not wait for the load, which then does not go live', async () => {
    const { loader, held, memory, clock } = await setting(3, { keepWarm: 1 })
    await loader.use(2)
    held.set('3', () => {})
    const release = failure(loader.use(3))
    await settle(clock)
    expect((await loader.use(1)).version).toBe('1')
    expect(await loader(1)).toBe('1:1')
    const { states: heard } = heardOf(loader)
    held.get('3')!()
    expect(await release).toMatchObject({ code: 'ERR_OUTRIGGER_ABORTED' })
    await settle(clock)
    expect([loader.identity.version, memory, heard.at(-1)]).toEqual(['1', ['+1', '+2', '+3', '-3'], expect.objectContaining({ subject: 'delay@3', to: 'disposed', reason: 'a change that was asked for later came first' })])
    expect((await loader.refresh()).version).toBe('1') // it follows 1, not 3
    await loader.close()
  })

  it('an alias that moves back while what it pointed to loads leaves the live one', async () => {
    const { loader, held, source, clock } = await setting(2)
    source.aliases.set('champion', 2)
    held.set('2', () => {})
    const forth = failure(loader.refresh())
    await settle(clock)
    source.aliases.set('champion', 1)
    expect((await loader.refresh()).version).toBe('1')
    held.get('2')!()
    expect(await forth).toMatchObject({ code: 'ERR_OUTRIGGER_ABORTED' })
    expect(loader.identity.version).toBe('1')
    await loader.close()
  })

  it('a look does not get in the way of what was asked for by name', async () => {
    const { loader, held, clock } = await setting(2)
    held.set('2', () => {})
    const used = loader.use(2)
    await settle(clock)
    const looked = loader.refresh()
    await settle(clock)
    held.get('2')!()
    expect([(await used).version, (await looked).version]).toEqual(['2', '2'])
    await loader.close()
  })

  it('of two that were asked for the later one wins, whichever the store answers first', async () => {
    const { loader, held, source, clock } = await setting(3, { keepWarm: 2 })
    await loader.use(2)
    await loader.use(3)
    source.publish('4')
    source.aliases.set('slow', 1)
    held.set('4', () => {})
    const loading = failure(loader.use(4))
    await settle(clock)
    let answer = (): void => {}
    source.fault = (_, reference) => (reference === 'delay@slow' ? new Promise<void>((resolve) => { answer = resolve }) : undefined)
    const first = failure(loader.use('slow'))
    await settle(clock)
    expect((await loader.use(2)).version).toBe('2')
    answer()
    expect(await first).toMatchObject({ code: 'ERR_OUTRIGGER_ABORTED' })
    held.get('4')!()
    expect(await loading).toMatchObject({ code: 'ERR_OUTRIGGER_ABORTED' })
    expect(loader.identity.version).toBe('2')
    await loader.close()
  })
})

describe('a frugal loader', () => {
  it('has never two versions in memory, and calls in between fail with a code', async () => {
    const { loader, held, memory, clock } = await setting(2, { strategy: 'frugal' })
    const { states: heard } = heardOf(loader)
    held.set('2', () => {})
    const used = loader.use(2)
    await settle(clock)
    expect([memory, loader.ready(), loader.loaded]).toEqual([['+1', '-1'], false, []])
    expect(await failure(loader(1))).toMatchObject({ code: 'ERR_OUTRIGGER_MODEL_UNAVAILABLE' })
    const outer = pipe(loader, fallback(() => 'meanwhile'))
    expect([await outer(1), await outer.batch([1, 2])]).toEqual(['meanwhile', ['meanwhile', 'meanwhile']])
    held.get('2')!()
    expect([(await used).version, memory, await outer(1)]).toEqual(['2', ['+1', '-1', '+2'], '2:1'])
    expect(heard.map(({ subject, to }) => `${subject} ${to}`)).toEqual([
      ...steps('delay@2', 'discovered', 'verified'), ...steps('delay@1', 'draining', 'disposed'), ...steps('delay@2', 'loading', 'warming', 'checking', 'ready', 'live'),
    ])
    await outer.close()
    await loader.close()
  })

  it('lets calls end before it unloads, but not longer than the drain deadline', async () => {
    const { loader, memory, clock } = await setting(3, { strategy: 'frugal', drainMs: 5_000 })
    const { outer, open } = waitingAround(loader)
    const stuck = outer(1)
    const used = loader.use(2)
    await settle(clock)
    expect([memory, states(loader)]).toEqual([['+1'], ['1 draining 1']])
    open()
    expect(await stuck).toBe('1:1')
    expect((await used).version).toBe('2')
    const again = waitingAround(loader)
    const late = failure(again.outer(1))
    const next = loader.use(3)
    await clock.advance(5_000)
    expect((await next).version).toBe('3')
    again.open()
    expect(await late).toMatchObject({ code: 'ERR_OUTRIGGER_CLOSED' })
    await outer.close()
    await again.outer.close()
    await loader.close()
  })

  it.each<[string, () => never, string]>([['does not pass', broken, 'ERR_OUTRIGGER_MODEL_REFUSED'], ['does not load for now', outage, 'ERR_OUTRIGGER_MODEL_UNAVAILABLE']])('loads the one before again when the new one %s', async (_, fault, code) => {
    const { loader, memory, bad, source } = await setting(2, { strategy: 'frugal' })
    const { states: heard } = heardOf(loader)
    bad.set('2', fault)
    source.aliases.set('champion', 2)
    expect(await failure(loader.refresh())).toMatchObject({ code })
    expect([memory, await loader(1), loader.ready()]).toEqual([['+1', '-1', '+1'], '1:1', true])
    const after = heard.filter(({ subject, to }) => subject === 'delay@1' && to === 'discovered')
    expect(after).toEqual([expect.objectContaining({ reason: 'delay@2 did not pass, and this was live before' })])
    await loader.close()
  })

  it('refuses what can be known before it is loaded without a gap', async () => {
    const { loader, memory, source } = await setting(1, { strategy: 'frugal', requireGolden: false })
    source.publish('2')
    source.fault = (place, reference) => { if (place === 'open' && reference === 'delay@2') throw new Error('not there') }
    expect(await failure(loader.use(2))).toMatchObject({ code: 'ERR_OUTRIGGER_MODEL_REFUSED', stage: 'open' })
    expect(memory).toEqual(['+1'])
    await loader.close()
  })

  it('looks after the one before when that does not load either', async () => {
    const { loader, memory, bad, source, clock } = await setting(2, { strategy: 'frugal', retries: 0 })
    const { notices } = heardOf(loader)
    bad.set('2', broken)
    bad.set('1', outage)
    source.aliases.set('champion', 2)
    expect(await failure(loader.refresh())).toMatchObject({ code: 'ERR_OUTRIGGER_MODEL_REFUSED' })
    expect([loader.ready(), notices.at(-1)?.message]).toEqual([false, 'Loading delay@1 again, which was live before, failed.'])
    bad.delete('1')
    loader.watch({ everyMs: 1_000 })
    await clock.advance(1_000)
    expect([loader.ready(), loader.identity.version, memory]).toEqual([true, '1', ['+1', '-1', '+1']])
    await loader.close()
  })

  it('a rollback while the new one loads takes back what still drains', async () => {
    const { loader, memory, held, clock } = await setting(2, { strategy: 'frugal' })
    const { outer, open } = waitingAround(loader)
    const stuck = outer(1)
    held.set('2', () => {})
    const used = failure(loader.use(2))
    await settle(clock)
    expect((await loader.use(1)).version).toBe('1')
    await settle(clock)
    held.get('2')?.()
    expect(await used).toMatchObject({ code: 'ERR_OUTRIGGER_ABORTED' })
    open()
    expect([await stuck, loader.identity.version, memory.includes('-1')]).toEqual(['1:1', '1', false])
    await outer.close()
    await loader.close()
  })

  it('a cache outside never finds in one gap what was asked for in another', async () => {
    const { loader, held, clock } = await setting(3, { strategy: 'frugal', unavailable: { waitMs: 10_000 } })
    const outer = pipe(loader, cached({ max: 100 }))
    const during = async (version: number): Promise<unknown> => {
      held.set(String(version), () => {})
      const used = loader.use(version)
      await settle(clock)
      const answers = Promise.all([outer.detailed(7), outer.detailed(7)])
      await settle(clock)
      held.get(String(version))!()
      await used
      const [first, second] = await answers
      return [first.output, second.output, first.record.identity.version, second.record.identity.version, second.record.source]
    }
    expect(await during(2)).toEqual(['2:7', '2:7', '2', '2', 'coalesced'])
    expect(await during(3)).toEqual(['3:7', '3:7', '3', '3', 'coalesced'])
    expect(await outer(7)).toBe('3:7')
    await outer.close()
    await loader.close()
  })
})

describe('a loader that decides by a memory budget', () => {
  it('loads beside where both fit, lets warm ones go for it, else unloads first', async () => {
    const { loader, memory, source } = await setting(5, { strategy: 'auto', memoryBudgetBytes: 25, keepWarm: 3, bytes: 10 })
    await loader.use(2)
    expect(memory).toEqual(['+1', '+2'])
    await loader.use(3) // as large as its file, by ten for each byte of the live one's: 1, 2 and 3 are 30
    expect(memory).toEqual(['+1', '+2', '-1', '+3'])
    source.publish('6'.repeat(2)) // 20
    await loader.use(6)
    expect(memory.slice(4)).toEqual(['-2', '-3', '+66'])
    await loader.close()
  })

  it('refuses what does not fit alone, and the live one stays', async () => {
    const { loader, source, memory } = await setting(1, { strategy: 'auto', memoryBudgetBytes: 25 })
    source.publish('333')
    expect(await failure(loader.use(2))).toMatchObject({ code: 'ERR_OUTRIGGER_MODEL_REFUSED', stage: 'load', reason: 'it needs about 30 bytes, and `memoryBudgetBytes` is 25', expected: 25, actual: 30 })
    expect([memory, await loader(1)]).toEqual([['+1'], '1:1'])
    await loader.close()
  })

  it.each<[string, object]>([
    ['no budget', { strategy: 'auto' }], ['a budget that nobody looks at', { memoryBudgetBytes: 1 }], ['an unknown strategy', { strategy: 'quick' }], ['frugal with warm ones', { strategy: 'frugal', keepWarm: 1 }],
    ['half a version', { keepWarm: 0.5 }], ['a budget of nothing', { strategy: 'auto', memoryBudgetBytes: 0 }],
  ])('refuses as options %s', async (_, options) => {
    await expect(setting(1, options)).rejects.toMatchObject({ code: 'ERR_OUTRIGGER_INVALID_OPTION' })
  })
})

describe('calls while nothing is live', () => {
  it('wait for the first version, and load it if nobody does', async () => {
    const source = new FakeSource()
    source.publish()
    const loader = modelLoader({ store: source, name: 'delay', unavailable: { waitMs: 1_000 }, load: (files) => (row: number) => `${files.text('content')}:${row}` })
    expect(await Promise.all([loader(1), loader(2), loader.batch([3, 4])])).toEqual(['1:1', '1:2', ['1:3', '1:4']])
    expect(source.asked).toEqual(['resolve delay@latest', 'open 1'])
    expect(loader.loaded).toMatchObject([{ leases: 0 }])
    await loader.close()
  })

  it('wait no longer than they may, and no more of them', async () => {
    const source = new FakeSource()
    source.publish()
    const clock = fakeClock()
    let open = (): void => {}
    const loader = modelLoader({ store: source, name: 'delay', clock, unavailable: { waitMs: 1_000, max: 3 }, load: async () => { await new Promise<void>((resolve) => { open = resolve }); return (row: number) => row } })
    const waiting = [failure(loader(1)), loader.detailedBatch([2, 3])]
    await settle(clock)
    expect(await failure(loader(4))).toMatchObject({ code: 'ERR_OUTRIGGER_MODEL_UNAVAILABLE', message: expect.stringContaining('no more calls may wait') })
    await clock.advance(1_000)
    expect(await Promise.all(waiting)).toMatchObject([{ code: 'ERR_OUTRIGGER_MODEL_UNAVAILABLE' }, [{ ok: false, error: { code: 'ERR_OUTRIGGER_MODEL_UNAVAILABLE' } }, { ok: false }]])
    const later = loader(5)
    await settle(clock)
    open()
    expect(await later).toBe(5)
    await loader.close()
    expect(clock.pending).toBe(0)
  })

  it('leave when their callers do, and make room for others', async () => {
    const { loader, held, clock } = await setting(2, { strategy: 'frugal', unavailable: { waitMs: 60_000, max: 1 } })
    held.set('2', () => {})
    const used = loader.use(2)
    await settle(clock)
    const controller = new AbortController()
    const left = failure(loader(1, { signal: controller.signal }))
    await settle(clock)
    expect(await failure(loader(2))).toMatchObject({ code: 'ERR_OUTRIGGER_MODEL_UNAVAILABLE' })
    controller.abort()
    expect(await left).toMatchObject({ code: 'ERR_OUTRIGGER_ABORTED' })
    const leaving = new AbortController()
    const batch = failure(loader.batch([5], { signal: leaving.signal }))
    await settle(clock)
    leaving.abort()
    await batch
    await settle(clock)
    const stays = loader(3)
    await settle(clock)
    held.get('2')!()
    expect([await stays, (await used).version]).toEqual(['2:3', '2'])
    await loader.close()
  })

  it('fail with the reason when the version does not come', async () => {
    const source = new FakeSource()
    source.publish()
    const loader = modelLoader({ store: source, name: 'delay', unavailable: { waitMs: 60_000 }, load: (): ((row: number) => number) => broken() })
    expect(await failure(loader(1))).toMatchObject({ code: 'ERR_OUTRIGGER_MODEL_UNAVAILABLE', message: expect.stringContaining('broken'), cause: { code: 'ERR_OUTRIGGER_MODEL_REFUSED' } })
    const [row] = await loader.detailedBatch([1])
    expect(row).toMatchObject({ ok: false, error: { code: 'ERR_OUTRIGGER_MODEL_UNAVAILABLE' }, record: { outcome: 'rejected' } })
    await loader.close()
  })

  it.each([['wait'], [{}], [{ waitMs: 0 }], [{ waitMs: 1, max: 0 }], [{ waitMs: 1, most: 1 }], [null]])('refuses as `unavailable` %j', async (unavailable) => {
    await expect(setting(1, { unavailable: unavailable as never })).rejects.toMatchObject({ code: 'ERR_OUTRIGGER_INVALID_OPTION' })
  })
})

describe('unload', () => {
  it('takes everything out of memory, a watch leaves it so, and the next who asks loads it again', async () => {
    const { loader, memory, source, clock } = await setting(2, { keepWarm: 1, unavailable: { waitMs: 1_000 } })
    await loader.use(2)
    loader.watch({ everyMs: 100 })
    await loader.unload()
    expect([memory, loader.loaded, loader.ready()]).toEqual([['+1', '+2', '-2', '-1'], [], false])
    const asked = source.asked.length
    loader.notify()
    await clock.advance(1_000)
    expect(source.asked.length).toBe(asked)
    expect(await loader(5)).toBe('2:5')
    await loader.unload()
    expect((await loader.whenReady()).version).toBe('2')
    expect(memory.slice(4)).toEqual(['+2', '-2', '+2'])
    await loader.close()
    expect(clock.pending).toBe(0)
  })

  it('lets calls end first', async () => {
    const { loader, memory, clock } = await setting(1)
    const { outer, open } = waitingAround(loader)
    const stuck = outer(1)
    const unloaded = loader.unload()
    await settle(clock)
    expect([memory, states(loader)]).toEqual([['+1'], ['1 draining 1']])
    open()
    expect(await stuck).toBe('1:1')
    await unloaded
    expect(memory).toEqual(['+1', '-1'])
    await outer.close()
    await loader.close()
  })

  it('waits for a load that is under way, and then takes it away', async () => {
    const { loader, held, memory, clock } = await setting(2)
    held.set('2', () => {})
    const used = loader.use(2)
    await settle(clock)
    const unloaded = loader.unload()
    held.get('2')!()
    await used
    await unloaded
    expect([memory.toSorted(), loader.loaded]).toEqual([['+1', '+2', '-1', '-2'], []])
    await loader.close()
  })
})

describe('close', () => {
  it('disposes the live one, the warm ones, and what is just being loaded', async () => {
    const { loader, held, memory, clock } = await setting(3, { keepWarm: 1 })
    const { states: heard } = heardOf(loader)
    await loader.use(2)
    held.set('3', () => {})
    const used = failure(loader.use(3))
    await settle(clock)
    await loader.close()
    expect(await used).toMatchObject({ code: 'ERR_OUTRIGGER_CLOSED' })
    expect([memory, loader.loaded]).toEqual([['+1', '+2', '-2', '-1'], []])
    held.get('3')!()
    await settle(clock)
    expect(memory.slice(4)).toEqual(['+3', '-3'])
    expect(heard.map(({ subject, to }) => `${subject} ${to}`).filter((text) => text.startsWith('delay@3'))).toEqual(steps('delay@3', ...throughTheGate.slice(0, 3), 'disposed'))
  })
})
