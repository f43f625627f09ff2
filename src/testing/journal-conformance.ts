/** What every journal must do, as checks that its author can run. */
import { requiredFunction } from '../core/options.js'
import type { Journal } from '../store/journal.js'

/** One check. `run` rejects with a plain `Error` that says what is wrong. */
export interface JournalCheck {
  readonly name: string
  run(): Promise<void>
}

const expectSame = (what: string, found: unknown, expected: unknown): void => {
  if (JSON.stringify(found) !== JSON.stringify(expected)) throw new Error(`Expected ${what} to be ${JSON.stringify(expected)}: current value is ${JSON.stringify(found)}`)
}

const expectRefusal = async (what: string, go: () => Promise<unknown>): Promise<void> => {
  const code = await go().then(
    () => 'nothing',
    (error: { code?: unknown }) => error.code,
  )
  expectSame(`the code of ${what}`, code, 'ERR_OUTRIGGER_INVALID_OPTION')
}

const checks: Readonly<Record<string, (journal: Journal) => Promise<void>>> = {
  'one that nobody wrote is empty': async (journal) => {
    expectSame('it', await journal.read('nobody'), [])
    expectSame('it from 3 on', await journal.read('nobody', 3), [])
  },
  'entries come back in order, and exactly': async (journal) => {
    const texts = ['first', '', 'zwei\n"\\ \0 💙 é', JSON.stringify({ a: [1, 2] }), 'x'.repeat(100_000)]
    for (const [position, text] of texts.entries()) expectSame(`append ${position}`, await journal.append('order', position, text), true)
    expectSame('all', await journal.read('order'), texts)
    expectSame('the last two', await journal.read('order', 3), texts.slice(3))
    expectSame('those behind the end', await journal.read('order', 9), [])
  },
  'an entry goes only where the list ends': async (journal) => {
    expectSame('an append behind the end', await journal.append('end', 1, 'too far'), false)
    expectSame('the first append', await journal.append('end', 0, 'a'), true)
    expectSame('an append where there is one', await journal.append('end', 0, 'b'), false)
    expectSame('an append behind the end', await journal.append('end', 2, 'c'), false)
    expectSame('it', await journal.read('end'), ['a'])
  },
  'of many who append at once one wins': async (journal) => {
    for (let position = 0; position < 5; position += 1) {
      const won = await Promise.all(Array.from({ length: 8 }, (_, writer) => journal.append('race', position, `${position} by ${writer}`)))
      expectSame('the number of winners', won.filter(Boolean).length, 1)
      expectSame('the entry', (await journal.read('race', position))[0], `${position} by ${won.indexOf(true)}`)
    }
    expectSame('their number', (await journal.read('race')).length, 5)
  },
  'names are kept apart': async (journal) => {
    for (const name of ['a', 'A', 'a.b', 'a_b', 'a-b']) await journal.append(name, 0, `of ${name}`)
    for (const name of ['a', 'A', 'a.b', 'a_b', 'a-b']) expectSame(name, await journal.read(name), [`of ${name}`])
  },
  'what is none is refused': async (journal) => {
    await expectRefusal('a name with a slash', () => journal.read('a/b'))
    await expectRefusal('an empty name', () => journal.append('', 0, 'x'))
    await expectRefusal('a negative position', () => journal.append('refused', -1, 'x'))
    await expectRefusal('half a position', () => journal.read('refused', 0.5))
    await expectRefusal('an entry that is no text', () => journal.append('refused', 0, 7 as never))
    expectSame('it', await journal.read('refused'), [])
  },
}

/**
 * The checks that every {@link Journal} has to pass, whoever wrote it. They run against the real thing, with any test runner.
 *
 * @param make - gives an empty journal, under a prefix or in a directory that nobody else uses
 * @throws `ERR_OUTRIGGER_INVALID_OPTION`
 * @example
 * ```ts
 * import { memoryJournal } from 'outrigger/store'
 * import { journalConformance } from 'outrigger/testing'
 * for (const { run } of journalConformance(() => memoryJournal())) await run()
 * const eager = { read: async () => [], append: async () => true }
 * await assert.rejects(journalConformance(() => eager)[1]!.run(), /Expected all to be/)
 * ```
 */
export const journalConformance = (make: () => Journal | PromiseLike<Journal>): JournalCheck[] => {
  requiredFunction('a journal conformance suite', 'make', make)
  return Object.entries(checks).map(([name, check]) => ({ name, run: async () => await check(await make()) }))
}
