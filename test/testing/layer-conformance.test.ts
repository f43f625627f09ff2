import { describe, expect, it } from 'vitest'
import { isRowFailure, layer, pipe, predictor } from 'outrigger'
import type { Predictor } from 'outrigger'
import { layerConformance } from 'outrigger/testing'
import type { ConformanceCheckName, ConformanceRow } from 'outrigger/testing'

type Row = ConformanceRow
type Made = (inner: Predictor<Row, unknown>) => Predictor<Row, unknown>

/** The checks that a layer does not pass. */
const failing = async (make: () => Made): Promise<ConformanceCheckName[]> => {
  const names: ConformanceCheckName[] = []
  for (const { name, run } of layerConformance(make)) {
    try {
      await run()
    } catch (error) {
      expect(error).toBeInstanceOf(Error)
      expect((error as Error).message).toMatch(new RegExp(`^The layer does not hold "${name}": .`))
      names.push(name)
    }
  }
  return names
}

/** Layers that are wrong in one way each, and the checks that must say so. */
const broken: [string, () => Made, ConformanceCheckName[]][] = [
  ['loses the order of a batch', () => layer<Row, unknown>('reversed', { one: (next, input, call) => next(input, call), many: async (next, inputs, batch) => (await next(inputs, batch)).reverse() }), ['a batch equals single calls, in order', 'a row that fails does not lose the others']],
  ['answers rows otherwise than calls', () => layer<Row, unknown>('other', { one: (next, input, call) => next(input, call), many: async (next, inputs, batch) => (await next(inputs, batch)).map((row) => (isRowFailure(row) ? row : { row })) }), ['a batch equals single calls, in order', 'a row that fails does not lose the others']],
  ['asks twice', () => layer<Row, unknown>('twice', { one: (next, input, call) => next(input, call), many: async (next, inputs, batch) => (await next(inputs, batch), await next(inputs, batch)) }), ['a batch asks for each row at most once']],
  ['detaches the call', () => layer<Row, unknown>('detached', { one: (next, input, call) => next(input, call.detach()) }), ['the abort of a caller rejects at once and reaches the model', 'a call stays with the version it was bound to']],
  ['changes answers', () => layer<Row, unknown>('changed', { one: async (next, input, call) => [await next(input, call)] }), ['answers pass', 'a batch equals single calls, in order', 'a row that fails does not lose the others']],
  ['swallows errors', () => layer<Row, unknown>('swallows', { one: async (next, input, call) => await next(input, call).catch(() => undefined) }), ['a row that fails does not lose the others', 'a model that throws at once gives a rejection', 'the error of the model arrives']],
  ['replaces errors', () => layer<Row, unknown>('replaces', { one: async (next, input, call) => await next(input, call).catch(() => { throw new Error('mine') }) }), ['the error of the model arrives']],
  ['fails the run with one row', () => layer<Row, unknown>('all or nothing', { one: (next, input, call) => next(input, call), many: async (next, inputs, batch) => {
    const rows = await next(inputs, batch)
    const bad = rows.find(isRowFailure)
    if (bad !== undefined) throw bad.error
    return rows
  } }), ['a row that fails does not lose the others']],
  ['changes its input', () => layer<Row, unknown>('changes', { one: async (next, input, call) => {
    const output = await next(input, call)
    ;(input as { x: number }).x = 99
    return output
  } }), ['inputs are not changed']],
  ['ignores the call: a wrapper written by hand', () => (inner) => predictor({ predict: (input: Row) => inner(input) }), ['the abort of a caller rejects at once and reaches the model', 'keys travel with their calls', 'a call stays with the version it was bound to', 'describe gives a line per stage']],
  ['leaks listeners', () => layer<Row, unknown>('leaks', { one: (next, input, call) => {
    call.options?.signal?.addEventListener('abort', () => {})
    return next(input, call)
  } }), ['no listener is left on the signal of a caller']],
  ['caches without the version', () => {
    const answers = new Map<number, Promise<unknown>>()
    return layer<Row, unknown>('cache', { one: (next, input, call) => {
      const answer = answers.get(input.x) ?? next(input, call)
      answers.set(input.x, answer)
      return answer
    } })
  }, ['a call stays with the version it was bound to']],
  ['runs queued calls in the context of whoever makes room', () => layer<Row, unknown>('queue', () => {
    const waiting: (() => void)[] = []
    let running = false
    return { one: (next, input, call) => new Promise((resolve, reject) => {
      const run = (): void => {
        running = true
        next(input, call).then(resolve, reject)
        setImmediate(() => setImmediate(() => {
          running = false
          waiting.shift()?.()
        }))
      }
      if (running) waiting.push(run)
      else run()
    }) }
  }), ['each caller keeps its async context']],
  ['does not wait to be asked: calls the model for an aborted call', () => (inner) => {
    const eager = layer<Row, unknown>('eager', { one: (next, input, call) => next(input, call) })(inner)
    const ask = (input: Row, options?: object): Promise<unknown> => (void inner(input).catch(() => {}), eager(input, options))
    return Object.assign(ask, eager, { describe: eager.describe, identity: eager.identity }) as unknown as Predictor<Row, unknown>
  }, ['an aborted signal never reaches the model']],
  ['throws synchronously', () => (inner) => Object.assign((input: Row, options?: { signal?: AbortSignal }) => {
    if (inner.identity.name === 'nothing') return inner(input, options)
    throw new Error('at once')
  }, inner) as unknown as Predictor<Row, unknown>, ['a model that throws at once gives a rejection']],
  ['is not there: describes only the model', () => (inner) => pipe(inner), ['describe gives a line per stage']],
]

