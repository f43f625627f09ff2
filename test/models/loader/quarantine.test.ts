import { describe, expect, it } from 'vitest'
import { OutriggerError, type ErrorCode } from '../../../src/core/errors.js'
import { seededRandom } from '../../../src/core/random.js'
import { modelLoader, type ModelLoader } from '../../../src/models/loader/model-loader.js'
import type { ModelLoaderOptions } from '../../../src/models/loader/loader-options.js'
import { Quarantine, type QuarantinedVersion } from '../../../src/models/loader/quarantine.js'
import { fakeClock, type FakeClock } from '../../../src/testing/fake-clock.js'
import { FakeSource, heardOf, settle, steps, throughTheGate } from './_loader-kit.js'

interface Setting {
  readonly source: FakeSource
  readonly clock: FakeClock
  readonly loader: ModelLoader<number, string>
  readonly loads: string[]
}

/** What `load` throws for a content, if anything. */
let faults: Record<string, () => unknown> = {}

const setting = (contents: readonly string[], options: Partial<ModelLoaderOptions<number, string>> = {}): Setting => {
  faults = {}
  const source = new FakeSource()
  for (const content of contents) source.publish(content)
  source.aliases.set('champion', 1)
  const clock = fakeClock()
  const loads: string[] = []
  const loader = modelLoader({
    store: source, name: 'delay', follow: 'champion', clock, random: seededRandom('quarantine'),
    load: async (files) => {
      const content = files.text('content')
      loads.push(content)
      await faults[content]?.()
      return (row: number) => `${content}:${row}`
    },
    ...options,
  } as ModelLoaderOptions<number, string>)
  return { source, clock, loader, loads }
}

const failure = async (promise: Promise<unknown>): Promise<unknown> => await promise.then(() => 'no error', (error: unknown) => error)
const failing = (code: ErrorCode): (() => never) => () => { throw new OutriggerError(code, 'Cannot') }
const system = (code: string): (() => never) => () => { throw Object.assign(new Error(code), { code }) }
const told = ({ states }: ReturnType<typeof heardOf>): string[] => states.map(({ subject, to }) => `${subject} ${to}`)

/** Lets time pass until the promise has settled. */
const inTime = async <T>(clock: FakeClock, promise: Promise<T>, limitMs = 600_000): Promise<T> => {
  let isOver = false
  const watched = promise.finally(() => { isOver = true })
  watched.catch(() => {})
  for (let ms = 0; !isOver && ms < limitMs; ms += 100) await clock.advance(100)
  expect(isOver).toBe(true)
  return await watched
}

