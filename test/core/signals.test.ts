import { getEventListeners } from 'node:events'
import { pipe } from 'outrigger'
import { mockModel } from 'outrigger/testing'
import { describe, expect, it } from 'vitest'
import { onAbortOf } from '../../src/core/signals.js'

describe('onAbortOf', () => {
  it('has one listener per signal for any number of callbacks, in their order, and none when they have left', () => {
    const controller = new AbortController()
    const heard: number[] = []
    const same = (): void => void heard.push(0)
    const leave = [onAbortOf(controller.signal, same), onAbortOf(controller.signal, same), onAbortOf(controller.signal, () => heard.push(1)), onAbortOf(controller.signal, () => heard.push(2))]
    expect(getEventListeners(controller.signal, 'abort')).toHaveLength(1)
    leave[0]!()
    leave[0]!()
    leave[2]!()
    controller.abort()
    expect(heard).toEqual([0, 2])
    leave[3]!()

    const other = new AbortController()
    const leaving = [1, 2].map(() => onAbortOf(other.signal, () => heard.push(9)))
    for (const stop of leaving) stop()
    expect(getEventListeners(other.signal, 'abort')).toHaveLength(0)
    const again = onAbortOf(other.signal, () => heard.push(3))
    for (const stop of leaving) stop()
    other.abort()
    again()
    expect(heard).toEqual([0, 2, 3])
  })

  it('lets everybody hear when one throws', () => {
    const heard: string[] = []
    const target = { listener: (): void => {} }
    const signal = { addEventListener: (_: string, listener: () => void) => (target.listener = listener), removeEventListener: () => {} } as never as AbortSignal
    onAbortOf(signal, () => { throw new Error('first') })
    onAbortOf(signal, () => heard.push('second'))
    expect(target.listener).toThrow('first')
    expect(heard).toEqual(['second'])
  })

  it('keeps a service quiet that gives one signal to all its calls', async () => {
    const shutdown = new AbortController()
    const model = mockModel<number, number>()
    const predict = pipe(model)
    const calls = Array.from({ length: 50 }, (_, x) => predict(x, { signal: shutdown.signal }))
    const rows = predict.detailedBatch([1, 2], { signals: [shutdown.signal, shutdown.signal] })
    expect(getEventListeners(shutdown.signal, 'abort')).toHaveLength(1)
    shutdown.abort()
    expect((await Promise.allSettled(calls)).map((call) => call.status === 'rejected' && (call.reason as { code: string }).code)).toEqual(new Array(50).fill('ERR_OUTRIGGER_ABORTED'))
    expect((await rows).map(({ ok }) => ok)).toEqual([false, false])
    expect(getEventListeners(shutdown.signal, 'abort')).toHaveLength(0)
  })
})
