/**
 * What the fields of inputs and outputs are: types, ranges, categories, tags.
 *
 * Use it to say which fields may enter records, and what they may hold: `validated` of `outrigger/quality` checks it.
 */
export { declared } from './declared.js'
export type { DeclaredOptions } from './declared.js'
export { defineSchema } from './schema.js'
export type { Field, FieldType, Schema } from './schema.js'
export type { InferInput, InferOutput, StandardIssue, StandardResult, StandardSchema } from './standard-schema.js'
export type { DType, Tensor, TensorArrays, Tensors } from './tensor.js'
