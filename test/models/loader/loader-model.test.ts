/** The loader against simple models of itself, over random sequences of what happens to one. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { StateEvent } from '../../../src/core/events.js'
import { layer } from '../../../src/core/layer.js'
import { pipe } from '../../../src/core/pipe.js'
import { seededRandom } from '../../../src/core/random.js'
import type { ModelLoaderOptions } from '../../../src/models/loader/loader-options.js'
import { modelLoader, type ModelLoader } from '../../../src/models/loader/model-loader.js'
import { mayGo, type VersionOrigin, type VersionState } from '../../../src/models/loader/version-state.js'
import { fakeClock, type FakeClock } from '../../../src/testing/fake-clock.js'
import { FakeSource } from './_loader-kit.js'

type Kind = 'good' | 'bad'
type Strategy = 'available' | 'frugal'

/** A model that knows when it is met or disposed where it must not be. */
class Model {
  readonly version: number
  readonly #world: World
  inside = 0
  isDisposed = false

  constructor(version: number, world: World) {
    this.version = version
    this.#world = world
    world.alive.add(this)
  }

  async predict(row: number): Promise<string> {
    if (this.isDisposed) this.#world.faults.push(`met the disposed ${this.version}`)
    this.inside += 1
    await this.#world.inModel(row)
    if (this.isDisposed && !this.#world.isClosing) this.#world.faults.push(`${this.version} was disposed under a call`)
    this.inside -= 1
    return `${this.version}:${row}`
  }

  dispose(): void {
    if (this.isDisposed) this.#world.faults.push(`${this.version} was disposed twice`)
    if (this.inside > 0 && !this.#world.isClosing) this.#world.faults.push(`${this.version} was disposed with ${this.inside} calls inside`)
    this.isDisposed = true
    this.#world.alive.delete(this)
  }
}

class World {
  readonly source = new FakeSource()
  readonly kinds: Kind[] = []
  readonly clock: FakeClock = fakeClock()
  readonly alive = new Set<Model>()
  readonly faults: string[] = []
  readonly states: StateEvent[] = []
  readonly loader: ModelLoader<number, string>
  isDown = false
  isClosing = false
  /** Loads wait here, if they do. */
  holdsLoads = false
  readonly heldLoads: (() => void)[] = []
  /** How often something was loaded, well or not. */
  loads = 0
  readonly heldCalls: (() => void)[] = []

  constructor(options: Partial<ModelLoaderOptions<number, string>>) {
    for (const kind of ['good', 'good', 'bad', 'good'] as const) this.publish(kind)
    this.source.aliases.set('champion', 1)
    this.source.fault = () => { if (this.isDown) throw Object.assign(new Error('down'), { code: 'ECONNRESET' }) }
    this.loader = modelLoader({
      store: this.source, name: 'delay', follow: 'champion', clock: this.clock, random: seededRandom('model'), warmup: [], check: () => {}, retries: 2, retryDelayMs: 10, drainMs: 1_000,
      load: async (_, { version }) => {
        this.loads += 1
        if (this.holdsLoads) await new Promise<void>((resolve) => this.heldLoads.push(resolve))
        if (this.kinds[version - 1] === 'bad') throw new Error('bad')
        return new Model(version, this)
      },
      ...options,
    } as ModelLoaderOptions<number, string>)
    this.loader.observe((event) => { if (event.type === 'state') this.states.push(event) }, { predictions: false })
  }

  publish(kind: Kind): void {
    this.source.publish(`${kind} ${this.kinds.length}`)
    this.kinds.push(kind)
  }

  /** Rows from 1000 on stay in the model until they are let go. */
  async inModel(row: number): Promise<void> {
    if (row >= 1_000) await new Promise<void>((resolve) => this.heldCalls.push(resolve))
  }

  /** Lets time pass until it has settled. */
  async inTime<T>(promise: Promise<T>): Promise<T | { readonly code: string }> {
    let outcome: { readonly value: T | { readonly code: string } } | undefined
    void promise.then((value) => { outcome = { value } }, (error: { code: string }) => { outcome = { value: { code: error.code } } })
    for (let turns = 0; outcome === undefined && turns < 50; turns += 1) await this.clock.advance(turns < 3 ? 0 : 100)
    if (outcome === undefined) throw new Error('it never settles')
    return outcome.value
  }

  /** Every state event went a way that there is, and followed the one before of that life. */
  checkStates(): void {
    for (const { from, to } of this.states) expect([from, to, mayGo(from as VersionOrigin, to as VersionState)]).toEqual([from, to, true])
    const lives = new Map<string, Map<string, number>>()
    for (const { subject, from, to } of this.states) {
      const counts = lives.get(subject) ?? new Map<string, number>()
      lives.set(subject, counts)
      if (from !== 'absent') {
        counts.set(from, (counts.get(from) ?? 0) - 1)
        expect([subject, from, counts.get(from)]).toEqual([subject, from, expect.any(Number)])
        expect(counts.get(from)).toBeGreaterThanOrEqual(0)
      }
      counts.set(to, (counts.get(to) ?? 0) + 1)
    }
  }

  async close(): Promise<void> {
    this.isClosing = true
    const closed = this.loader.close()
    for (let turns = 0; turns < 20; turns += 1) {
      for (const go of [...this.heldLoads.splice(0), ...this.heldCalls.splice(0)]) go()
      await this.clock.advance(200)
    }
    await closed
    expect([this.alive.size, this.loader.loaded, this.clock.pending, this.faults]).toEqual([0, [], 0, []])
    this.checkStates()
  }
}

// ---- one thing after the other: what comes out is known exactly

type Step =
  | { readonly do: 'publish'; readonly kind: Kind }
  | { readonly do: 'alias' | 'use' | 'release'; readonly version: number }
  | { readonly do: 'refresh'; readonly again: boolean }
  | { readonly do: 'follow champion' | 'call' | 'unload' | 'when ready' | 'outage' }

const version = fc.integer({ min: 1, max: 5 })
const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ do: fc.constant('publish' as const), kind: fc.constantFrom<Kind>('good', 'good', 'bad') }),
  fc.record({ do: fc.constantFrom('alias' as const, 'use' as const, 'release' as const), version }),
  fc.record({ do: fc.constant('refresh' as const), again: fc.boolean() }),
  fc.record({ do: fc.constantFrom('follow champion' as const, 'call' as const, 'unload' as const, 'when ready' as const, 'outage' as const) }),
)

