import { describe, expect, it } from 'vitest'
import { predictor } from 'outrigger'
import { defineSchema } from 'outrigger/schema'

describe('defineSchema', () => {
  it('keeps the fields in order, frozen', () => {
    const schema = defineSchema({ b: { type: 'number' }, a: { type: 'category', categories: ['x'] } })
    expect(Object.keys(schema.fields)).toEqual(['b', 'a'])
    expect([Object.isFrozen(schema), Object.isFrozen(schema.fields)]).toEqual([true, true])
  })

  it('is what masking goes by: later changes of what was passed in change nothing', async () => {
    const fields: Record<string, { type: 'string'; tags?: string[] }> = { open: { type: 'string' }, name: { type: 'string', tags: ['pii'] } }
    const predict = predictor((row: Record<string, string>) => row['open'], { input: defineSchema(fields) })
    fields['name']!.tags = []
    delete fields['open']
    expect({ ...(await predict.detailed({ open: 'yes', name: 'Ada' })).record.input }).toEqual({ open: 'yes' })
  })

  it.each([
    ['no fields', undefined],
    ['a field without a type', { a: {} }],
    ['a field of an unknown type', { a: { type: 'float' } }],
    ['an unknown property', { a: { type: 'number', maximum: 1 } }],
    ['a tag that is no list, which would guard nothing', { a: { type: 'string', tags: 'pii' } }],
    ['a tag that is no string', { a: { type: 'string', tags: [7] } }],
    ['a limit that is no number', { a: { type: 'number', min: Number.NaN } }],
    ['a lower limit above the upper one', { a: { type: 'number', min: 2, max: 1 } }],
    ['categories of what is no category, which would guard nothing', { a: { type: 'string', categories: ['x'] } }],
    ['categories that are no list', { a: { type: 'category', categories: 'x' } }],
  ])('refuses %s', (_, fields) => {
    expect(() => defineSchema(fields as never)).toThrow(expect.objectContaining({ code: 'ERR_OUTRIGGER_INVALID_OPTION' }))
  })
})
