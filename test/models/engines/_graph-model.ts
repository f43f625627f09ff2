/** A graph model written by hand: y = x · kernel + bias, as the TensorFlow converter would write it. */
export const graphModelFiles = (kernel: readonly (readonly number[])[], bias: readonly number[]): Record<string, Uint8Array | string> => {
  const rows = kernel.length
  const columns = bias.length
  const float = { type: 'DT_FLOAT' }
  const shape = (...sizes: number[]): object => ({ shape: { dim: sizes.map((size) => ({ size: String(size) })) } })
  const constant = (name: string, ...sizes: number[]): object =>
    ({ name, op: 'Const', attr: { dtype: float, value: { tensor: { dtype: 'DT_FLOAT', tensorShape: { dim: sizes.map((size) => ({ size: String(size) })) } } } } })
  const info = (name: string, ...sizes: number[]): object => ({ name: `${name}:0`, dtype: 'DT_FLOAT', tensorShape: { dim: sizes.map((size) => ({ size: String(size) })) } })
  const json = {
    format: 'graph-model',
    generatedBy: '2.9.0',
    convertedBy: 'by hand',
    signature: { inputs: { x: info('x', -1, rows) }, outputs: { y: info('y', -1, columns) } },
    modelTopology: {
      node: [
        { name: 'x', op: 'Placeholder', attr: { dtype: float, shape: shape(-1, rows) } },
        constant('kernel', rows, columns),
        constant('bias', columns),
        { name: 'product', op: 'MatMul', input: ['x', 'kernel'], attr: { T: float, transpose_a: { b: false }, transpose_b: { b: false } } },
        { name: 'y', op: 'BiasAdd', input: ['product', 'bias'], attr: { T: float, data_format: { s: 'TkhXQw==' } } },
      ],
      library: {},
      versions: { producer: 987 },
    },
    weightsManifest: [{ paths: ['weights.bin'], weights: [{ name: 'kernel', shape: [rows, columns], dtype: 'float32' }, { name: 'bias', shape: [columns], dtype: 'float32' }] }],
  }
  return { 'model.json': JSON.stringify(json), 'weights.bin': new Uint8Array(Float32Array.from([...kernel.flat(), ...bias]).buffer) }
}
