/** Rows of any type and shape, spelled in any way, some of them wrong: each comes out of an engine that changes nothing as it went in. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { isRowFailure } from '../../../src/core/rows.js'
import { fromFloat16 } from '../../../src/schema/float16.js'
import type { DType } from '../../../src/schema/tensor.js'
import { call, echo, specOf } from './_echo-engine.js'

const numbers: Readonly<Record<Exclude<DType, 'string' | 'bool' | 'int64' | 'uint64'>, fc.Arbitrary<number>>> = {
  float16: fc.integer({ min: 0, max: 0xffff }).filter((bits) => (bits & 0x7c00) !== 0x7c00).map(fromFloat16),
  float32: fc.float({ noDefaultInfinity: false }), float64: fc.double(),
  int8: fc.integer({ min: -128, max: 127 }), uint8: fc.integer({ min: 0, max: 255 }), int16: fc.integer({ min: -(2 ** 15), max: 2 ** 15 - 1 }), uint16: fc.integer({ min: 0, max: 2 ** 16 - 1 }),
  int32: fc.integer(), uint32: fc.integer({ min: 0, max: 2 ** 32 - 1 }),
}
const values: Readonly<Record<DType, fc.Arbitrary<unknown>>> = { ...numbers, string: fc.string(), bool: fc.boolean(), int64: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }), uint64: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }) }
const arrays = { float32: Float32Array, float64: Float64Array, int8: Int8Array, uint8: Uint8Array, int16: Int16Array, uint16: Uint16Array, int32: Int32Array, uint32: Uint32Array, int64: BigInt64Array, uint64: BigUint64Array } as const

/** What comes out for a value: booleans as numbers, 64-bit integers as numbers where they are safe. */
const outOf = (value: unknown): unknown => (typeof value === 'boolean' ? Number(value) : typeof value === 'bigint' && Number.isSafeInteger(Number(value)) ? Number(value) : value)

const nested = (flat: readonly unknown[], sizes: readonly number[]): unknown => {
  if (sizes.length === 0) return flat[0]
  const [size = 0, ...rest] = sizes
  const step = flat.length / size
  return Array.from({ length: size }, (_, index) => nested(flat.slice(index * step, (index + 1) * step), rest))
}

type Spelling = 'flat' | 'nested' | 'typed' | 'named'
const spelled = (flat: readonly unknown[], sizes: readonly number[], dtype: DType, spelling: Spelling): unknown => {
  if (spelling === 'nested') return nested(flat, sizes)
  if (spelling === 'typed' && dtype in arrays) return new (arrays[dtype as keyof typeof arrays] as new (values: readonly never[]) => unknown)(flat as never[])
  return spelling === 'named' ? { x: nested(flat, sizes), other: 1 } : sizes.length === 0 ? flat[0] : flat
}

const cases = fc.record({ dtype: fc.constantFrom(...(Object.keys(values) as DType[])), dims: fc.array(fc.record({ size: fc.integer({ min: 1, max: 3 }), free: fc.boolean() }), { maxLength: 3 }), batch: fc.option(fc.integer({ min: 1, max: 3 }), { nil: null }) })
  .chain(({ dtype, dims, batch }) => {
    const free = dims.filter((dim) => dim.free).length
    const row = fc.tuple(fc.array(fc.integer({ min: 1, max: 3 }), { minLength: 3, maxLength: 3 }), fc.boolean()).chain(([sizesOfFree, isBad]) => {
      const sizes = dims.map(({ size, free: open }, at) => (open ? (sizesOfFree[at] as number) : size))
      const length = sizes.reduce((product, size) => product * size, 1)
      // Where several sizes are free, a flat row does not say them.
      const spellings: readonly Spelling[] = free > 1 ? ['nested', 'named'] : ['flat', 'nested', 'typed', 'named']
      return fc.record({ flat: fc.array(values[dtype], { minLength: length, maxLength: length }), sizes: fc.constant(sizes), spelling: fc.constantFrom(...spellings), isBad: fc.constant(isBad) })
    })
    return fc.record({ dtype: fc.constant(dtype), shape: fc.constant([batch, ...dims.map(({ size, free: open }) => (open ? null : size))]), rows: fc.array(row, { maxLength: 6 }) })
  })

describe('tensorEngine', () => {
  it('gives each row its own, whatever its type, shape and spelling, and fails those alone that are wrong', async () => {
    await fc.assert(fc.asyncProperty(cases, async ({ dtype, shape, rows: all }) => {
      const { rows, engine } = await echo([specOf(dtype, shape)])
      const inputs = all.map(({ flat, sizes, spelling, isBad }) => (isBad ? [{ bad: 1 }, ['b'], ['a']] : spelled(flat, sizes, dtype, spelling)))
      const outcomes = await rows.predictBatch(inputs as never, call)
      outcomes.forEach((outcome, at) => {
        const { flat, isBad } = all[at] as (typeof all)[number]
        if (isBad) expect(isRowFailure(outcome) && (outcome.error as { code: string }).code).toBe('ERR_OUTRIGGER_INVALID_INPUT')
        else expect(outcome).toEqual(flat.map(outOf))
      })
      const [batch] = shape
      for (const { x } of engine.runs) if (typeof batch === 'number') expect(x?.shape[0]).toBe(batch)
      const alone = all.find(({ isBad }) => !isBad)
      if (alone !== undefined) expect(await rows.predict(spelled(alone.flat, alone.sizes, dtype, alone.spelling) as never, call)).toEqual(alone.flat.map(outOf))
    }), { numRuns: 500 })
  })
})
