import { pipe, predictor } from 'outrigger'
import { mapInput, mapOutput } from 'outrigger/compose'
import { declared, defineSchema } from 'outrigger/schema'
import { expect, it } from 'vitest'

const km = defineSchema({ km: { type: 'number' }, passenger: { type: 'string', tags: ['pii'] } })
const hours = defineSchema({ hours: { type: 'number' } })
interface Flight {
  readonly km: number
  readonly passenger: string
}
const flight: Flight = { km: 1600, passenger: 'Ada' }

it('declared says what records have of inputs and outputs that maps have made', async () => {
  const bare = pipe(predictor((x: number) => x / 800), mapInput((row: Flight) => row.km), mapOutput((x: number) => ({ hours: x })))
  expect((await bare.detailed(flight)).record).toMatchObject({ input: undefined, output: undefined })
  const predict = pipe(bare, declared({ input: km, output: hours }))
  for (const record of [(await predict.detailed(flight)).record, (await predict.detailedBatch([flight]))[0]!.record]) {
    expect(record).toMatchObject({ input: { km: 1600 }, output: { hours: 2 } })
    expect(JSON.stringify(record)).not.toContain('Ada')
    expect(record.schema).toEqual({ input: expect.stringMatching(/^[0-9a-f]{16}$/), output: expect.stringMatching(/^[0-9a-f]{16}$/) })
  }
})

it('declared keeps what is declared inside where it says nothing', async () => {
  const inner = predictor((_: Flight) => ({ hours: 2 }), { input: km, output: hours })
  expect((await pipe(inner, declared({ output: defineSchema({ minutes: { type: 'number' } }) })).detailed(flight)).record).toMatchObject({ input: { km: 1600 }, output: {} })
  expect((await pipe(inner, declared({ input: hours })).detailed(flight)).record).toMatchObject({ input: {}, output: { hours: 2 } })
})

it('declared refuses to say nothing', () => {
  expect(() => declared({})).toThrow(/needs `input`, `output` or both/)
  expect(() => declared({ inputs: km } as never)).toThrow(/no option `inputs`/)
})
