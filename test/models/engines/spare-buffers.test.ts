import { ModelFiles, tensorEngine, type EngineObject, type ModelVersion, type TensorCall, type TensorRow } from 'outrigger/models'
import type { Tensors } from 'outrigger/schema'
import { seededRandom } from 'outrigger/testing'
import { describe, expect, it } from 'vitest'

const width = 1024
const call: TensorCall = { signal: new AbortController().signal, remainingMs: () => Infinity, isIdempotent: true }
const row = (value: number): Float32Array => new Float32Array(width).fill(value)

/** An engine that keeps hold of what it was given, and answers when the test says so. */
const watched = async (takesInputs = false) => {
  const seen: Float32Array[] = []
  const answers: { resolve: () => void; reject: (error: Error) => void }[] = []
  let waits = false
  const engine = tensorEngine({
    name: 'watched',
    takesInputs,
    load: async () => ({
      describe: () => ({ signature: { inputs: [{ name: 'x', dtype: 'float32', shape: [null, width] }], outputs: [{ name: 'y', dtype: 'float32', shape: [null] }] } }),
      run: async ({ x }: Tensors) => {
        const data = x?.data as Float32Array
        seen.push(data)
        if (waits) await new Promise<void>((resolve, reject) => answers.push({ resolve, reject }))
        const rows = data.length / width
        return { y: { dtype: 'float32', shape: [rows], data: Float32Array.from({ length: rows }, (_, at) => data.subarray(at * width, (at + 1) * width).reduce((sum, value) => sum + value, 0) / width) } }
      },
      dispose: () => {},
    }),
  })
  const model = (await engine.load(new ModelFiles('m@1', new Map()), {} as ModelVersion)) as Required<EngineObject<TensorRow, number[]>>
  return { seen, answers, batch: (...rows: TensorRow[]) => model.predictBatch(rows, call as never), one: (input: TensorRow) => model.predict(input, call as never), wait: () => (waits = true) }
}

describe('the buffer of a batch', () => {
  it('serves the next one, whole or in part, and holds nothing of the last', async () => {
    const { seen, batch } = await watched()
    await expect(batch(...Array.from({ length: 32 }, (_, at) => row(at)))).resolves.toEqual(Array.from({ length: 32 }, (_, at) => [at]))
    await expect(batch(row(7), [1], row(8), { x: 'no' })).resolves.toMatchObject([[7], { error: { code: 'ERR_OUTRIGGER_INVALID_INPUT' } }, [8], { error: { code: 'ERR_OUTRIGGER_INVALID_INPUT' } }])
    await expect(batch(...Array.from({ length: 32 }, () => row(3)))).resolves.toEqual(Array.from({ length: 32 }, () => [3]))
    expect(seen[1]).toHaveLength(2 * width)
    expect(new Set(seen.map(({ buffer }) => buffer)).size).toBe(1)
    await batch(...Array.from({ length: 33 }, () => row(3)))
    expect(new Set(seen.map(({ buffer }) => buffer)).size).toBe(2)
  })

  it('is no other run\'s while this one lasts', async () => {
    const { seen, answers, batch, wait } = await watched()
    await batch(...Array.from({ length: 8 }, () => row(0)))
    wait()
    const runs = [1, 2, 3].map((value) => batch(...Array.from({ length: 8 }, () => row(value))))
    await Promise.resolve()
    expect(new Set(seen.slice(1).map(({ buffer }) => buffer)).size).toBe(3)
    for (const { resolve } of answers) resolve()
    expect((await Promise.all(runs)).map(([first]) => first)).toEqual([[1], [2], [3]])
  })

  it('is never that of a caller, nor of a run that failed, nor of an engine that keeps its inputs', async () => {
    const { seen, answers, batch, one, wait } = await watched()
    const mine = new Float32Array(16 * width).subarray(0, width).fill(5)
    await one(mine)
    expect(seen[0]).toBe(mine)
    await batch(...Array.from({ length: 8 }, () => row(1)))
    expect(seen[1]?.buffer).not.toBe(mine.buffer)
    expect(mine).toEqual(row(5))
    wait()
    const failing = batch(...Array.from({ length: 8 }, () => row(2)))
    await Promise.resolve()
    answers[0]?.reject(new Error('down'))
    await failing
    const next = batch(...Array.from({ length: 8 }, () => row(3)))
    await Promise.resolve()
    answers[1]?.resolve()
    await next
    expect(seen[3]?.buffer).not.toBe(seen[2]?.buffer)

    const keeping = await watched(true)
    for (const value of [1, 2]) await keeping.batch(...Array.from({ length: 8 }, () => row(value)))
    expect(keeping.seen[0]?.buffer).not.toBe(keeping.seen[1]?.buffer)
  })

  it('changes no answer, whatever comes at once', async () => {
    const random = seededRandom('buffers')
    const { batch } = await watched()
    for (let round = 0; round < 60; round += 1) {
      await Promise.all(Array.from({ length: 1 + random.integer(3) }, async () => {
        const values = Array.from({ length: 1 + random.integer(40) }, () => random.integer(100))
        expect(await batch(...values.map((value) => (random.integer(5) === 0 ? Array.from(row(value)) : row(value))))).toEqual(values.map((value) => [value]))
      }))
    }
  })
})
