/** Tensors as plain data: what goes into an engine and comes out of it, whichever engine it is. */

/** The types of a tensor's elements. */
export type DType = 'float16' | 'float32' | 'float64' | 'int8' | 'uint8' | 'int16' | 'uint16' | 'int32' | 'uint32' | 'int64' | 'uint64' | 'bool' | 'string'

/** The array that holds the elements of each type. `bool` is 0 or 1; `float16` is its bits. */
export interface TensorArrays {
  readonly float16: Uint16Array
  readonly float32: Float32Array
  readonly float64: Float64Array
  readonly int8: Int8Array
  readonly uint8: Uint8Array
  readonly int16: Int16Array
  readonly uint16: Uint16Array
  readonly int32: Int32Array
  readonly uint32: Uint32Array
  readonly int64: BigInt64Array
  readonly uint64: BigUint64Array
  readonly bool: Uint8Array
  readonly string: string[]
}

/** A tensor: its elements flat in row-major order, and its shape. */
export type Tensor = { readonly [D in DType]: { readonly dtype: D; readonly shape: readonly number[]; readonly data: TensorArrays[D] } }[DType]

/** Tensors by name. */
export type Tensors = Readonly<Record<string, Tensor>>
