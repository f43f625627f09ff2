import { InferenceSession, Tensor } from 'onnxruntime-node'
import { mlpLayers, mlpPredict, onnxAffine, onnxIdentity, onnxLarge, onnxMlp, onnxModel, onnxSlow, seededRandom } from 'outrigger/testing'
import { describe, expect, it } from 'vitest'

type Feeds = Record<string, Tensor>

/** Runs a model once, in a session of its own. */
const run = async (model: Uint8Array, feeds: Feeds): Promise<Record<string, Tensor>> => {
  const session = await InferenceSession.create(model, { intraOpNumThreads: 1, logSeverityLevel: 3 })
  try {
    return (await session.run(feeds)) as Record<string, Tensor>
  } finally {
    await session.release()
  }
}
const floats = (values: readonly number[], shape: readonly number[]): Tensor => new Tensor('float32', Float32Array.from(values), shape)

describe('onnxMlp', () => {
  it('agrees with plain numbers to 1e-6, row by row', async () => {
    const random = seededRandom('mlp')
    const layers = mlpLayers([784, 128, 10], random)
    const data = Float32Array.from({ length: 4 * 784 }, () => random.next())
    const { y } = await run(onnxMlp(layers), { x: new Tensor('float32', data, [4, 784]) })
    expect(y?.dims).toEqual([4, 10])
    for (let row = 0; row < 4; row += 1) {
      mlpPredict(layers, data.subarray(row * 784, (row + 1) * 784)).forEach((expected, at) => expect(Math.abs(Number(y?.data[row * 10 + at]) - expected)).toBeLessThanOrEqual(1e-6))
    }
  })

  it('has a fixed batch dimension where one is asked for', async () => {
    const model = onnxMlp(mlpLayers([2, 3], seededRandom(1)), { batch: 2 })
    await expect(run(model, { x: floats([1, 2, 3, 4], [2, 2]) })).resolves.toMatchObject({ y: { dims: [2, 3] } })
    await expect(run(model, { x: floats([1, 2], [1, 2]) })).rejects.toThrow(/invalid dimensions/)
  })
})

describe('the other models', () => {
  it('onnxAffine answers what can be worked out by hand, and NaN where its weights are', async () => {
    await expect(run(onnxAffine([[1, 2], [3, 4]], [0.5, -0.5]), { x: floats([1, 10], [1, 2]) })).resolves.toMatchObject({ y: { data: new Float32Array([31.5, 41.5]) } })
    await expect(run(onnxAffine([[NaN]], [0]), { x: floats([1], [1, 1]) })).resolves.toMatchObject({ y: { data: new Float32Array([NaN]) } })
  })

  it('onnxLarge has the size that is asked for, and answers quickly', async () => {
    const model = onnxLarge(25_000_000, 7)
    expect(Math.abs(model.length - 25_000_000)).toBeLessThan(500)
    await expect(run(model, { x: floats([1, -2], [2, 1]) })).resolves.toMatchObject({ y: { data: new Float32Array([8, 5]) } })
  })

  it('onnxSlow computes and gives back what it was given', async () => {
    await expect(run(onnxSlow({ products: 3, size: 64 }), { x: floats([1, -2], [2, 1]) })).resolves.toMatchObject({ y: { data: new Float32Array([1, -2]) } })
  })

  it('onnxIdentity takes every type', async () => {
    const given: Feeds = {
      float16: new Tensor('float16', Uint16Array.of(0x3c00), [1]),
      float32: floats([1.5], [1]),
      float64: new Tensor('float64', Float64Array.of(1.1), [1]),
      int8: new Tensor('int8', Int8Array.of(-8), [1]),
      uint8: new Tensor('uint8', Uint8Array.of(8), [1]),
      int16: new Tensor('int16', Int16Array.of(-16), [1]),
      uint16: new Tensor('uint16', Uint16Array.of(16), [1]),
      int32: new Tensor('int32', Int32Array.of(-32), [1]),
      uint32: new Tensor('uint32', Uint32Array.of(32), [1]),
      int64: new Tensor('int64', BigInt64Array.of(-(2n ** 62n)), [1]),
      uint64: new Tensor('uint64', BigUint64Array.of(2n ** 63n), [1]),
      bool: new Tensor('bool', Uint8Array.of(1), [1]),
      string: new Tensor('string', ['Zürich'], [1]),
    }
    const names = Object.keys(given) as (keyof typeof given & 'float32')[]
    const taken = await run(onnxIdentity(names.map((name) => ({ name, dtype: name, shape: ['N'] }))), given)
    for (const name of names) expect(taken[`${name}_out`]?.data).toEqual(given[name]?.data)
  })
})

describe('onnxModel', () => {
  it('writes weights of every kind, and attributes', async () => {
    const model = onnxModel({
      nodes: [
        { op: 'Concat', inputs: ['text', 'more'], outputs: ['joined'], attributes: { axis: 0n } },
        { op: 'Constant', inputs: [], outputs: ['other'], attributes: { value_floats: [-4] } },
        { op: 'Where', inputs: ['flags', 'x', 'other'], outputs: ['chosen'] },
        { op: 'LeakyRelu', inputs: ['chosen'], outputs: ['leaky'], attributes: { alpha: 0.25 } },
        { op: 'Transpose', inputs: ['leaky'], outputs: ['turned'], attributes: { perm: [1n, 0n] } },
      ],
      inputs: [{ name: 'text', dtype: 'string', shape: [null] }, { name: 'x', dtype: 'float32', shape: [1, 2] }],
      outputs: [{ name: 'joined', dtype: 'string', shape: [null] }, { name: 'turned', dtype: 'float32', shape: [2, 1] }],
      weights: {
        more: { dtype: 'string', shape: [2], data: ['b', ''] },
        flags: { dtype: 'bool', shape: [1, 2], data: Uint8Array.of(1, 0) },
      },
    })
    const { joined, turned } = await run(model, { text: new Tensor('string', ['a'], [1]), x: floats([3, 3], [1, 2]) })
    expect(joined?.data).toEqual(['a', 'b', ''])
    expect(turned).toMatchObject({ dims: [2, 1], data: Float32Array.of(3, -1) })
  })

  it('leaves the elements of a weight to another file', async () => {
    const model = onnxModel({
      nodes: [{ op: 'Add', inputs: ['x', 'w'], outputs: ['y'] }],
      inputs: [{ name: 'x', dtype: 'float32', shape: ['N', 1] }],
      outputs: [{ name: 'y', dtype: 'float32', shape: ['N', 1] }],
      weights: { w: { dtype: 'float32', shape: [1], external: { location: 'model.onnx.data', offset: 4, length: 4 } } },
    })
    const session = await InferenceSession.create(model, { externalData: [{ path: 'model.onnx.data', data: new Uint8Array(Float32Array.of(1, 5).buffer) }] })
    await expect(session.run({ x: floats([1], [1, 1]) })).resolves.toMatchObject({ y: { data: Float32Array.of(6) } })
    await session.release()
  })

  it('refuses a weight whose shape says something else', () => {
    expect(() => onnxModel({ nodes: [], inputs: [], outputs: [], weights: { w: { dtype: 'float32', shape: [2], data: Float32Array.of(1) } } })).toThrow(/must have 2 elements.*current value is 1/)
  })
})
