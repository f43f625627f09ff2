import { expect, test } from 'vitest'
import { pipe } from 'outrigger'
import { bulkhead } from 'outrigger/resilience'
import { cached } from 'outrigger/cache'

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

test('cached works on a copy of the input, as the caller who began the work may leave and use its buffer again', async () => {
  const seen: (readonly number[] | undefined)[] = []
  const model = async (row: Float32Array & { readonly shape?: readonly number[] }): Promise<number> => {
    await turn()
    seen.push(row.shape)
    return row[0] as number
  }
  const predict = pipe(model, bulkhead({ concurrency: 1, queue: 5 }), cached())
  const shaped = (value: number): Float32Array & { shape: readonly number[] } => Object.assign(Float32Array.of(value), { shape: [1, 1] })
  const first = predict(shaped(9))
  const mine = shaped(1)
  const controller = new AbortController()
  const left = predict(mine, { signal: controller.signal }).catch(() => 'left')
  const other = predict(shaped(1))
  const row = shaped(2)
  const batch = predict.batch([row])
  controller.abort()
  expect(await left).toBe('left')
  mine[0] = 77
  row[0] = 88
  expect([await first, await other, await batch]).toEqual([9, 1, [2]])
  expect(await predict(shaped(1))).toBe(1)
  expect(seen).toEqual([[1, 1], [1, 1], [1, 1]])
})
