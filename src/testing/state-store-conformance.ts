/** What every store of states must do, as checks that its author can run. */
import { inspect } from 'node:util'
import { systemClock } from '../core/clock.js'
import { InvalidOptionError } from '../core/errors.js'
import { functionOption, optionsObject, requiredFunction } from '../core/options.js'
import type { StateStore } from '../store/state-store.js'

/** The names of the checks, for `except`. */
export type StateStoreCheckName =
  | 'an empty store has nothing'
  | 'a text comes back exactly'
  | 'the text that was written last is given'
  | 'names are told apart, also by case alone'
  | 'all states are listed, by name'
  | 'many writers are kept apart'
  | 'a reader sees one text or the other, whole'
  | 'a name is forgotten'
  | 'a text is gone when its time is over'
  | 'a text that is written again is kept anew'
  | 'another process sees what this one wrote'
  | 'what is no name is refused'
  | 'what is no time is refused'

/** One check. `run` rejects with a plain `Error` that says what is wrong. */
export interface StateStoreCheck {
  readonly name: StateStoreCheckName
  run(): Promise<void>
}

/** What {@link stateStoreConformance} needs to know about a store. */
export interface StateStoreConformanceOptions {
  /** Opens the same states again, as another process would. Left out, what two processes see of each other is not checked. */
  readonly again?: (store: StateStore) => StateStore | PromiseLike<StateStore>
  /** Lets so much time pass for the store. @default waits, until the state is gone or ten seconds are over */
  readonly pass?: (ms: number, store: StateStore) => void | PromiseLike<void>
  /** Checks that do not apply, each with the reason. */
  readonly except?: Partial<Readonly<Record<StateStoreCheckName, string>>>
}

/**
 * The checks that every {@link StateStore} has to pass, whoever wrote it. They run against the real thing, with any test runner; each makes a
 * store of its own.
 *
 * @param make - makes an empty store: of a shared one, under a prefix that nobody else uses
 * @throws `ERR_OUTRIGGER_INVALID_OPTION`
 * @example
 * ```ts
 * import { memoryStateStore, type StateStore } from 'outrigger/drift'
 * import { fakeClock, stateStoreConformance } from 'outrigger/testing'
 * const clock = fakeClock()
 * // With vitest, Jest or node:test: for (const { name, run } of stateStoreConformance(…)) test(name, run)
 * for (const { run } of stateStoreConformance(() => memoryStateStore(clock), { pass: (ms) => clock.advance(ms) })) await run()
 *
 * const forgetful = (): StateStore => ({ put: async () => {}, get: async () => undefined, list: async () => [], remove: async () => {} })
 * const check = stateStoreConformance(forgetful).find(({ name }) => name === 'a text comes back exactly')
 * await assert.rejects(check!.run(), /Expected .*; got undefined/)
 * ```
 */
export const stateStoreConformance = (make: () => StateStore | PromiseLike<StateStore>, options: StateStoreConformanceOptions = {}): StateStoreCheck[] => {
  const owner = 'a state store conformance suite'
  optionsObject(owner, options, ['again', 'pass', 'except'])
  requiredFunction(owner, 'make', make)
  const again = functionOption(owner, 'again', options.again)
  const pass = functionOption(owner, 'pass', options.pass) ?? untilGone
  const { except = {} } = options
  for (const name of Object.keys(except)) {
    if (!Object.hasOwn(checks, name)) throw new InvalidOptionError(`Cannot create ${owner} as \`except\` must name its checks: current value is ${name}`)
  }
  return (Object.keys(checks) as StateStoreCheckName[])
    .filter((name) => !Object.hasOwn(except, name) && (again !== undefined || name !== needsAgain))
    .map((name) => ({
      name,
      run: async () => {
        try {
          const store = await make()
          await checks[name]({ store, again: async () => (await again?.(store)) as StateStore, pass: async (ms) => await pass(ms, store) })
        } catch (error) {
          throw new Error(`The store does not hold "${name}": ${error instanceof Error ? error.message : inspect(error)}`, { cause: error })
        }
      },
    }))
}

const needsAgain: StateStoreCheckName = 'another process sees what this one wrote'
const day = 86_400_000
/** What the checks write for a short time. */
const short = 'short-lived'

interface Kit {
  readonly store: StateStore
  again(): Promise<StateStore>
  pass(ms: number): Promise<void>
}

const untilGone = async (_: number, store: StateStore): Promise<void> => {
  const until = systemClock.now() + 10_000
  while ((await store.get(short)) !== undefined && systemClock.now() < until) await new Promise<void>((resolve) => systemClock.setTimeout(resolve, 5))
}

const same = (found: unknown, wanted: unknown): void => {
  const shown = (value: unknown): string => inspect(value, { depth: 4, maxStringLength: 80 })
  if (JSON.stringify(found) !== JSON.stringify(wanted)) throw new Error(`Expected ${shown(wanted)}; got ${shown(found)}`)
}

const listed = async (store: StateStore): Promise<(readonly [string, string | undefined])[]> => (await store.list()).map(({ name, text }) => [name, text])

