import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { describe, expect, it } from 'vitest'
import { predictor } from 'outrigger'
import { labelJoin } from 'outrigger/core'
import type { PredictionRecord } from 'outrigger'

setFlagsFromString('--expose-gc')
const collectGarbage = runInNewContext('gc') as () => void

const record = (id: string, at = 0, outcome = 'ok'): PredictionRecord => ({ id, at, outcome }) as PredictionRecord
const predicted = (join: { observer: (event: never) => void }, ...records: PredictionRecord[]): void => {
  for (const one of records) join.observer({ type: 'prediction', record: one } as never)
}

describe('labelJoin', () => {
  it('joins a late label to its prediction by id, and tells those who listen until they leave', async () => {
    const predict = predictor((x: number) => x > 0)
    const join = labelJoin<boolean>()
    const heard: unknown[] = []
    predict.observe(join.observer)
    const stop = join.onJoined(({ record: { id, identity }, label }) => void heard.push([id, identity.name, label]))
    await predict(3, { id: 'trip' })
    await predict.batch([4, 5], { ids: ['a', 'b'] })
    expect(join.counts).toEqual({ joined: 0, duplicate: 0, unmatched: 0, expired: 0, pending: 3 })
    join.label('trip', true, 123)
    stop()
    join.label('b', false, 124)
    expect(heard).toEqual([['trip', 'model', { id: 'trip', value: true, at: 123 }]])
    expect(join.counts).toEqual({ joined: 2, duplicate: 0, unmatched: 0, expired: 0, pending: 1 })
  })

  it('counts duplicates and labels of unknown predictions, and drops them', () => {
    const join = labelJoin<number>()
    let heard = 0
    join.onJoined(() => void (heard += 1))
    join.label('early', 1, 0)
    predicted(join, record('early'), record('x'))
    join.label('x', 1, 0)
    join.label('x', 2, 0)
    join.label('y', 1, 0)
    expect([join.counts, heard]).toEqual([{ joined: 1, duplicate: 1, unmatched: 2, expired: 0, pending: 1 }, 1])
  })

  it('does not wait for predictions that failed, and ignores other events', () => {
    const join = labelJoin<number>()
    predicted(join, record('a', 0, 'error'), record('b', 0, 'timeout'))
    join.observer({ type: 'notice', layer: 'x', message: 'm', at: 0 })
    expect(join.counts.pending).toBe(0)
  })

  it('a prediction expires after its time to live, whether the label or another prediction comes', () => {
    const join = labelJoin<number>({ ttlMs: 100 })
    predicted(join, record('a', 0), record('b', 50))
    join.label('a', 1, 101)
    expect(join.counts).toMatchObject({ joined: 0, expired: 1, pending: 1 })
    predicted(join, record('c', 151))
    expect(join.counts).toMatchObject({ expired: 2, pending: 1 })
    join.label('c', 1, 251)
    expect(join.counts).toMatchObject({ joined: 1 })
  })

  it('holds at most max predictions and max joined ids; the oldest leaves', () => {
    const join = labelJoin<number>({ max: 2 })
    predicted(join, record('a'), record('b'), record('c'))
    expect(join.counts).toMatchObject({ expired: 1, pending: 2 })
    join.label('a', 1, 0)
    expect(join.counts.unmatched).toBe(1)
    for (let index = 0; index < 10_000; index += 1) {
      predicted(join, record(`p${index}`))
      join.label(`p${index}`, 1, 0)
    }
    expect(join.counts).toMatchObject({ joined: 10_000, pending: 1, expired: 2 })
    join.label('p9998', 1, 0)
    expect(join.counts.duplicate).toBe(1)
    join.label('p0', 1, 0)
    expect(join.counts).toMatchObject({ duplicate: 1, unmatched: 2 })
  })

  it('a prediction made again under its id takes the place of the first, and every prediction is counted once', () => {
    const join = labelJoin<number>({ ttlMs: 100 })
    const seen: number[] = []
    join.onJoined(({ record: { at } }) => void seen.push(at))
    predicted(join, record('a', 0), record('b', 10), record('a', 90))
    join.label('a', 1, 150)
    predicted(join, record('c', 120))
    expect(seen).toEqual([90])
    expect(join.counts).toEqual({ joined: 1, duplicate: 0, unmatched: 0, expired: 2, pending: 1 })
  })

  it('what met its label may be predicted again under its id, and meets another', () => {
    const join = labelJoin<number>({ max: 2 })
    predicted(join, record('a', 1))
    join.label('a', 1, 2)
    predicted(join, record('a', 3))
    join.label('a', 1, 4)
    expect(join.counts).toEqual({ joined: 2, duplicate: 0, unmatched: 0, expired: 0, pending: 0 })
    // The first of both leaves the memory of joined ids; the second is still known.
    predicted(join, record('b'), record('c'))
    join.label('b', 1, 4)
    join.label('a', 1, 5)
    expect(join.counts).toMatchObject({ joined: 3, duplicate: 1 })
    join.label('c', 1, 4)
    join.label('a', 1, 5)
    expect(join.counts).toMatchObject({ joined: 4, unmatched: 1 })
  })

  it('a record is free as soon as it met its label, though an older one still waits', async () => {
    const join = labelJoin<number>()
    predicted(join, record('waits'))
    const held = (() => {
      const one = record('joined')
      predicted(join, one)
      join.label('joined', 1, 0)
      return new WeakRef(one)
    })()
    await new Promise((resolve) => setImmediate(resolve)) // a WeakRef holds its target until the turn is over
    collectGarbage()
    expect(held.deref()).toBeUndefined()
  })

  it('a listener that throws keeps no other from hearing, disturbs nobody, and is told as a process warning', async () => {
    const warnings: string[] = []
    const hear = (warning: Error): void => void warnings.push(warning.message)
    process.on('warning', hear)
    const join = labelJoin<number>()
    let heard = 0
    join.onJoined(() => { throw new Error('listener') })
    join.onJoined(() => void (heard += 1))
    predicted(join, record('a'))
    join.label('a', 1, 0)
    await new Promise((resolve) => setImmediate(resolve))
    process.off('warning', hear)
    expect([heard, warnings]).toEqual([1, ['listener']])
  })

  it.each([[{ max: 0 }], [{ max: 1.5 }], [{ ttlMs: 0 }], [{ ttlMs: Number.NaN }], [{ ttl: 5 }]])('refuses the options %o', (options) => {
    expect(() => labelJoin(options as never)).toThrow(expect.objectContaining({ code: 'ERR_OUTRIGGER_INVALID_OPTION' }))
  })

  it.each([[7, 0], ['id', Number.NaN], ['id', undefined]])('refuses a label with id %o at %o', (id, at) => {
    expect(() => labelJoin<number>().label(id as never, 1, at as never)).toThrow(expect.objectContaining({ code: 'ERR_OUTRIGGER_INVALID_OPTION' }))
  })
})