describe('modelLoader quarantine', () => {
  it('refuses a version for what it is once; a refresh says why without trying it again, and what asks for it by name tries it', async () => {
    const { source, clock, loader, loads } = setting(['1', 'bad'])
    await loader.whenReady()
    const heard = heardOf(loader)
    faults = { bad: () => { throw new Error('no such operator') } }
    source.aliases.set('champion', 2)
    const version = source.versions[1]!
    const refused = { code: 'ERR_OUTRIGGER_MODEL_REFUSED', stage: 'load', reason: 'no such operator', digest: version.digest, version: 2 }
    expect(await failure(loader.refresh())).toMatchObject(refused)
    expect(loader.quarantined).toEqual([{ name: 'delay', version: 2, digest: version.digest, stage: 'load', reason: 'no such operator', at: clock.wall() }])
    expect(await failure(loader.refresh())).toMatchObject({ ...refused, quarantinedAt: clock.wall(), message: 'Cannot make delay@2 live as it is in quarantine (load): no such operator' })
    expect([loads, told(heard)]).toEqual([['1', 'bad'], steps('delay@2', 'discovered', 'verified', 'loading', 'quarantined')])
    expect(heard.states.at(-1)).toMatchObject({ from: 'loading', reason: 'no such operator', data: { digest: version.digest, stage: 'load', error: refused } })
    expect(await failure(loader.refresh({ again: true }))).toMatchObject(refused)
    expect(await failure(loader.use(2))).toMatchObject(refused)
    expect(loads).toEqual(['1', 'bad', 'bad', 'bad'])
    expect(heard.states[4]).toMatchObject({ from: 'quarantined', to: 'discovered', reason: 'delay@champion points to it; it is tried again, although it was refused (load)' })
    expect(loader.quarantined).toHaveLength(1)
    faults = {}
    expect((await loader.use(2)).version).toBe('2')
    expect(loader.quarantined).toEqual([])
    await loader.close()
  })

  it('a version that is released is tried by the next look', async () => {
    const { source, loader, loads, clock } = setting(['1', 'bad'])
    await loader.whenReady()
    const heard = heardOf(loader)
    faults = { bad: () => { throw new Error('broken') } }
    source.aliases.set('champion', 2)
    loader.watch({ everyMs: 1_000 })
    await clock.advance(3_000)
    expect(loads).toEqual(['1', 'bad'])
    faults = {}
    expect([loader.release('0'.repeat(64)), loader.release(source.versions[1]!.digest)]).toEqual([false, true])
    expect(heard.states.at(-1)).toMatchObject({ subject: 'delay@2', from: 'quarantined', to: 'discovered', reason: 'it was released', data: { stage: 'load', reason: 'broken' } })
    await clock.advance(1_000)
    expect([loads, loader.identity.version, loader.quarantined]).toEqual([['1', 'bad', 'bad'], '2', []])
    await loader.close()
  })

  it('is taken over by another loader, through JSON', async () => {
    const first = setting(['bad'])
    faults = { bad: () => { throw new Error('broken') } }
    expect(await failure(first.loader.whenReady())).toMatchObject({ code: 'ERR_OUTRIGGER_MODEL_REFUSED' })
    const quarantined = JSON.parse(JSON.stringify(first.loader.quarantined)) as QuarantinedVersion[]
    await first.loader.close()
    const second = setting(['bad'], { quarantined })
    expect(await failure(second.loader.whenReady())).toMatchObject({ code: 'ERR_OUTRIGGER_MODEL_REFUSED', stage: 'load', reason: 'broken', quarantinedAt: quarantined[0]?.at })
    expect(second.loads).toEqual([])
    await second.loader.close()
    for (const bad of ['x', {}, [7], [{ ...quarantined[0], at: 'now' }]]) expect(() => setting(['1'], { quarantined: bad as never })).toThrow(expect.objectContaining({ code: 'ERR_OUTRIGGER_INVALID_OPTION' }))
  })

  it('keeps the last hundred', () => {
    const quarantine = new Quarantine('x')
    const entry = (version: number): QuarantinedVersion => ({ name: 'delay', version, digest: String(version), stage: 'golden', reason: '', at: version })
    for (let version = 1; version <= 150; version += 1) quarantine.add(entry(version))
    quarantine.add(entry(60))
    quarantine.add(entry(151))
    expect(quarantine.all).toHaveLength(100)
    expect([quarantine.get('51'), quarantine.get('52')?.version, quarantine.all.at(-1)?.version, quarantine.all.at(-2)?.version]).toEqual([undefined, 52, 151, 60])
  })
})

