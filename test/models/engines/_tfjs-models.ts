/** The models of `engineConformance` in the formats of TensorFlow.js, made with whichever `tf` runs them. */
import type * as tfjs from '@tensorflow/tfjs'
import { tfjsFiles } from 'outrigger/models'
import type { EngineTestModels } from 'outrigger/testing'
import { graphFiles, graphModelFiles } from './_graph-model.js'

const kernel = [[1, 2], [3, 4], [5, 6]]
const bias = [0.5, -0.5]

export const layersModels = async (tf: typeof tfjs): Promise<EngineTestModels> => {
  const saved = async (model: tfjs.LayersModel): Promise<Record<string, Uint8Array | string>> => {
    const files = await tfjsFiles(model)
    model.dispose()
    return files
  }
  const affine = async (batch?: number): Promise<Record<string, Uint8Array | string>> => {
    const x = batch === undefined ? tf.input({ shape: [3], name: 'x' }) : tf.input({ batchShape: [batch, 3], name: 'x' })
    const dense = tf.layers.dense({ units: 2, name: 'y' })
    const model = tf.model({ inputs: x, outputs: dense.apply(x) as tfjs.SymbolicTensor })
    tf.tidy(() => dense.setWeights([tf.tensor2d(kernel), tf.tensor1d(bias)]))
    return await saved(model)
  }
  const [a, b] = [tf.input({ shape: [2], name: 'a' }), tf.input({ shape: [2], name: 'b' })]
  const minus = tf.layers.dense({ units: 2, name: 'difference', useBias: false })
  const twoByTwo = tf.model({ inputs: [a, b], outputs: [tf.layers.add({ name: 'sum' }).apply([a, b]) as tfjs.SymbolicTensor, minus.apply(tf.layers.concatenate().apply([a, b]) as tfjs.SymbolicTensor) as tfjs.SymbolicTensor] })
  tf.tidy(() => minus.setWeights([tf.tensor2d([[1, 0], [0, 1], [-1, 0], [0, -1]])]))
  const x = tf.input({ shape: [null, 2], name: 'x' })
  const sum = tf.layers.simpleRNN({ units: 2, activation: 'linear', kernelInitializer: 'identity', recurrentInitializer: 'identity', useBias: false, name: 'y' })
  const flat = tf.input({ shape: [2], name: 'x' })
  return {
    affine: await affine(),
    fixedBatch: await affine(4),
    twoByTwo: await saved(twoByTwo),
    sequence: await saved(tf.model({ inputs: x, outputs: sum.apply(x) as tfjs.SymbolicTensor })),
    identity: { float32: await saved(tf.model({ inputs: flat, outputs: tf.layers.activation({ activation: 'linear', name: 'y' }).apply(flat) as tfjs.SymbolicTensor })) },
  }
}

export const graphModels = {
  affine: graphModelFiles(kernel, bias),
  fixedBatch: graphModelFiles(kernel, bias, 4),
  twoByTwo: graphFiles({
    inputs: [{ name: 'a', dtype: 'float32', shape: [null, 2] }, { name: 'b', dtype: 'float32', shape: [null, 2], node: 'serving_b' }],
    outputs: [{ name: 'sum', dtype: 'float32', shape: [null, 2], node: 'Identity' }, { name: 'difference', dtype: 'float32', shape: [null, 2], node: 'Identity_1' }],
    nodes: [{ name: 'Identity', op: 'AddV2', input: ['a', 'serving_b'] }, { name: 'Identity_1', op: 'Sub', input: ['a', 'serving_b'] }],
  }),
  sequence: graphFiles({
    inputs: [{ name: 'x', dtype: 'float32', shape: [null, null, 2] }],
    outputs: [{ name: 'y', dtype: 'float32', shape: [null, 2] }],
    nodes: [{ name: 'y', op: 'Sum', input: ['x', 'axis'], attr: { keep_dims: { b: false } } }],
    weights: [{ name: 'axis', dtype: 'int32', shape: [1], values: [1] }],
  }),
  identity: Object.fromEntries((['float32', 'int32', 'bool', 'string'] as const).map((dtype) => [dtype, graphFiles({ inputs: [{ name: 'x', dtype, shape: [null, 2] }], outputs: [{ name: 'y', dtype, shape: [null, 2] }], nodes: [{ name: 'y', op: 'Identity', input: ['x'] }] })])),
} satisfies EngineTestModels
