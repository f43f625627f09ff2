import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { InferenceSession, Tensor } from 'onnxruntime-node'
import { modelStore } from 'outrigger/models'
import { onnxAffine } from 'outrigger/testing'
import { expect, it } from 'vitest'
import { temporaryFolder } from '../temporary.js'

it('an ONNX file with one flipped bit in a weight, which onnxruntime loads without a word, is refused', async () => {
  const answer = async (bytes: Uint8Array): Promise<number> => {
    const session = await InferenceSession.create(bytes, { logSeverityLevel: 3 })
    const { y } = await session.run({ x: new Tensor('float32', [1], [1, 1]) })
    await session.release()
    return Number(y?.data[0])
  }
  const intact = onnxAffine([[1234.5]], [0])
  const weight = Buffer.from(Float32Array.of(1234.5).buffer)
  const damaged = Buffer.from(intact)
  const at = damaged.indexOf(weight)
  expect(at).toBeGreaterThan(0)
  damaged[at + 2] = (damaged[at + 2] as number) ^ 1
  expect(await answer(intact)).toBe(1234.5)
  expect(await answer(damaged)).not.toBe(1234.5) // loaded, and wrong

  const path = await temporaryFolder()
  const store = modelStore({ path })
  const { manifest } = await store.publish({ name: 'fare', engine: 'onnx', files: { 'model.onnx': intact } })
  const blob = join(path, 'blobs', `sha256-${manifest.files[0]?.sha256}`)
  expect(Buffer.compare(await readFile(blob), intact)).toBe(0)
  await writeFile(blob, damaged)
  await expect(store.open('fare@1')).rejects.toMatchObject({ code: 'ERR_OUTRIGGER_MODEL_CORRUPT' })
})
