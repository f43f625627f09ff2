import { describe, expect, it } from 'vitest'
import { layer, pipe, predictor, timeout } from 'outrigger'
import { fakeClock, mockModel } from 'outrigger/testing'
import { applyLayer } from '../../src/core/layer.js'
import { predictorOver, stageOf } from '../../src/core/predictor.js'

describe('layer', () => {
  it('calls a definition that is a function once for each predictor it is put around, so that state is not shared', async () => {
    let made = 0
    const counting = layer<number, number>('counting', () => {
      made += 1
      let calls = 0
      return { one: async (next, input, call) => (await next(input, call)) + 1000 * (calls += 1) }
    })
    const [first, second] = [pipe((x: number) => x, counting), pipe((x: number) => x, counting)]
    expect([await first(1), await first(1), await second(1)]).toEqual([1001, 2001, 1001])
    expect(made).toBe(2)
  })

  it('gives its host the clock, the identity and the scope of what is inside', async () => {
    const clock = fakeClock()
    const seen: unknown[] = []
    const predict = pipe(predictor((x: number) => x, { name: 'delay', version: '2', digest: 'abc', clock }), timeout({ ms: 5 }), layer<number, number>('looks', (host) => ({
      one: (next, input, call) => {
        seen.push(host.clock, host.served(call), host.scope(call))
        return next(input, call)
      },
    })))
    await predict(1)
    expect(seen).toEqual([clock, { name: 'delay', version: '2', digest: 'abc' }, 'abc'])
    expect([predict.identity.name, Object.isFrozen(predict.identity)]).toEqual(['delay', true])
  })

  it('emits under its own name, with the time of the clock', async () => {
    const heard: unknown[] = []
    const predict = pipe(predictor((x: number) => x, { clock: fakeClock({ wallMs: 50 }) }), layer<number, number>('speaks', (host) => ({
      one: (next, input, call) => {
        host.emit({ type: 'state', subject: 's', from: 'a', to: 'b', reason: 'r' })
        host.emit({ type: 'notice', message: 'm' })
        return next(input, call)
      },
    })))
    predict.observe((event) => heard.push(event), { predictions: false })
    await predict(1)
    expect(heard).toEqual([{ type: 'state', layer: 'speaks', subject: 's', from: 'a', to: 'b', reason: 'r', at: 50 }, { type: 'notice', layer: 'speaks', message: 'm', at: 50 }])
  })

  it('may ask for other inputs and answer for itself, in both forms', async () => {
    const model = mockModel<number, number>().answers((x) => x * 2)
    const clipped = pipe(model, layer<number, number>('clip', { one: async (next, input, call) => (input > 10 ? -1 : await next(input + 1, call)) }))
    expect([await clipped(1), await clipped(11), await clipped.batch([1, 11])]).toEqual([4, -1, [4, -1]])
  })

  it('throws, rejects or returns what it likes: a call rejects or answers, and never throws', async () => {
    const forms = {
      throws: layer<number, number>('throws', { one: () => { throw new Error('layer') } }),
      rejects: layer<number, number>('rejects', { one: async () => { throw new Error('layer') } }),
      plain: layer<number, number>('plain', { one: () => 5 }),
    }
    await expect(pipe((x: number) => x, forms.throws)(1)).rejects.toThrow('layer')
    await expect(pipe((x: number) => x, forms.rejects)(1)).rejects.toThrow('layer')
    expect(await pipe((x: number) => x, forms.plain)(1)).toBe(5)
  })

  it('refuses to stand around what is no predictor', () => {
    const plain = layer<number, number>('plain', { one: (next, input, call) => next(input, call) })
    expect(() => plain(((x: number) => x) as never)).toThrow(expect.objectContaining({ code: 'ERR_OUTRIGGER_INVALID_OPTION' }))
  })

  it('needs records as soon as what is inside does, also when that changes with the version that is live', async () => {
    const inner = predictor((x: number) => x)
    let needs = false
    const loader = predictorOver(Object.defineProperty({ ...stageOf(inner) }, 'needsRecord', { get: () => needs }), [])
    const started: unknown[] = []
    const note = layer<number, number>('note', { one: (next, input, call) => (started.push(call.startedAt === undefined), next(input, call)) })
    const predict = pipe(loader, timeout({ ms: 100 }), note)
    await predict(1)
    needs = true
    await predict(1)
    needs = false
    await predict(1)
    expect(started).toEqual([true, false, true])
  })
})

describe('applyLayer', () => {
  it('a layer that needs records gets them, without an observer', async () => {
    const seen: unknown[] = []
    const watching = applyLayer<number, number>(predictor((x: number) => x), 'watching', () => ({
      needsRecord: true,
      one: (next, input, call) => {
        ;(call.note().watchers ??= []).push((record) => seen.push(record.outcome))
        return next(input, call)
      },
    }))
    await pipe(watching, timeout({ ms: 100 }))(1)
    await pipe(watching, timeout({ ms: 100 })).batch([1, 2])
    expect(seen).toEqual(['ok', 'ok', 'ok'])
  })
})