/** What a loader should be, in a few lines: no time, no promises. */
class Simple {
  target = 'champion'
  live: number | undefined
  warm: number[] = []
  lastLive: number | undefined
  loads = 0
  readonly quarantined = new Set<number>()
  readonly #world: World
  readonly #keepWarm: number
  readonly #strategy: Strategy

  constructor(world: World, keepWarm: number, strategy: Strategy) {
    this.#world = world
    this.#keepWarm = keepWarm
    this.#strategy = strategy
  }

  isHeld(number: number): boolean {
    return this.live === number || this.warm.includes(number)
  }

  makeLive(number: number): string {
    if (this.live !== number) {
      this.warm = this.warm.filter((one) => one !== number)
      if (this.live !== undefined && this.#keepWarm > 0) this.warm = [...this.warm, this.live].slice(-this.#keepWarm)
      this.live = number
    }
    this.lastLive = number
    return String(number)
  }

  /** The version that is live then, or the code of the error. */
  change(target: string, again: boolean): string {
    const { source, kinds, isDown } = this.#world
    const asNumber = Number(target)
    if (this.isHeld(asNumber)) return this.makeLive(asNumber)
    if (isDown) return 'ECONNRESET'
    const number = source.aliases.get(target) ?? asNumber
    if (kinds[number - 1] === undefined) return 'ERR_OUTRIGGER_MODEL_NOT_FOUND'
    if (this.isHeld(number)) return this.makeLive(number)
    if (this.quarantined.has(number) && !again) return this.failed(number)
    if (this.#strategy === 'frugal') this.live = undefined
    this.loads += 1
    if (kinds[number - 1] === 'good') {
      this.quarantined.delete(number)
      return this.makeLive(number)
    }
    this.quarantined.add(number)
    return this.failed(number)
  }

  failed(number: number): string {
    if (this.live === undefined && this.lastLive !== undefined && this.lastLive !== number) {
      this.loads += 1
      this.makeLive(this.lastLive)
    }
    return 'ERR_OUTRIGGER_MODEL_REFUSED'
  }
}

describe('the loader, one change after the other,', () => {
  it('does what a model of it without time and promises says', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 30, size: 'max' }), fc.constantFrom<readonly [number, Strategy]>([0, 'available'], [1, 'available'], [2, 'available'], [0, 'frugal']), async (steps, [keepWarm, strategy]) => {
        const world = new World({ keepWarm, strategy })
        const simple = new Simple(world, keepWarm, strategy)
        const { loader, source, kinds } = world
        const settled = async (promise: Promise<{ readonly version: string }>): Promise<string> => {
          const outcome = await world.inTime(promise)
          return 'code' in outcome ? outcome.code : outcome.version
        }
        for (const one of steps) {
          switch (one.do) {
            case 'publish': world.publish(one.kind); break
            case 'alias': if (one.version <= kinds.length) source.aliases.set('champion', one.version); break
            case 'outage': world.isDown = !world.isDown; break
            case 'use': {
              const expected = simple.change(String(one.version), true)
              if (!Number.isNaN(Number(expected))) simple.target = String(one.version)
              expect([one, await settled(loader.use(one.version))]).toEqual([one, expected])
              break
            }
            case 'follow champion': {
              const expected = simple.change('champion', true)
              if (!Number.isNaN(Number(expected))) simple.target = 'champion'
              expect([one, await settled(loader.use('champion'))]).toEqual([one, expected])
              break
            }
            case 'refresh': expect([one, await settled(loader.refresh({ again: one.again }))]).toEqual([one, simple.change(simple.target, one.again)]); break
            case 'when ready': expect([one, await settled(loader.whenReady())]).toEqual([one, simple.live === undefined ? simple.change(simple.target, false) : String(simple.live)]); break
            case 'release': {
              const known = source.versions[one.version - 1]
              expect(known !== undefined && loader.release(known.digest)).toBe(simple.quarantined.delete(one.version))
              break
            }
            case 'unload':
              await world.inTime(loader.unload())
              simple.live = undefined
              simple.warm = []
              break
            case 'call': expect([one, await world.inTime(loader(7))]).toEqual([one, simple.live === undefined ? { code: 'ERR_OUTRIGGER_MODEL_UNAVAILABLE' } : `${simple.live}:7`]); break
          }
          await world.clock.advance(0)
          expect(loader.loaded.map(({ identity, state, leases }) => `${identity.version} ${state} ${leases}`)).toEqual([...(simple.live === undefined ? [] : [`${simple.live} live 0`]), ...simple.warm.toReversed().map((number) => `${number} ready 0`)])
          expect([...world.alive].map((model) => model.version).sort()).toEqual([...(simple.live === undefined ? [] : [simple.live]), ...simple.warm].sort())
          expect(world.loads).toBe(simple.loads)
          expect(loader.quarantined.map((entry) => entry.version).sort()).toEqual([...simple.quarantined].sort())
        }
        await world.close()
      }),
      { numRuns: 80, seed: 41 },
    )
  }, 60_000)
})

