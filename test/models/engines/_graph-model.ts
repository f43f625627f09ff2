/** Graph models written by hand, as the TensorFlow converter would write them. */

type Size = number | null
type Type = 'float32' | 'int32' | 'bool' | 'string'
interface Value { readonly name: string; readonly dtype: Type; readonly shape: readonly Size[]; readonly node?: string }
interface Weight { readonly name: string; readonly dtype: 'float32' | 'int32' | 'bool'; readonly shape: readonly number[]; readonly values: readonly number[] }
interface Node { readonly name: string; readonly op: string; readonly input: readonly string[]; readonly attr?: object }

const types = { float32: 'DT_FLOAT', int32: 'DT_INT32', bool: 'DT_BOOL', string: 'DT_STRING' } as const
const dims = (shape: readonly Size[]): object[] => shape.map((size) => ({ size: String(size ?? -1) }))

/** A graph of nodes between placeholders and outputs. */
export const graphFiles = (graph: { readonly inputs: readonly Value[]; readonly outputs: readonly Value[]; readonly nodes: readonly Node[]; readonly weights?: readonly Weight[] }): Record<string, Uint8Array | string> => {
  const { inputs, outputs, nodes, weights = [] } = graph
  const infos = (values: readonly Value[]): object => Object.fromEntries(values.map(({ name, dtype, shape, node = name }) => [name, { name: `${node}:0`, dtype: types[dtype], tensorShape: { dim: dims(shape) } }]))
  const json = {
    format: 'graph-model',
    generatedBy: '2.9.0',
    convertedBy: 'by hand',
    signature: { inputs: infos(inputs), outputs: infos(outputs) },
    modelTopology: {
      node: [
        ...inputs.map(({ name, node = name, dtype, shape }) => ({ name: node, op: 'Placeholder', attr: { dtype: { type: types[dtype] }, shape: { shape: { dim: dims(shape) } } } })),
        ...weights.map(({ name, dtype, shape }) => ({ name, op: 'Const', attr: { dtype: { type: types[dtype] }, value: { tensor: { dtype: types[dtype], tensorShape: { dim: dims(shape) } } } } })),
        ...nodes.map((node) => ({ ...node, attr: { T: { type: types[inputs[0]?.dtype ?? 'float32'] }, ...node.attr } })),
      ],
      library: {},
      versions: { producer: 987 },
    },
    weightsManifest: [{ paths: ['weights.bin'], weights: weights.map(({ name, dtype, shape }) => ({ name, dtype, shape })) }],
  }
  const parts = weights.map(({ dtype, values }) => Buffer.from((dtype === 'float32' ? Float32Array : dtype === 'int32' ? Int32Array : Uint8Array).from(values).buffer))
  return { 'model.json': JSON.stringify(json), 'weights.bin': new Uint8Array(Buffer.concat(parts)) }
}

/** y = x · kernel + bias. */
export const graphModelFiles = (kernel: readonly (readonly number[])[], bias: readonly number[], batch: Size = null): Record<string, Uint8Array | string> =>
  graphFiles({
    inputs: [{ name: 'x', dtype: 'float32', shape: [batch, kernel.length] }],
    outputs: [{ name: 'y', dtype: 'float32', shape: [batch, bias.length] }],
    nodes: [
      { name: 'product', op: 'MatMul', input: ['x', 'kernel'], attr: { transpose_a: { b: false }, transpose_b: { b: false } } },
      { name: 'y', op: 'BiasAdd', input: ['product', 'bias'], attr: { data_format: { s: 'TkhXQw==' } } },
    ],
    weights: [{ name: 'kernel', dtype: 'float32', shape: [kernel.length, bias.length], values: kernel.flat() }, { name: 'bias', dtype: 'float32', shape: [bias.length], values: bias }],
  })

/** y = x + 1 or x - 1, as a weight says: with control flow, which only `executeAsync` runs. */
export const controlFlowFiles = (isMore: boolean): Record<string, Uint8Array | string> =>
  graphFiles({
    inputs: [{ name: 'x', dtype: 'float32', shape: [null, 2] }],
    outputs: [{ name: 'y', dtype: 'float32', shape: [null, 2] }],
    nodes: [
      { name: 'way', op: 'Switch', input: ['x', 'more'] },
      { name: 'less', op: 'Sub', input: ['way', 'one'] },
      { name: 'greater', op: 'AddV2', input: ['way:1', 'one'] },
      { name: 'y', op: 'Merge', input: ['less', 'greater'] },
    ],
    weights: [{ name: 'more', dtype: 'bool', shape: [], values: [Number(isMore)] }, { name: 'one', dtype: 'float32', shape: [], values: [1] }],
  })
