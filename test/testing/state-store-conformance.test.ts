import { describe, expect, it } from 'vitest'
import { memoryStateStore, type StateStore } from 'outrigger/drift'
import { fakeClock, stateStoreConformance, type StateStoreCheckName } from 'outrigger/testing'

const clock = fakeClock()

/** The checks that a store does not pass. */
const failing = async (make: () => StateStore): Promise<StateStoreCheckName[]> => {
  const names: StateStoreCheckName[] = []
  for (const { name, run } of stateStoreConformance(make, { pass: (ms) => clock.advance(ms), again: (store) => store })) {
    try {
      await run()
    } catch (error) {
      expect((error as Error).message).toMatch(new RegExp(`^The store does not hold "${name}": .`))
      names.push(name)
    }
  }
  return names
}

/** A store with some of its methods replaced. */
const but = (change: (inner: StateStore) => Partial<StateStore>) => (): StateStore => {
  const inner = memoryStateStore(clock)
  return { ...inner, ...change(inner) }
}

/** Stores that are wrong in one way each, and the checks that must say so. */
const broken: readonly [string, () => StateStore, readonly StateStoreCheckName[]][] = [
  ['keeps the first text', but((inner) => ({ put: async (name, text, ms) => void ((await inner.get(name)) ?? (await inner.put(name, text, ms))) })), ['the text that was written last is given', 'a text that is written again is kept anew', 'another process sees what this one wrote']],
  ['trims', but((inner) => ({ put: async (name, text, ms) => await inner.put(name, text.trim(), ms) })), ['a text comes back exactly']],
  ['takes an empty text for none', but((inner) => ({ get: async (name) => (await inner.get(name)) || undefined })), ['a text comes back exactly']],
  ['does not look at case', but((inner) => ({ put: async (name, text, ms) => await inner.put(String(name).toLowerCase(), text, ms), get: async (name) => await inner.get(String(name).toLowerCase()) })), ['names are told apart, also by case alone', 'all states are listed, by name', 'what is no name is refused']],
  ['lists as they come', but(() => {
    const inner = new Map<string, string>()
    return { put: async (name, text, ms) => void (await memoryStateStore().put(name, text, ms), inner.delete(name), inner.set(name, text)), get: async (name) => (await memoryStateStore().get(name), inner.get(name)), list: async () => [...inner].map(([name, text]) => ({ name, text })), remove: async (name) => (await memoryStateStore().remove(name), void inner.delete(name)) }
  }), ['all states are listed, by name', 'a text is gone when its time is over', 'a text that is written again is kept anew']],
  ['forgets all', but((inner) => ({ remove: async (name) => {
    await inner.remove(name)
    for (const state of await inner.list()) await inner.remove(state.name)
  } })), ['a name is forgotten', 'another process sees what this one wrote']],
  ['forgets nothing', but((inner) => ({ remove: async (name) => void (await inner.get(name)) })), ['a name is forgotten', 'another process sees what this one wrote']],
  ['keeps for ever', but((inner) => ({ put: async (name, text, ms) => await inner.put(name, text, typeof ms === 'number' && ms > 0 && ms < Infinity ? 1e12 : ms) })), ['a text is gone when its time is over', 'a text that is written again is kept anew']],
  ['takes any name', but((inner) => ({ put: async (name, text, ms) => await inner.put(/^[\w.-]{1,100}$/.test(name) ? name : 'other', text, ms), get: async (name) => (/^[\w.-]{1,100}$/.test(name) ? await inner.get(name) : undefined), remove: async () => {} })), ['a name is forgotten', 'another process sees what this one wrote', 'what is no name is refused']],
  ['takes any time', but((inner) => ({ put: async (name, text, ms) => await inner.put(name, text, ms > 0 && ms < Infinity ? ms : 1) })), ['what is no time is refused']],
]

describe('stateStoreConformance', () => {
  it('passes a store that is right', async () => {
    expect(await failing(() => memoryStateStore(clock))).toEqual([])
  })

  it.each(broken)('fails a store that %s', async (_, make, checks) => {
    expect((await failing(make)).sort()).toEqual([...checks].sort())
  })

  it('fails a store whose writers tear texts, or share one place', async () => {
    const torn = but((inner) => ({ put: async (name, text, ms) => {
      await inner.put(name, text.slice(0, 10), ms)
      await Promise.resolve()
      await inner.put(name, text, ms)
    } }))
    expect(await failing(torn)).toEqual(['a reader sees one text or the other, whole'])
    let last = ''
    const shared = but((inner) => ({ put: async (name, text, ms) => {
      last = text
      await Promise.resolve()
      await inner.put(name, last, ms)
    } }))
    expect(await failing(shared)).toEqual(['many writers are kept apart'])
  })

  it('leaves out what it is told to, and what needs a second process', () => {
    const names = stateStoreConformance(() => memoryStateStore(), { except: { 'what is no name is refused': 'any will do' } }).map(({ name }) => name)
    expect(names).not.toContain('what is no name is refused')
    expect(names).not.toContain('another process sees what this one wrote')
    for (const bad of [[() => memoryStateStore(), { except: { typo: 'x' } }], [undefined], [() => memoryStateStore(), { pass: 7 }], [() => memoryStateStore(), { typo: 1 }]]) {
      expect(() => stateStoreConformance(...(bad as unknown as [() => StateStore]))).toThrow(expect.objectContaining({ code: 'ERR_OUTRIGGER_INVALID_OPTION' }))
    }
  })
})