describe('layerConformance', () => {
  it.each(broken)('a layer that %s fails the right checks', async (_, make, expected) => {
    const found = await failing(make)
    expect(found).toEqual(expect.arrayContaining(expected))
  })

  it('the layer that swallows errors fails exactly the checks on errors, and the one that leaks only that on listeners', async () => {
    const exact = broken.filter(([name]) => ['swallows errors', 'replaces errors', 'leaks listeners', 'fails the run with one row', 'is not there: describes only the model'].includes(name))
    for (const [name, make, expected] of exact) expect([name, await failing(make)]).toEqual([name, expected])
  })

  it('every check is failed by one of the broken layers, but for three that a layer of the contract cannot break', async () => {
    const seen = new Set(broken.flatMap(([, , names]) => names))
    const unseen = layerConformance(() => layer<Row, unknown>('x', { one: (next, input, call) => next(input, call) })).map(({ name }) => name).filter((name) => !seen.has(name))
    expect(unseen).toEqual(['an empty batch asks nothing', 'close is idempotent, and refuses later calls'])
    const impostor = (inner: Predictor<Row, unknown>): Predictor<Row, unknown> => Object.assign((input: Row) => inner(input), inner, { identity: inner.identity, ready: () => true, batch: (rows: readonly Row[]) => (void inner({ x: 0 }), inner.batch(rows)), close: async () => {} }) as unknown as Predictor<Row, unknown>
    expect(await failing(() => impostor)).toEqual(expect.arrayContaining(unseen))
  })

  it('passes a layer that does nothing, in each of its forms', async () => {
    expect(await failing(() => layer<Row, unknown>('nothing', { one: (next, input, call) => next(input, call) }))).toEqual([])
    expect(await failing(() => layer<Row, unknown>('nothing', { one: async (next, input, call) => await next(input, call), many: async (next, inputs, batch) => await next(inputs, batch) }))).toEqual([])
  })

  it('leaves out what `except` names, and refuses a check that does not exist', () => {
    const make = (): Made => layer<Row, unknown>('nothing', { one: (next, input, call) => next(input, call) })
    const all = layerConformance(make).length
    expect(layerConformance(make, { except: { 'answers pass': 'for a reason' } })).toHaveLength(all - 1)
    expect(() => layerConformance(make, { except: { 'no such check': 'x' } as never })).toThrow(/must name its checks/)
    expect(() => layerConformance(make, { inputs: [{ x: 1 }] })).toThrow(/three/)
  })

  it('knows layers that change answers, and those that hide failures', async () => {
    const changes = layerConformance(() => layer<Row, unknown>('list', { one: async (next, input, call) => [await next(input, call)] }), { expect: (input) => [{ y: input.x * 10 }] })
    for (const { run } of changes) await run()
    const hides = layerConformance(() => layer<Row, unknown>('hides', { one: async (next, input, call) => await next(input, call).catch(() => 0) }), { hidesFailures: true })
    for (const { run } of hides) await run()
  })
})