const rejects = async (what: string, asked: () => Promise<unknown>): Promise<void> => {
  try {
    await asked()
  } catch {
    return
  }
  throw new Error(`Expected a rejection of ${what}; there is none`)
}

/** Texts that stores cut, change or take for nothing. */
const texts = ['', '\n', '0\n', '1\n2', '{"ü":"\u2028\n😀"}', ' \t\r\n ', 'a\u0000b', 'null', 'x'.repeat(300_000)]

const checks: Readonly<Record<StateStoreCheckName, (kit: Kit) => Promise<void>>> = {
  'an empty store has nothing': async ({ store }) => same([await store.get('a'), await store.list()], [undefined, []]),
  'a text comes back exactly': async ({ store }) => {
    for (const [index, text] of texts.entries()) await store.put(`t${index}`, text, day)
    for (const [index, text] of texts.entries()) same(await store.get(`t${index}`), text)
    same(await listed(store), texts.map((text, index) => [`t${index}`, text]))
  },
  'the text that was written last is given': async ({ store }) => {
    for (const text of ['first', 'a longer second', '3']) await store.put('a', text, day)
    same([await store.get('a'), await listed(store)], ['3', [['a', '3']]])
  },
  'names are told apart, also by case alone': async ({ store }) => {
    const names = ['web-2', 'Web-2', 'WEB-2', 'web_2', 'web.2', '.', '..', '-', '0', '__proto__', 'constructor', 'x'.repeat(100), 'x'.repeat(99)]
    for (const name of names) await store.put(name, `of ${name}`, day)
    for (const name of names) same(await store.get(name), `of ${name}`)
    same((await store.list()).length, names.length)
  },
  'all states are listed, by name': async ({ store }) => {
    for (const name of ['b', 'a', 'C', 'a1', 'B']) await store.put(name, name, day)
    same(await listed(store), ['B', 'C', 'a', 'a1', 'b'].map((name) => [name, name]))
  },
  'many writers are kept apart': async ({ store }) => {
    const names = Array.from({ length: 40 }, (_, writer) => `w${writer + 10}`)
    await Promise.all(names.map(async (name) => await store.put(name, `text ${name}`, day)))
    same(await listed(store), names.map((name) => [name, `text ${name}`]))
  },
  'a reader sees one text or the other, whole': async ({ store }) => {
    const both = ['x'.repeat(200_000), 'y'.repeat(100_000)] as const
    await store.put('a', both[0], day)
    const writes = Array.from({ length: 6 }, async (_, turn) => await store.put('a', both[turn % 2] as string, day))
    const reads = await Promise.all(Array.from({ length: 12 }, async () => await store.get('a')))
    await Promise.all(writes)
    for (const text of [...reads, await store.get('a')]) if (text !== both[0] && text !== both[1]) throw new Error(`Expected a whole text; got ${text === undefined ? 'none' : `one of ${text.length} characters`}`)
  },
  'a name is forgotten': async ({ store }) => {
    for (const name of ['a', 'b']) await store.put(name, name, day)
    for (let time = 0; time < 2; time += 1) await store.remove('a')
    await store.remove('never-there')
    same([await store.get('a'), await listed(store)], [undefined, [['b', 'b']]])
    await store.put('a', 'again', day)
    same(await store.get('a'), 'again')
  },
  'a text is gone when its time is over': async ({ store, pass }) => {
    await store.put(short, 'x', 60)
    await store.put('long', 'y', day)
    same(await store.get(short), 'x')
    await pass(60)
    same([await store.get(short), await listed(store)], [undefined, [['long', 'y']]])
    await store.put(short, 'z', day)
    same(await store.get(short), 'z')
  },
  'a text that is written again is kept anew': async ({ store, pass }) => {
    await store.put('again', 'x', 60)
    await store.put('again', 'y', day)
    // Shorter than the day of the one before.
    await store.put(short, 'x', day)
    await store.put(short, 'y', 60)
    await pass(60)
    same(await listed(store), [['again', 'y']])
  },
  'another process sees what this one wrote': async ({ store, again }) => {
    const other = await again()
    await store.put('a', 'mine', day)
    await other.put('b', 'theirs', day)
    same([await other.get('a'), await store.get('b'), await listed(other)], ['mine', 'theirs', [['a', 'mine'], ['b', 'theirs']]])
    await other.put('a', 'newer', day)
    await other.remove('b')
    same(await listed(store), [['a', 'newer']])
  },
  'what is no name is refused': async ({ store }) => {
    for (const name of ['', 'a/b', '..:', 'a b', 'ü', 'x'.repeat(101), undefined, 7] as string[]) {
      await rejects(`the name ${inspect(name)}`, async () => await store.put(name, 'x', day))
      await rejects(`the name ${inspect(name)}`, async () => await store.get(name))
      await rejects(`the name ${inspect(name)}`, async () => await store.remove(name))
    }
    same(await store.list(), [])
  },
  'what is no time is refused': async ({ store }) => {
    for (const keepForMs of [0, -1, NaN, Infinity, undefined, '60'] as number[]) await rejects(`${inspect(keepForMs)} as keepForMs`, async () => await store.put('a', 'x', keepForMs))
    same(await store.list(), [])
  },
}
