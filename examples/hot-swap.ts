/** A version is replaced while clients call; a wrong one is refused and answers nobody. */
import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { hasCode } from 'outrigger'
import { modelLoader, modelStore } from 'outrigger/models'

const path = await mkdtemp(join(tmpdir(), 'models-'))
const store = modelStore({ path })
const publish = (factor: number, promised = factor): Promise<unknown> => store.publish({ name: 'scale', engine: 'function', files: { 'factor.json': String(factor) }, golden: [{ input: 1, output: promised }] })
await publish(2)
await store.setAlias('scale', 'champion', 1)

const scale = modelLoader({
  store,
  name: 'scale',
  follow: 'champion',
  load: (files) => {
    const factor = files.json('factor.json') as number
    return async (x: number) => x * factor
  },
})
await scale.whenReady()

let isServing = true
const answers: number[] = []
const clients = Array.from({ length: 16 }, async () => {
  while (isServing) {
    answers.push(await scale(10))
    await new Promise((resolve) => setImmediate(resolve))
  }
})
await publish(3)
await store.setAlias('scale', 'champion', 2, { expect: 1 })
await scale.refresh()
await publish(4, 5) // does not answer as it was published
const refused = await scale.use(3).catch((error: unknown) => error)
isServing = false
await Promise.all(clients)

assert.ok(hasCode(refused, 'ERR_OUTRIGGER_MODEL_REFUSED'))
assert.deepEqual([...new Set(answers)].sort(), [20, 30])
assert.equal(await scale(10), 30)
console.log(`${answers.length} calls, none failed; refused: ${(refused as Error).message}`)
await scale.close()
await rm(path, { recursive: true })