describe('modelLoader tries again what may pass', () => {
  it('up to `retries` times with growing pauses, and the version is live when it passes', async () => {
    const { clock, loader, loads } = setting(['1'], { retries: 5, retryDelayMs: 100 })
    const heard = heardOf(loader)
    let left = 4
    faults = { 1: () => { left -= 1; if (left >= 0) system('EMFILE')() } }
    const ready = loader.whenReady()
    await settle(clock)
    expect([loads.length, clock.holding]).toEqual([1, 1]) // somebody waits for it
    expect((await inTime(clock, ready)).version).toBe('1')
    expect(loads).toHaveLength(5)
    expect(told(heard).filter((text) => /loading|discovered|live|quarantined/.test(text))).toEqual(steps('delay@1', ...Array.from({ length: 5 }, () => ['discovered', 'loading']).flat(), 'live'))
    const pauses = heard.notices.filter(({ message }) => message.includes('tried again')).map(({ data, error }) => [data?.['retry'], data?.['retries'], data?.['stage'], (error as { code?: string }).code])
    expect(pauses).toEqual([1, 2, 3, 4].map((retry) => [retry, 5, 'load', 'EMFILE']))
    expect(loader.quarantined).toEqual([])
    await loader.close()
  })

  it('then gives up until the next look, without quarantine', async () => {
    const { clock, loader, loads } = setting(['1'], { retries: 3, retryDelayMs: 100 })
    const heard = heardOf(loader)
    faults = { 1: system('ENOMEM') }
    expect(await inTime(clock, failure(loader.whenReady()))).toMatchObject({ code: 'ERR_OUTRIGGER_MODEL_UNAVAILABLE', stage: 'load', reason: 'ENOMEM', version: 1, cause: { code: 'ENOMEM' } })
    expect([loads.length, told(heard).at(-1), loader.quarantined, loader.ready()]).toEqual([4, 'delay@1 disposed', [], false])
    faults = {}
    expect((await loader.whenReady()).version).toBe('1')
    await loader.close()
    expect(clock.pending).toBe(0)
  })

  it('a store that does not answer, also', async () => {
    const { source, clock, loader } = setting(['1'], { retries: 2, retryDelayMs: 100 })
    const heard = heardOf(loader)
    let left = 2
    source.fault = (place) => { if (place === 'resolve' && left > 0) { left -= 1; failing('ERR_OUTRIGGER_SOURCE_FAILED')() } }
    expect((await inTime(clock, loader.whenReady())).version).toBe('1')
    expect(heard.notices.slice(0, 2).map(({ message }) => message)).toEqual([expect.stringContaining('Resolving delay@champion failed for now'), expect.stringContaining('Resolving delay@champion failed for now')])
    left = 9
    expect(await inTime(clock, failure(loader.refresh()))).toMatchObject({ code: 'ERR_OUTRIGGER_SOURCE_FAILED' })
    expect(left).toBe(6)
    await loader.close()
  })

  it('a reference that leads nowhere is not tried again', async () => {
    const { source, loader } = setting(['1'])
    await loader.whenReady()
    const before = source.asked.length
    expect(await failure(loader.use(7))).toMatchObject({ code: 'ERR_OUTRIGGER_MODEL_NOT_FOUND' })
    expect(source.asked.length - before).toBe(1)
    await loader.close()
  })

  it.each<[string, number, 'open' | 'load', () => never]>([
    ['an engine that crashes', 2, 'load', failing('ERR_OUTRIGGER_ENGINE_CRASHED')],
    ['a hash that does not match', 2, 'open', failing('ERR_OUTRIGGER_MODEL_CORRUPT')],
  ])('%s is tried once more, then it is quarantined', async (_, times, stage, fault) => {
    const { source, clock, loader, loads } = setting(['1'], { retryDelayMs: 100 })
    let count = 0
    const fail = (): void => { count += 1; fault() }
    if (stage === 'open') source.fault = (place) => { if (place === 'open') fail() }
    else faults = { 1: fail }
    expect(await inTime(clock, failure(loader.whenReady()))).toMatchObject({ code: 'ERR_OUTRIGGER_MODEL_REFUSED', stage })
    expect([count, loader.quarantined.length]).toEqual([times, 1])
    // Once was chance.
    loader.release(source.versions[0]!.digest)
    count = 0
    let left = 1
    const once = (): void => { left -= 1; if (left >= 0) fault() }
    if (stage === 'open') source.fault = (place) => { if (place === 'open') once() }
    else faults = { 1: once }
    expect((await inTime(clock, loader.whenReady())).version).toBe('1')
    expect(loads.at(-1)).toBe('1')
    await loader.close()
  })

  it('with no retries a crash is enough', async () => {
    const { loader } = setting(['1'], { retries: 0 })
    faults = { 1: failing('ERR_OUTRIGGER_ENGINE_CRASHED') }
    expect(await failure(loader.whenReady())).toMatchObject({ code: 'ERR_OUTRIGGER_MODEL_REFUSED' })
    await loader.close()
  })

  it('a close ends the pauses', async () => {
    const { clock, loader } = setting(['1'], { retryDelayMs: 60_000 })
    const heard = heardOf(loader)
    faults = { 1: system('EMFILE') }
    const ready = failure(loader.whenReady())
    await settle(clock)
    await loader.close()
    expect(await ready).toMatchObject({ code: 'ERR_OUTRIGGER_CLOSED' })
    expect([clock.pending, told(heard).at(-1)]).toEqual([0, 'delay@1 disposed'])
  })
})

