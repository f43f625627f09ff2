/** A release from beginning to end: signed, gated, tried by a canary, swapped under traffic, rolled back. The models are ONNX, in workers. */
import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { hasCode, owned, pipe, timeout } from 'outrigger'
import { isolated, modelLoader, modelStore, onnx, signManifest, type ModelLoader } from 'outrigger/models'
import { split } from 'outrigger/route'
import { onnxAffine } from 'outrigger/testing'

const { privateKey, publicKey } = generateKeyPairSync('ed25519')
const path = await mkdtemp(join(tmpdir(), 'models-'))
const store = modelStore({ path, by: 'training' })

/** A fare for kilometres, and what it promises to answer. */
const publish = async (perKm: number, promised = perKm): Promise<number> => {
  const { version } = await store.publish({
    name: 'fare',
    engine: 'onnx',
    files: { 'model.onnx': onnxAffine([[perKm]], [3]) },
    golden: [{ input: [10], output: 10 * promised + 3 }],
    sign: (manifest) => signManifest(manifest, privateKey),
  })
  return version
}

const engine = isolated(onnx({ output: ([fare]) => fare ?? Number.NaN }), { isolate: 'worker' })
const follow = (alias: string): ModelLoader<number[], number> =>
  modelLoader({ store, name: 'fare', follow: alias, engines: [engine], trust: { require: 'signature', keys: [publicKey] }, requireGolden: true, keepWarm: 1 }) as ModelLoader<number[], number>

// ---- version 1 serves
await store.setAlias('fare', 'champion', await publish(2), { expect: null })
await store.setAlias('fare', 'candidate', 1, { expect: null })
const champion = follow('champion')
const candidate = follow('candidate')
await Promise.all([champion.whenReady(), candidate.whenReady()])
const release = split({ name: 'release', variants: { champion: owned(champion), candidate: owned(candidate) }, weights: { champion: 1, candidate: 0 } })
const predict = pipe(owned(release), timeout({ ms: 5_000 }))

// ---- sixteen clients who never stop
const answers = new Map<string, number>()
const failures: unknown[] = []
let isServing = true
const clients = Array.from({ length: 16 }, async (_, client) => {
  for (let call = 0; isServing; call += 1) {
    try {
      const { output, record } = await predict.detailed([10], { key: `${client}-${call}` })
      const expected = { 1: 23, 2: 28, 4: 33 }[record.identity.version]
      if (output !== expected) failures.push(new Error(`version ${record.identity.version} answered ${output}`))
      answers.set(`${record.variants.at(-1)?.variant}@${record.identity.version}`, (answers.get(`${record.variants.at(-1)?.variant}@${record.identity.version}`) ?? 0) + 1)
    } catch (error) {
      failures.push(error)
    }
  }
})
const until = async (arm: string): Promise<void> => {
  while ((answers.get(arm) ?? 0) < 50) await new Promise((resolve) => setImmediate(resolve))
}
await until('champion@1')

// ---- version 2: a canary, then the champion
await publish(2.5)
await store.setAlias('fare', 'candidate', 2, { expect: 1, by: 'ann' })
await candidate.refresh()
release.setWeights({ champion: 0.8, candidate: 0.2 })
await until('candidate@2')
await store.setAlias('fare', 'champion', 2, { expect: 1, by: 'ann', reason: 'the canary answered well' })
await champion.refresh()
release.setWeights({ champion: 1, candidate: 0 })
await until('champion@2')

// ---- version 3 does not answer as it was published with, and answers nobody
await store.setAlias('fare', 'candidate', await publish(2.6, 2.7), { expect: 2 })
const refused = await candidate.refresh().catch((error: unknown) => error)
assert.ok(hasCode(refused, 'ERR_OUTRIGGER_MODEL_REFUSED'))

// ---- version 4 passes, and is taken back: version 2 is still warm, so nothing is loaded
await store.setAlias('fare', 'champion', await publish(3), { expect: 2 })
await champion.refresh()
await until('champion@4')
const since = performance.now()
await store.rollback('fare', 'champion', { expect: 4, by: 'on call', reason: 'fares too high' })
await champion.refresh()
const rollbackMs = performance.now() - since
assert.equal(champion.identity.version, '2')
const served2 = answers.get('champion@2') ?? 0
while ((answers.get('champion@2') ?? 0) <= served2) await new Promise((resolve) => setImmediate(resolve))

isServing = false
await Promise.all(clients)
assert.deepEqual(failures, [])
assert.equal(engine.stats().crashes, 0)
const trail: string[] = []
for await (const line of store.audit('fare')) if (line.ok && 'alias' in line.change) trail.push(`${line.change.by}: ${line.change.alias} ${line.change.from} → ${line.change.to}`)
assert.equal(trail.at(-1), 'on call: champion 4 → 2')
console.log(`${[...answers].map(([arm, count]) => `${arm} ${count}`).join(', ')}; none failed; rolled back in ${rollbackMs.toFixed(1)} ms.`)
console.log(trail.join('\n'))
await predict.close()
await rm(path, { recursive: true })
