import { inspect } from 'node:util'
import { describe, expect, it } from 'vitest'
import { pipe, predictor, type PredictionRecord } from 'outrigger'
import { layer, type Masked } from 'outrigger/core'
import { askForGuarded, guardedOf } from '../../src/core/guarded.js'

const input = { fields: { km: { type: 'number' }, user: { type: 'string', tags: ['key'] }, mail: { type: 'string', tags: ['key', 'pii'] } } }
const predict = predictor((row: { km: number; user: string; mail: string }) => row.km * 2, { input })
const row = { km: 3, user: 'SECRET-user', mail: 'SECRET-mail' }

describe('what a record leaves out', () => {
  it('is kept for the writer while one asks, and is nowhere on the record', async () => {
    const stop = askForGuarded()
    const { record } = await predict.detailed(row, { key: 'SECRET-key' })
    stop()
    expect(guardedOf(record)).toEqual({ key: 'SECRET-key', fields: { user: 'SECRET-user' } })
    expect(inspect(record, { depth: null, showHidden: true }) + JSON.stringify(record)).not.toContain('SECRET')
  })

  it('is not kept while no writer asks', async () => {
    const stop = askForGuarded()
    const stopOther = askForGuarded()
    stop()
    expect(guardedOf((await predict.detailed(row, { key: 'k' })).record)?.key).toBe('k')
    stopOther()
    expect(guardedOf((await predict.detailed(row, { key: 'k' })).record)).toBeUndefined()
  })
})

describe('PredictionRecord', () => {
  it('has the span, the checkpoints and the ids of the schemas', async () => {
    const noted = pipe(
      predict,
      layer('noting', {
        one: async (next, given: typeof row, call) => {
          call.note().trace = { traceId: 'a'.repeat(32), spanId: 'b'.repeat(16) }
          call.note().checkpoints = [{ name: 'in', side: 'input', value: { km: given.km } as unknown as Masked }]
          return await next(given, call)
        },
      }),
    )
    const records: PredictionRecord[] = []
    noted.observe((event) => void (event.type === 'prediction' && records.push(event.record)))
    await noted(row)
    expect(records[0]?.trace).toEqual({ traceId: 'a'.repeat(32), spanId: 'b'.repeat(16) })
    expect(records[0]?.checkpoints).toEqual([{ name: 'in', side: 'input', value: { km: 3 } }])
    expect(Object.isFrozen(records[0]?.checkpoints)).toBe(true)
    expect(records[0]?.schema?.input).toMatch(/^[0-9a-f]{16}$/)
    expect(records[0]?.schema?.output).toBeUndefined()
    expect((await predictor((x: number) => x).detailed(1)).record).toMatchObject({ schema: undefined, trace: undefined, checkpoints: [] })
  })
})
