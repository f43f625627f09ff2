import { hedge } from 'outrigger/resilience'
import { fallback, pipe, predictor, retry, timeout } from 'outrigger'
import { mapInput, mapOutput } from 'outrigger/compose'
import { cached } from 'outrigger/cache'
import { microBatched } from 'outrigger/batch'
import { checkpoint } from 'outrigger/debug'
import { defineSchema } from 'outrigger/schema'
import { describe, expect, it } from 'vitest'

const row = defineSchema({ km: { type: 'number' }, passenger: { type: 'string', tags: ['PII'] } })
const hours = defineSchema({ hours: { type: 'number' } })
interface Flight {
  readonly km: number
  readonly passenger: string
}
const flight = (km: number): Flight => ({ km, passenger: 'Ada' })
const note = (name: string, side: 'input' | 'output', value: object) => ({ name, side, value })

describe('checkpoint', () => {
  it('notes the allowed fields of what passes, in the order in which it passes', async () => {
    const predict = pipe(
      ({ km }: Flight) => km / 800,
      checkpoint('model', { input: row, output: hours }),
      mapOutput((x: number) => Math.round(x)),
      mapInput(({ km, passenger }: Flight) => ({ km: km + 1, passenger })),
      checkpoint('whole', { input: row, output: hours }),
    )
    const { record } = await predict.detailed(flight(1999))
    expect(record.checkpoints).toEqual([
      note('whole', 'input', { km: 1999 }),
      note('model', 'input', { km: 2000 }),
      note('model', 'output', { hours: 2.5 }),
      note('whole', 'output', { hours: 3 }),
    ])
    expect(JSON.stringify(record)).not.toContain('Ada')
    expect(Object.isFrozen(record.checkpoints) && Object.isFrozen(record.checkpoints[0])).toBe(true)
  })

  it('notes each row of a batch for itself, and no output of a row that failed', async () => {
    const model = ({ km }: Flight): number => {
      if (km < 0) throw new Error('no such distance')
      return km
    }
    const predict = pipe(model, checkpoint('model', { input: row, output: hours }))
    const rows = await predict.detailedBatch([flight(1), flight(-1), flight(3)])
    expect(rows.map(({ record }) => record.checkpoints)).toEqual([
      [note('model', 'input', { km: 1 }), note('model', 'output', { hours: 1 })],
      [note('model', 'input', { km: -1 })],
      [note('model', 'input', { km: 3 }), note('model', 'output', { hours: 3 })],
    ])
  })

  it('is heard from inside of layers that ask under a call of their own', async () => {
    const inside = (layer: never) => pipe(predictor(({ km }: Flight) => km), checkpoint('model', { output: hours }), layer) as ReturnType<typeof predictor<Flight, number>>
    for (const layer of [retry({ retries: 1 }), timeout({ ms: 60_000 }), cached(), hedge(), microBatched(), fallback(() => 0)]) {
      const predict = pipe(inside(layer as never), checkpoint('outside', { input: row, output: hours }))
      const one = await predict.detailed(flight(5))
      const [many] = await predict.detailedBatch([flight(7)])
      for (const [record, km] of [[one.record, 5], [many!.record, 7]] as const) {
        expect(record.checkpoints, predict.describe()).toEqual([note('outside', 'input', { km }), note('model', 'output', { hours: km }), note('outside', 'output', { hours: km })])
      }
      await predict.close()
    }
  })

  it('passes again with each attempt, and keeps at most 64', async () => {
    let asked = 0
    const predict = pipe(
      predictor((_: Flight) => {
        asked += 1
        if (asked % 3 !== 0) throw new Error('not yet')
        return 1
      }),
      checkpoint('model', { input: row, output: hours }),
      retry({ retries: 2, minDelayMs: 0, maxDelayMs: 0 }),
    )
    const { record } = await predict.detailed(flight(5))
    expect(record.checkpoints.map(({ side }) => side)).toEqual(['input', 'input', 'input', 'output'])

    let outer = predictor((_: Flight) => 1)
    for (let layer = 1; layer <= 40; layer += 1) {
      outer = pipe(outer, checkpoint('more', { input: row, output: hours }))
      expect((await outer.detailed(flight(1))).record.checkpoints).toHaveLength(Math.min(2 * layer, 64))
    }
  })

  it('costs nothing while nobody records: no getter of the input is read', async () => {
    let reads = 0
    const watched = {
      get km() {
        reads += 1
        return 1
      },
      passenger: 'Ada',
    }
    const predict = pipe(() => 1, checkpoint('model', { input: row, output: hours }))
    await predict(watched as never)
    await predict.batch([watched as never])
    expect(reads).toBe(0)
    await predict.detailed(watched as never)
    expect(reads).toBeGreaterThan(0)
  })

  it('notes no stream', async () => {
    const predict = pipe(async function* () {
      yield 1
    }, checkpoint('model', { output: hours }))
    const { output, record } = await predict.detailed(undefined)
    expect(record.checkpoints).toEqual([])
    const parts = []
    for await (const part of output as AsyncIterable<number>) parts.push(part)
    expect(parts).toEqual([1])
  })

  it('refuses to note nothing, and names that are none', () => {
    expect(() => checkpoint('x', {})).toThrow(/needs `input`, `output` or both/)
    expect(() => checkpoint('', { input: row })).toThrow(/name/)
    expect(() => checkpoint('x', { inputs: row } as never)).toThrow(/no option `inputs`/)
  })

  it('describes itself by its name', () => {
    expect(pipe(() => 1, checkpoint('model', { output: hours })).describe()).toContain('checkpoint model')
  })
})
