/**
 * What the fields of inputs and outputs are: types, ranges, categories, tags.
 *
 * Use it to say which fields may enter records. It does not check inputs yet; see the roadmap.
 */
export { defineSchema } from './schema.js'
export type { Field, FieldType, Schema } from './schema.js'
export type { DType, Tensor, TensorArrays, Tensors } from './tensor.js'
