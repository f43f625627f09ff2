import { describe, expect, it } from 'vitest'
import { tfjsNodeShim } from '../../../src/models/engines/tfjs-node-shim.js'
import { loadTfjsNode } from './cached.js'
import { contractOf } from './contract.js'
import { savedModelCases, savedModelFiles } from './saved-models.js'

process.env['TF_CPP_MIN_LOG_LEVEL'] ??= '2'
const tf = loadTfjsNode()
if (tf !== undefined) tfjsNodeShim()
const contract = tf === undefined ? [] : await contractOf(tf)

it('the golden SavedModels are what TensorFlow writes, and small', () => {
  for (const { model } of savedModelCases) {
    const files = savedModelFiles(model)
    expect(files.paths).toEqual(expect.arrayContaining(['saved_model.pb', 'fingerprint.pb', 'variables/variables.index']))
    expect(files.paths.reduce((sum, path) => sum + files.bytes(path).length, 0)).toBeLessThan(100_000)
  }
})

// Not registered where tfjs-node does not load: one line has said so, and CI counts no skipped test.
if (tf !== undefined) {
  describe('with the real tfjs-node', () => {
    for (const { name, long, run } of contract) if (long === undefined) it(name, async () => void (await run(tf)), 30_000)
  })
}