describe('modelLoader limits how long a step may take', () => {
  const hang = (): Promise<never> => new Promise(() => {})

  it.each<[string, 'resolve' | 'open' | 'load' | 'build', object]>([
    ['resolving', 'resolve', { code: 'ERR_OUTRIGGER_TIMEOUT', timeoutMs: 2_000 }],
    ['reading', 'open', { code: 'ERR_OUTRIGGER_MODEL_UNAVAILABLE', stage: 'open', cause: { code: 'ERR_OUTRIGGER_TIMEOUT' } }],
    ['loading', 'load', { code: 'ERR_OUTRIGGER_MODEL_UNAVAILABLE', stage: 'load', cause: { code: 'ERR_OUTRIGGER_TIMEOUT' } }],
    ['building', 'build', { code: 'ERR_OUTRIGGER_MODEL_UNAVAILABLE', stage: 'build', cause: { code: 'ERR_OUTRIGGER_TIMEOUT' } }],
  ])('%s', async (_, place, error) => {
    const { source, clock, loader } = setting(['1'], { retries: 0, loadTimeoutMs: 2_000, ...(place === 'build' ? { build: hang } : {}) } as never)
    if (place === 'load') faults = { 1: hang }
    source.fault = (asked) => (asked === place ? hang() : undefined)
    const failed = failure(loader.whenReady())
    await settle(clock)
    await clock.advance(1_999)
    expect(await Promise.race([failed, settle(clock)])).toBeUndefined()
    await clock.advance(1)
    expect(await failed).toMatchObject(error)
    await loader.close()
    expect(clock.pending).toBe(0)
  })

  it('a model that comes too late is disposed', async () => {
    const source = new FakeSource()
    source.publish()
    const clock = fakeClock()
    let come = (): void => {}
    let disposed = 0
    const loader = modelLoader({ store: source, name: 'delay', clock, retries: 0, loadTimeoutMs: 1_000, load: async () => { await new Promise<void>((resolve) => { come = resolve }); return { predict: (row: number) => row, dispose: () => { disposed += 1; throw new Error('dispose') } } } })
    const heard = heardOf(loader)
    const failed = failure(loader.whenReady())
    await clock.advance(1_000)
    expect(await failed).toMatchObject({ code: 'ERR_OUTRIGGER_MODEL_UNAVAILABLE' })
    expect(disposed).toBe(0)
    come()
    await settle(clock)
    expect([disposed, heard.notices.at(-1)?.message]).toEqual([1, 'Closing delay@1, which was loaded too late, failed.'])
    await loader.close()
  })

  it.each<[string, object]>([
    ['warm-up', { warmup: [1] }],
    ['golden', { warmup: [] }],
    ['check', { warmup: [], check: hang }],
  ])('%s', async (stage, options) => {
    const source = new FakeSource()
    source.publish('1', stage === 'golden' ? { golden: [{ input: 1, output: 1, tolerance: 0 }] } : {})
    const clock = fakeClock()
    let isAborted = false
    let disposed = 0
    const loader = modelLoader({ store: source, name: 'delay', clock, retries: 0, gateTimeoutMs: 3_000, load: () => ({ predict: (_: number, call: { readonly signal: AbortSignal }) => { call.signal.addEventListener('abort', () => { isAborted = true }); return hang() }, dispose: () => { disposed += 1 } }), ...options } as ModelLoaderOptions<number, number>)
    const failed = failure(loader.whenReady())
    await settle(clock)
    await clock.advance(3_000)
    expect(await failed).toMatchObject({ code: 'ERR_OUTRIGGER_MODEL_UNAVAILABLE', stage, cause: { code: 'ERR_OUTRIGGER_TIMEOUT' } })
    expect([isAborted, disposed]).toEqual([stage !== 'check', 1])
    await loader.close()
    expect(clock.pending).toBe(0)
  })

  it('a close gives up what loads, and what comes then is disposed', async () => {
    const { clock, loader } = setting(['1'])
    const heard = heardOf(loader)
    faults = { 1: hang }
    const ready = failure(loader.whenReady())
    await settle(clock)
    await loader.close()
    expect(await ready).toMatchObject({ code: 'ERR_OUTRIGGER_CLOSED' })
    expect([clock.pending, told(heard)]).toEqual([0, steps('delay@1', ...throughTheGate.slice(0, 3), 'disposed')])
  })
})
