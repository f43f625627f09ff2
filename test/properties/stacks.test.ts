/** Any stack of layers that have nothing to do equals the bare model, and a batch equals single calls. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { predictor, RowFailure, seededRandom, type Predictor } from 'outrigger'
import { fakeClock, type FakeClock } from 'outrigger/testing'
import { describe, expect, it, vi } from 'vitest'
import { gentle, stackOf, strict } from './_stack.js'

// Some random orders hurt, and `pipe` would say so each time.
vi.spyOn(process, 'emitWarning').mockImplementation(() => {})

const answer = (x: number): { readonly y: number } => {
  if (x >= 8) throw new Error(`no ${x}`)
  return { y: x * 10 }
}
const row = (x: number): { readonly y: number } => (x >= 8 ? (new RowFailure(new Error(`no ${x}`)) as never) : answer(x))

const models: Readonly<Record<string, (clock: FakeClock) => unknown>> = {
  'a function': () => answer,
  'an asynchronous function': () => async (x: number) => answer(x),
  'a slow function': (clock) => (x: number) =>
    new Promise((resolve, reject) => {
      clock.setTimeout(() => {
        try {
          resolve(answer(x))
        } catch (error) {
          reject(error as Error)
        }
      }, 20 + x)
    }),
  'an object with batches': () => ({ predict: answer, predictBatch: async (rows: readonly number[]) => rows.map(row) }),
  'an object with batches only': () => ({ predictBatch: (rows: readonly number[]) => rows.map(row) }),
  'slow batches': (clock) => ({ predictBatch: (rows: readonly number[]) => new Promise((resolve) => void clock.setTimeout(() => resolve(rows.map(row)), 20)) }),
}

/** The innermost cause: layers may say for whom else it failed. */
const messageOf = (error: unknown): string => {
  const { cause, message } = error as Error
  return cause instanceof Error ? messageOf(cause) : message
}
type Told = { readonly output: unknown } | { readonly error: string }
const told = (work: Promise<unknown>): Promise<Told> => work.then((output) => ({ output }), (error: unknown) => ({ error: messageOf(error) }))
const bare = (x: number): Told => (x >= 8 ? { error: `no ${x}` } : { output: { y: x * 10 } })

const settled = async <T>(clock: FakeClock, work: Promise<T>): Promise<T> => {
  let isOver = false
  void work.finally(() => (isOver = true)).catch(() => {})
  await clock.settle()
  for (let ms = 1; !isOver && ms < 2 ** 20; ms *= 2) await clock.advance(ms)
  if (!isOver) throw new Error('A call did not settle.')
  return await work
}

const callers: Readonly<Record<string, (clock: FakeClock, predict: Predictor<number, unknown>, inputs: readonly number[]) => Promise<Told[]>>> = {
  'one after another': async (clock, predict, inputs) => {
    const seen: Told[] = []
    for (const input of inputs) seen.push(await settled(clock, told(predict(input))))
    return seen
  },
  'at once': async (clock, predict, inputs) => await settled(clock, Promise.all(inputs.map((input, index) => told(predict(input, index % 3 === 0 ? undefined : { key: `${index}`, timeoutMs: index % 3 === 1 ? 600_000 : undefined, priority: index }))))),
  'in a batch': async (clock, predict, inputs) => (await settled(clock, predict.detailedBatch(inputs))).map((result): Told => (result.ok ? { output: result.output } : { error: messageOf(result.error) })),
  'in a batch and alone': async (clock, predict, inputs) => {
    const [rows, singles] = await settled(clock, Promise.all([predict.detailedBatch(inputs, { signal: new AbortController().signal }), Promise.all(inputs.map((input) => told(predict(input))))]))
    const batch = rows.map((result): Told => (result.ok ? { output: result.output } : { error: messageOf(result.error) }))
    expect(batch).toEqual(singles)
    return batch
  },
}

const runs = Number(process.env['PROPERTY_RUNS'] ?? 300)

/** The layers on the list of `discovery.test.ts` that leave inputs and outputs as they are, but for those of drift: they watch only. */
const discovered = [...readFileSync(join(import.meta.dirname, '../testing/discovery.test.ts'), 'utf8').matchAll(/^ {2}'(\w+)\/(\w+)': \{/gm)].flatMap(([, folder, name]) => (folder === 'drift' ? [] : [name!]))

describe('the layers of these tests', () => {
  it.each([['gentle', gentle], ['strict', strict]])('are all there are: %s', (_, known) => {
    expect(discovered.length).toBeGreaterThan(10)
    const names = Object.keys(known).map((name) => name.split(/\W/)[0])
    expect(discovered.filter((name) => !names.includes(name)), 'Add each to test/properties/_stack.ts.').toEqual([])
  })
})

describe('a stack of neutral layers', () => {
  it('equals the bare model, however it is asked, and leaves nothing behind', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.constantFrom(...Object.keys(gentle)), { maxLength: 8, size: 'max' }),
        fc.constantFrom(...Object.keys(models)),
        fc.constantFrom(...Object.keys(callers)),
        fc.array(fc.nat({ max: 9 }), { minLength: 1, maxLength: 12, size: 'max' }),
        async (names, model, how, inputs) => {
          const clock = fakeClock()
          const layers = names.map((name) => gentle[name]!())
          const predict = stackOf(predictor(models[model]!(clock) as (x: number) => unknown, { clock, random: seededRandom(3) }), layers)
          expect(await callers[how]!(clock, predict, inputs)).toEqual(inputs.map(bare))
          // Twice, as there may be caches now.
          expect(await callers[how]!(clock, predict, inputs)).toEqual(inputs.map(bare))
          await clock.advance(1000)
          expect(clock.holding, 'timers that hold the process').toBe(0)
          await settled(clock, predict.close())
          await clock.settle()
          expect(clock.pending, 'timers after close').toBe(0)
        },
      ),
      { seed: 41, numRuns: runs },
    )
  }, 120_000)

  it.each(Object.keys(gentle))('of %s alone is a gentle layer', async (name) => {
    for (const model of Object.values(models)) {
      const clock = fakeClock()
      const predict = stackOf(predictor(model(clock) as (x: number) => unknown, { clock }), [gentle[name]!()])
      for (const ask of Object.values(callers)) expect(await ask(clock, predict, [1, 8, 2, 1])).toEqual([1, 8, 2, 1].map(bare))
    }
  })
})
