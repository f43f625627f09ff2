/** The models of the servers in these tests, in plain numbers. */
import type { DType, Tensor, Tensors } from 'outrigger/schema'

/** `-1` is a free size. */
export interface ServedTensor { readonly dtype: DType; readonly shape: readonly number[] }

export interface ServedModel {
  readonly inputs: Readonly<Record<string, ServedTensor>>
  readonly outputs: Readonly<Record<string, ServedTensor>>
  run(inputs: Tensors): Tensors
}

const float = (...shape: number[]): ServedTensor => ({ dtype: 'float32', shape })
const tensor = (shape: readonly number[], data: Iterable<number>): Tensor => ({ dtype: 'float32', shape, data: Float32Array.from(data) })
const numbers = (inputs: Tensors, name: string): Float32Array => inputs[name]?.data as Float32Array
const rowsOf = (inputs: Tensors, name: string): number => inputs[name]?.shape[0] as number

const affine = (batch: number): ServedModel => ({
  inputs: { x: float(batch, 3) },
  outputs: { y: float(batch, 2) },
  run: (inputs) => {
    const x = numbers(inputs, 'x')
    const count = rowsOf(inputs, 'x')
    return { y: tensor([count, 2], Array.from({ length: count }, (_, row) => [0, 1].map((column) => [0, 1, 2].reduce((sum, at) => sum + (x[row * 3 + at] as number) * (2 * at + column + 1), column === 0 ? 0.5 : -0.5))).flat()) }
  },
})

const identity = (dtype: DType): ServedModel => ({ inputs: { x: { dtype, shape: [-1, 2] } }, outputs: { y: { dtype, shape: [-1, 2] } }, run: ({ x }) => ({ y: x as Tensor }) })

const types: readonly DType[] = ['float16', 'float32', 'float64', 'int8', 'uint8', 'int16', 'uint16', 'int32', 'uint32', 'int64', 'uint64', 'bool', 'string']

/** `sum` and the others of `http.test.ts`; those that the suite for engines wants. */
export const servedModels: Readonly<Record<string, ServedModel>> = {
  sum: {
    inputs: { x: float(-1, 2) },
    outputs: { y: float(-1, 2) },
    run: (inputs) => {
      const x = numbers(inputs, 'x')
      return { y: tensor([rowsOf(inputs, 'x'), 2], x.map((value, at) => (at % 2 === 0 ? value + (x[at + 1] as number) : (x[at - 1] as number) - value))) }
    },
  },
  pair: {
    inputs: { a: { dtype: 'int64', shape: [-1] }, b: { dtype: 'string', shape: [-1, 2, 1] } },
    outputs: { a_out: { dtype: 'int64', shape: [-1] }, b_out: { dtype: 'string', shape: [-1, 2, 1] } },
    run: ({ a, b }) => ({ a_out: a as Tensor, b_out: b as Tensor }),
  },
  affine: affine(-1),
  fixedBatch: affine(4),
  twoByTwo: {
    inputs: { a: float(-1, 2), b: float(-1, 2) },
    outputs: { sum: float(-1, 2), difference: float(-1, 2) },
    run: (inputs) => {
      const [a, b] = [numbers(inputs, 'a'), numbers(inputs, 'b')]
      const shape = [rowsOf(inputs, 'a'), 2]
      return { sum: tensor(shape, a.map((value, at) => value + (b[at] as number))), difference: tensor(shape, a.map((value, at) => value - (b[at] as number))) }
    },
  },
  sequence: {
    inputs: { x: float(-1, -1, 2) },
    outputs: { y: float(-1, 2) },
    run: (inputs) => {
      const x = numbers(inputs, 'x')
      const [count = 0, length = 0] = inputs['x']?.shape ?? []
      const sum = (row: number, column: number): number => Array.from({ length }, (_, step) => x[(row * length + step) * 2 + column] as number).reduce((total, value) => total + value, 0)
      return { y: tensor([count, 2], Array.from({ length: count }, (_, row) => [sum(row, 0), sum(row, 1)]).flat()) }
    },
  },
  ...Object.fromEntries(types.map((dtype) => [`identity-${dtype}`, identity(dtype)])),
}

/** Gives back every input `a` as `a_out`, whatever it is. */
export const echo = (inputs: Tensors): Tensors => Object.fromEntries(Object.entries(inputs).map(([name, one]) => [`${name}_out`, one]))