// ---- everything at once: what must hold at any time

type Event =
  | { readonly do: 'publish'; readonly kind: Kind }
  | { readonly do: 'alias' | 'use'; readonly version: number }
  | { readonly do: 'advance'; readonly ms: number }
  | { readonly do: 'refresh' | 'refresh again' | 'notify' | 'follow champion' | 'call' | 'slow call' | 'waiting call' | 'batch' | 'let calls go' | 'let a load go' | 'hold loads' | 'let loads through' | 'outage' | 'unload' }

const event: fc.Arbitrary<Event> = fc.oneof(
  { weight: 1, arbitrary: fc.record({ do: fc.constant('publish' as const), kind: fc.constantFrom<Kind>('good', 'good', 'bad') }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constantFrom('alias' as const, 'use' as const), version }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('advance' as const), ms: fc.constantFrom(0, 0, 5, 50, 2_000) }) },
  { weight: 9, arbitrary: fc.record({ do: fc.constantFrom('refresh' as const, 'refresh again' as const, 'notify' as const, 'follow champion' as const, 'call' as const, 'slow call' as const, 'waiting call' as const, 'batch' as const, 'let calls go' as const, 'let a load go' as const, 'hold loads' as const, 'let loads through' as const, 'outage' as const, 'unload' as const) }) },
)

/** What a change may end with, whatever else goes on. */
const fine = new Set(['ERR_OUTRIGGER_MODEL_REFUSED', 'ERR_OUTRIGGER_MODEL_UNAVAILABLE', 'ERR_OUTRIGGER_MODEL_NOT_FOUND', 'ERR_OUTRIGGER_ABORTED', 'ERR_OUTRIGGER_CLOSED', 'ECONNRESET'])

