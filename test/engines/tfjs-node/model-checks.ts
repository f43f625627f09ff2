/** Layers and graph models on the real tfjs-node. */
import { strict as assert } from 'node:assert'
import type { ContractCheck } from './contract.js'

interface Native { readonly binding: { readonly TF_Version: string } }

export const modelChecks: readonly ContractCheck[] = [
  {
    name: 'it computes in TensorFlow',
    run: async (tf) => {
      const { binding } = tf.backend() as unknown as Native
      assert.equal(tf.getBackend(), 'tensorflow')
      assert.deepEqual([...tf.tidy(() => tf.matMul(tf.tensor2d([[1, 2]]), tf.tensor2d([[3], [4]])).dataSync())], [11])
      return `tfjs-node ${(tf.version as Record<string, string>)['tfjs-node']}, backend tensorflow, libtensorflow ${binding.TF_Version}`
    },
  },
]
