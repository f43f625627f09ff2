/** The types of what is made of several models: what all of them take, and what any of them gives. */
import type { RowFailure } from './rows.js'

/** Any model: a function, an object or a predictor. */
export type AnyModel = ((...args: never) => unknown) | { predict(...args: never): unknown } | { predictBatch(...args: never): unknown }

/** What all of these models take. */
export type InputOf<M> = (M extends { predict(input: infer I, ...rest: never[]): unknown } ? (input: I) => void : M extends { predictBatch(inputs: readonly (infer I)[], ...rest: never[]): unknown } ? (input: I) => void : M extends (input: infer I, ...rest: never[]) => unknown ? (input: I) => void : never) extends (input: infer I) => void
  ? I
  : never

/** What any of these models gives. */
export type OutputOf<M> = M extends { predict(...args: never[]): infer O } ? Awaited<O> : M extends { predictBatch(...args: never[]): infer O } ? (Awaited<O> extends ArrayLike<infer E> ? Exclude<E, RowFailure> : never) : M extends (...args: never[]) => infer O ? Awaited<O> : never