describe('the loader, whatever happens at once,', () => {
  it('answers every call by the version that was live at its entry, meets no disposed model, lets no bad version answer, and ends where the last word says', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.tuple(event, fc.boolean()), { minLength: 5, maxLength: 60, size: 'max' }), fc.constantFrom<readonly [number, Strategy, boolean]>([0, 'available', false], [1, 'available', false], [2, 'available', true], [0, 'frugal', false], [0, 'frugal', true]), async (events, [keepWarm, strategy, waits]) => {
        const world = new World({ keepWarm, strategy, ...(waits ? { unavailable: { waitMs: 3_000 } } : {}) })
        const { loader, source, clock, kinds } = world
        const gates: (() => void)[] = []
        const outer = pipe(loader, layer('waiting', { one: async (next, input: number, call) => { await new Promise<void>((resolve) => gates.push(resolve)); return await next(input, call) } }))
        const work: Promise<unknown>[] = []
        let wasUnloaded = false
        let isNotified = false
        await world.inTime(loader.whenReady())

        /** A call, and what may become of it. */
        const call = (predict: (row: number) => Promise<unknown>, row: number, isLong: boolean): void => {
          const bound = loader.ready() ? loader.identity.version : undefined
          work.push(predict(row).then(
            (answer) => { if (bound !== undefined && answer !== `${bound}:${row}`) world.faults.push(`${String(answer)} instead of ${bound}:${row}`) },
            ({ code }: { code: string }) => {
              // Who came while nothing was live, and who held on longer than one may.
              const isAllowed = bound === undefined ? code === 'ERR_OUTRIGGER_MODEL_UNAVAILABLE' || code === 'ERR_OUTRIGGER_CLOSED' : isLong && code === 'ERR_OUTRIGGER_CLOSED'
              if (!isAllowed) world.faults.push(`a call bound to ${String(bound)} failed: ${code}`)
            },
          ))
        }
        let lastWord: { readonly order: number; readonly version: string } | undefined
        let order = 0
        const change = (promise: Promise<{ readonly version: string }>): void => {
          order += 1
          const mine = order
          work.push(promise.then(
            ({ version: live }) => { if (lastWord === undefined || mine > lastWord.order) lastWord = { order: mine, version: live } },
            (error: { code: string; message: string }) => { if (!fine.has(error.code)) world.faults.push(`a change failed: ${error.message}`) },
          ))
        }
        const letGo = (held: (() => void)[]): void => { for (const go of held.splice(0)) go() }

        for (const [one, turns] of events) {
          switch (one.do) {
            case 'publish': world.publish(one.kind); break
            case 'alias': if (one.version <= kinds.length) source.aliases.set('champion', one.version); break
            case 'use': change(loader.use(one.version)); break
            case 'follow champion': change(loader.use('champion')); break
            case 'refresh': change(loader.refresh()); break
            case 'refresh again': change(loader.refresh({ again: true })); break
            case 'notify': isNotified = true; loader.notify(); break
            case 'unload': wasUnloaded = true; work.push(loader.unload().catch((error: { code: string }) => { if (error.code !== 'ERR_OUTRIGGER_ABORTED') world.faults.push(error.code) })); break
            case 'call': call((row) => loader(row), 1, false); break
            case 'slow call': call((row) => loader(row), 1_000, true); break
            case 'waiting call': call((row) => outer(row), 2, true); break
            case 'batch': {
              const bound = loader.ready() ? loader.identity.version : undefined
              work.push(loader.batch([1, 2, 3]).then(
                (answers) => { if (new Set(answers.map((answer) => answer.split(':')[0])).size !== 1 || (bound !== undefined && !answers[0]?.startsWith(`${bound}:`))) world.faults.push(`a batch of ${String(bound)}: ${answers.join(' ')}`) },
                (error: { message: string }) => { if (bound !== undefined) world.faults.push(`a batch bound to ${bound} failed: ${error.message}`) },
              ))
              break
            }
            case 'let calls go': letGo(world.heldCalls); letGo(gates); break
            case 'let a load go': world.heldLoads.shift()?.(); break
            case 'hold loads': world.holdsLoads = true; break
            case 'let loads through': world.holdsLoads = false; letGo(world.heldLoads); break
            case 'outage': world.isDown = !world.isDown; break
            case 'advance': await clock.advance(one.ms); break
          }
          if (turns) await clock.advance(0)
          if (loader.ready()) expect(kinds[Number(loader.identity.version) - 1]).toBe('good')
          else if (strategy === 'available' && !wasUnloaded) world.faults.push('nothing was live, though nothing had to go')
          expect(loader.loaded.filter(({ state }) => state === 'ready').length).toBeLessThanOrEqual(keepWarm)
          expect(loader.loaded.filter(({ state }) => state === 'live').length).toBeLessThanOrEqual(1)
        }

        // It all comes to rest.
        world.isDown = false
        world.holdsLoads = false
        for (let turns = 0; turns < 30; turns += 1) {
          letGo(world.heldLoads)
          letGo(world.heldCalls)
          letGo(gates)
          await clock.advance(1_000)
        }
        await Promise.all(work)
        expect(loader.loaded.every(({ leases }) => leases === 0)).toBe(true)
        // Who was asked last, and could, has decided.
        if (!wasUnloaded && !isNotified && lastWord !== undefined) expect(loader.identity.version).toBe(lastWord.version)
        expect(new Set([...world.alive].map((model) => String(model.version)))).toEqual(new Set(loader.loaded.map(({ identity }) => identity.version)))
        expect([...world.alive]).toHaveLength(loader.loaded.length)
        expect(await world.inTime(loader.use(1))).toMatchObject({ version: '1' })
        const good = kinds.lastIndexOf('good') + 1
        source.aliases.set('champion', good)
        expect(await world.inTime(loader.use('champion'))).toMatchObject({ version: String(good) })
        expect(await world.inTime(loader(3))).toBe(`${good}:3`)
        await world.inTime(outer.close())
        await world.close()
      }),
      { numRuns: 100, seed: 42 },
    )
  }, 60_000)
})
