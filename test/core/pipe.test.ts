import { microBatched } from 'outrigger/batch'
import { cached } from 'outrigger/cache'
import { describe, expect, it } from 'vitest'
import { circuitBreaker, fallback, layer, pipe, predictor, retry, timeout } from 'outrigger'
import type { NeutralLayer } from 'outrigger'

/** The codes of the warnings that the work gives. */
const warningsOf = async (work: () => unknown): Promise<string[]> => {
  const codes: string[] = []
  const hear = (warning: Error & { code?: string }): void => void codes.push(warning.code ?? warning.name)
  process.on('warning', hear)
  work()
  await new Promise((resolve) => setImmediate(resolve))
  process.off('warning', hear)
  return codes
}

describe('pipe', () => {
  it('puts the model first and the layers around it, innermost to outermost', async () => {
    const wrap = (name: string): NeutralLayer => layer<never, never>(name, { one: async (next, input, call) => `${name}(${await next(input, call)})` as never }) as unknown as NeutralLayer
    const predict = pipe((x: string) => x, wrap('a'), wrap('b'), wrap('c'))
    expect(await predict('x')).toBe('c(b(a(x)))')
    expect(await predict.batch(['x'])).toEqual(['c(b(a(x)))'])
  })

  it('takes more layers than it has overloads for', async () => {
    const add = layer<number, number>('add', { one: async (next, input, call) => 1 + (await next(input, call)) })
    expect(await (pipe as (...parts: unknown[]) => (x: number) => Promise<number>)((x: number) => x, ...Array.from({ length: 12 }, () => add))(0)).toBe(12)
  })

  it.each([[undefined], [null], [5], [{ ms: 5 }]])('refuses a layer that is %s, and says which', (wrong) => {
    expect(() => pipe((x: number) => x, timeout({ ms: 1 }), wrong as never)).toThrow(/layer 2/)
  })

  it('refuses what a layer gives back when it is no predictor', () => {
    expect(() => pipe((x: number) => x, (() => 7) as never)).toThrow(expect.objectContaining({ code: 'ERR_OUTRIGGER_INVALID_OPTION' }))
  })

  it('passes the clock and the randomness of the model on to every layer', () => {
    const seen: unknown[] = []
    const inner = predictor((x: number) => x)
    const note = layer<number, number>('note', (host) => (seen.push(host.clock), { one: (next, input, call) => next(input, call) }))
    pipe(inner, note, timeout({ ms: 1 }), note)
    expect(seen[0]).toBe(seen[1])
  })

  it('tells orders that hurt as process warnings with a code', async () => {
    const rule = (): NeutralLayer => fallback(() => 0 as never) as unknown as NeutralLayer
    const model = (x: number): number => x
    expect(await warningsOf(() => pipe(model, rule(), retry({ retries: 1 })))).toEqual(['OUTRIGGER_ORDER_FALLBACK_INSIDE_RETRY'])
    expect(await warningsOf(() => pipe(model, rule(), circuitBreaker()))).toEqual(['OUTRIGGER_ORDER_FALLBACK_INSIDE_BREAKER'])
    expect(await warningsOf(() => pipe(model, retry({ retries: 1 }), timeout({ ms: 1 }), retry({ retries: 1 })))).toEqual(['OUTRIGGER_ORDER_TWO_RETRIES'])
    expect(await warningsOf(() => pipe(model, circuitBreaker(), retry({ retries: 1, retryIf: () => true })))).toEqual(['OUTRIGGER_ORDER_RETRY_OUTSIDE_BREAKER'])
    expect(await warningsOf(() => pipe(model, cached({ max: 1 }), timeout({ ms: 1 }), microBatched()))).toEqual(['OUTRIGGER_ORDER_CACHE_INSIDE_BATCHES'])
    expect(await warningsOf(() => pipe(model, microBatched(), cached({ max: 1 })))).toEqual([])
  })

  it('tells nothing of orders that are right', async () => {
    expect(await warningsOf(() => pipe((x: number) => x, timeout({ ms: 1 }), retry({ retries: 1 }), circuitBreaker(), fallback(() => 0)))).toEqual([])
    expect(await warningsOf(() => pipe((x: number) => x, circuitBreaker(), retry({ retries: 1 })))).toEqual([])
  })

  it('sees orders that hurt through a pipe in a pipe and through a layer made of layers, and tells each once', async () => {
    const inner = pipe((x: number) => x, retry({ retries: 1 }), timeout({ ms: 1 }))
    expect(await warningsOf(() => pipe(inner, retry({ retries: 1 })))).toEqual(['OUTRIGGER_ORDER_TWO_RETRIES'])
    const house: NeutralLayer = (given) => timeout({ ms: 5 })(retry({ retries: 1 })(given))
    expect(await warningsOf(() => pipe((x: number) => x, house, retry({ retries: 1 })))).toEqual(['OUTRIGGER_ORDER_TWO_RETRIES'])
    let bad: typeof inner | undefined
    await warningsOf(() => (bad = pipe((x: number) => x, retry({ retries: 1 }), retry({ retries: 1 }))))
    expect(await warningsOf(() => pipe(bad as typeof inner, timeout({ ms: 1 })))).toEqual([])
  })
})
